/** To somebody who is asked into a project, whether he has an account or not. */
import type { MailContent } from '../layout.ts';
import type { LinkTo, TokenValues } from '../templates.ts';

export interface ProjectInvitationValues extends TokenValues {
  /** The project's name. */
  readonly project: string;
}

export const projectInvitation = (
  { token, expiresAt, project }: ProjectInvitationValues,
  linkTo: LinkTo,
): MailContent => ({
  subject: 'You are invited to a project',
  paragraphs: [
    `You are invited to the project “${project}”.`,
    'Sign in with this address, or open an account with it, to accept.',
  ],
  action: { label: 'Accept the invitation', link: linkTo('accept-invitation', token), code: token, expiresAt },
  closing: ['If you expected no invitation, do nothing.'],
});
