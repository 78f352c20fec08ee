/**
 * The floor: the same data by plain set queries on oids, one for each kind, as one would write them by hand for this
 * alone: a constraint is read once and put together with names, keys and both ends of its foreign key here.
 */
import type pg from 'pg';

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

type Table = {
  row: string[];
  columns: Map<string, object>;
  indexes: object[];
  constraints: object[];
  keys: object[];
  referencedBy: object[];
};

/** Puts rows together by oid; `keys` are rows of constraints, `referring` those of foreign keys from elsewhere. */
function assembled(
  found: string[][],
  columns: string[][],
  indexes: string[][],
  keys: string[][],
  referring: string[][],
): number {
  const tables = new Map<string, Table>();
  for (const row of found) {
    tables.set(row[0]!, { row, columns: new Map(), indexes: [], constraints: [], keys: [], referencedBy: [] });
  }
  for (const row of columns)
    tables.get(row[0]!)?.columns.set(row[2]!, { row, name: row[1], primary: false, indexed: false });
  const named = (table: Table | undefined, numbers: string[]) =>
    numbers.map((number) => (table?.columns.get(number) as { name: string } | undefined)?.name);
  for (const row of indexes) {
    const table = tables.get(row[0]!);
    const numbers = row[2]!.split(' ');
    for (const number of numbers) {
      const column = table?.columns.get(number) as { primary: boolean; indexed: boolean } | undefined;
      if (column) Object.assign(column, { indexed: true, primary: column.primary || row[4] === 't' });
    }
    table?.indexes.push({ row, columns: named(table, numbers) });
  }
  const numbersOf = (text: string | null) => (text === null ? [] : text.slice(1, -1).split(','));
  const foreignKey = (row: string[]) => ({
    row,
    columns: named(tables.get(row[0]!), numbersOf(row[3]!)),
    referencedColumns: named(tables.get(row[7]!), numbersOf(row[8]!)),
  });
  for (const row of keys) {
    const table = tables.get(row[0]!);
    table?.constraints.push({ row, columns: named(table, numbersOf(row[3]!)) });
    if (row[2] === 'f') table?.keys.push(foreignKey(row));
  }
  for (const row of referring) if (row[2] === 'f') tables.get(row[7]!)?.referencedBy.push(foreignKey(row));
  return tables.size;
}

const tables = `
  SELECT c.oid, n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), d.description, c.reltuples
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace ${comment('c.oid')}
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`;

/** Everything, from both ends of each foreign key. */
export async function readAll(client: pg.Client): Promise<number> {
  const found = await rows(client, `${tables} ORDER BY 2, 3`, []);
  const of = `c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')`;
  const columns = await rows(client, queries.columns(of), []);
  const indexes = await rows(client, queries.indexes(of), []);
  const constraints = await rows(client, queries.constraints(of), []);
  return assembled(found, columns, indexes, constraints, constraints);
}

/** A first page: one query for the tables, then one `= any(oids)` a kind, and foreign keys to them. */
export async function readPage(client: pg.Client, size: number, schema: string | null): Promise<number> {
  const found = await rows(
    client,
    `${tables} AND ($1::text IS NULL OR n.nspname = $1) ORDER BY n.nspname, c.relname LIMIT $2`,
    [schema, size],
  );
  const oids = found.map(([oid]) => oid!);
  const columns = await rows(client, queries.columns('c.oid = any($1::oid[])'), [oids]);
  const indexes = await rows(client, queries.indexes('c.oid = any($1::oid[])'), [oids]);
  const constraints = await rows(client, queries.constraints('c.oid = any($1::oid[])'), [oids]);
  const referring = await rows(client, queries.constraints('k.confrelid = any($1::oid[])'), [oids]);
  return assembled(found, columns, indexes, constraints, referring);
}
