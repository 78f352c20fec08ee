/** The second factor of an account: set up, confirmed, asked at sign-in, put down; and the codes for who lost it. */
import { generateSecret, generateURI } from 'otplib';
import type pg from 'pg';
import { type AuditAction, record } from '../../audit/audit.ts';
import { type Executor, transaction } from '../../db/metadata.ts';
import { AppError, badInput, notFound } from '../../lib/errors.ts';
import { encodeId } from '../../lib/ids.ts';
import { type Keyring, SealError } from '../../lib/keyring.ts';
import type { Outbox } from '../../mail/outbox.ts';
import type { FactorChange } from '../../mail/templates/second-factor-changed.ts';
import type { Attempt, Attempts } from '../attempts.ts';
import { notItsPassword, type PasswordProof } from '../password-proof.ts';
import { requireCan } from '../policy.ts';
import { findAccount } from '../store.ts';
import type { Caller, Viewer } from '../viewer.ts';
import { hashOfRecovery, newRecoveryCode, parseCode, recoveryCodes, stepOf } from './codes.ts';
import * as store from './store.ts';

/** Of a code that was asked for. */
export type Checked = 'passed' | 'missing' | 'wrong';

export interface FactorProof {
  readonly code: string;
  /** Of the account. */
  readonly password?: string | null | undefined;
}

export interface SecondFactors {
  /** A new secret, which counts for nothing until it is confirmed. @throws AppError CONFLICT where one is on */
  setUp(viewer: Viewer | null, label: string): Promise<{ secret: string; uri: string }>;
  /**
   * Switches it on. The codes are shown once. A session alone would shut the owner out, so it takes the password where the
   * account has one. Its code is no guess, as who shows it was told the secret, and counts nowhere.
   * @throws AppError CONFLICT, BAD_USER_INPUT for a wrong code or password, RATE_LIMITED
   */
  confirm(viewer: Viewer | null, shown: FactorProof, caller: Caller, signal?: AbortSignal): Promise<string[]>;
  /** Switches it off, by a code of either kind. @throws AppError CONFLICT, BAD_USER_INPUT, RATE_LIMITED */
  disable(viewer: Viewer | null, code: string, caller: Caller): Promise<void>;
  /**
   * Switches it off for who has lost it, by an administrator, and never his own. The user is mailed that it was.
   * @throws AppError FORBIDDEN, NOT_FOUND, CONFLICT where none is on
   */
  reset(viewer: Viewer | null, userId: string, caller: Caller): Promise<void>;
  /**
   * Before a sign-in's transaction, by who knows the password: takes one of the codes that may be wrong, to be given back for
   * one that is right. Null where nothing can be guessed: there is no factor, or it is a recovery code, whose 80 bits let its
   * owner in whatever others have tried. @throws AppError RATE_LIMITED
   */
  take(userId: string, code: string | null, caller: Caller): Promise<Pick<Attempt, 'giveBack'> | null>;
  /** At a sign-in, in its transaction, which has to be committed for one that passed: no code is good twice. */
  check(client: Executor, userId: string, code: string | null, caller: Caller): Promise<Checked>;
  /** Of these users those who have one. */
  withFactor(userIds: readonly string[]): Promise<Set<string>>;
}

export interface SecondFactorsDeps {
  readonly pool: pg.Pool;
  readonly keyring: Pick<Keyring, 'seal' | 'open'>;
  readonly outbox: Pick<Outbox, 'queue'>;
  readonly proof: PasswordProof;
  readonly attempts: Pick<Attempts, 'takeCode'>;
  readonly clock?: () => Date;
}

/** Why a sign-in stops at the second factor. */
export function refusalOf(checked: Exclude<Checked, 'passed'>): AppError {
  const message = checked === 'missing' ? 'A code of the second factor is needed' : 'The code is not right';
  return new AppError('UNAUTHENTICATED', message, { details: { secondFactor: 'TOTP' } });
}

export function createSecondFactors({
  pool,
  keyring,
  outbox,
  proof,
  attempts,
  clock = () => new Date(),
}: SecondFactorsDeps): SecondFactors {
  const wrong = () => badInput({ path: 'input.code', message: 'not right, or used before' });
  const off = () => new AppError('CONFLICT', 'There is no second factor: set one up first');

  const audited = (client: Executor, action: AuditAction, userId: string, caller: Caller, actorId = userId) =>
    record(client, { actorId, action, subject: encodeId('User', userId), outcome: 'success', caller });

  /** Whoever did it: its owner should know. */
  async function tell(client: Executor, userId: string, change: FactorChange): Promise<void> {
    const email = await store.addressOf(client, userId);
    if (email !== null) await outbox.queue(client, { to: email, template: 'secondFactorChanged', values: { change } });
  }

  function requireOwn(viewer: Viewer | null): Viewer {
    if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
    requireCan(viewer, 'user:edit-access', { kind: 'user', userId: viewer.userId, fellow: false });
    return viewer;
  }

  /** @throws AppError FORBIDDEN where the secret does not open: a recovery code needs none */
  function open(userId: string, { sealedSecret }: store.SecondFactor): string {
    try {
      return keyring.open(sealedSecret, store.boundTo(userId));
    } catch (cause) {
      if (!(cause instanceof SealError)) throw cause;
      const message = 'The second factor was sealed with a key that is not in MASTER_KEYS: use a recovery code';
      throw new AppError('FORBIDDEN', message, { cause });
    }
  }

  async function isRight(
    client: Executor,
    userId: string,
    factor: store.SecondFactor,
    { code, caller }: { code: string; caller: Caller },
  ): Promise<boolean> {
    const typed = parseCode(code);
    if (typed?.kind === 'recovery') {
      if (!(await store.useRecovery(client, userId, hashOfRecovery(typed.text)))) return false;
      await audited(client, 'second_factor.recovery_used', userId, caller);
      return true;
    }
    const after = factor.lastStep;
    const step = typed && (await stepOf(open(userId, factor), typed.text, { now: clock(), after }));
    if (step === null) return false;
    await store.noteStep(client, userId, step);
    return true;
  }

  async function take(userId: string, code: string | null, caller: Caller) {
    if (code === null || parseCode(code)?.kind !== 'totp') return null;
    if (!(await store.withFactor(pool, [userId])).has(userId)) return null;
    return await attempts.takeCode({ userId, caller });
  }

  /** What is to be done with a right code, in the transaction that took it. @throws AppError */
  async function withCode<T>(
    viewer: Viewer,
    attempt: { code: string; caller: Caller },
    confirmed: boolean,
    work: (client: Executor) => Promise<T>,
  ): Promise<T> {
    const { userId } = viewer;
    return await transaction(pool, async (client) => {
      const factor = await store.holdFactor(client, userId);
      if (!factor || (confirmed && !factor.confirmed)) throw off();
      if (!confirmed && factor.confirmed) throw new AppError('CONFLICT', 'There is a second factor already');
      if (!(await isRight(client, userId, factor, attempt))) throw wrong();
      return await work(client);
    });
  }

  return {
    async setUp(viewer, label) {
      const { userId } = requireOwn(viewer);
      const secret = generateSecret();
      if (!(await store.beginFactor(pool, userId, keyring.seal(secret, store.boundTo(userId)))))
        throw new AppError('CONFLICT', 'There is a second factor already: disable it first');
      return { secret, uri: generateURI({ issuer: 'Quarry', label, secret }) };
    },

    async confirm(viewer, { code, password = null }, caller, signal) {
      const own = requireOwn(viewer);
      const account = await findAccount(pool, own.userId);
      if (account?.passwordHash) {
        if (password === null) throw badInput({ path: 'input.password', message: 'the password of the account' });
        await proof.require(account, { password, caller, signal, failure: 'second_factor.enable_failed' });
      }
      return await withCode(own, { code, caller }, false, async (client) => {
        if ((await findAccount(client, own.userId))?.passwordHash !== account?.passwordHash) throw notItsPassword();
        const codes = Array.from({ length: recoveryCodes }, newRecoveryCode);
        const hashes = codes.map((each) => hashOfRecovery(each.replaceAll('-', '')));
        await store.confirmFactor(client, own.userId, hashes);
        await tell(client, own.userId, 'enabled');
        await audited(client, 'second_factor.enabled', own.userId, caller);
        return codes;
      });
    },

    async disable(viewer, code, caller) {
      const own = requireOwn(viewer);
      // Before the transaction, which would hold a second connection.
      const guess = await take(own.userId, code, { ...caller, userId: own.userId });
      await withCode(own, { code, caller }, true, async (client) => {
        await store.removeFactor(client, own.userId);
        await tell(client, own.userId, 'disabled');
        await audited(client, 'second_factor.disabled', own.userId, caller);
      });
      await guess?.giveBack();
    },

    async reset(viewer, userId, caller) {
      requireCan(viewer, 'server:administer', { kind: 'server' });
      requireCan(viewer, 'user:reset-factor', { kind: 'user', userId, fellow: false });
      await transaction(pool, async (client) => {
        if ((await store.addressOf(client, userId)) === null) throw notFound('User');
        const factor = await store.holdFactor(client, userId);
        if (!factor?.confirmed) throw new AppError('CONFLICT', 'This account has no second factor');
        await store.removeFactor(client, userId);
        await tell(client, userId, 'reset');
        await audited(client, 'second_factor.reset', userId, caller, viewer.userId);
      });
    },

    take,

    async check(client, userId, code, caller) {
      const factor = await store.holdFactor(client, userId);
      if (!factor?.confirmed) return 'passed';
      if (code === null) return 'missing';
      return (await isRight(client, userId, factor, { code, caller })) ? 'passed' : 'wrong';
    },

    withFactor: (userIds) => store.withFactor(pool, userIds),
  };
}
