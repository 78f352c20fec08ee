/** What reads a whole catalogue elsewhere: PostGraphile 5's introspection alone, PostGraphile ready to serve, postgres-meta. */
import type pg from 'pg';
import { requirePeer } from '../support/peer.ts';

/** Of one statement of theirs. */
const longestMs = 600_000;

export type Peer = (client: pg.Client) => Promise<unknown>;

const urlOf = ({ host, port, user, password, database }: pg.Client): string =>
  `postgres://${user}:${encodeURIComponent(password ?? '')}@${host}:${port}/${database}`;

/** The one statement, and its answer as objects. */
const introspection: Peer = async (client) => {
  const { makeIntrospectionQuery, parseIntrospectionResults } = requirePeer<{
    makeIntrospectionQuery(): string;
    parseIntrospectionResults(text: string, includeExtensionResources: boolean): unknown;
  }>('pg-introspection');
  const { rows } = await client.query<{ introspection: string }>(makeIntrospectionQuery());
  return parseIntrospectionResults(rows[0]?.introspection ?? '', true);
};

/** A schema that answers, of the schemas that the benchmark makes. */
const readyToServe: Peer = async (client) => {
  const { postgraphile } = requirePeer<{
    postgraphile(preset: object): { getSchema(): PromiseLike<unknown>; release(): PromiseLike<void> };
  }>('postgraphile');
  const { PostGraphileAmberPreset } = requirePeer<{ PostGraphileAmberPreset: object }>('postgraphile/presets/amber');
  const { makePgService } = requirePeer<{
    makePgService(options: object): { release(): PromiseLike<void> };
  }>('postgraphile/adaptors/pg');
  const service = makePgService({ connectionString: urlOf(client), schemas: ['s0', 's1', 's2', 's3', 's4'] });
  const instance = postgraphile({ extends: [PostGraphileAmberPreset], pgServices: [service] });
  try {
    return await instance.getSchema();
  } finally {
    await instance.release();
    await service.release();
  }
};

/** Tables with their columns. */
const postgresMeta: Peer = async (client) => {
  const { PostgresMeta } = requirePeer<{
    PostgresMeta: new (
      options: object,
    ) => {
      tables: { list(options: object): Promise<{ data: unknown[] | null; error: unknown }> };
      end(): Promise<void>;
    };
  }>('@supabase/postgres-meta');
  const meta = new PostgresMeta({ connectionString: urlOf(client), max: 1, query_timeout: longestMs });
  try {
    const { data, error } = await meta.tables.list({ includeColumns: true });
    if (error || !data) throw new Error(`postgres-meta: ${JSON.stringify(error)}`);
    return data;
  } finally {
    await meta.end();
  }
};

/** Which are worth waiting for at a size: the last two take minutes beyond a thousand tables. */
export const peersAt = (tables: number): Readonly<Record<string, Peer>> => ({
  'PostGraphile introspection': introspection,
  ...(tables <= 1_000 ? { 'PostGraphile ready': readyToServe, 'postgres-meta': postgresMeta } : {}),
});
