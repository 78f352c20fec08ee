/** To an address that somebody wants for his account: is it his? */
import type { MailContent } from '../layout.ts';
import type { LinkTo, TokenValues } from '../templates.ts';

export const newAddress = ({ token, expiresAt }: TokenValues, linkTo: LinkTo): MailContent => ({
  subject: 'Confirm your new address',
  paragraphs: [
    'Somebody wants to use this address for his account. Please confirm that the address is yours.',
    'Until then the account keeps its old one. Its password is asked for, unless you are signed in.',
  ],
  action: { label: 'Use this address', link: linkTo('verify-email', token), code: token, expiresAt },
  closing: ['If it was not you, do nothing.'],
});
