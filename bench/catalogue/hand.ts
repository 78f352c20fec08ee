/**
 * The floor: the same data by plain set queries on oids, one for each kind, as one would write them by hand for this
 * alone: a constraint is read once and put together with names, keys and both ends of its foreign key here. Each query
 * waits for the one before it and is planned anew, as in a script.
 *
 * `readAll` and `readPage` read four kinds: tables, columns, indexes and constraints. A snapshot beside `readAll` does more
 * than its share: it is one moment, proves that, and has every kind. `readEverything` reads the kinds that a snapshot has,
 * for what one database has of each, and is the floor of equal work; it proves nothing, and prints what hides nothing.
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

/** The kinds that a snapshot has beside those four, by namespaces `n` that are the user's. */
const otherKinds = [
  `SELECT n.oid, n.nspname, pg_get_userbyid(n.nspowner), n.nspacl, obj_description(n.oid, 'pg_namespace') FROM pg_namespace n WHERE own`,
  `SELECT c.oid, n.nspname, c.relname, pg_get_userbyid(c.relowner), c.relacl, d.description, format_type(s.seqtypid, NULL), s.*,
     p.refobjid::regclass, p.refobjsubid, p.deptype
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
   LEFT JOIN pg_depend p ON p.classid = 'pg_class'::regclass AND p.objid = c.oid AND p.deptype IN ('a', 'i')
     AND p.refclassid = 'pg_class'::regclass AND p.refobjsubid > 0 ${comment('c.oid')} WHERE own`,
  `SELECT c.oid, c.relacl, c.reloptions, c.relpersistence, c.relreplident, c.relrowsecurity, c.relforcerowsecurity, am.amname,
     s.spcname, t.reloptions, pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid),
     CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am am ON am.oid = c.relam
   LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
   WHERE own AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
  `SELECT i.inhrelid, i.inhparent, i.inhseqno FROM pg_inherits i`,
  `SELECT f.ftrelid, s.srvname, f.ftoptions FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver`,
  `SELECT d.objoid, d.description FROM pg_description d WHERE d.classoid = 'pg_constraint'::regclass`,
  `SELECT g.oid, g.tgrelid, g.tgname, pg_get_triggerdef(g.oid), g.tgenabled, g.tgtype, g.tgfoid::regprocedure
   FROM pg_trigger g WHERE NOT g.tgisinternal`,
  `SELECT p.oid, p.polrelid, p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid),
     pg_get_expr(p.polwithcheck, p.polrelid) FROM pg_policy p`,
  `SELECT r.oid, r.ev_class, r.rulename, pg_get_ruledef(r.oid) FROM pg_rewrite r WHERE r.oid >= 16384 AND r.rulename <> '_RETURN'`,
  `SELECT s.oid, s.stxrelid, s.stxname, pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s`,
  `SELECT p.oid, n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid),
     CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END, pg_get_userbyid(p.proowner), p.proacl
   FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE own`,
  `SELECT t.oid, n.nspname, t.typname, t.typtype, pg_get_userbyid(t.typowner), t.typacl, format_type(t.typbasetype, t.typtypmod),
     t.typnotnull, t.typdefault, ARRAY(SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
   FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE own AND t.typtype IN ('e', 'd', 'r')`,
  `SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
   JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE own AND c.relkind = 'c' AND a.attnum > 0`,
  `SELECT e.oid, e.extname, e.extversion, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace`,
  `SELECT d.classid, d.objid FROM pg_depend d WHERE d.deptype = 'e'`,
  `SELECT r.*, ARRAY(SELECT m.roleid::regrole FROM pg_auth_members m WHERE m.member = r.oid) FROM pg_roles r`,
  'SELECT oid, * FROM pg_event_trigger',
  'SELECT oid, * FROM pg_publication',
  'SELECT * FROM pg_publication_rel',
  'SELECT oid, * FROM pg_foreign_data_wrapper',
  'SELECT oid, * FROM pg_foreign_server',
  'SELECT oid, * FROM pg_operator WHERE oid >= 16384',
  'SELECT oid, * FROM pg_cast WHERE oid >= 16384',
  'SELECT oid, * FROM pg_collation WHERE oid >= 16384',
  'SELECT oid, * FROM pg_ts_config WHERE oid >= 16384',
].map((sql) => sql.replace('WHERE own', `WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`));

/** What a snapshot has, by hand. */
export async function readEverything(client: pg.Client): Promise<number> {
  let found = await readAll(client);
  for (const sql of otherKinds) {
    const byId = new Map((await rows(client, sql, [])).map((row) => [row[0]!, row]));
    found += byId.size;
  }
  return found;
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
