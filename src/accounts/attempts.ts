/**
 * How often a password may be tried, counted before it is compared with anything: so many times an account, wherever they
 * come from, and so many times an address, whomever they are about. What was right does not count. And how often an address
 * may ask for what costs a mail or a hash: account mails, and accounts. Codes of a second factor are counted likewise.
 *
 * Somebody who tries another's password uses up that account's attempts, but not its owner's: from a network where the
 * account is signed in, and from a session of its own, there are as many beside them. A known network is told by the account's
 * live sessions; what is tried there counts for the address as well, or who knows of many accounts there would have as many times more.
 *
 * The counts are in the metadata database, whatever else there is: they hold over replicas and restarts, and when they
 * cannot be asked nobody could be signed in either. An address of IPv6 stands for its /64.
 */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { type AuditAction, record } from '../audit/audit.ts';
import { createLimiter, type Limiter } from '../db/limiter.ts';
import type { Executor } from '../db/metadata.ts';
import { encodeId, uuidv7 } from '../lib/ids.ts';
import { networkOf } from '../lib/network.ts';
import { rateLimited } from '../lib/rates.ts';
import { emailKeyOf } from './email.ts';
import type { Caller } from './viewer.ts';

export const attemptWindowSeconds = 15 * 60;

/**
 * Wrong codes of one second factor in 15 minutes: ten in all, so that with three codes right at a time one in 33,333 is
 * guessed. Each place has its own of them: whoever knows the password alone uses up none of those that its owner has in his
 * sessions, and where he is signed in from.
 */
export const wrongCodes = { codeElsewhere: 4, codeKnown: 3, codeSession: 3 } as const;

export interface AttemptLimits {
  /** In 15 minutes; 0 for no limit. */
  readonly perAccount: number;
  /** In 15 minutes, of addresses that none of the accounts was signed in from; 0 for no limit. */
  readonly perAddress: number;
  /** Accounts that one address may ask for in 15 minutes, whether it gets them; 0 for no limit. */
  readonly registrations: number;
}

export interface Tried {
  /** As it was typed: one that is nobody's counts, too, or the difference would show. */
  readonly email: string;
  readonly userId: string | null;
  readonly caller: Caller;
}

export interface CodeTried {
  readonly userId: string;
  readonly caller: Caller;
}

export interface Attempt {
  /** It was right. */
  giveBack(): Promise<void>;
  /** What is compared; gives back what ended by the server's own trouble, and nothing to who has left. */
  compare(comparison: Promise<boolean>, signal: AbortSignal | undefined): Promise<boolean>;
}

export interface Attempts {
  /** Takes one attempt; the first refusal of a window is in the audit. @throws AppError RATE_LIMITED */
  take(tried: Tried): Promise<Attempt>;
  /** Takes one of the codes that may be wrong, by who knows the password. Refused and recorded as by `take`. @throws AppError RATE_LIMITED */
  takeCode(tried: CodeTried): Promise<Pick<Attempt, 'giveBack'>>;
  /**
   * Takes one of the account mails that an address may ask for without signing in, whomever they are for; their number is
   * that of its passwords. The first refusal of a window is in the audit. @throws AppError RATE_LIMITED
   */
  takeMail(caller: Caller): Promise<void>;
  /** Takes one of the accounts that an address may ask for, as `takeMail` does. @throws AppError RATE_LIMITED */
  takeRegistration(caller: Caller): Promise<void>;
}

export interface AttemptsDeps {
  readonly pool: pg.Pool;
  readonly limits: AttemptLimits;
}

/** Of what was not let in, in the words of the audit. */
type Kind = 'account' | 'address' | 'known' | 'mail' | 'registration' | keyof typeof wrongCodes;

interface Told {
  readonly action: AuditAction;
  readonly message: string;
  /** For the client, beside how long it has to wait. */
  readonly details?: Readonly<Record<string, unknown>>;
}
const signIn: Told = { action: 'user.login_limited', message: 'Too many attempts to sign in' };
const code: Told = {
  action: 'user.login_limited',
  message: 'Too many wrong codes',
  details: { secondFactor: 'TOTP' },
};
const told: Readonly<Record<Kind, Told>> = {
  account: signIn,
  address: signIn,
  known: signIn,
  codeElsewhere: code,
  codeKnown: code,
  codeSession: code,
  mail: { action: 'user.login_limited', message: 'Too many mails were asked for' },
  registration: { action: 'user.registration_limited', message: 'Too many accounts were asked for' },
};

const networkFor = ({ ipAddress }: Caller): string => (ipAddress === null ? 'none' : networkOf(ipAddress));

export function createAttempts({ pool, limits }: AttemptsDeps): Attempts {
  const limiterOf = (kind: Kind, points: number) =>
    createLimiter({ pool, name: `password.${kind}`, points, windowSeconds: attemptWindowSeconds });
  const limiters: Record<Kind, Limiter> = {
    account: limiterOf('account', limits.perAccount),
    address: limiterOf('address', limits.perAddress),
    known: limiterOf('known', limits.perAccount),
    mail: limiterOf('mail', limits.perAddress),
    registration: limiterOf('registration', limits.registrations),
    codeElsewhere: limiterOf('codeElsewhere', wrongCodes.codeElsewhere),
    codeKnown: limiterOf('codeKnown', wrongCodes.codeKnown),
    codeSession: limiterOf('codeSession', wrongCodes.codeSession),
  };

  /** Whether the account is signed in from its network; asked for nobody as well, so that it takes as long. */
  async function isKnown({ userId, caller }: Pick<Tried, 'userId' | 'caller'>): Promise<boolean> {
    const { rows } = await pool.query<{ address: string }>(
      `SELECT DISTINCT ip_address AS address FROM sessions
       WHERE user_id = $1 AND ip_address IS NOT NULL AND revoked_at IS NULL AND expires_at > now()`,
      [userId ?? uuidv7()],
    );
    const { ipAddress } = caller;
    return ipAddress !== null && rows.some(({ address }) => networkOf(address) === networkOf(ipAddress));
  }

  async function consume(kind: Kind, key: string, { userId, caller }: Pick<Tried, 'userId' | 'caller'>): Promise<void> {
    const exceeded = await limiters[kind].take(key);
    if (!exceeded) return;
    const { action, message, details } = told[kind];
    if (exceeded.first) {
      const subject = userId && encodeId('User', userId);
      await record(pool, { actorId: null, action, subject, outcome: 'refused', caller, details: { limit: kind } });
    }
    throw rateLimited(exceeded.waitMs, message, details);
  }

  return {
    takeMail: (caller) => consume('mail', networkFor(caller), { userId: null, caller }),

    takeRegistration: (caller) => consume('registration', networkFor(caller), { userId: null, caller }),

    async takeCode(tried) {
      const { userId, caller } = tried;
      const known = async () => ((await isKnown(tried)) ? 'codeKnown' : 'codeElsewhere');
      const kind = caller.userId === userId ? 'codeSession' : await known();
      await consume(kind, userId, tried);
      return { giveBack: () => limiters[kind].giveBack(userId) };
    },

    async take(tried) {
      const { email, userId, caller } = tried;
      const network = networkFor(caller);
      // No address is kept, and none is too long for a key.
      const account = createHash('sha256').update(emailKeyOf(email)).digest('base64url');
      const inSession = userId !== null && caller.userId === userId;
      const keys: [Kind, string][] = [];
      if (inSession) keys.push(['known', `${userId} session`]);
      else if (await isKnown(tried)) keys.push(['known', `${userId} ${network}`], ['address', network]);
      else keys.push(['address', network], ['account', account]);
      for (const [kind, key] of keys) await consume(kind, key, tried);
      const giveBack = async () => {
        await Promise.all(keys.map(([kind, key]) => limiters[kind].giveBack(key)));
      };
      return {
        giveBack,
        async compare(comparison, signal) {
          try {
            return await comparison;
          } catch (error) {
            if (!signal?.aborted) await giveBack();
            throw error;
          }
        },
      };
    },
  };
}

/** So long they stay beyond their end: the clocks of servers and database may differ. */
const keptMs = 3_600_000;

/** @returns a duty of the janitor: how many counts that are over it took away, whatever limits there are */
export const createAttemptSweeper =
  ({ pool }: { pool: Executor }) =>
  async (): Promise<number> => {
    const { rowCount } = await pool.query(
      'DELETE FROM rate_limits WHERE expire < extract(epoch FROM now()) * 1000 - $1::bigint',
      [keptMs],
    );
    return rowCount ?? 0;
  };
