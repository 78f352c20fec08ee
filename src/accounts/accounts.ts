/** Accounts: registering, signing in, staying signed in, signing out, and what a user may set. */
import type pg from 'pg';
import { record } from '../audit/audit.ts';
import { type Prisma, transaction } from '../db/metadata.ts';
import { checkPrefix } from '../exports/destination.ts';
import type { Bus } from '../lib/bus.ts';
import { AppError, badInput, notFound } from '../lib/errors.ts';
import { encodeId } from '../lib/ids.ts';
import type { Keyring } from '../lib/keyring.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Topic } from '../lib/topics.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { Access } from '../projects/access.ts';
import type { BucketAccess } from '../storage/files/access.ts';
import { createAccessTokens, type PublicJwk } from './access-tokens.ts';
import { createAccountMails } from './account-mails.ts';
import type { Admission, RegistrationMode } from './admission.ts';
import type { Attempts } from './attempts.ts';
import type { EndWorkOfKeys } from './keys/api-keys.ts';
import { createLiveSessions } from './live-sessions.ts';
import { createPasswordChanges, type PasswordChanges } from './password-changes.ts';
import type { PasswordHasher } from './password-hasher.ts';
import type { PasswordProof } from './password-proof.ts';
import { canBePassword } from './passwords.ts';
import { can, requireCan } from './policy.ts';
import { createProfiles, type Profiles } from './profiles.ts';
import { exchangeRefreshToken } from './refresh-tokens.ts';
import { createRegistration, type Registration } from './registration.ts';
import { type Settings, type StoredSettings, settingsOf } from './settings.ts';
import { createSignIns, type SignedIn } from './sign-ins.ts';
import type { Session, SettingsChange, User } from './store.ts';
import * as store from './store.ts';
import { refusalOf, type SecondFactors } from './totp/second-factors.ts';
import { type Caller, isAnonymous, type Viewer } from './viewer.ts';

export type { Session, SettingsChange, SignedIn, User };

export interface AccountsDeps {
  buckets: Pick<BucketAccess, 'requireBucket'>;
  pool: pg.Pool;
  prisma: Prisma;
  keyring: Keyring;
  bus: Pick<Bus<Topic>, 'listen' | 'ringHere'>;
  access: Pick<Access, 'fellowsOf'>;
  hasher: PasswordHasher;
  outbox: Pick<Outbox, 'queue'>;
  admission: Admission;
  attempts: Attempts;
  proof: PasswordProof;
  endWorkOfKeys: EndWorkOfKeys;
  secondFactors: Pick<SecondFactors, 'take' | 'check'>;
  /** Who issues the tokens: the public URL of this installation. */
  issuer: string;
  settings: {
    readonly registration: RegistrationMode;
    /** Nobody is signed in before his address is confirmed, and registering does not tell who has an account. */
    readonly requireVerifiedEmail: boolean;
    /** The ceiling of every user's parallel jobs, unless an administrator set one for him. */
    readonly maxParallelJobs: number;
  };
  clock?: () => Date;
}

export interface LoginInput {
  email: string;
  password: string;
  /** Where the account has a second factor: of the authenticator, or a recovery code. */
  code?: string | null | undefined;
}

export interface LogoutInput {
  /** All sessions of the viewer. */
  everywhere?: boolean | null | undefined;
  /** The UUID of one of them; absent: of the one that asks. */
  sessionId?: string | null | undefined;
}

export interface Accounts extends Service, Registration, PasswordChanges, Profiles {
  /** Who holds this access token. @throws AppError UNAUTHENTICATED */
  authenticate(token: string): Promise<Viewer>;
  /**
   * @throws AppError UNAUTHENTICATED, with `secondFactor` in its details where the password is right and a code is not;
   * RATE_LIMITED, FORBIDDEN for an account that is disabled, EMAIL_NOT_VERIFIED
   */
  login(input: LoginInput, caller: Caller, signal?: AbortSignal): Promise<SignedIn>;
  /** A new pair for a refresh token. One used twice ends its session. @throws AppError UNAUTHENTICATED */
  refreshSession(refreshToken: string, caller: Caller): Promise<SignedIn>;
  /** @throws AppError NOT_FOUND for a session that is not a live one of the viewer's */
  logout(viewer: Viewer | null, input: LogoutInput, caller: Caller): Promise<void>;
  /** What is absent stays, and null sets the default again. @throws AppError BAD_USER_INPUT above the ceiling */
  updateSettings(viewer: Viewer | null, change: SettingsChange, caller: Caller): Promise<User>;
  /** Null for an anonymous caller. */
  viewer(viewer: Viewer | null): Promise<User | null>;
  /** The viewer's own account. */
  self(viewer: Viewer): Promise<User>;
  /** Null when there is none, or the viewer may not see it. */
  user(viewer: Viewer | null, userId: string): Promise<User | null>;
  /** An account that hangs off something which the viewer sees; null when it is gone. What of it he sees, its fields ask. */
  account(userId: string): Promise<User | null>;
  /** Null when it has ended, or the viewer may not see it. */
  session(viewer: Viewer | null, sessionId: string): Promise<Session | null>;
  /** The live sessions of each user, the last used first, for users whose private part the viewer may see. */
  sessionsOf(userIds: readonly string[]): Promise<Map<string, Session[]>>;
  settingsOf(user: StoredSettings): Settings;
  /** The public keys of the access tokens. */
  jwks(): { keys: PublicJwk[] };
}

const wrongCredentials = () => new AppError('UNAUTHENTICATED', 'The address or the password is wrong');
const sessionEnded = () => new AppError('UNAUTHENTICATED', 'The session has ended; sign in again');

export function createAccounts({
  pool,
  prisma,
  keyring,
  bus,
  access,
  hasher,
  outbox,
  admission,
  attempts,
  proof,
  endWorkOfKeys,
  secondFactors,
  issuer,
  settings,
  buckets,
  clock = () => new Date(),
}: AccountsDeps): Accounts {
  const accessTokens = createAccessTokens({ keyring, issuer, clock });
  const sessions = createLiveSessions({
    bus,
    load: (sessionId, userId) => store.roleInSession(pool, { sessionId, userId }, settings),
  });

  const idOfUser = (id: string) => encodeId('User', id);

  const signIns = createSignIns({ bus, accessTokens });
  const mails = createAccountMails({ outbox });

  async function self({ userId }: Viewer): Promise<User> {
    const user = await store.findUser(prisma, userId);
    if (!user) throw sessionEnded();
    return user;
  }

  return {
    ...createRegistration({ pool, hasher, signIns, mails, admission, attempts, settings }),
    ...createPasswordChanges({ pool, hasher, attempts, signIns, mails, endWorkOfKeys, settings }),
    ...createProfiles({ pool, prisma, proof, attempts, mails, settings }),

    async authenticate(token) {
      const { userId, sessionId, expiresAt } = await accessTokens.verify(token);
      const role = await sessions.roleIn(sessionId, userId);
      if (!role) throw sessionEnded();
      return { userId, sessionId, role, expiresAt };
    },

    async login({ email, password, code = null }, caller, signal) {
      const account = await store.findSignIn(pool, email);
      const possible = canBePassword(password);
      const attempt = await attempts.take({ email, userId: account?.id ?? null, caller });
      const hash = (possible && account?.passwordHash) || null;
      const right = await attempt.compare(hasher.verify(possible ? password : '', hash, signal), signal);
      const mayEnter = account !== null && (account.verified || !settings.requireVerifiedEmail);
      const asked = right && mayEnter && !account.disabled;
      const guess = asked ? await secondFactors.take(account.id, code, caller) : null;
      const { opened, checked } = await transaction(pool, async (client) => {
        const actorId = account?.id ?? null;
        const subject = account && idOfUser(account.id);
        const checked = asked ? await secondFactors.check(client, account.id, code, caller) : null;
        const role =
          asked && checked === 'passed' ? await store.noteSignIn(client, account.id, account.passwordHash) : null;
        await record(client, {
          actorId,
          subject,
          action: role ? 'user.login' : 'user.login_failed',
          outcome: role ? 'success' : 'failure',
          caller,
        });
        return { opened: role && account ? await signIns.open(client, account.id, role, caller) : null, checked };
      });
      if (checked === 'passed') await guess?.giveBack();
      if (opened) {
        await attempt.giveBack();
        signIns.forget(opened.displaced);
        return signIns.tokensOf(opened);
      }
      if (checked && checked !== 'passed') {
        // Who did not know that there is one has guessed at nothing.
        if (checked === 'missing') await attempt.giveBack();
        throw refusalOf(checked);
      }
      // Only who knows the password is told.
      if (right && account?.disabled) throw new AppError('FORBIDDEN', 'This account is disabled');
      if (right && !mayEnter)
        throw new AppError('EMAIL_NOT_VERIFIED', 'Confirm your address first: the mail has a link');
      throw wrongCredentials();
    },

    async refreshSession(refreshToken, caller) {
      const { requireVerifiedEmail } = settings;
      const exchange = await transaction(pool, async (client) => {
        const result = await exchangeRefreshToken(client, { keyring, requireVerifiedEmail }, refreshToken);
        if (result.outcome !== 'reused') return result;
        // Committed, although the caller gets an error.
        const { userId, sessionId } = result;
        await signIns.end(client, userId, { only: sessionId });
        await record(client, {
          actorId: userId,
          action: 'session.reuse_detected',
          subject: encodeId('Session', sessionId),
          outcome: 'failure',
          caller,
        });
        return result;
      });
      if (exchange.outcome === 'refused') throw sessionEnded();
      const { sessionId, userId } = exchange;
      if (exchange.outcome === 'reused') {
        signIns.forget([sessionId]);
        throw sessionEnded();
      }
      const role = await store.roleInSession(pool, { sessionId, userId }, settings);
      if (!role) throw sessionEnded();
      return signIns.tokensOf({ viewer: { userId, role, sessionId }, refresh: exchange });
    },

    async logout(viewer, { everywhere, sessionId }, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const { userId } = viewer;
      if (everywhere && sessionId != null)
        throw badInput({ path: 'input.sessionId', message: 'not together with everywhere' });
      const ended = await transaction(pool, async (client) => {
        const which = everywhere ? 'all' : { only: sessionId ?? viewer.sessionId };
        const ids = await signIns.end(client, userId, which);
        for (const id of ids) {
          await record(client, {
            actorId: userId,
            action: 'session.ended',
            subject: encodeId('Session', id),
            outcome: 'success',
            caller,
          });
        }
        return ids;
      });
      signIns.forget(ended);
      if (sessionId != null && ended.length === 0) throw notFound('Session');
    },

    async updateSettings(viewer, change, caller) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      const { userId } = viewer;
      requireCan(viewer, 'user:edit', { kind: 'user', userId, fellow: false });
      checkPrefix(change.defaultExportPrefix ?? '');
      if (change.defaultExportBucketId != null)
        await buckets.requireBucket(viewer, 'bucket:write', change.defaultExportBucketId);
      await transaction(pool, async (client) => {
        const ceiling = (await store.lockCeiling(client, userId)) ?? settings.maxParallelJobs;
        if ((change.maxParallelJobs ?? 0) > ceiling)
          throw badInput({ path: 'input.maxParallelJobs', message: `at most ${ceiling}, the ceiling of this account` });
        await store.updateSettings(client, userId, change);
        await record(client, {
          actorId: userId,
          action: 'settings.updated',
          subject: idOfUser(userId),
          outcome: 'success',
          caller,
          details: { ...change },
        });
      });
      return self(viewer);
    },

    account: (userId) => store.findUser(prisma, userId),

    self,

    viewer: async (viewer) => (viewer && !isAnonymous(viewer) ? self(viewer) : null),

    async user(viewer, userId) {
      if (!viewer) return null;
      const fellow = (await access.fellowsOf(viewer.userId, [userId])).has(userId);
      return can(viewer, 'user:see', { kind: 'user', userId, fellow }) ? store.findUser(prisma, userId) : null;
    },

    async session(viewer, sessionId) {
      const session = viewer && (await store.findSession(prisma, sessionId));
      const resource = session && ({ kind: 'user', userId: session.userId, fellow: false } as const);
      return resource && can(viewer, 'user:see-access', resource) ? session : null;
    },

    sessionsOf: (userIds) => store.findSessions(prisma, userIds),
    settingsOf: (user) => settingsOf(user, settings.maxParallelJobs),
    jwks: () => accessTokens.jwks(),
    async stop() {
      sessions[Symbol.dispose]();
    },
  };
}
