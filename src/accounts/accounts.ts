/** Accounts: registering, signing in, staying signed in, signing out, and what a user may set. */
import type pg from 'pg';
import { record } from '../audit/audit.ts';
import { type Prisma, transaction } from '../db/metadata.ts';
import { ringInTransaction } from '../db/notify.ts';
import { checkPrefix } from '../exports/destination.ts';
import type { Bus } from '../lib/bus.ts';
import { AppError, badInput, notFound } from '../lib/errors.ts';
import { encodeId } from '../lib/ids.ts';
import type { Keyring } from '../lib/keyring.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Topic } from '../lib/topics.ts';
import type { Access } from '../projects/access.ts';
import type { BucketAccess } from '../storage/files/access.ts';
import { createAccessTokens, type PublicJwk } from './access-tokens.ts';
import { createLiveSessions } from './live-sessions.ts';
import type { PasswordHasher } from './password-hasher.ts';
import { maxPasswordBytes } from './passwords.ts';
import { can, requireCan } from './policy.ts';
import { exchangeRefreshToken, issueRefreshToken, type RefreshToken } from './refresh-tokens.ts';
import { type Settings, type StoredSettings, settingsOf } from './settings.ts';
import type { Session, SettingsChange, User } from './store.ts';
import * as store from './store.ts';
import { type Caller, isAnonymous, type UserRole, type Viewer } from './viewer.ts';

export type { Session, SettingsChange, User };

export interface AccountsDeps {
  buckets: Pick<BucketAccess, 'requireBucket'>;
  pool: pg.Pool;
  prisma: Prisma;
  keyring: Keyring;
  bus: Pick<Bus<Topic>, 'listen' | 'ringHere'>;
  access: Pick<Access, 'fellowsOf'>;
  hasher: PasswordHasher;
  /** Who issues the tokens: the public URL of this installation. */
  issuer: string;
  settings: {
    readonly registration: 'open' | 'closed';
    /** The ceiling of every user's parallel jobs, unless an administrator set one for him. */
    readonly maxParallelJobs: number;
  };
  clock?: () => Date;
}

export interface RegisterInput {
  email: string;
  password: string;
  name?: string | null | undefined;
}

export interface LoginInput {
  email: string;
  password: string;
}

export interface LogoutInput {
  /** All sessions of the viewer. */
  everywhere?: boolean | null | undefined;
  /** The UUID of one of them; absent: of the one that asks. */
  sessionId?: string | null | undefined;
}

export interface SignedIn {
  readonly accessToken: string;
  readonly accessTokenExpiresAt: Date;
  readonly refreshToken: string;
  readonly refreshTokenExpiresAt: Date;
  readonly viewer: Viewer;
}

export interface Accounts extends Service {
  /** Who holds this access token. @throws AppError UNAUTHENTICATED */
  authenticate(token: string): Promise<Viewer>;
  /** Opens an account, the very first one as administrator. @throws AppError CONFLICT, FORBIDDEN when registration is closed */
  register(input: RegisterInput, caller: Caller, signal?: AbortSignal): Promise<SignedIn>;
  /** @throws AppError UNAUTHENTICATED, FORBIDDEN for an account that is disabled */
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
const closed = () => new AppError('FORBIDDEN', 'Registration is closed');

export function createAccounts({
  pool,
  prisma,
  keyring,
  bus,
  access,
  hasher,
  issuer,
  settings,
  buckets,
  clock = () => new Date(),
}: AccountsDeps): Accounts {
  const accessTokens = createAccessTokens({ keyring, issuer, clock });
  const sessions = createLiveSessions({ bus, load: (id, userId) => store.roleInSession(pool, id, userId) });

  const idOfUser = (id: string) => encodeId('User', id);

  /** The part of ending sessions that belongs to the transaction. */
  const ringEnded = (client: pg.PoolClient, sessionIds: readonly string[]) =>
    ringInTransaction(
      client,
      sessionIds.map((id) => ['session.revoked', id] as const),
    );

  /** This process need not wait for its own ring to come back. */
  const forget = (sessionIds: readonly string[]) => {
    for (const id of sessionIds) bus.ringHere('session.revoked', id);
  };

  interface Opened {
    viewer: Omit<Viewer, 'expiresAt' | 'key'>;
    refresh: RefreshToken;
    displaced: readonly string[];
  }

  async function openSession(client: pg.PoolClient, userId: string, role: UserRole, caller: Caller): Promise<Opened> {
    const { id: sessionId, displaced } = await store.insertSession(client, userId, caller);
    await ringEnded(client, displaced);
    return { viewer: { userId, role, sessionId }, refresh: await issueRefreshToken(client, sessionId), displaced };
  }

  async function signedIn({ viewer, refresh }: Pick<Opened, 'viewer' | 'refresh'>): Promise<SignedIn> {
    const { token, expiresAt } = await accessTokens.issue(viewer);
    return {
      accessToken: token,
      accessTokenExpiresAt: expiresAt,
      refreshToken: refresh.token,
      refreshTokenExpiresAt: refresh.expiresAt,
      viewer: { ...viewer, expiresAt },
    };
  }

  async function self({ userId }: Viewer): Promise<User> {
    const user = await store.findUser(prisma, userId);
    if (!user) throw sessionEnded();
    return user;
  }

  return {
    async authenticate(token) {
      const { userId, sessionId, expiresAt } = await accessTokens.verify(token);
      const role = await sessions.roleIn(sessionId, userId);
      if (!role) throw sessionEnded();
      return { userId, sessionId, role, expiresAt };
    },

    async register({ email, password, name }, caller, signal) {
      const mayOnlyBeFirst = settings.registration === 'closed';
      // Asked again behind the lock; here it saves the hash.
      if (mayOnlyBeFirst && (await store.anyUser(pool))) throw closed();
      const passwordHash = await hasher.hash(password, signal);
      const opened = await transaction(pool, async (client) => {
        await store.lockRegistration(client);
        const first = !(await store.anyUser(client));
        if (mayOnlyBeFirst && !first) throw closed();
        const role: UserRole = first ? 'admin' : 'member';
        const userId = await store.insertUser(client, { email, name: name ?? null, role, passwordHash });
        if (!userId) throw new AppError('CONFLICT', 'There is an account with this address');
        await store.noteSignIn(client, userId, passwordHash);
        await record(client, {
          actorId: userId,
          action: 'user.registered',
          subject: idOfUser(userId),
          outcome: 'success',
          caller,
          details: { role },
        });
        return openSession(client, userId, role, caller);
      });
      return signedIn(opened);
    },

    async login({ email, password }, caller, signal) {
      const account = await store.findSignIn(pool, email);
      const possible = Buffer.byteLength(password) <= maxPasswordBytes && password.isWellFormed();
      const right = await hasher.verify(possible ? password : '', (possible && account?.passwordHash) || null, signal);
      const opened = await transaction(pool, async (client) => {
        const actorId = account?.id ?? null;
        const subject = account && idOfUser(account.id);
        const role = right && account ? await store.noteSignIn(client, account.id, account.passwordHash) : null;
        await record(client, {
          actorId,
          subject,
          action: role ? 'user.login' : 'user.login_failed',
          outcome: role ? 'success' : 'failure',
          caller,
        });
        return role && account ? openSession(client, account.id, role, caller) : null;
      });
      if (opened) {
        forget(opened.displaced);
        return signedIn(opened);
      }
      // Only who knows the password is told.
      if (right && account?.disabled) throw new AppError('FORBIDDEN', 'This account is disabled');
      throw wrongCredentials();
    },

    async refreshSession(refreshToken, caller) {
      const exchange = await transaction(pool, async (client) => {
        const result = await exchangeRefreshToken(client, keyring, refreshToken);
        if (result.outcome !== 'reused') return result;
        // Committed, although the caller gets an error.
        const { userId, sessionId } = result;
        await ringEnded(client, await store.endSessions(client, userId, sessionId));
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
        forget([sessionId]);
        throw sessionEnded();
      }
      const role = await store.roleInSession(pool, sessionId, userId);
      if (!role) throw sessionEnded();
      return signedIn({ viewer: { userId, role, sessionId }, refresh: exchange });
    },

    async logout(viewer, { everywhere, sessionId }, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const { userId } = viewer;
      if (everywhere && sessionId != null)
        throw badInput({ path: 'input.sessionId', message: 'not together with everywhere' });
      const ended = await transaction(pool, async (client) => {
        const ids = await store.endSessions(client, userId, everywhere ? null : (sessionId ?? viewer.sessionId));
        await ringEnded(client, ids);
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
      forget(ended);
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
