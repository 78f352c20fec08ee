/** Shapes of the tables in a feed: as the log tells them, with what only the catalogue knows of their types and keys. */
import type { ChangedColumn, ChangedTable } from '../../changes.ts';
import { createColumns, type NamedType, type Query } from '../columns.ts';
import { codingOf, decoderOf } from '../types.ts';
import type { Relation } from './pgoutput.ts';

export interface Shapes {
  /** Two queries at the most; none where the log tells all. */
  of(relation: Relation): Promise<ChangedTable>;
}

export function createShapes({ query }: { query: Query }): Shapes {
  const types = createColumns({ query });
  const last = new Map<number, ChangedTable>();

  return {
    async of(relation) {
      const { oid, schema, name, columns } = relation;
      const named = await types.named(columns.map((c) => ({ oid: c.typeOid, modifier: c.typeModifier })));
      const table: ChangedTable = {
        id: String(oid),
        schema,
        name,
        columns: columns.map((column, place) => columnOf(column.name, named[place]!)),
        key: await keyOf(relation, query),
        identity: places(columns, ({ identity }) => identity),
        old: oldOf(relation),
      };
      // The log repeats a shape whenever something near it moved.
      const known = last.get(oid);
      if (known !== undefined && isSame(known, table)) return known;
      last.set(oid, table);
      return table;
    },
  };
}

const columnOf = (name: string, type: NamedType): ChangedColumn => ({
  name,
  dataType: type.name,
  decode: decoderOf(type),
  coding: codingOf(type),
});

function oldOf({ replicaIdentity, columns }: Relation): ChangedTable['old'] {
  if (replicaIdentity === 'f') return 'WHOLE';
  return columns.some(({ identity }) => identity) ? 'IDENTITY' : 'NOTHING';
}

/** By default the identity is the primary key, as it was at that place of the log; else it is what it is now. */
async function keyOf({ oid, replicaIdentity, columns }: Relation, query: Query): Promise<number[]> {
  if (replicaIdentity === 'd') return places(columns, ({ identity }) => identity);
  const names = new Set((await query(keySql, [oid])).map(([name]) => name));
  const key = places(columns, ({ name }) => names.has(name));
  return key.length === names.size ? key : [];
}

const keySql = `
  SELECT a.attname::text
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
   WHERE i.indrelid = $1 AND i.indisprimary`;

const places = <T>(list: readonly T[], wanted: (one: T) => boolean): number[] =>
  list.flatMap((one, place) => (wanted(one) ? [place] : []));

const isSame = (a: ChangedTable, b: ChangedTable): boolean =>
  a.schema === b.schema &&
  a.name === b.name &&
  a.old === b.old &&
  a.key.join() === b.key.join() &&
  a.identity.join() === b.identity.join() &&
  a.columns.length === b.columns.length &&
  a.columns.every(({ name, dataType }, place) => {
    const other = b.columns[place]!;
    return name === other.name && dataType === other.dataType;
  });
