/** To somebody who opened an account: is the address his? Names nothing that he typed, as another may have typed it. */
import type { MailContent } from '../layout.ts';
import type { LinkTo, TokenValues } from '../templates.ts';

export const verification = ({ token, expiresAt }: TokenValues, linkTo: LinkTo): MailContent => ({
  subject: 'Confirm your address',
  paragraphs: [
    'An account was opened with this address. Please confirm that the address is yours.',
    'The password of the account is asked for, unless you are signed in.',
  ],
  action: { label: 'Confirm the address', link: linkTo('verify-email', token), code: token, expiresAt },
  closing: ['If it was not you, do nothing: without your confirmation the address is nobody’s.'],
});
