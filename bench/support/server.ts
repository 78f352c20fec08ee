/** A PostgreSQL for a benchmark: the one of a URL, or an embedded one that ends with it. */
import pg from 'pg';
import { startPostgres } from '../../test/support/postgres.ts';

export interface BenchServer {
  host: string;
  port: number;
  user: string;
  password: string;
  stop(): Promise<void>;
}

export async function serverOf(url: string | undefined): Promise<BenchServer> {
  if (url) {
    const { host, port, user, password } = new pg.Client({ connectionString: url });
    return { host, port, user: user ?? 'postgres', password: password ?? '', stop: async () => {} };
  }
  const server = await startPostgres();
  const { host, port, user, password } = server;
  return { host, port, user, password, stop: async () => server[Symbol.asyncDispose]() };
}
