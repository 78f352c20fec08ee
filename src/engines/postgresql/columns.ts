/** Describes the columns of a result: the name of each type, how to read it, and the catalogue column it comes from. */
import type pg from 'pg';
import type { ResultColumn } from '../engine.ts';
import { exportTypeOf } from './export-types.ts';
import type { ValueType } from './types.ts';

/** Asks the session itself, between two messages about a portal. */
export type Query = (text: string, values: readonly unknown[]) => Promise<(string | null)[][]>;

export interface NamedType extends ValueType {
  /** As the server prints it. */
  readonly name: string;
}

export interface Columns {
  /** One query for the types that are new to this session, one for the origins of those that have any. */
  describe(fields: readonly pg.FieldDef[]): Promise<{ columns: ResultColumn[]; types: ValueType[] }>;
  types(oids: readonly number[]): Promise<ValueType[]>;
  /** One query for those that are new to this session. */
  named(types: readonly { readonly oid: number; readonly modifier: number }[]): Promise<NamedType[]>;
}

/** Types are kept for the session: an oid does not change its meaning while somebody uses it. */
const maxCachedTypes = 10_000;

export function createColumns({ query }: { query: Query }): Columns {
  const cache = new Map<string, NamedType>();

  async function namedTypes(wanted: readonly { oid: number; modifier: number }[]): Promise<NamedType[]> {
    const missing = wanted.filter(({ oid, modifier }) => !builtIn(oid, modifier) && !cache.has(`${oid} ${modifier}`));
    if (missing.length > 0) {
      if (cache.size + missing.length > maxCachedTypes) cache.clear();
      for (const row of await query(typesSql, [missing.map((t) => t.oid), missing.map((t) => t.modifier)])) {
        const [oid, modifier, name, value, element, delimiter] = row;
        const array = element == null ? undefined : { element: Number(element), delimiter: delimiter ?? ',' };
        cache.set(`${oid} ${modifier}`, { oid: Number(value), name: name ?? `${oid}`, array });
      }
    }
    return wanted.map(
      ({ oid, modifier }) => builtIn(oid, modifier) ?? cache.get(`${oid} ${modifier}`) ?? { oid, name: `${oid}` },
    );
  }

  async function origins(fields: readonly pg.FieldDef[]): Promise<ResultColumn['origin'][]> {
    const known = fields.filter(({ tableID, columnID }) => tableID !== 0 && columnID !== 0);
    if (known.length === 0) return fields.map(() => null);
    const found = new Map<string, ResultColumn['origin']>();
    const rows = await query(originsSql, [known.map((f) => f.tableID), known.map((f) => f.columnID)]);
    for (const [table, number, schema, name, column] of rows) {
      found.set(`${table} ${number}`, { schema: schema ?? '', table: name ?? '', column: column ?? '' });
    }
    return fields.map(({ tableID, columnID }) => found.get(`${tableID} ${columnID}`) ?? null);
  }

  return {
    async describe(fields) {
      const types = await namedTypes(fields.map((f) => ({ oid: f.dataTypeID, modifier: f.dataTypeModifier })));
      const from = await origins(fields);
      const columns = fields.map(({ name, dataTypeModifier }, i) => ({
        name,
        dataType: types[i]!.name,
        type: exportTypeOf(types[i]!, dataTypeModifier),
        origin: from[i] ?? null,
      }));
      return { columns, types };
    },
    named: namedTypes,
    types: (oids) => namedTypes(oids.map((oid) => ({ oid, modifier: -1 }))),
  };
}

/** A domain is read and written as what it is made of, and so are the elements of an array of one. */
const typesSql = `
  WITH RECURSIVE wanted (oid, modifier) AS (
    SELECT DISTINCT oid, modifier
      FROM ROWS FROM (pg_catalog.unnest($1::oid[]), pg_catalog.unnest($2::integer[])) AS w (oid, modifier)
  ), value (wanted, oid, base) AS (
    SELECT t.oid, t.oid, t.typbasetype FROM pg_catalog.pg_type t WHERE t.oid IN (SELECT w.oid FROM wanted w)
    UNION ALL
    SELECT v.wanted, b.oid, b.typbasetype FROM value v JOIN pg_catalog.pg_type b ON b.oid = v.base
  ), element (wanted, oid, base, delimiter) AS (
    SELECT v.wanted, e.oid, e.typbasetype, e.typdelim
      FROM value v
      JOIN pg_catalog.pg_type a ON a.oid = v.oid AND a.typoutput = 'pg_catalog.array_out'::regproc
      JOIN pg_catalog.pg_type e ON e.oid = a.typelem
     WHERE v.base = 0
    UNION ALL
    SELECT d.wanted, b.oid, b.typbasetype, d.delimiter
      FROM element d JOIN pg_catalog.pg_type b ON b.oid = d.base
  )
  SELECT w.oid::text, w.modifier::text, pg_catalog.format_type(w.oid, w.modifier), v.oid::text, e.oid::text,
         e.delimiter::text
    FROM wanted w
    JOIN value v ON v.wanted = w.oid AND v.base = 0
    LEFT JOIN element e ON e.wanted = w.oid AND e.base = 0`;

const originsSql = `
  SELECT DISTINCT c.oid::text, a.attnum::text, n.nspname::text, c.relname::text, a.attname::text
    FROM ROWS FROM (pg_catalog.unnest($1::oid[]), pg_catalog.unnest($2::smallint[])) AS w (relation, number)
    JOIN pg_catalog.pg_class c ON c.oid = w.relation
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = w.number`;

function builtIn(oid: number, modifier: number): NamedType | undefined {
  return modifier === -1 ? wellKnown.get(oid) : undefined;
}

/** Names of pg_type.dat that no server can change: without them nearly every result would cost one more query. */
const wellKnown: ReadonlyMap<number, NamedType> = new Map(
  (
    [
      [16, 'boolean', 1000],
      [17, 'bytea', 1001],
      [20, 'bigint', 1016],
      [21, 'smallint', 1005],
      [23, 'integer', 1007],
      [25, 'text', 1009],
      [26, 'oid', 1028],
      [114, 'json', 199],
      [700, 'real', 1021],
      [701, 'double precision', 1022],
      [1043, 'character varying', 1015],
      [1082, 'date', 1182],
      [1083, 'time without time zone', 1183],
      [1114, 'timestamp without time zone', 1115],
      [1184, 'timestamp with time zone', 1185],
      [1186, 'interval', 1187],
      [1700, 'numeric', 1231],
      [2950, 'uuid', 2951],
      [3802, 'jsonb', 3807],
    ] as const
  ).flatMap(([oid, name, arrayOid]): [number, NamedType][] => [
    [oid, { oid, name }],
    [arrayOid, { oid: arrayOid, name: `${name}[]`, array: { element: oid, delimiter: ',' } }],
  ]),
);
