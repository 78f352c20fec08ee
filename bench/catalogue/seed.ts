/** Makes a database of so many tables: ten columns, a foreign key, three indexes and comments each, over five schemas. */
import pg from 'pg';

export interface Server {
  host: string;
  port: number;
  user: string;
  password: string;
}

const schemas = 5;
/** Tables of one transaction: PostgreSQL keeps a lock for each until it ends. */
const batchSize = 50;

export async function seeded(server: Server, tables: number): Promise<pg.Client> {
  const database = `bench_catalogue_${tables}`;
  const admin = new pg.Client({ ...server, database: 'postgres' });
  await admin.connect();
  await admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  await admin.query(`CREATE DATABASE ${database}`);
  await admin.end();

  const client = new pg.Client({ ...server, database });
  await client.connect();
  await client.query(Array.from({ length: schemas }, (_, n) => `CREATE SCHEMA s${n}`).join(';'));
  for (let from = 0; from < tables; from += batchSize) {
    const numbers = Array.from({ length: Math.min(batchSize, tables - from) }, (_, n) => from + n);
    await client.query(numbers.map(table).join(';'));
  }
  await client.query('VACUUM ANALYZE');
  return client;
}

const nameOf = (n: number) => `s${n % schemas}.t${n}`;

const table = (n: number) => `
  CREATE TABLE ${nameOf(n)} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent_id bigint ${n === 0 ? '' : `REFERENCES ${nameOf(n - 1)} (id) ON DELETE CASCADE`},
    name text NOT NULL,
    email character varying(120) UNIQUE,
    amount numeric(12,2) DEFAULT 0,
    active boolean NOT NULL DEFAULT true,
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    tags text[],
    document jsonb,
    note text
  );
  CREATE INDEX ON ${nameOf(n)} (parent_id, created_at);
  COMMENT ON TABLE ${nameOf(n)} IS 'Table number ${n}';
  COMMENT ON COLUMN ${nameOf(n)}.email IS 'Where to write to';
  COMMENT ON COLUMN ${nameOf(n)}.amount IS 'In euros'`;
