/** To the address that an account has, when another one is wanted for it: the owner may have to act. */
import type { MailContent } from '../layout.ts';

export const addressChanging = ({ newEmail }: { readonly newEmail: string }): MailContent => ({
  subject: 'Your account is to get another address',
  paragraphs: [
    `Somebody who is signed in to your account wants to use the address ${newEmail} for it.`,
    'It changes when that address is confirmed.',
  ],
  closing: [
    'If it was not you, set a new password now: it signs everybody out, and the new address can no longer be confirmed.',
  ],
});
