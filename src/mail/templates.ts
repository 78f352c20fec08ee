/** The mails that there are: one file and one line each. */
import type { MailContent } from './layout.ts';
import { accountExists } from './templates/account-exists.ts';
import { accountInvitation } from './templates/account-invitation.ts';
import { accountLinked } from './templates/account-linked.ts';
import { addressChanging } from './templates/address-changing.ts';
import { newAddress } from './templates/new-address.ts';
import { passwordChanged } from './templates/password-changed.ts';
import { passwordReset } from './templates/password-reset.ts';
import { projectInvitation } from './templates/project-invitation.ts';
import { secondFactorChanged } from './templates/second-factor-changed.ts';
import { verification } from './templates/verification.ts';

/** Links of a page of this server, by its public address and nothing that a request says. */
export type LinkTo = (page: string, token: string) => string;

export interface TokenValues {
  /** The one-time token of its link. */
  readonly token: string;
  readonly expiresAt: Date;
}

export const templates = {
  accountExists,
  accountLinked,
  addressChanging,
  newAddress,
  passwordChanged,
  accountInvitation,
  passwordReset,
  projectInvitation,
  secondFactorChanged,
  verification,
} as const satisfies Record<string, (values: never, linkTo: LinkTo) => MailContent>;

export type TemplateName = keyof typeof templates;
export type ValuesOf<Name extends TemplateName> = Parameters<(typeof templates)[Name]>[0];
