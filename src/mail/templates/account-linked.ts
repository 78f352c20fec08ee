/** To the owner of an account that tokens of another issuer open as well from now on. */
import type { MailContent } from '../layout.ts';

export const accountLinked = ({ issuer }: { readonly issuer: string }): MailContent => ({
  subject: 'Another sign-in leads to your account',
  paragraphs: [
    `Somebody signed in at ${issuer}, which says that this address is his. That sign-in leads to the account with this address from now on.`,
  ],
  closing: ['If it was not you, set a new password now: that ends the sign-in as well.'],
});
