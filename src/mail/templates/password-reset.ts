/** To the owner of an account whose password somebody has forgotten. */
import type { MailContent } from '../layout.ts';
import type { LinkTo, TokenValues } from '../templates.ts';

export const passwordReset = ({ token, expiresAt }: TokenValues, linkTo: LinkTo): MailContent => ({
  subject: 'Set a new password',
  paragraphs: [
    'Somebody asked for a new password for the account with this address.',
    'A new password signs you out everywhere.',
  ],
  action: { label: 'Set a new password', link: linkTo('reset-password', token), code: token, expiresAt },
  closing: ['If it was not you, do nothing: your password stays as it is.'],
});
