/** The floor: the same data by plain set queries on oids, one for each kind, as one would write them by hand for this alone. */
import type pg from 'pg';

export type Relations = { oids: string[] } | { schemas: string };

const comment = (of: string, part = '0') =>
  `LEFT JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = ${of} AND d.objsubid = ${part}`;

const queries = {
  columns: (of: string) => `
    SELECT a.attrelid, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(e.adbin, e.adrelid),
      a.attgenerated, a.attidentity, d.description, t.typtype, a.attcollation <> t.typcollation
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum ${comment('a.attrelid', 'a.attnum')}
    WHERE ${of} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped`,
  indexes: (of: string) => `
    SELECT i.indrelid, x.relname, i.indkey::text, i.indisunique, i.indisprimary, i.indisvalid, am.amname,
      pg_get_expr(i.indpred, i.indrelid), pg_get_indexdef(i.indexrelid), pg_stat_get_numscans(i.indexrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am am ON am.oid = x.relam
    WHERE ${of} AND c.relkind IN ('r', 'p', 'm')`,
  constraints: (of: string) => `
    SELECT k.conrelid, k.conname, k.contype, k.conkey::text, pg_get_constraintdef(k.oid), k.condeferrable, k.convalidated,
      k.confrelid, k.confkey::text, k.confupdtype, k.confdeltype
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE ${of}`,
};

const raw = { getTypeParser: () => (text: string) => text };

async function rows(client: pg.Client, text: string, values: unknown[]): Promise<string[][]> {
  return (await client.query<string[]>({ text, values, rowMode: 'array', types: raw })).rows;
}

function grouped(all: string[][]): Map<string, string[][]> {
  const groups = new Map<string, string[][]>();
  for (const row of all) {
    const group = groups.get(row[0]!);
    if (group) group.push(row);
    else groups.set(row[0]!, [row]);
  }
  return groups;
}

const tables = `
  SELECT c.oid, n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), d.description, c.reltuples
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace ${comment('c.oid')}
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`;

/** Everything, from both ends of each foreign key. */
export async function readAll(client: pg.Client): Promise<number> {
  const found = await rows(client, `${tables} ORDER BY 2, 3`, []);
  const of = `c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')`;
  const columns = grouped(await rows(client, queries.columns(of), []));
  const indexes = grouped(await rows(client, queries.indexes(of), []));
  const constraints = grouped(await rows(client, queries.constraints(of), []));
  return found.length + columns.size + indexes.size + constraints.size;
}

/** The first page of one schema: one query for the tables, then one `= any(oids)` a kind, foreign keys to them too. */
export async function readPage(client: pg.Client, size: number): Promise<number> {
  const found = await rows(client, `${tables} AND n.nspname = 's0' ORDER BY c.relname LIMIT ${size}`, []);
  const oids = found.map(([oid]) => oid!);
  const columns = grouped(await rows(client, queries.columns('c.oid = any($1::oid[])'), [oids]));
  const indexes = grouped(await rows(client, queries.indexes('c.oid = any($1::oid[])'), [oids]));
  const constraints = grouped(await rows(client, queries.constraints('c.oid = any($1::oid[])'), [oids]));
  const referencedBy = grouped(await rows(client, queries.constraints('k.confrelid = any($1::oid[])'), [oids]));
  return found.length + columns.size + indexes.size + constraints.size + referencedBy.size;
}
