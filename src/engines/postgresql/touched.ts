/**
 * Which tables a statement reads and writes. The locks that planning took name every relation of the rewritten query: of
 * views, policies, inlined functions, and those that the planner then left out. What only a run would touch is looked for
 * in triggers and cascades here, in functions in routines.ts.
 */
import type { PlanRelation, WriteOperation } from './plan.ts';

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

/** Of the `pg_namespace` n and the `pg_class` c. */
export const labelSql = `pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)`;
/** Ordinary, partitioned, foreign tables and materialized views. */
export const tableKinds = `'r', 'p', 'f', 'm'`;

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
