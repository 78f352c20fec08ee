/** The metadata database at run time: one pool of connections, and Prisma on top of it for what is not a hot path. */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { Log } from '../lib/log.ts';
import { type ConnectionConfig, explicit } from './connection.ts';
import { PrismaClient } from './generated/prisma/client.ts';

export interface MetadataPoolDeps {
  connection: ConnectionConfig;
  log: Log;
  /** Connections at the most. */
  max: number;
}

/** Everything is given, so that nothing of the environment takes part. */
export function createPool({ connection, log, max }: MetadataPoolDeps): pg.Pool {
  const pool = new pg.Pool({ ...explicit(connection), max, keepAlive: true });
  // An idle connection that breaks (a restart of the server) is replaced at the next use.
  pool.on('error', (error) => log.warn({ error: error.message }, 'metadata.connection_lost'));
  return pool;
}

export type Prisma = PrismaClient;

export const createPrisma = (pool: pg.Pool): Prisma =>
  new PrismaClient({ adapter: new PrismaPg(pool, { disposeExternalPool: false }) });

export type Executor = Pick<pg.Pool, 'query'>;

/** Runs `work` in one transaction; it is rolled back when `work` throws. */
export async function transaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  // A connection that breaks while it is held says so by the query that fails; unheard, its event would end the process.
  const onError = () => undefined;
  client.on('error', onError);
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((fault: Error) => {
      broken = fault;
    });
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}
