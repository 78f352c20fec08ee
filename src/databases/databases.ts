/** People's databases: connect, change, look after, let go. Who may do it is policy.ts; where secrets open, credentials.ts. */
import type pg from 'pg';
import { can, type ProjectRole, requireCan } from '../accounts/policy.ts';
import { type Caller, databasesWithin, type Viewer } from '../accounts/viewer.ts';
import { record } from '../audit/audit.ts';
import { type Prisma, transaction } from '../db/metadata.ts';
import type { Moments } from '../db/moments.ts';
import type { Playground } from '../db/playground.ts';
import type { Catalog } from '../engines/catalog.ts';
import type { Engine, SessionIdentity, Target } from '../engines/engine.ts';
import type { Engines } from '../engines/registry.ts';
import { createCatalogPool } from '../engines/sessions.ts';
import { AppError, badInput, notFound } from '../lib/errors.ts';
import { createGate } from '../lib/gate.ts';
import { encodeId, isUuid, uuidv7 } from '../lib/ids.ts';
import { type Keyring, secretOf } from '../lib/keyring.ts';
import { type Service, stopAll } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { type Connection, connectionOf, type PageArguments, pageOf } from '../lib/pages.ts';
import type { Access as ProjectAccess, RightsLostHook } from '../projects/access.ts';
import { createDatabaseAccess, type DatabaseAccess, resourceOf } from './access.ts';
import { createCredentials, type Principal, targetWith } from './credentials.ts';
import { createHealth } from './health.ts';
import { createHosting, type DatabaseTemplate } from './hosting.ts';
import {
  type ConnectionChange,
  type ConnectionInput,
  changeConnection,
  databaseLimits,
  parseConnection,
  parseName,
  parseSearch,
} from './input.ts';
import { type ConnectionReport, connectionFailed, createProber } from './prober.ts';
import { startSample } from './sample.ts';
import {
  type Address,
  createDatabaseStore,
  type Database,
  type OwnerRow,
  type PrismaQuery,
  type ProjectRow,
  type VisibleDatabase,
} from './store.ts';

export type { ConnectionReport, Database, DatabaseTemplate, Principal, VisibleDatabase };

/** Runs in the transaction that lets a database go: ends what others keep of it, its jobs and streams. */
export type DisconnectHook = (databaseId: string, client: pg.PoolClient) => Promise<void>;

/**
 * Asked while the connection still leads there. Never throws for the target. What it resolves with is called when the
 * connection leads elsewhere, or is gone, or stays after all.
 */
export type LeavingHook = (
  database: Database,
  reach: (options: { signal: AbortSignal }) => Promise<{ engine: Engine; target: Target }>,
  options: { signal: AbortSignal },
) => Promise<() => Promise<void>>;

export interface DatabasesDeps {
  readonly pool: pg.Pool;
  readonly prisma: Prisma;
  /** As DatabaseAccessDeps.moments. */
  readonly moments?: Moments;
  readonly engines: Engines;
  readonly keyring: Keyring;
  /** Null: hosted databases are NOT_CONFIGURED, and there is no sample. */
  readonly playground: Playground | null;
  readonly projects: Pick<ProjectAccess, 'roleOf'>;
  readonly onDisconnect: readonly DisconnectHook[];
  readonly onRightsLost: RightsLostHook;
  /** Before a connection is forgotten, or leads elsewhere: what is in the target may be taken out of it. */
  readonly onLeaving?: LeavingHook;
  readonly log: Log;
}

/** On whose behalf besides the viewer, and until when. */
export interface Asked {
  readonly caller: Caller;
  readonly signal: AbortSignal;
}

export interface ConnectDatabase {
  name: string;
  connection: ConnectionInput;
  projectId: string | null;
  readOnly: boolean;
}

export interface CreateHosted {
  name: string;
  template: DatabaseTemplate;
  projectId: string | null;
}

/** What is absent stays; a `projectId` of null takes it out of its project. */
export interface UpdateDatabase {
  id: string;
  name?: string | null | undefined;
  connection?: ConnectionChange | null | undefined;
  projectId?: string | null | undefined;
  readOnly?: boolean | null | undefined;
}

export interface DatabaseList extends PageArguments {
  search?: string | null | undefined;
  projectId?: string | null | undefined;
}

export interface Databases extends DatabaseAccess, Service {
  /** Makes the sample and sweeps what crashes left, in the background. */
  start(): void;
  /** Looks at a server without keeping anything. @throws AppError BAD_USER_INPUT */
  test(viewer: Viewer | null, input: ConnectionInput, asked: Asked): Promise<ConnectionReport>;
  /** @throws AppError BAD_USER_INPUT, CONNECTION_FAILED, LIMIT_EXCEEDED, NOT_FOUND and FORBIDDEN for the project */
  connect(
    viewer: Viewer | null,
    input: ConnectDatabase,
    asked: Asked,
  ): Promise<{ database: VisibleDatabase; report: ConnectionReport }>;
  /** @throws AppError NOT_CONFIGURED, BAD_USER_INPUT, LIMIT_EXCEEDED, NOT_FOUND and FORBIDDEN for the project */
  createHosted(viewer: Viewer | null, input: CreateHosted, asked: Asked): Promise<VisibleDatabase>;
  /** Out of a project, what its members still run there ends. @throws AppError NOT_FOUND, FORBIDDEN, BAD_USER_INPUT, CONNECTION_FAILED, CONFLICT when it changed meanwhile */
  update(viewer: Viewer | null, input: UpdateDatabase, asked: Asked): Promise<VisibleDatabase>;
  /** Its jobs end, and finished ones stay. @throws AppError NOT_FOUND, FORBIDDEN, CONFLICT for a hosted one without `drop` */
  disconnect(viewer: Viewer | null, input: { id: string; drop: boolean }, asked: Asked): Promise<void>;
  /**
   * Lets go of all that a user has outside of projects, hosted ones with what is in them, and of his logins on the sample:
   * for an administrator who deletes the account. @throws AppError FORBIDDEN
   */
  disconnectAllOf(viewer: Viewer | null, userId: string, asked: Asked): Promise<void>;
  /** Those that the viewer sees, the oldest first. @throws AppError BAD_USER_INPUT */
  list(viewer: Viewer | null, list: DatabaseList): Promise<Connection<VisibleDatabase>>;
  /** Never fails for what is wrong with the database. @throws AppError BAD_USER_INPUT */
  health(database: VisibleDatabase, maxAgeMs: number): Promise<ConnectionReport>;
  /** Where it is; null for who may not change that. */
  connectionOf(viewer: Viewer | null, database: VisibleDatabase): Address | null;
  /** What the viewer is to a database that he sees. */
  roleIn(viewer: Viewer | null, database: VisibleDatabase): ProjectRole;
  ownerOf(database: VisibleDatabase, query: PrismaQuery): Promise<OwnerRow | null>;
  /** Null where the viewer is nobody in its project. */
  projectOf(viewer: Viewer | null, database: VisibleDatabase, query: PrismaQuery): Promise<ProjectRow | null>;

  /** Those that are there, in no order, for Quarry's own work: nobody is asked. */
  findAll(ids: readonly string[]): Promise<Database[]>;
  /** The engine, and how to reach the database as this principal, for one session that begins now. @throws AppError */
  targetOf(
    database: Database,
    principal: Principal,
    options: { signal: AbortSignal },
  ): Promise<{ engine: Engine; target: Target }>;
  /**
   * Ends a session of this user in the database, whether he may still use it or not; no-op when either is gone. In a hosted
   * database nobody may end sessions himself: there the playground's administrator does it. @throws AppError CONNECTION_FAILED
   */
  endSession(
    databaseId: string,
    user: { readonly userId: string },
    identity: SessionIdentity,
    options: { signal: AbortSignal },
  ): Promise<void>;
  /** Reads of the catalogue, on connections that Quarry keeps for that. @throws AppError CONNECTION_FAILED, TIMEOUT */
  readCatalog<T>(
    database: Database,
    work: (catalog: Catalog) => Promise<T>,
    options: { signal: AbortSignal },
  ): Promise<T>;
  /** Engine, host and database in words, for what outlives it. */
  labelOf(database: Database): string;
}

/** Databases of one user that are let go at once: each may ask its target something. */
const letGoAtOnce = 8;

const isSamePlace = (a: Address, b: Address): boolean =>
  a.host === b.host && a.port === b.port && a.database === b.database;

export function createDatabases(deps: DatabasesDeps): Databases {
  const { pool, prisma, engines, keyring, playground, projects, onDisconnect, onRightsLost, log } = deps;
  const store = createDatabaseStore({ db: pool, prisma });
  const access = createDatabaseAccess({ store, moments: deps.moments });
  const credentials = createCredentials({ keyring, playground, store });
  const prober = createProber({ engines });
  const health = createHealth({ prober, credentials, store, log });
  const hosting = createHosting({ pool, store, playground, credentials, prober, log });
  const catalogs = createCatalogPool({ engines });
  const running: Service[] = [catalogs, health];

  const reach: Databases['targetOf'] = async (database, principal, options) => ({
    engine: engines[database.engine],
    target: await credentials.targetOf(database, principal, options),
  });
  /** Does what makes it lead elsewhere, or takes it away, once nothing of it is used. */
  async function leave(database: Database, { signal }: Asked, work: () => Promise<void>): Promise<void> {
    const settled = await deps.onLeaving?.(database, (options) => reach(database, 'catalogue', options), { signal });
    try {
      await work();
    } finally {
      await settled?.();
    }
  }

  const defaultPort = (kind: keyof Engines) => engines[kind].defaultPort;

  /** What the viewer is in the project that he wants to put a database into. */
  async function requireProject(viewer: Viewer, projectId: string | null): Promise<ProjectRole | null> {
    if (projectId === null) return null;
    const role = isUuid(projectId) ? await projects.roleOf(viewer.userId, projectId) : null;
    requireCan(viewer, 'project:edit', { kind: 'project', role });
    return role;
  }

  async function requireRoom(client: pg.PoolClient, ownerId: string, { hosted }: { hosted: boolean }): Promise<void> {
    const owned = await store.countOwned(client, ownerId);
    const [limit, actual] = hosted ? [databaseLimits.ownedHosted, owned.hosted] : [databaseLimits.owned, owned.all];
    if (actual < limit) return;
    throw new AppError('LIMIT_EXCEEDED', `At most ${limit} ${hosted ? 'hosted databases' : 'databases'} of one user`, {
      details: { limit, actual },
    });
  }

  const audited = (
    client: pg.PoolClient,
    viewer: Viewer,
    action: 'database.connected' | 'database.updated' | 'database.disconnected' | 'database.created_hosted',
    id: string,
    { caller }: Asked,
    details: Record<string, unknown>,
  ) =>
    record(client, {
      actorId: viewer.userId,
      action,
      subject: encodeId('Database', id),
      outcome: 'success',
      caller,
      details,
    });

  return {
    ...access,

    start() {
      running.push(startSample({ pool, store, hosting, credentials, playground, log }));
    },

    async stop() {
      await stopAll(running);
    },

    async test(viewer, input, { signal, caller }) {
      requireCan(viewer, 'database:connect', { kind: 'server' });
      const settings = parseConnection(input, { defaultPort });
      const report = await prober.probe(settings.engine, () => targetWith(settings), { signal });
      const { engine, host, port, database } = settings;
      await record(pool, {
        actorId: viewer.userId,
        action: 'connection.tested',
        subject: null,
        outcome: report.ok ? 'success' : 'failure',
        caller,
        details: { engine, host, port, database },
      });
      return report;
    },

    async connect(viewer, input, asked) {
      requireCan(viewer, 'database:connect', { kind: 'server' });
      const name = parseName(input.name);
      const settings = parseConnection(input.connection, { defaultPort });
      const role = await requireProject(viewer, input.projectId);
      const report = await prober.probe(settings.engine, () => targetWith(settings), asked);
      if (!report.ok) throw connectionFailed(report, settings);

      const id = uuidv7();
      const { password, ...connection } = settings;
      const database = {
        id,
        name,
        ownerId: viewer.userId,
        projectId: input.projectId,
        ...connection,
        sealedPassword: credentials.seal(id, connection, password),
        readOnly: input.readOnly,
        hosted: false,
        system: false,
        serverVersion: report.serverVersion,
        capabilities: report.capabilities,
      };
      await transaction(pool, async (client) => {
        await requireRoom(client, viewer.userId, database);
        await store.insert(client, database);
        const { engine, readOnly, projectId } = database;
        await audited(client, viewer, 'database.connected', id, asked, { name, engine, readOnly, projectId });
      });
      health.keep(database, report);
      return { database: await reread(viewer, id, role), report };
    },

    async createHosted(viewer, { name: given, template, projectId }, asked) {
      requireCan(viewer, 'database:connect', { kind: 'server' });
      const name = parseName(given);
      const role = await requireProject(viewer, projectId);
      // Asked again when it is there; here it saves the work.
      await transaction(pool, (client) => requireRoom(client, viewer.userId, { hosted: true }));
      const { id } = await hosting.create(
        { name, template, readOnly: false, access: 'OWNER' },
        async (client, made) => {
          await requireRoom(client, viewer.userId, { hosted: true });
          await audited(client, viewer, 'database.created_hosted', made.id, asked, { name, template, projectId });
          return { ...made, ownerId: viewer.userId, projectId };
        },
        asked,
      );
      return await reread(viewer, id, role);
    },

    async update(viewer, input, asked) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const now = await access.requireDatabase(viewer, 'database:manage', input.id);
      if (input.readOnly === null) throw badInput({ path: 'input.readOnly', message: 'cannot be cleared' });
      const named = {
        ...now,
        name: input.name === undefined ? now.name : parseName(input.name),
        readOnly: input.readOnly ?? now.readOnly,
        projectId: input.projectId === undefined ? now.projectId : input.projectId,
      };
      const moved = named.projectId !== now.projectId;
      const role = moved ? await requireProject(viewer, named.projectId) : now.role;
      const changed = input.connection ? await changedConnection(now, input.connection, asked) : null;
      const next = { ...named, ...changed?.database };
      const replace = () =>
        transaction(pool, async (client) => {
          if (!(await store.replace(client, next, now))) {
            throw new AppError('CONFLICT', 'Somebody else changed the database meanwhile');
          }
          if (moved) await onRightsLost(client, [next.id]);
          const { name, readOnly, projectId } = next;
          const connection = changed !== null;
          await audited(client, viewer, 'database.updated', next.id, asked, { name, readOnly, projectId, connection });
        });
      await (isSamePlace(next, now) ? replace() : leave(now, asked, replace));
      if (changed) {
        catalogs.drop(next.id);
        health.keep(next, changed.report);
      }
      return { ...next, role };
    },

    async disconnect(viewer, { id, drop }, asked) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const database = await access.requireDatabase(viewer, 'database:manage', id);
      if (database.hosted && !drop) {
        throw new AppError('CONFLICT', 'The database would be dropped with everything in it: say drop: true');
      }
      if (!database.hosted && drop) {
        throw badInput({
          path: 'input.drop',
          message: 'only a hosted database can be dropped; this one stays where it is',
        });
      }
      await letGo(viewer, database, asked);
    },

    async disconnectAllOf(viewer, userId, asked) {
      requireCan(viewer, 'server:administer', { kind: 'server' });
      const gate = createGate({ max: letGoAtOnce });
      const databases = await store.private(userId);
      await Promise.all(databases.map((database) => gate.run(() => letGo(viewer, database, asked), asked.signal)));
      for (const { databaseId, user } of await store.rolesOf(userId)) {
        await playground?.dropRole(user, asked);
        await store.removeUserRole(databaseId, userId);
      }
    },

    async list(viewer, { search, projectId, ...args }) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const page = pageOf(args);
      for (const path of ['after', 'before'] as const) {
        if (page[path] !== null && !isUuid(page[path])) throw badInput({ path, message: 'not a cursor of this list' });
      }
      const ids = databasesWithin(viewer, null);
      const filter = { search: parseSearch(search), projectId: projectId ?? undefined, ids };
      const rows = await store.list(viewer.userId, filter, page);
      return connectionOf(
        page,
        rows,
        ({ id }) => id,
        () => store.count(viewer.userId, filter),
      );
    },

    async health(database, maxAgeMs) {
      if (maxAgeMs < 0) throw badInput({ path: 'maxAgeMs', message: '0 or more' });
      return await health.check(database, maxAgeMs);
    },

    connectionOf(viewer, database) {
      if (!can(viewer, 'database:manage', resourceOf(database))) return null;
      const { host, port, database: name, user, ssl, hosted } = database;
      const server = hosted ? playground?.admin : undefined;
      return { host: server?.host ?? host, port: server?.port ?? port, database: name, user, ssl };
    },

    roleIn: (viewer, { ownerId, role }) => (viewer && ownerId === viewer.userId ? 'owner' : (role ?? 'viewer')),

    ownerOf: async ({ ownerId }, query) => (ownerId === null ? null : await store.owner(query, ownerId)),

    projectOf: async (viewer, { projectId, role }, query) =>
      projectId === null || !can(viewer, 'project:see', { kind: 'project', role })
        ? null
        : await store.project(query, projectId),

    async endSession(databaseId, user, identity, options) {
      const [database] = await store.find(user.userId, [databaseId]);
      if (!database) return;
      if (database.hosted && playground) {
        const { sessionId, startedAt } = identity;
        await playground.endSession({ pid: Number(sessionId), startedAt, ...options });
        return;
      }
      const target = await credentials.targetOf(database, user, options);
      await engines[database.engine].terminate(target, identity, options);
    },

    findAll: store.findAll,

    async targetOf(database, principal, options) {
      return await reach(database, principal, options);
    },

    readCatalog: (database, work, options) =>
      catalogs.read(
        {
          databaseId: database.id,
          revision: secretOf(database.sealedPassword),
          engine: database.engine,
          target: (waiting) => credentials.targetOf(database, 'catalogue', waiting),
        },
        work,
        options,
      ),

    labelOf({ engine, hosted, host, port, database, name }) {
      const { displayName } = engines[engine];
      return hosted ? `${displayName}, hosted: ${name}` : `${displayName} ${host}:${port}/${database}`;
    },
  };

  async function letGo(viewer: Viewer, database: Database, asked: Asked): Promise<void> {
    const { id, name, engine, hosted } = database;
    await leave(database, asked, () =>
      transaction(pool, async (client) => {
        if (!(await store.lock(client, id))) throw notFound('Database');
        for (const hook of onDisconnect) await hook(id, client);
        await audited(client, viewer, 'database.disconnected', id, asked, { name, engine, hosted });
        if (hosted) await store.orphan(client, id);
        else await store.remove(client, id);
      }),
    );
    catalogs.drop(id);
    health.forget(id);
    // From here on it is gone for everybody; what cannot be dropped now is dropped by a later sweep.
    if (hosted) await hosting.discard(database);
  }

  async function reread(viewer: Viewer, id: string, role: ProjectRole | null): Promise<VisibleDatabase> {
    const [database] = await store.find(viewer.userId, [id]);
    if (!database) throw notFound('Database'); // Somebody was faster to let it go.
    return { ...database, role: database.role ?? role };
  }

  /** What a new connection changes of the row; it was tried. */
  async function changedConnection(
    now: Database,
    change: ConnectionChange,
    { signal }: Asked,
  ): Promise<{ database: Partial<Database>; report: ConnectionReport }> {
    if (now.hosted) {
      throw badInput({ path: 'input.connection', message: 'the connection of a hosted database is the server’s own' });
    }
    const { password: typed, ...connection } = changeConnection(now, change);
    const password = typed ?? credentials.open(now);
    const report = await prober.probe(connection.engine, () => targetWith({ ...connection, password }), { signal });
    if (!report.ok) throw connectionFailed(report, connection);
    const { serverVersion, capabilities } = report;
    const sealedPassword = credentials.seal(now.id, connection, password);
    return { database: { ...connection, serverVersion, capabilities, sealedPassword }, report };
  }
}
