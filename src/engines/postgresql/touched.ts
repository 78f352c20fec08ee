/**
 * Which tables a statement reads and writes. The locks that planning took name every relation of the rewritten query: of
 * views, policies, inlined functions, and those that the planner then left out. What only a run would touch is looked for
 * in triggers, cascades and the bodies of functions in SQL; of other functions it can only be said that nothing is known.
 */
import type { Parser } from './parser.ts';
import type { FunctionName, PlanRelation, WriteOperation } from './plan.ts';
import { type RelationName, referencesOf } from './references.ts';

/** Asks the session that planned, in its transaction. */
export type Ask = (sql: string, values: readonly unknown[]) => Promise<(string | null)[][]>;

export interface Relation extends PlanRelation {
  /** Schema and name, quoted where SQL needs it. */
  readonly label: string;
  /** As last counted; -1 where it never was. */
  readonly rows: number;
  readonly access: 'read' | 'lock' | 'write';
}

/** What this transaction holds on relations of any kind, by their oid. */
export type Locks = ReadonlyMap<string, Relation['access']>;

/** Locks no catalogue itself: what is asked later is not taken for the statement's. */
export async function locksHeld(ask: Ask): Promise<Locks> {
  const rows = await ask(
    `SELECT relation::text, mode FROM pg_catalog.pg_lock_status() AS locks
      WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation'`,
    [],
  );
  const held = new Map<string, Relation['access']>();
  for (const [oid, mode] of rows) {
    const now = accessOf(mode);
    const known = held.get(oid ?? '');
    // A table may be both, as in INSERT INTO t SELECT FROM t: the plan tells that it is read.
    held.set(oid ?? '', known === undefined || rank[now] > rank[known] ? now : known);
  }
  return held;
}

/** The tables among them; a view is none, what it shows is. */
export async function tablesIn(ask: Ask, held: Locks): Promise<Relation[]> {
  const rows = await ask(
    `SELECT c.oid::text, n.nspname::text, c.relname::text, ${labelSql}, c.reltuples::text
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid = ANY ($1::oid[]) AND c.relkind IN (${tableKinds})`,
    [[...held.keys()]],
  );
  return rows.map(([oid, schema, name, label, count]) => ({
    schema: schema ?? '',
    name: name ?? '',
    label: label ?? '',
    rows: Number(count),
    access: held.get(oid ?? '') ?? 'read',
  }));
}

const rank = { read: 0, lock: 1, write: 2 } as const;

function accessOf(mode: string | null | undefined): Relation['access'] {
  if (mode === 'AccessShareLock') return 'read';
  return mode === 'RowShareLock' ? 'lock' : 'write';
}

const labelSql = `pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)`;
/** Ordinary, partitioned, foreign tables and materialized views. */
const tableKinds = `'r', 'p', 'f', 'm'`;

/** The bits of pg_trigger.tgtype (catalog/pg_trigger.h). */
const triggerBits: Readonly<Record<WriteOperation, number>> = { Insert: 4, Delete: 8, Update: 16, Merge: 4 | 8 | 16 };

export interface Trigger {
  readonly table: string;
  readonly trigger: string;
  readonly function: string;
}

/** Those that would fire; not those that hold foreign keys. */
export async function triggersOf(
  ask: Ask,
  written: readonly (PlanRelation & { operation: WriteOperation })[],
): Promise<Trigger[]> {
  if (written.length === 0) return [];
  const rows = await ask(
    `SELECT DISTINCT ${labelSql} AS label, t.tgname::text, pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(f.proname)
       FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::integer[]))
              AS w (schema, name, bits)
       JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
       JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
       JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid
       JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
       JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
      WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & w.bits <> 0
      ORDER BY label, t.tgname::text`,
    [
      written.map(({ schema }) => schema),
      written.map(({ name }) => name),
      written.map(({ operation }) => triggerBits[operation]),
    ],
  );
  return rows.map(([table, trigger, name]) => ({ table: table ?? '', trigger: trigger ?? '', function: name ?? '' }));
}

/** Tables whose rows go, or change, with those that are deleted: ON DELETE CASCADE, SET NULL and SET DEFAULT. */
export async function cascadesOf(ask: Ask, deleted: readonly PlanRelation[]): Promise<string[]> {
  if (deleted.length === 0) return [];
  const rows = await ask(
    `WITH RECURSIVE gone (oid) AS (
       SELECT c.oid
         FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS w (schema, name)
         JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
         JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
       UNION
       SELECT k.conrelid FROM gone JOIN pg_catalog.pg_constraint k ON k.confrelid = gone.oid
        WHERE k.contype = 'f' AND k.confdeltype = 'c'
     )
     SELECT DISTINCT ${labelSql}
       FROM gone
       JOIN pg_catalog.pg_constraint k ON k.confrelid = gone.oid AND k.contype = 'f' AND k.confdeltype IN ('c', 'n', 'd')
       JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`,
    [deleted.map(({ schema }) => schema), deleted.map(({ name }) => name)],
  );
  return rows.map(([label]) => label ?? '');
}

export interface FunctionReport {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** Volatile ones whose body tells nothing: they may write. */
  readonly mayWrite: readonly string[];
  /** Those that promise not to write, and whose body does not tell what they read. */
  readonly mayRead: readonly string[];
  /** There were more than are looked into. */
  readonly incomplete: boolean;
}

interface Routine {
  readonly oid: string;
  readonly label: string;
  readonly language: string;
  readonly volatility: string;
  readonly body: string;
  /** Its own search path; null: that of the session. */
  readonly path: readonly string[] | null;
}

/** A body may call others, and they more. */
const maxRoutines = 50;

/** What the functions of users do, those of SQL looked into; the server's own are known to do nothing to tables. */
export async function lookInto(
  { ask, parser, serverVersion }: { ask: Ask; parser: Parser; serverVersion: string },
  called: readonly FunctionName[],
): Promise<FunctionReport> {
  const reads = new Set<string>();
  const writes = new Set<string>();
  const [mayWrite, mayRead] = [new Set<string>(), new Set<string>()];
  const seen = new Set<string>();
  const open = await routinesNamed(ask, called, null, serverVersion);
  for (let routine = open.shift(); routine; routine = open.shift()) {
    if (seen.has(routine.oid)) continue;
    if (seen.size >= maxRoutines) return { ...report(), incomplete: true };
    seen.add(routine.oid);
    const trees = routine.language === 'sql' ? await parser.parse(routine.body).catch(() => null) : null;
    if (trees === null) {
      if (routine.volatility === 'v') mayWrite.add(routine.label);
      else if (routine.volatility === 's') mayRead.add(routine.label);
      continue;
    }
    const references = referencesOf(trees.map(({ tree }) => tree));
    for (const label of await tablesNamed(ask, references.reads, routine.path)) reads.add(label);
    for (const label of await tablesNamed(ask, references.writes, routine.path)) writes.add(label);
    open.push(...(await routinesNamed(ask, references.functions, routine.path, serverVersion)));
  }
  return report();

  function report(): FunctionReport {
    const listed = (names: ReadonlySet<string>) => [...names].sort();
    const unknown = { mayWrite: listed(mayWrite), mayRead: listed(mayRead) };
    return { reads: [...reads], writes: [...writes], ...unknown, incomplete: false };
  }
}

const searchPath = (parameter: string) => `coalesce(${parameter}::text[], pg_catalog.current_schemas(true)::text[])`;

/** All of a name: which of them is meant only the server knows. Those of extensions in C are taken for harmless. */
async function routinesNamed(
  ask: Ask,
  names: readonly FunctionName[],
  path: readonly string[] | null,
  serverVersion: string,
): Promise<Routine[]> {
  if (names.length === 0) return [];
  // A body that was parsed when the function was made, as of 14.
  const parsed = Number.parseInt(serverVersion, 10) >= 14 ? 'pg_catalog.pg_get_function_sqlbody(p.oid)' : 'NULL::text';
  const rows = await ask(
    `SELECT DISTINCT p.oid::text, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname),
            l.lanname::text, p.provolatile::text, p.prosrc, ${parsed},
            (SELECT setting FROM pg_catalog.unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%')
       FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS w (schema, name)
       JOIN pg_catalog.pg_proc p ON p.proname = w.name
       JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
       JOIN pg_catalog.pg_language l ON l.oid = p.prolang
      WHERE CASE WHEN w.schema IS NULL THEN n.nspname::text = ANY (${searchPath('$3')}) ELSE n.nspname = w.schema END
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND NOT (l.lanname = 'c' AND EXISTS (
              SELECT FROM pg_catalog.pg_depend d
               WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'))
        AND p.prokind IN ('f', 'w')`,
    [names.map(({ schema }) => schema), names.map(({ name }) => name), path],
  );
  return rows.map(([oid, label, language, volatility, source, body, setting]) => ({
    oid: oid ?? '',
    label: label ?? '',
    language: language ?? '',
    volatility: volatility ?? '',
    body: body ? statementsIn(body) : (source ?? ''),
    path: setting ? namesIn(setting.slice('search_path='.length)) : path,
  }));
}

/** `BEGIN ATOMIC … END` and `RETURN …` as statements that stand alone. */
function statementsIn(body: string): string {
  const [, inside] = /^BEGIN ATOMIC\b([\s\S]*)\bEND$/.exec(body.trim()) ?? [];
  return inside ?? body.trim().replace(/^RETURN\b/, 'SELECT');
}

/** Of a setting that is a list: `public, "My Schema"`. */
const namesIn = (setting: string): string[] =>
  [...setting.matchAll(/"((?:[^"]|"")*)"|[^\s,]+/g)].map(([name, quoted]) => quoted?.replaceAll('""', '"') ?? name);

/** Tables by the names that a body gives them; of a view those that it shows, however deep. */
async function tablesNamed(
  ask: Ask,
  names: readonly RelationName[],
  path: readonly string[] | null,
): Promise<string[]> {
  if (names.length === 0) return [];
  const rows = await ask(
    `WITH RECURSIVE found AS (
       SELECT DISTINCT ON (w.place) c.oid
         FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS w (schema, name, place)
         JOIN pg_catalog.pg_class c ON c.relname = w.name
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE CASE WHEN w.schema IS NULL THEN n.nspname::text = ANY (${searchPath('$3')}) ELSE n.nspname = w.schema END
        ORDER BY w.place, pg_catalog.array_position(${searchPath('$3')}, n.nspname::text)
     ), reached (oid) AS (
       SELECT oid FROM found
       UNION
       SELECT d.refobjid
         FROM reached
         JOIN pg_catalog.pg_class v ON v.oid = reached.oid AND v.relkind = 'v'
         JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid
         JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
                                    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
     )
     SELECT DISTINCT ${labelSql}
       FROM reached
       JOIN pg_catalog.pg_class c ON c.oid = reached.oid AND c.relkind IN (${tableKinds})
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`,
    [names.map(({ schema }) => schema), names.map(({ name }) => name), path],
  );
  return rows.map(([label]) => label ?? '');
}
