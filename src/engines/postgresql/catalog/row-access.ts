/** What the credentials may read of the rows of tables: privileges, row-level security, and rows as they see them. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { AppError } from '../../../lib/errors.ts';
import type { ReadOptions } from '../../catalog.ts';
import type { AccessedColumn, RowAccess, RowsAsked, RowsSeen, TablesAsked } from '../../row-access.ts';
import { createColumns } from '../columns.ts';
import type { CatalogTransaction } from '../consistent.ts';
import { exportTypeOf } from '../export-types.ts';
import { isVisible, parseSnapshot } from '../live/visible.ts';
import { boolean, schemasAndNames, strings, type TextRow } from './rows.ts';
import { anyRelation, targets } from './sql.ts';

type Ask = Parameters<Parameters<CatalogTransaction>[0]>[0];

/** character(n); blanks at the end of its values do not count. */
const blankPaddedOid = 1042;

export async function readRowAccess(
  transaction: CatalogTransaction,
  asked: TablesAsked,
  options: ReadOptions,
): Promise<(RowAccess | null)[]> {
  return await transaction(async (ask) => {
    const byName = 'names' in asked;
    const rows = byName
      ? await ask(`with ${targets(anyRelation)} ${accessSql}`, schemasAndNames(asked.names))
      : await ask(`with ${targetsById} ${accessSql}`, [asked.ids]);
    const columns = await readColumns(ask, rows);
    const found: (RowAccess | null)[] = (byName ? asked.names : asked.ids).map(() => null);
    for (const [ordinal, id, schema, name, readable, rowSecurity, key] of rows) {
      found[Number(ordinal) - 1] = {
        id: id ?? '',
        schema: schema ?? '',
        name: name ?? '',
        columns: columns.get(id ?? '') ?? [],
        key: strings(key ?? null),
        readable: boolean(readable ?? null),
        rowSecurity: boolean(rowSecurity ?? null),
      };
    }
    return found;
  }, options);
}

const targetsById = `target as (
  select t.ordinal, c.oid, c.relkind
  from unnest($1::oid[]) with ordinality t (oid, ordinal)
  join pg_catalog.pg_class c on c.oid = t.oid)`;

const accessSql = `
  select t.ordinal, c.oid, n.nspname, c.relname,
    has_schema_privilege(n.oid, 'USAGE') and has_table_privilege(c.oid, 'SELECT'), row_security_active(c.oid),
    (select json_agg(a.attname order by a.attnum)
      from pg_catalog.pg_index i
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
      where i.indrelid = c.oid and i.indisprimary)
  from target t
  join pg_catalog.pg_class c on c.oid = t.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace`;

async function readColumns(ask: Ask, tables: readonly TextRow[]): Promise<Map<string, AccessedColumn[]>> {
  const rows = await ask(columnsSql, [tables.map(([, id]) => id ?? '')]);
  const fields = rows.map(([, , oid, modifier]) => ({ oid: Number(oid), modifier: Number(modifier) }));
  const types = await createColumns({ query: (sql, values) => ask(sql, values as never) as never }).named(fields);
  const found = new Map<string, AccessedColumn[]>();
  for (const [place, [table, name, , modifier, readable]] of rows.entries()) {
    const type = types[place]!;
    const column = {
      name: name ?? '',
      dataType: type.name,
      type: exportTypeOf(type, Number(modifier)),
      blankPadded: type.oid === blankPaddedOid && type.array === undefined,
      readable: boolean(readable ?? null),
    };
    found.set(table ?? '', [...(found.get(table ?? '') ?? []), column]);
  }
  return found;
}

/** Where the schema is closed its tables cannot be named, whatever rights they give. */
const columnsSql = `
  select c.oid, a.attname, a.atttypid, a.atttypmod,
    has_schema_privilege(c.relnamespace, 'USAGE') and has_column_privilege(c.oid, a.attnum, 'SELECT')
  from unnest($1::oid[]) t (oid)
  join pg_catalog.pg_class c on c.oid = t.oid
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  order by c.oid, a.attnum`;

/** A transaction is in the log before others see it: for so long, at the most, it is waited for. */
const patienceMs = 10_000;
const pauseMs = 2;

/**
 * Reads rows as the credentials see them, policies and all, at a moment behind the transactions that are named. What a
 * policy calls finds what it names as in a session of the role's own.
 * @throws AppError TIMEOUT
 */
export async function readRowsSeen(
  transaction: CatalogTransaction,
  { behind, ...asked }: RowsAsked,
  options: ReadOptions,
): Promise<RowsSeen> {
  if (asked.keys.length === 0) return [];
  const sql = rowsSql(asked);
  const values = asked.key.map((_, place) => asked.keys.map((key) => key[place] ?? ''));
  for (const since = performance.now(); performance.now() - since < patienceMs; ) {
    const rows = await transaction(async (ask) => {
      await ask('SET LOCAL search_path TO DEFAULT', []);
      return await ask(sql, values);
    }, options);
    const snapshot = parseSnapshot(rows[0]?.[0] ?? '');
    if (behind.every((id) => isVisible(snapshot, id))) {
      const seen: (readonly (string | null)[] | null)[] = asked.keys.map(() => null);
      for (const [, ordinal, found, ...texts] of rows) if (found === 't') seen[Number(ordinal) - 1] = texts;
      return seen;
    }
    await sleep(pauseMs, undefined, { signal: options.signal });
  }
  throw new AppError('TIMEOUT', 'The target has told of a change and does not show it', {
    details: { timeoutMs: patienceMs },
  });
}

/** One statement, so that the snapshot that it names is the one that the rows are of. No column of a primary key is null. */
function rowsSql({ table, key, columns }: Omit<RowsAsked, 'behind'>): string {
  const name = pg.escapeIdentifier;
  const lists = key.map((_, place) => `pg_catalog.unnest($${place + 1}::text[])`);
  const asked = key.map((_, place) => `k${place}`);
  const on = key.map((column, place) => `r.${name(column.name)} = k.k${place}::${column.dataType}`);
  const given = [`r.${name(key[0]?.name ?? '')} IS NOT NULL`, ...columns.map((column) => `r.${name(column)}`)];
  return `
    SELECT pg_catalog.pg_current_snapshot()::text, k.ordinal, ${given.join(', ')}
      FROM ROWS FROM (${lists.join(', ')}) WITH ORDINALITY AS k (${asked.join(', ')}, ordinal)
      LEFT JOIN ${name(table.schema)}.${name(table.name)} r ON ${on.join(' AND ')}`;
}
