/** To the owner of an account that has another password now. */
import type { MailContent } from '../layout.ts';

export const passwordChanged = (_values: Readonly<Record<never, never>>): MailContent => ({
  subject: 'Your password was changed',
  paragraphs: ['The account with this address has a new password, and its other sessions have ended.'],
  closing: ['If it was not you, ask for a new password now.'],
});
