/** An installation without its HTTP: a metadata database of its own, and replicas of the accounts on it. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type pg from 'pg';
import { createAccounts } from '../../src/accounts/accounts.ts';
import { createAdministration } from '../../src/accounts/administration/administration.ts';
import type { Admission } from '../../src/accounts/admission.ts';
import { type AttemptLimits, createAttempts } from '../../src/accounts/attempts.ts';
import { createBearer } from '../../src/accounts/bearer.ts';
import { createApiKeys } from '../../src/accounts/keys/api-keys.ts';
import { issueToken } from '../../src/accounts/one-time-tokens.ts';
import { createPasswordHasher } from '../../src/accounts/password-hasher.ts';
import { createPasswordProof } from '../../src/accounts/password-proof.ts';
import { createSecondFactors } from '../../src/accounts/totp/second-factors.ts';
import type { Caller } from '../../src/accounts/viewer.ts';
import { sealBeginning } from '../../src/audit/chain.ts';
import { createDatabases } from '../../src/databases/databases.ts';
import { createPool, createPrisma, transaction } from '../../src/db/metadata.ts';
import { startNotify } from '../../src/db/notify.ts';
import { createEngines } from '../../src/engines/registry.ts';
import { type Bus, createBus } from '../../src/lib/bus.ts';
import { createEgress } from '../../src/lib/egress.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createKeyring } from '../../src/lib/keyring.ts';
import { createLog } from '../../src/lib/log.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { Topic } from '../../src/lib/topics.ts';
import { createOutbox } from '../../src/mail/outbox.ts';
import { createAccess } from '../../src/projects/access.ts';
import { createInvitations } from '../../src/projects/invitations/invitations.ts';
import { createProjects } from '../../src/projects/projects.ts';
import { createTaskStore } from '../../src/projects/tasks/store.ts';
import { createTasks } from '../../src/projects/tasks/tasks.ts';
import { createEndWorkOfKeys } from '../../src/queries/ended-keys.ts';
import { createBucketAccess } from '../../src/storage/files/access.ts';
import { createFileStore } from '../../src/storage/files/store.ts';
import { createTestJobStore } from '../support/job-store.ts';
import { createMigratedDatabase } from '../support/metadata.ts';

export const issuer = 'http://quarry.test';
export const caller: Caller = { ipAddress: '192.0.2.1', userAgent: 'test' };
export const password = 'correct horse battery';

/** Resolves when this replica has heard that the session, or the key, ended. */
export function heardBy({ bus }: { bus: Pick<Bus<Topic>, 'listen'> }, id: string): Promise<unknown> {
  const target = new EventTarget();
  const heard = once(target, 'ring', { signal: AbortSignal.timeout(20_000) });
  const stop = bus.listen('session.revoked', id, () => {
    stop();
    target.dispatchEvent(new Event('ring'));
  });
  return heard;
}

export interface ReplicaOptions {
  registration?: 'open' | 'invite' | 'closed';
  requireVerifiedEmail?: boolean;
  admission?: Admission;
  /** None where it is no test of them. */
  attempts?: AttemptLimits;
  clock?: () => Date;
}

export async function createWorld() {
  const database = await createMigratedDatabase();
  const keyring = createKeyring([{ id: 'k1', key: new Secret(randomBytes(32)) }]);
  await sealBeginning(database.client, keyring);
  const log = createLog({ level: 'silent', format: 'json' });
  const { host, port, user, password: secret } = database;
  const connection = { host, port, user, password: secret, database: database.database };
  const opened: (() => Promise<unknown>)[] = [];

  /** @param options of this replica alone; all share the database and the keys */
  async function startReplica({
    registration = 'open',
    requireVerifiedEmail = false,
    admission,
    clock,
    attempts: attemptLimits = { perAccount: 0, perAddress: 0, registrations: 0 },
  }: ReplicaOptions = {}) {
    const bus = createBus<Topic>();
    const pool = createPool({ connection, log, max: 20 });
    const prisma = createPrisma(pool);
    const notify = await startNotify({ connection, pool, bus: bus as never, log });
    const access = createAccess({ pool });
    const settings = { registration, requireVerifiedEmail, maxParallelJobs: 4 };
    // The lowest cost that bcrypt has: what it costs is not what these tests are about.
    const hasher = createPasswordHasher({ cost: 4 });
    const outbox = createOutbox({ keyring, publicUrl: new URL(issuer) });
    const invitations = createInvitations({ pool, prisma, access, outbox, registration });
    const attempts = createAttempts({ pool, limits: attemptLimits });
    const proof = createPasswordProof({ pool, hasher, attempts });
    const secondFactors = createSecondFactors({ pool, keyring, outbox, proof, attempts, ...(clock && { clock }) });
    const jobs = createTestJobStore(pool, { bus });
    const endWorkOfKeys = createEndWorkOfKeys({ jobs });
    const accounts = createAccounts({
      endWorkOfKeys,
      secondFactors,
      pool,
      prisma,
      keyring,
      bus,
      access,
      buckets: createBucketAccess({ store: createFileStore({ db: pool, prisma }) }),
      hasher,
      outbox,
      admission: admission ?? invitations,
      attempts,
      proof,
      issuer,
      settings,
      ...(clock && { clock }),
    });
    const projects = createProjects({ pool, prisma, access, onRightsLost: async () => undefined, settings });
    const tasks = createTasks({ pool, store: createTaskStore({ db: pool, prisma }), bus });
    const databases = createDatabases({
      pool,
      prisma,
      engines: createEngines({ dial: createEgress({ allowPrivateHosts: ['127.0.0.1/32'], denied: () => [] }) }),
      keyring,
      playground: null,
      projects: access,
      onRightsLost: jobs.cancelWithoutRight,
      onDisconnect: [(databaseId, client) => jobs.cancelAllOf(client, databaseId)],
      log,
    });
    const apiKeys = createApiKeys({
      pool,
      prisma,
      bus,
      endWorkOfKeys,
      settings,
      requireDatabase: databases.requireDatabase,
      ...(clock && { clock }),
    });
    const administration = createAdministration({ pool, prisma, bus, jobs, databases });
    opened.push(async () => {
      await databases.stop();
      await accounts.stop();
      await apiKeys.stop();
      await hasher.stop();
      await notify.stop();
      await prisma.$disconnect();
      await pool.end();
    });
    const bearer = createBearer({ accounts, apiKeys, issued: null });
    const served = {
      accounts,
      administration,
      apiKeys,
      bearer,
      secondFactors,
      databases,
      invitations,
      jobs,
      projects,
      tasks,
    };
    return { ...served, outbox, access, pool, prisma, bus, hasher, settings };
  }

  const replica = await startReplica();
  let people = 0;

  return {
    ...replica,
    keyring,
    startReplica,
    /** Straight into the database, past every rule. */
    sql: async <R extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
      (await database.client.query<R>(text, values)).rows,
    /** A transaction that others have to wait for, in the order in which they come. */
    async begun() {
      const client = await replica.pool.connect();
      await client.query('BEGIN');
      return {
        query: client.query.bind(client) as pg.PoolClient['query'],
        /** Nobody else changes the account until this ends. */
        holdUser: (userId: string) => client.query('SELECT FROM users WHERE id = $1 FOR UPDATE', [userId]),
        async untilSomebodyWaits(count = 1) {
          const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
          while ((await database.client.query(waiting)).rows.length < count) await setImmediate();
        },
        commit: () => client.query('COMMIT'),
        async [Symbol.asyncDispose]() {
          await client.query('ROLLBACK');
          client.release();
        },
      };
    },
    /** As it is mailed. */
    async resetToken({ userId, email }: { userId: string; email: string }) {
      const subject = { purpose: 'password.reset', subjectId: userId, email, lifetimeHours: 1 } as const;
      return (await transaction(replica.pool, (client) => issueToken(client, subject))).token;
    },
    /** Submits one; nothing here runs it. @returns its id */
    async job(ownerId: string, { keyId, runAt = null }: { keyId?: string; runAt?: Date | null } = {}) {
      const { job } = await replica.jobs.insert({
        kind: 'query',
        ownerId,
        databaseId: null,
        targetKey: uuidv7(),
        targetLabel: 'test',
        name: null,
        sql: 'select 1',
        parameters: null,
        readOnly: false,
        transaction: 'whole',
        timeoutMs: 60_000,
        maxRows: null,
        runAt,
        idempotencyKey: null,
        caller: { ...caller, ...(keyId && { keyId }) },
      });
      return job.id;
    },
    /** A new account, signed in. */
    async person(name = `person${++people}`) {
      const email = `${name}@example.com`;
      const signedIn = await replica.accounts.register({ email, password }, caller);
      if (!signedIn) throw new Error('nobody is signed in');
      return { ...signedIn, email, userId: signedIn.viewer.userId };
    },
    async auditOf(action: string) {
      const sql = 'SELECT * FROM audit_entries WHERE action = $1 ORDER BY id';
      return (await database.client.query(sql, [action])).rows;
    },
    async [Symbol.asyncDispose]() {
      for (const close of opened) await close();
      await database[Symbol.asyncDispose]();
    },
  };
}

export type World = Awaited<ReturnType<typeof createWorld>>;
