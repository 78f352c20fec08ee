/** Whose an address is, and what a user may change of himself. */
import type pg from 'pg';
import { record } from '../audit/audit.ts';
import { type Prisma, transaction } from '../db/metadata.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { encodeId } from '../lib/ids.ts';
import { type AccountMails, maxTokenMailsPerHour } from './account-mails.ts';
import type { Attempts } from './attempts.ts';
import { requireGoodToken, spendToken, subjectOf, voidTokens } from './one-time-tokens.ts';
import { notItsPassword, type PasswordProof, type Shown } from './password-proof.ts';
import { noPasswordYet } from './passwords.ts';
import { requireCan } from './policy.ts';
import type { User } from './store.ts';
import * as store from './store.ts';
import type { Caller, Viewer } from './viewer.ts';

export interface Profiles {
  /**
   * The address that the token was mailed to is the account's from now on, and confirmed: by who reads its mail and shows
   * a session or the password of the account as well.
   * @throws AppError BAD_USER_INPUT, CONFLICT when another account has it by now, FORBIDDEN for an account that is disabled,
   * RATE_LIMITED
   */
  verifyEmail(
    viewer: Viewer | null,
    confirmation: EmailConfirmation,
    caller: Caller,
    signal?: AbortSignal,
  ): Promise<User>;
  /** Sends a mail where there is such an account and it waits for one; nothing tells whether it does. @throws AppError RATE_LIMITED */
  resendVerification(email: string, caller: Caller): Promise<void>;
  /**
   * What is absent stays. Another address takes the password, and an account without one has to set one first; it is used
   * once it is confirmed, and the present one is told at once. @throws AppError BAD_USER_INPUT, RATE_LIMITED, CONFLICT where
   * it is taken and registering would say so too, or where the account was changed meanwhile
   */
  updateProfile(viewer: Viewer | null, change: ProfileChange, caller: Caller, signal?: AbortSignal): Promise<User>;
}

export interface ProfileChange {
  /** Null: none. */
  readonly name?: string | null | undefined;
  readonly email?: string | null | undefined;
  /** Of the account, for another address. */
  readonly password?: string | null | undefined;
}

export interface EmailConfirmation {
  readonly token: string;
  /** Of the account; none where the viewer is signed in to it. */
  readonly password?: string | null | undefined;
}

export interface ProfilesDeps {
  pool: pg.Pool;
  prisma: Prisma;
  proof: PasswordProof;
  attempts: Pick<Attempts, 'takeMail'>;
  mails: AccountMails;
  settings: { readonly requireVerifiedEmail: boolean };
}

const anHourMs = 3_600_000;

const goneAccount = () => badInput({ path: 'input.token', message: 'this token is of an account that is gone' });

export function createProfiles({ pool, prisma, proof, attempts, mails, settings }: ProfilesDeps): Profiles {
  async function userOf(userId: string): Promise<User> {
    const user = await store.findUser(prisma, userId);
    if (!user) throw new AppError('UNAUTHENTICATED', 'This account is gone');
    return user;
  }

  /**
   * Whoever typed the address may have typed somebody else's, whose owner would hand it to him by the link: so who has the
   * token shows that the account is his, too. @returns the hash of the password that was shown; null for a session
   */
  async function requireHolder(
    account: store.Account | null,
    { viewer, ...shown }: { viewer: Viewer | null } & Shown,
  ): Promise<string | null> {
    if (!account) throw goneAccount();
    if (viewer && !viewer.key && viewer.userId === account.id) return null;
    if (shown.password === null)
      throw badInput({ path: 'input.password', message: 'the password of the account, unless it is signed in' });
    await proof.require(account, shown);
    return account.passwordHash;
  }

  /** To the new address, and to the present one that it is wanted. */
  async function askForAddress(client: pg.PoolClient, account: store.Account, email: string): Promise<void> {
    const known = await store.findSignIn(client, email);
    const taken = known?.id === account.id ? null : known;
    if (taken && !settings.requireVerifiedEmail)
      throw new AppError('CONFLICT', 'There is an account with this address');
    // As registering does: only its owner is told, and to who asks it is all the same.
    if (settings.requireVerifiedEmail) await mails.send(client, 'accountExists', taken?.disabled ? null : taken);
    const wanted = { id: account.id, email };
    if (!(await (taken ? mails.withhold(client, 'newAddress', wanted) : mails.send(client, 'newAddress', wanted)))) {
      const message = `At most ${maxTokenMailsPerHour} mails an hour; try again later`;
      throw new AppError('RATE_LIMITED', message, { details: { retryAfterMs: anHourMs } });
    }
    await mails.tellAddressChanging(client, account.email, email);
  }

  return {
    async verifyEmail(viewer, { token, password = null }, caller, signal) {
      await requireGoodToken(pool, 'email.verify', token);
      const about = await subjectOf(pool, 'email.verify', token);
      const before = about === null ? null : await store.findAccount(pool, about);
      const failure = 'user.email_verification_failed';
      const shown = await requireHolder(before, { viewer, password, caller, signal, failure });
      const userId = await transaction(pool, async (client) => {
        // Before its tokens, as everybody who voids them does.
        const account = before && (await store.lockAccount(client, before.id));
        const { subjectId, email } = await spendToken(client, 'email.verify', token);
        if (!account) throw goneAccount();
        // Another one was set meanwhile.
        if (shown !== null && shown !== account.passwordHash) throw notItsPassword();
        if (account.disabled) throw new AppError('FORBIDDEN', 'This account is disabled');
        if (account.email === email) {
          await store.confirmAddress(client, account.id, email);
        } else {
          if (!(await store.replaceAddress(client, account.id, email)))
            throw new AppError('CONFLICT', 'There is an account with this address by now');
          // What was mailed to the old address opens nothing any more.
          await voidTokens(client, { subjectId });
        }
        await record(client, {
          actorId: account.id,
          action: 'user.email_verified',
          subject: encodeId('User', account.id),
          outcome: 'success',
          caller,
          details: { changed: account.email !== email },
        });
        return account.id;
      });
      return userOf(userId);
    },

    async resendVerification(email, caller) {
      await attempts.takeMail(caller);
      const account = await store.findSignIn(pool, email);
      await transaction(pool, async (client) => {
        const waits = account && !account.disabled && !account.verified;
        await mails.send(client, 'verification', waits ? account : null);
        await record(client, {
          actorId: null,
          action: 'user.verification_requested',
          subject: account && encodeId('User', account.id),
          outcome: 'success',
          caller,
        });
      });
    },

    async updateProfile(viewer, { name, email, password = null }, caller, signal) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      const { userId } = viewer;
      requireCan(viewer, 'user:edit-access', { kind: 'user', userId, fellow: false });
      const before = await store.findAccount(pool, userId);
      let shown: string | null = null;
      if (email != null && before && email !== before.email) {
        // A session alone would take the account along for good: a password is set by who reads the mail of its address.
        if (before.passwordHash === '') throw badInput({ path: 'input.password', message: noPasswordYet });
        if (password === null)
          throw badInput({ path: 'input.password', message: 'another address takes the password' });
        const failure = 'profile.update_failed';
        await proof.require(before, { password, caller, signal, failure });
        shown = before.passwordHash;
      }
      await transaction(pool, async (client) => {
        const account = await store.lockAccount(client, userId);
        if (!account) throw new AppError('UNAUTHENTICATED', 'This account is gone');
        const wanted = email != null && email !== account.email ? email : null;
        // Also where none was asked for, as this address was its own until now.
        if (wanted !== null && shown !== account.passwordHash)
          throw new AppError('CONFLICT', 'The password or the address of this account was changed meanwhile');
        if (name !== undefined) await store.renameUser(client, userId, name);
        if (wanted !== null) await askForAddress(client, account, wanted);
        await record(client, {
          actorId: userId,
          action: 'profile.updated',
          subject: encodeId('User', userId),
          outcome: 'success',
          caller,
          details: { name: name !== undefined, email: wanted !== null },
        });
      });
      return userOf(userId);
    },
  };
}
