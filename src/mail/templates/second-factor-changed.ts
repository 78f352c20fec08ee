/** To the owner of an account whose second factor was switched on or off: by him, by an administrator, or by a password that was set by mail. */
import type { MailContent } from '../layout.ts';

export type FactorChange = 'enabled' | 'disabled' | 'reset' | 'outlived';

const contents: Readonly<Record<FactorChange, MailContent>> = {
  enabled: {
    subject: 'Your second factor was switched on',
    paragraphs: ['The account with this address asks for a code of an authenticator from now on.'],
    closing: ['If it was not you, set a new password now, and ask an administrator to switch the second factor off.'],
  },
  disabled: {
    subject: 'Your second factor was switched off',
    paragraphs: ['The account with this address asks for its password alone from now on.'],
    closing: ['If it was not you, set a new password now.'],
  },
  reset: {
    subject: 'Your second factor was switched off',
    paragraphs: [
      'An administrator switched off the second factor of the account with this address.',
      'Your password is enough to sign in until you set another one up.',
    ],
    closing: ['If you did not ask for it, set a new password now.'],
  },
  outlived: {
    subject: 'Your second factor was switched off',
    paragraphs: [
      'A new password was set by mail for the account with this address, which nobody had confirmed before: its second factor, which anybody may have set up, is switched off.',
      'Your password is enough to sign in until you set another one up.',
    ],
    closing: ['If you did not ask for it, set a new password now.'],
  },
};

export const secondFactorChanged = ({ change }: { readonly change: FactorChange }): MailContent => contents[change];
