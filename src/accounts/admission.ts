/** Who may open an account, and how an invitation lets somebody in. What invitations there are is not this file's. */
import type pg from 'pg';
import type { Caller, UserRole } from './viewer.ts';

export const registrationModes = ['open', 'invite', 'closed'] as const;
export type RegistrationMode = (typeof registrationModes)[number];

export interface Admission {
  /**
   * Inside the transaction that opens the account; uses the token up.
   * @throws AppError BAD_USER_INPUT for a token that is not good
   */
  admit(client: pg.PoolClient, invitation: { token: string; email: string }): Promise<Admitted>;
}

export interface Admitted {
  readonly role: UserRole;
  /** The token was mailed to this very address. */
  readonly verified: boolean;
  /** When the account is there, in the same transaction: what it was invited to besides. */
  welcome?(userId: string, caller: Caller): Promise<void>;
}
