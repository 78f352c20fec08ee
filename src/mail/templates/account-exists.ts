/** To the owner of an account whose address somebody tried to open another one with. The client is not told. */
import type { MailContent } from '../layout.ts';
import type { LinkTo, TokenValues } from '../templates.ts';

export const accountExists = ({ token, expiresAt }: TokenValues, linkTo: LinkTo): MailContent => ({
  subject: 'You have an account already',
  paragraphs: [
    'Somebody tried to use this address for an account, and there is one with it already: yours. Nothing has changed.',
    'If it was you, sign in. If you have forgotten the password, set a new one:',
  ],
  action: { label: 'Set a new password', link: linkTo('reset-password', token), code: token, expiresAt },
  closing: ['If it was not you, do nothing.'],
});
