/** A Quarry with metadata that the queue's acceptance tests can look into, a target, users on it and workers beside it. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { createPool } from '../../src/db/metadata.ts';
import { isFinal } from '../../src/jobs/states.ts';
import type { SubmitQueryInput } from '../generated/graphql.ts';
import { createTestDatabase } from '../support/databases.ts';
import { silent } from '../support/metadata.ts';
import { ConnectDocument, SubmitDocument } from '../support/operations.ts';
import { startPostgres } from '../support/postgres.ts';
import { type Account, startQuarry } from '../support/server.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import { noteMoves, statusesOf } from './queue-moves.ts';
import { masterKey, urlOf } from './support.ts';

/** QUEUE_SCALE=full runs the numbers of the goals; otherwise those that fit CI. */
export const scale = process.env.QUEUE_SCALE === 'full' ? 'full' : 'CI';
/** Of one test. */
export const limitMs = scale === 'full' ? 1_800_000 : 240_000;

/** Jobs of one worker, and of one user who is not given less. */
const atOnce = { worker: 4, user: 64 };

export interface User {
  readonly account: Account;
  readonly databaseId: string;
}

export interface SubmittedJob {
  /** As the API names it. */
  readonly id: string;
  /** As the metadata do. */
  readonly uuid: string;
}

export type QueueWorld = Awaited<ReturnType<typeof createQueueWorld>>;

/** @param targetSql makes what the jobs need in the target */
export async function createQueueWorld(targetSql = '') {
  const [metadata, target] = await Promise.all([createTestDatabase(), startTarget(targetSql)]);
  const shared = {
    DATABASE_URL: urlOf(metadata),
    MASTER_KEYS: masterKey(),
    PLAYGROUND_URL: 'off',
    WORKER_CONCURRENCY: String(atOnce.worker),
    MAX_PARALLEL_JOBS: String(atOnce.user),
    MAX_PARALLEL_JOBS_PER_DATABASE: String(atOnce.user),
  };
  const quarry = await startQuarry({ env: shared });
  const pool = createPool({ connection: metadata, log: silent, max: 4 });
  await noteMoves(pool);

  return {
    quarry,
    metadata: pool,
    target: target.client,
    /** Of the target's superuser. */
    connection: target.connection,
    uuidOf,

    /** Beside the one that the Quarry has already. */
    worker: (): Promise<WorkerProcess> =>
      startWorkerProcess({ ...shared, DATA_DIR: quarry.dataDir, ALLOW_PRIVATE_HOSTS: '127.0.0.1/32' }),

    /** An account with a connection of its own to the target. */
    async addUser({ parallelJobs = atOnce.user }: { parallelJobs?: number } = {}): Promise<User> {
      const account = await quarry.register();
      const input = { name: 'Target', connection: target.connection };
      const { connectDatabase } = await quarry.ask(ConnectDocument, { input }, account);
      await pool.query('UPDATE users SET max_parallel_jobs = $2 WHERE email = $1', [account.email, parallelJobs]);
      return { account, databaseId: connectDatabase.database.id };
    },

    /** Resolves when it is accepted. */
    async submit(
      { account, databaseId }: User,
      sql: string,
      more: Omit<SubmitQueryInput, 'sql' | 'target'> = {},
    ): Promise<SubmittedJob> {
      const { submitQuery } = await quarry.ask(
        SubmitDocument,
        { input: { target: { databaseId }, sql, ...more } },
        account,
      );
      const { id } = submitQuery.job;
      return { id, uuid: uuidOf(id) };
    },

    /** Looks until none of them is under way. */
    async untilFinal(uuids: readonly string[]): Promise<void> {
      while (![...(await statusesOf(pool, uuids)).values()].every(isFinal)) await sleep(100);
    },

    async heldBy({ workerId }: WorkerProcess): Promise<string[]> {
      const { rows } = await pool.query<{ id: string }>(
        `SELECT id FROM jobs WHERE worker_id = $1 AND status = 'running' ORDER BY id`,
        [workerId],
      );
      return rows.map(({ id }) => id);
    },

    async [Symbol.asyncDispose]() {
      await quarry[Symbol.asyncDispose]();
      await pool.end();
      await Promise.all([target[Symbol.asyncDispose](), metadata[Symbol.asyncDispose]()]);
    },
  };
}

/** On a server of its own: no job may connect to the one that holds the metadata. */
async function startTarget(sql: string) {
  const server = await startPostgres();
  const { host, port, user, password } = server;
  const connection = { host, port, user, password, database: 'postgres' };
  const client = new pg.Client(connection);
  await client.connect();
  if (sql) await client.query(sql);
  return {
    connection: { ...connection, ssl: 'DISABLE' as const },
    client,
    async [Symbol.asyncDispose]() {
      await client.end();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** As the metadata name what the API names so. */
function uuidOf(id: string): string {
  const [uuid] = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(Buffer.from(id, 'base64url').toString()) ?? [id];
  return uuid;
}

/** So many calls, as that many clients make them that each wait for their answer. */
export async function bounded(calls: number, clients: number, call: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const client = async () => {
    while (next < calls) await call(next++);
  };
  await Promise.all(Array.from({ length: clients }, client));
}

/** @param seconds of each */
export function spread(seconds: readonly number[]): string {
  const sorted = seconds.toSorted((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2);
  return `p50 ${at(0.5)} s, p99 ${at(0.99)} s, longest ${at(1)} s`;
}
