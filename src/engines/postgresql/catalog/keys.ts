/** Indexes, constraints, and foreign keys in both directions. */
import type {
  Constraint,
  ConstraintKind,
  ForeignKey,
  Index,
  QualifiedName,
  ReadOptions,
  ReferentialAction,
} from '../../catalog.ts';
import { boolean, byName, type CatalogQuery, grouped, numberOrNull, schemasAndNames, strings } from './rows.ts';
import { columnNames, targets } from './sql.ts';

type IndexRow = [
  ordinal: string,
  name: string,
  columns: string | null,
  unique: string,
  primary: string,
  valid: string,
  method: string,
  predicate: string | null,
  definition: string,
  scans: string | null,
];

export async function readIndexes(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<Index[][]> {
  const rows = await query(
    `with ${targets}
    select t.ordinal, c.relname,
      (select json_agg(coalesce(a.attname, pg_get_indexdef(i.indexrelid, k.place::int, false)) order by k.place)
       from unnest(i.indkey) with ordinality k (attnum, place)
       left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum and k.attnum <> 0
       where k.place <= i.indnkeyatts),
      i.indisunique, i.indisprimary, i.indisvalid, am.amname, pg_get_expr(i.indpred, i.indrelid),
      pg_get_indexdef(i.indexrelid), pg_stat_get_numscans(i.indexrelid)
    from target t
    join pg_catalog.pg_index i on i.indrelid = t.oid
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_am am on am.oid = c.relam`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, index).map((ofOne) => ofOne.sort(byName));
}

const index = ([, name, columns, unique, primary, valid, method, predicate, definition, scans]: IndexRow): Index => ({
  name,
  columns: strings(columns),
  unique: boolean(unique),
  primary: boolean(primary),
  valid: boolean(valid),
  method,
  predicate,
  definition,
  scans: numberOrNull(scans),
});

type ConstraintRow = [
  ordinal: string,
  name: string,
  contype: string,
  columns: string | null,
  definition: string,
  deferrable: string,
  validated: string,
];

const constraintKinds: Record<string, ConstraintKind> = {
  p: 'PRIMARY_KEY',
  u: 'UNIQUE',
  f: 'FOREIGN_KEY',
  c: 'CHECK',
  x: 'EXCLUSION',
  n: 'NOT_NULL',
};

/**
 * A foreign key to a partitioned table has a hidden row more for each partition of that table; its parent is a
 * constraint of the same table. (What a partition inherits has a parent on another table, and is its own.)
 */
const declared = `not exists (select from pg_catalog.pg_constraint up where up.oid = k.conparentid and up.conrelid = k.conrelid)`;

/** NOT NULL is a constraint from 18 on; before that it is known from the column alone. */
export async function readConstraints(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<Constraint[][]> {
  const rows = await query(
    `with ${targets}
    select t.ordinal, k.conname, k.contype, ${columnNames('k.conrelid', 'k.conkey')},
      pg_get_constraintdef(k.oid), k.condeferrable, k.convalidated
    from target t
    join pg_catalog.pg_constraint k on k.conrelid = t.oid
    where k.contype in ('p', 'u', 'f', 'c', 'x', 'n') and ${declared}`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, constraint).map((ofOne) => ofOne.sort(byName));
}

const constraint = ([, name, contype, columns, definition, deferrable, validated]: ConstraintRow): Constraint => ({
  name,
  kind: constraintKinds[contype] ?? 'CHECK',
  columns: strings(columns),
  definition,
  deferrable: boolean(deferrable),
  validated: boolean(validated),
});

type ForeignKeyRow = [
  ordinal: string,
  name: string,
  schema: string,
  table: string,
  columns: string | null,
  referencedSchema: string,
  referencedTable: string,
  referencedColumns: string | null,
  onUpdate: string,
  onDelete: string,
];

const actions: Record<string, ReferentialAction> = {
  a: 'NO_ACTION',
  r: 'RESTRICT',
  c: 'CASCADE',
  n: 'SET_NULL',
  d: 'SET_DEFAULT',
};

const foreignKeyQuery = (condition: string) => `with ${targets}
    select t.ordinal, k.conname, n.nspname, c.relname, ${columnNames('k.conrelid', 'k.conkey')},
      rn.nspname, r.relname, ${columnNames('k.confrelid', 'k.confkey')}, k.confupdtype, k.confdeltype
    from target t
    join pg_catalog.pg_constraint k on ${condition} and k.contype = 'f'
    join pg_catalog.pg_class c on c.oid = k.conrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_class r on r.oid = k.confrelid
    join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace`;

const foreignKey = ([
  ,
  name,
  schema,
  table,
  columns,
  referencedSchema,
  referencedTable,
  referencedColumns,
  onUpdate,
  onDelete,
]: ForeignKeyRow): ForeignKey => ({
  name,
  table: { schema, name: table },
  columns: strings(columns),
  referenced: { schema: referencedSchema, name: referencedTable },
  referencedColumns: strings(referencedColumns),
  onUpdate: actions[onUpdate] ?? 'NO_ACTION',
  onDelete: actions[onDelete] ?? 'NO_ACTION',
});

export async function readForeignKeys(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<ForeignKey[][]> {
  const rows = await query(
    `${foreignKeyQuery('k.conrelid = t.oid')} where ${declared}`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, foreignKey).map((ofOne) => ofOne.sort(byName));
}

export async function readReferencedBy(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<ForeignKey[][]> {
  const rows = await query(
    `${foreignKeyQuery('k.confrelid = t.oid')} where k.conparentid = 0`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, foreignKey).map((ofOne) => ofOne.sort(byOrigin));
}

const byOrigin = (a: ForeignKey, b: ForeignKey): number => byName({ name: originOf(a) }, { name: originOf(b) });

const originOf = ({ table, name }: ForeignKey): string => JSON.stringify([table.schema, table.name, name]);
