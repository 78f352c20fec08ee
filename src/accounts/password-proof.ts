/** The password again, from somebody who has a session: for what would take the account along for good. */
import type pg from 'pg';
import { type AuditAction, record } from '../audit/audit.ts';
import { badInput } from '../lib/errors.ts';
import { encodeId } from '../lib/ids.ts';
import type { Attempts } from './attempts.ts';
import type { PasswordHasher } from './password-hasher.ts';
import { canBePassword } from './passwords.ts';
import type { Account } from './store.ts';
import type { Caller } from './viewer.ts';

/** What somebody typed as the password of an account. */
export interface Shown {
  readonly password: string | null;
  readonly caller: Caller;
  readonly signal: AbortSignal | undefined;
  /** What the audit calls it when that is wrong. */
  readonly failure: AuditAction;
}

export interface PasswordProof {
  /** Tried as at a sign-in, and counted there. @throws AppError BAD_USER_INPUT, RATE_LIMITED */
  require(account: Account, shown: Shown): Promise<void>;
}

export interface PasswordProofDeps {
  readonly pool: pg.Pool;
  readonly hasher: Pick<PasswordHasher, 'verify'>;
  readonly attempts: Pick<Attempts, 'take'>;
}

export const notItsPassword = () => badInput({ path: 'input.password', message: 'not the password of this account' });

export function createPasswordProof({ pool, hasher, attempts }: PasswordProofDeps): PasswordProof {
  return {
    async require({ id: userId, email, passwordHash }, { password, caller, signal, failure }) {
      const attempt = await attempts.take({ email, userId, caller });
      const possible = password !== null && canBePassword(password);
      const hash = (possible && passwordHash) || null;
      if (!(await attempt.compare(hasher.verify(possible ? password : '', hash, signal), signal))) {
        const subject = encodeId('User', userId);
        await record(pool, { actorId: userId, action: failure, subject, outcome: 'failure', caller });
        throw notItsPassword();
      }
      await attempt.giveBack();
    },
  };
}
