/** What the functions that a statement calls read and write: those in SQL are looked into, of others it can only be said that nothing is known. */
import type { Parser } from './parser.ts';
import type { FunctionName } from './plan.ts';
import { type RelationName, referencesOf } from './references.ts';
import { type Ask, labelSql, tableKinds } from './touched.ts';

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
  readonly volatility: string;
  /** Null: it is not SQL, or too long to look into. */
  readonly body: string | null;
  /** Its own search path; null: that of the session. */
  readonly path: readonly string[] | null;
}

/** What may call a function: by its name, as an operator, or in the checks of a domain or of a table that is written. */
export interface Callers {
  readonly functions: readonly FunctionName[];
  readonly operators: readonly FunctionName[];
  readonly types: readonly FunctionName[];
  readonly writes: readonly RelationName[];
}

/** A body may call others, and they more. */
const maxRoutines = 50;
/** Parsed, 30 ms in which this process does nothing else; one that is longer counts as not SQL. */
const maxBodyBytes = 65_536;

/** What the functions of users do, those of SQL looked into; the server's own are known to do nothing to tables. */
export async function lookInto(
  { ask, parser, serverVersion }: { ask: Ask; parser: Parser; serverVersion: string },
  callers: Callers,
): Promise<FunctionReport> {
  const reads = new Set<string>();
  const writes = new Set<string>();
  const [mayWrite, mayRead] = [new Set<string>(), new Set<string>()];
  const seen = new Set<string>();
  const open = await routinesOf(ask, callers, null, serverVersion);
  for (let routine = open.shift(); routine; routine = open.shift()) {
    if (seen.has(routine.oid)) continue;
    if (seen.size >= maxRoutines) return { ...report(), incomplete: true };
    seen.add(routine.oid);
    const trees = routine.body === null ? null : await parser.parse(routine.body).catch(() => null);
    if (trees === null) {
      if (routine.volatility === 'v') mayWrite.add(routine.label);
      else if (routine.volatility === 's') mayRead.add(routine.label);
      continue;
    }
    const references = referencesOf(trees.map(({ tree }) => tree));
    for (const label of await tablesNamed(ask, references.reads, routine.path)) reads.add(label);
    for (const label of await tablesNamed(ask, references.writes, routine.path)) writes.add(label);
    open.push(...(await routinesOf(ask, references, routine.path, serverVersion)));
  }
  return report();

  function report(): FunctionReport {
    const listed = (names: ReadonlySet<string>) => [...names].sort();
    const unknown = { mayWrite: listed(mayWrite), mayRead: listed(mayRead) };
    return { reads: [...reads], writes: [...writes], ...unknown, incomplete: false };
  }
}

const searchPath = (parameter: string) => `coalesce(${parameter}::text[], pg_catalog.current_schemas(true)::text[])`;

/** Of names from the parameters $n (schemas) and $n + 1. */
const wanted = (n: number) =>
  `ROWS FROM (pg_catalog.unnest($${n}::text[]), pg_catalog.unnest($${n + 1}::text[])) AS w (schema, name)`;
const inReach = `CASE WHEN w.schema IS NULL THEN n.nspname::text = ANY (${searchPath('$1')}) ELSE n.nspname = w.schema END`;

/**
 * All of a name: which of them is meant only the server knows. Of an aggregate those that it is made of. Those of
 * extensions in C are taken for harmless.
 */
async function routinesOf(
  ask: Ask,
  { functions, operators, types, writes }: Callers,
  path: readonly string[] | null,
  serverVersion: string,
): Promise<Routine[]> {
  const lists = [functions, operators, types, writes];
  if (lists.every(({ length }) => length === 0)) return [];
  // A body that was parsed when the function was made, as of 14.
  const parsed = Number.parseInt(serverVersion, 10) >= 14 ? 'pg_catalog.pg_get_function_sqlbody(p.oid)' : 'NULL::text';
  const rows = await ask(
    `WITH RECURSIVE written AS (
       SELECT c.oid FROM ${wanted(8)}
         JOIN pg_catalog.pg_class c ON c.relname = w.name
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE ${inReach}
     ), typed (oid) AS (
       SELECT t.oid FROM ${wanted(6)}
         JOIN pg_catalog.pg_type t ON t.typname = w.name
         JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        WHERE ${inReach}
       UNION
       SELECT a.atttypid FROM written JOIN pg_catalog.pg_attribute a ON a.attrelid = written.oid AND a.attnum > 0
       UNION
       SELECT d.typbasetype FROM typed JOIN pg_catalog.pg_type d ON d.oid = typed.oid AND d.typtype = 'd'
     ), checked AS (
       SELECT d.refclassid, d.refobjid
         FROM pg_catalog.pg_constraint k
         JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = k.oid
        WHERE k.contype = 'c' AND (k.contypid IN (SELECT oid FROM typed) OR k.conrelid IN (SELECT oid FROM written))
     ), found (oid) AS (
       SELECT p.oid FROM ${wanted(2)}
         JOIN pg_catalog.pg_proc p ON p.proname = w.name
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE ${inReach}
       UNION
       SELECT o.oprcode FROM ${wanted(4)}
         JOIN pg_catalog.pg_operator o ON o.oprname = w.name
         JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
        WHERE ${inReach}
       UNION
       SELECT refobjid FROM checked WHERE refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
       UNION
       SELECT o.oprcode FROM checked JOIN pg_catalog.pg_operator o ON o.oid = refobjid
        WHERE refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
       UNION
       SELECT castfunc FROM pg_catalog.pg_cast WHERE casttarget IN (SELECT oid FROM typed)
     ), called (oid) AS (
       SELECT oid FROM found
       UNION
       SELECT part.oid FROM found
         JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = found.oid
        CROSS JOIN LATERAL (VALUES (a.aggtransfn), (a.aggfinalfn), (a.aggcombinefn), (a.aggserialfn), (a.aggdeserialfn),
                                   (a.aggmtransfn), (a.aggminvtransfn), (a.aggmfinalfn)) AS part (oid)
     )
     SELECT p.oid::text, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname),
            p.provolatile::text, CASE WHEN l.lanname = 'sql' THEN coalesce(${parsed}, p.prosrc) END,
            (SELECT setting FROM pg_catalog.unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%')
       FROM called
       JOIN pg_catalog.pg_proc p ON p.oid = called.oid
       JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
       JOIN pg_catalog.pg_language l ON l.oid = p.prolang
      WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND NOT (l.lanname = 'c' AND EXISTS (
              SELECT FROM pg_catalog.pg_depend d
               WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'))
        AND p.prokind IN ('f', 'w')`,
    [path, ...lists.flatMap((names) => [names.map(({ schema }) => schema), names.map(({ name }) => name)])],
  );
  return rows.map(([oid, label, volatility, body, setting]) => ({
    oid: oid ?? '',
    label: label ?? '',
    volatility: volatility ?? '',
    body: body == null || Buffer.byteLength(body) > maxBodyBytes ? null : statementsIn(body),
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
