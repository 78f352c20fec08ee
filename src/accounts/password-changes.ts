/** A new password: by who knows the present one, or by who reads the mail of the account. */
import type pg from 'pg';
import { record } from '../audit/audit.ts';
import { transaction } from '../db/metadata.ts';
import { ringInTransaction } from '../db/notify.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { encodeId } from '../lib/ids.ts';
import type { Topic } from '../lib/topics.ts';
import type { AccountMails } from './account-mails.ts';
import type { Attempts } from './attempts.ts';
import { emailKeyOf } from './email.ts';
import type { EndWorkOfKeys } from './keys/api-keys.ts';
import { revokeKeysOf } from './keys/store.ts';
import { deleteIdentities } from './oidc/store.ts';
import { requireGoodToken, spendToken, subjectOf, voidTokens } from './one-time-tokens.ts';
import type { PasswordHasher } from './password-hasher.ts';
import { canBePassword, noPasswordYet } from './passwords.ts';
import { requireCan } from './policy.ts';
import { replaceRefreshTokens } from './refresh-tokens.ts';
import type { SignedIn, SignIns } from './sign-ins.ts';
import * as store from './store.ts';
import { removeFactor } from './totp/store.ts';
import type { Caller, Viewer } from './viewer.ts';

export interface PasswordChanges {
  /**
   * Ends all other sessions and voids all links; the session that asks goes on, with new tokens.
   * @throws AppError BAD_USER_INPUT for a wrong password, RATE_LIMITED, CONFLICT when another one was set meanwhile
   */
  changePassword(viewer: Viewer | null, input: PasswordChange, caller: Caller, signal?: AbortSignal): Promise<SignedIn>;
  /** Sends a mail where there is such an account; what it does and how long it takes says nothing of that. @throws AppError RATE_LIMITED */
  requestPasswordReset(email: string, caller: Caller): Promise<void>;
  /**
   * Ends all sessions, API keys with what was submitted with them and links to accounts of other issuers, and voids all
   * other tokens; of an account whose address nobody had confirmed the second factor goes, too.
   * @throws AppError BAD_USER_INPUT, FORBIDDEN for an account that is disabled
   */
  resetPassword(input: PasswordReset, caller: Caller, signal?: AbortSignal): Promise<void>;
}

export interface PasswordChange {
  readonly currentPassword: string;
  readonly newPassword: string;
}

export interface PasswordReset {
  readonly token: string;
  readonly newPassword: string;
}

export interface PasswordChangesDeps {
  pool: pg.Pool;
  hasher: PasswordHasher;
  attempts: Attempts;
  signIns: SignIns;
  mails: AccountMails;
  endWorkOfKeys: EndWorkOfKeys;
  settings: { readonly requireVerifiedEmail: boolean };
}

const signedOut = () => new AppError('UNAUTHENTICATED', 'The session has ended; sign in again');

export function createPasswordChanges({
  pool,
  hasher,
  attempts,
  signIns,
  mails,
  endWorkOfKeys,
  settings,
}: PasswordChangesDeps): PasswordChanges {
  /** That it was tried stays, although nothing else does. */
  const recordFailure = (userId: string, caller: Caller) =>
    transaction(pool, (client) =>
      record(client, {
        actorId: userId,
        action: 'user.password_change_failed',
        subject: encodeId('User', userId),
        outcome: 'failure',
        caller,
      }),
    );

  /** Who had the account before its owner set a new password may have made some. @returns those that it ended */
  async function endKeys(client: pg.PoolClient, userId: string, caller: Caller): Promise<string[]> {
    const ended = await revokeKeysOf(client, userId);
    await ringInTransaction(
      client,
      ended.map(({ id }) => ['session.revoked' satisfies Topic, id] as const),
    );
    await endWorkOfKeys(
      client,
      userId,
      ended.map(({ id }) => id),
    );
    for (const { id, name } of ended) {
      await record(client, {
        actorId: userId,
        action: 'api_key.revoked',
        subject: encodeId('ApiKey', id),
        outcome: 'success',
        caller,
        details: { name },
      });
    }
    return ended.map(({ id }) => id);
  }

  return {
    async changePassword(viewer, { currentPassword, newPassword }, caller, signal) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      const { userId, sessionId } = viewer;
      requireCan(viewer, 'user:edit-access', { kind: 'user', userId, fellow: false });
      const account = await store.findAccount(pool, userId);
      if (!account) throw signedOut();
      if (account.passwordHash === '') throw badInput({ path: 'input.currentPassword', message: noPasswordYet });
      const possible = canBePassword(currentPassword);
      const attempt = await attempts.take({ email: account.email, userId, caller });
      const comparison = () => attempt.compare(hasher.verify(currentPassword, account.passwordHash, signal), signal);
      if (!possible || !(await comparison())) {
        await recordFailure(userId, caller);
        throw badInput({ path: 'input.currentPassword', message: 'not the password of this account' });
      }
      await attempt.giveBack();
      const passwordHash = await hasher.hash(newPassword, signal);
      const { ended, ...opened } = await transaction(pool, async (client) => {
        const role = await store.roleInSession(client, { sessionId, userId }, settings);
        if (!role) throw signedOut();
        if (!(await store.replacePassword(client, userId, passwordHash, account.passwordHash)))
          throw new AppError('CONFLICT', 'Another password was set meanwhile');
        // Also of an address that somebody else wants for it: the mail about that says so.
        await voidTokens(client, { subjectId: userId });
        const ended = await signIns.end(client, userId, { but: sessionId });
        const refresh = await replaceRefreshTokens(client, sessionId);
        await mails.tellPasswordChanged(client, account.email);
        await record(client, {
          actorId: userId,
          action: 'user.password_changed',
          subject: encodeId('User', userId),
          outcome: 'success',
          caller,
        });
        return { viewer: { userId, role, sessionId }, refresh, ended };
      });
      signIns.forget(ended);
      return signIns.tokensOf(opened);
    },

    async requestPasswordReset(email, caller) {
      await attempts.takeMail(caller);
      const account = await store.findSignIn(pool, email);
      await transaction(pool, async (client) => {
        await mails.send(client, 'passwordReset', account && !account.disabled ? account : null);
        await record(client, {
          actorId: null,
          action: 'user.password_reset_requested',
          subject: account && encodeId('User', account.id),
          outcome: 'success',
          caller,
        });
      });
    },

    async resetPassword({ token, newPassword }, caller, signal) {
      await requireGoodToken(pool, 'password.reset', token);
      const passwordHash = await hasher.hash(newPassword, signal);
      const about = await subjectOf(pool, 'password.reset', token);
      const ended = await transaction(pool, async (client) => {
        // Before its tokens, as everybody who voids them does.
        const account = about === null ? null : await store.lockAccount(client, about);
        const { subjectId: userId, email } = await spendToken(client, 'password.reset', token);
        if (!account) throw badInput({ path: 'input.token', message: 'this token is of an account that is gone' });
        // Asked for while the address changed.
        if (emailKeyOf(email) !== emailKeyOf(account.email))
          throw badInput({
            path: 'input.token',
            message: 'this token was mailed to an address that the account had before',
          });
        if (account.disabled) throw new AppError('FORBIDDEN', 'This account is disabled');
        await store.replacePassword(client, userId, passwordHash, null);
        // Of whoever took the address before: its owner would not get past it.
        if (!account.verified && (await removeFactor(client, userId))) {
          const subject = encodeId('User', userId);
          await record(client, { actorId: userId, action: 'second_factor.reset', subject, outcome: 'success', caller });
          await mails.tellFactorOutlived(client, account.email);
        }
        // Who reads the mail of the address has shown that it is his.
        await store.confirmAddress(client, userId, email);
        // Whoever came in by one would come again. The address links the rightful one anew.
        await deleteIdentities(client, userId);
        await voidTokens(client, { subjectId: userId });
        const sessions = await signIns.end(client, userId, 'all');
        const keys = await endKeys(client, userId, caller);
        await mails.tellPasswordChanged(client, account.email);
        await record(client, {
          actorId: userId,
          action: 'user.password_reset',
          subject: encodeId('User', userId),
          outcome: 'success',
          caller,
        });
        return [...sessions, ...keys];
      });
      signIns.forget(ended);
    },
  };
}
