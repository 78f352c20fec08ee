/** To somebody for whom an administrator has kept a place. */
import type { MailContent } from '../layout.ts';
import type { LinkTo, TokenValues } from '../templates.ts';

export const accountInvitation = ({ token, expiresAt }: TokenValues, linkTo: LinkTo): MailContent => ({
  subject: 'You are invited',
  paragraphs: ['An administrator of this server invites you to open an account with this address.'],
  action: { label: 'Open an account', link: linkTo('register', token), code: token, expiresAt },
  closing: ['If you expected no invitation, do nothing.'],
});
