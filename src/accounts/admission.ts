/** Who may open an account, and how an invitation lets somebody in. What invitations there are is not this file's. */
import type { Executor } from '../db/metadata.ts';
import { badInput } from '../lib/errors.ts';
import type { UserRole } from './viewer.ts';

export const registrationModes = ['open', 'invite', 'closed'] as const;
export type RegistrationMode = (typeof registrationModes)[number];

export interface Admission {
  /**
   * Inside the transaction that opens the account; uses the token up.
   * @throws AppError BAD_USER_INPUT for a token that is not good
   */
  admit(client: Executor, invitation: { token: string; email: string }): Promise<Admitted>;
}

export interface Admitted {
  readonly role: UserRole;
  /** The token was mailed to this very address. */
  readonly verified: boolean;
}

/** Where there are none. */
export const noInvitations: Admission = {
  async admit() {
    throw badInput({ path: 'input.invitationToken', message: 'not an invitation of this server' });
  },
};
