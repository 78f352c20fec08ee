/** API keys: making one, which is shown once, using it, seeing and ending it. What it may is the policy's. */
import type pg from 'pg';
import { record } from '../../audit/audit.ts';
import { type Executor, type Prisma, transaction } from '../../db/metadata.ts';
import { ringInTransaction } from '../../db/notify.ts';
import type { Bus } from '../../lib/bus.ts';
import { AppError, badInput, notFound } from '../../lib/errors.ts';
import { encodeId, uuidv7 } from '../../lib/ids.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { Topic } from '../../lib/topics.ts';
import { can, requireCan } from '../policy.ts';
import { roleInSession } from '../store.ts';
import type { ApiKeyScope, Caller, Viewer } from '../viewer.ts';
import { createLiveKeys } from './live-keys.ts';
import { hashOf, isSecretOf, newSecret, parseKey, printKey } from './secrets.ts';
import type { ApiKey } from './store.ts';
import * as store from './store.ts';

export type { ApiKey };

/** Keys of one user that open something, at once. */
export const maxApiKeys = 100;
/** So many that ended are still shown. */
const maxDeadKeys = 100;
/** That one key is narrowed to. */
const maxDatabases = 100;

/** In the transaction in which they end: what their user began with them ends, too. */
export type EndWorkOfKeys = (client: Executor, userId: string, keyIds: readonly string[]) => Promise<void>;

export interface ApiKeysDeps {
  pool: pg.Pool;
  prisma: Prisma;
  bus: Pick<Bus<Topic>, 'listen' | 'ringHere'>;
  endWorkOfKeys: EndWorkOfKeys;
  /** Whether keys of accounts whose address is not confirmed open nothing. */
  settings: { readonly requireVerifiedEmail: boolean };
  /** @throws AppError NOT_FOUND where the viewer does not see it */
  requireDatabase(viewer: Viewer | null, action: 'database:see', id: string): Promise<unknown>;
  clock?: () => Date;
}

export interface NewApiKey {
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  /** Null: it does not end by itself. */
  readonly expiresAt: Date | null;
  /** Nothing but what is of these; null or absent: all that the user reaches. */
  readonly databaseIds?: readonly string[] | null;
}

export interface ApiKeys extends Service {
  /** Who shows this key. @throws AppError UNAUTHENTICATED */
  authenticate(token: string): Promise<Viewer>;
  /**
   * `secret` is the whole of what is to be shown as a bearer; nobody can be told it again.
   * @throws AppError BAD_USER_INPUT, LIMIT_EXCEEDED, NOT_FOUND for a database, UNAUTHENTICATED for a session that has ended,
   * FORBIDDEN for ADMIN by who is none, and for everything with a key
   */
  create(viewer: Viewer | null, key: NewApiKey, caller: Caller): Promise<{ apiKey: ApiKey; secret: string }>;
  /** Nothing more when it was revoked before; its streams, jobs and schedules end. @throws AppError NOT_FOUND */
  revoke(viewer: Viewer | null, id: string, caller: Caller): Promise<ApiKey>;
  /** Null when it is absent or not the viewer's to see. */
  find(viewer: Viewer | null, id: string): Promise<ApiKey | null>;
  /** All of each user, the newest first, for users whose access the viewer may see. */
  keysOf(userIds: readonly string[]): Promise<Map<string, ApiKey[]>>;
  /** Whether it opens anything, whatever secret is shown; as old as an answer may be. */
  isLive(keyId: string): Promise<boolean>;
  /** The ids of those that each narrowed key is for. */
  databasesOf(keyIds: readonly string[]): Promise<Map<string, string[]>>;
}

const refused = () => new AppError('UNAUTHENTICATED', 'The API key is not valid, or has ended');

/** ADMIN is an administrator's: it goes with his role. */
const effective = (scopes: readonly ApiKeyScope[], role: Viewer['role']): ApiKeyScope | undefined =>
  scopes.filter((scope) => scope !== 'admin' || role === 'admin').at(-1);

export function createApiKeys({
  pool,
  prisma,
  bus,
  endWorkOfKeys,
  settings,
  requireDatabase,
  clock = () => new Date(),
}: ApiKeysDeps): ApiKeys {
  const live = createLiveKeys({
    bus,
    load: (id) => store.findLiveKey(pool, id, settings),
    noteUse: (id) => store.noteUse(pool, id),
  });

  const resourceOf = ({ userId }: Pick<ApiKey, 'userId'>) => ({ kind: 'user', userId, fellow: false }) as const;

  const audited = (
    client: pg.PoolClient,
    viewer: Viewer,
    action: 'api_key.created' | 'api_key.revoked',
    id: string,
    caller: Caller,
    details: Record<string, unknown>,
  ) =>
    record(client, {
      actorId: viewer.userId,
      action,
      subject: encodeId('ApiKey', id),
      outcome: 'success',
      caller,
      details,
    });

  async function checkDatabases(viewer: Viewer, scopes: readonly ApiKeyScope[], ids: readonly string[] | null) {
    if (ids === null) return;
    const path = 'input.databaseIds';
    if (ids.length === 0) throw badInput({ path, message: 'at least one; absent for all' });
    if (ids.length > maxDatabases) throw badInput({ path, message: `at most ${maxDatabases}` });
    if (scopes.includes('anonymous')) throw badInput({ path, message: 'not with ANONYMOUS' });
    for (const id of new Set(ids)) await requireDatabase(viewer, 'database:see', id);
  }

  async function visible(viewer: Viewer | null, id: string): Promise<ApiKey | null> {
    const key = viewer && (await store.findKey(prisma, id));
    return key && can(viewer, 'user:see-access', resourceOf(key)) ? key : null;
  }

  /** What it allows now; undefined for nothing. */
  const scopeNow = ({ expiresAt, scopes, userRole }: store.LiveKey): ApiKeyScope | undefined =>
    expiresAt !== null && expiresAt <= clock() ? undefined : effective(scopes, userRole);

  return {
    async authenticate(token) {
      const shown = parseKey(token);
      // Whether there is such an id may be learnt by the time it takes; it is no secret.
      const key = shown && (await live.find(shown.id));
      if (!key || !isSecretOf(key.secretHash, shown.secret)) throw refused();
      const scope = scopeNow(key);
      if (!scope) throw refused();
      live.used(key.id);
      return {
        userId: scope === 'anonymous' ? key.id : key.userId,
        // What only administrators may takes ADMIN, also where no scope is asked for.
        role: scope === 'admin' && key.databaseIds === null ? key.userRole : 'member',
        sessionId: key.id,
        expiresAt: key.expiresAt,
        key: { id: key.id, scope, ...(key.databaseIds && { databaseIds: key.databaseIds }) },
      };
    },

    async create(viewer, { name, scopes: given, expiresAt, databaseIds = null }, caller) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      const { userId } = viewer;
      requireCan(viewer, 'user:make-keys', resourceOf({ userId }));
      const scopes = store.scopesOfText(given);
      if (scopes.length === 0) throw badInput({ path: 'input.scopes', message: 'at least one' });
      if (scopes.includes('anonymous') && scopes.length > 1)
        throw badInput({ path: 'input.scopes', message: 'ANONYMOUS stands alone' });
      if (expiresAt !== null && expiresAt <= clock())
        throw badInput({ path: 'input.expiresAt', message: 'in the future' });
      if (scopes.includes('admin') && viewer.role !== 'admin')
        throw new AppError('FORBIDDEN', 'Only an administrator makes a key with the scope ADMIN');
      await checkDatabases(viewer, scopes, databaseIds);
      const id = uuidv7();
      const secret = newSecret();
      await transaction(pool, async (client) => {
        await store.lockUser(client, userId);
        // Until now it was asked of what is remembered. Who sets a new password ends the keys that he finds, and none comes behind.
        if (!(await roleInSession(client, viewer, settings)))
          throw new AppError('UNAUTHENTICATED', 'The session has ended; sign in again');
        const actual = await store.countLive(client, userId);
        if (actual >= maxApiKeys)
          throw new AppError('LIMIT_EXCEEDED', `At most ${maxApiKeys} API keys of one user: revoke some`, {
            details: { limit: maxApiKeys, actual },
          });
        await store.forgetDead(client, userId, maxDeadKeys);
        const secretHash = hashOf(secret);
        await store.insertKey(client, { id, userId, name, scopes, databaseIds, secretHash, expiresAt });
        await audited(client, viewer, 'api_key.created', id, caller, {
          name,
          scopes,
          expiresAt,
          databases: databaseIds?.map((each) => encodeId('Database', each)),
        });
      });
      const apiKey = await store.findKey(prisma, id);
      if (!apiKey) throw notFound('API key'); // The account went in the same moment.
      return { apiKey, secret: printKey(id, secret) };
    },

    async revoke(viewer, id, caller) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      const key = await store.findKey(prisma, id);
      if (!key) throw notFound('API key');
      const resource = resourceOf(key);
      if (!viewer.key && !can(viewer, 'user:see-access', resource)) throw notFound('API key');
      requireCan(viewer, 'user:revoke-keys', resource);
      await transaction(pool, async (client) => {
        if (!(await store.revokeKey(client, id))) return;
        await ringInTransaction(client, [['session.revoked', id]]);
        await endWorkOfKeys(client, key.userId, [id]);
        await audited(client, viewer, 'api_key.revoked', id, caller, { name: key.name });
      });
      // This process need not wait for its own ring to come back.
      bus.ringHere('session.revoked', id);
      return (await store.findKey(prisma, id)) ?? key;
    },

    async isLive(keyId) {
      const key = await live.find(keyId);
      return key !== null && scopeNow(key) !== undefined;
    },

    find: visible,

    keysOf: (userIds) => store.findKeys(prisma, userIds),

    databasesOf: (keyIds) => store.findDatabases(pool, keyIds),

    stop: () => live.stop(),
  };
}
