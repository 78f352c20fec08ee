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
import { boolean, byName, type CatalogQuery, grouped, namesOf, schemasAndNames } from './rows.ts';
import { anyRelation, columnName, columnNames, description, targets } from './sql.ts';

type IndexRow = [
  ordinal: string,
  name: string,
  column: string | null,
  columns: string | null,
  unique: string,
  primary: string,
  valid: string,
  method: string,
  predicate: string | null,
  definition: string,
  comment: string | null,
  constraint: string | null,
  clustered: string,
  replicaIdentity: string,
  tablespace: string | null,
];

export async function readIndexes(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<Index[][]> {
  const rows = await query(
    `with ${targets(anyRelation)}
    select t.ordinal, c.relname,
      case when i.indnkeyatts = 1 and i.indkey[0] <> 0 then (${columnName('i.indrelid', 'i.indkey[0]')}) end,
      case
        when i.indnkeyatts = 1 and i.indkey[0] <> 0 then null
        when i.indnkeyatts = 2 and i.indkey[0] <> 0 and i.indkey[1] <> 0 then
          json_build_array((${columnName('i.indrelid', 'i.indkey[0]')}), (${columnName('i.indrelid', 'i.indkey[1]')}))
        else (
          select json_agg(case when k.attnum <> 0 then (${columnName('i.indrelid', 'k.attnum')})::text
            else pg_get_indexdef(i.indexrelid, k.place::int, false) end order by k.place)
          from unnest(i.indkey) with ordinality k (attnum, place) where k.place <= i.indnkeyatts) end,
      i.indisunique, i.indisprimary, i.indisvalid, am.amname, pg_get_expr(i.indpred, i.indrelid),
      pg_get_indexdef(i.indexrelid), d.description,
      case when i.indisunique or i.indisexclusion then (
        select k.conname from pg_catalog.pg_depend p join pg_catalog.pg_constraint k on k.oid = p.refobjid
        where p.classid = 'pg_catalog.pg_class'::regclass and p.objid = i.indexrelid
          and p.refclassid = 'pg_catalog.pg_constraint'::regclass and p.deptype = 'i') end,
      i.indisclustered, i.indisreplident,
      case when c.reltablespace <> 0 then (
        select s.spcname from pg_catalog.pg_tablespace s where s.oid = c.reltablespace) end
    from target t
    join pg_catalog.pg_index i on i.indrelid = t.oid
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_am am on am.oid = c.relam
    ${description('d', 'pg_class', 'c.oid')}`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, index).map((ofOne) => ofOne.sort(byName));
}

const index = ([
  ,
  name,
  column,
  columns,
  unique,
  primary,
  valid,
  method,
  predicate,
  definition,
  comment,
  constraint,
  clustered,
  replicaIdentity,
  tablespace,
]: IndexRow): Index => ({
  name,
  columns: namesOf(column, columns),
  unique: boolean(unique),
  primary: boolean(primary),
  valid: boolean(valid),
  method,
  predicate,
  definition,
  comment,
  constraint,
  clustered: boolean(clustered),
  replicaIdentity: boolean(replicaIdentity),
  tablespace,
});

type ConstraintRow = [
  ordinal: string,
  name: string,
  contype: string,
  column: string | null,
  columns: string | null,
  definition: string,
  deferrable: string,
  validated: string,
  comment: string | null,
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
const declared = `(k.conparentid = 0
      or not exists (select from pg_catalog.pg_constraint up where up.oid = k.conparentid and up.conrelid = k.conrelid))`;

/** NOT NULL is a constraint from 18 on; before that it is known from the column alone. */
export async function readConstraints(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<Constraint[][]> {
  const rows = await query(
    `with ${targets(anyRelation)}
    select t.ordinal, k.conname, k.contype, ${columnNames('k.conrelid', 'k.conkey')},
      pg_get_constraintdef(k.oid), k.condeferrable, k.convalidated, d.description
    from target t
    join pg_catalog.pg_constraint k on k.conrelid = t.oid
    ${description('d', 'pg_constraint', 'k.oid')}
    where k.contype in ('p', 'u', 'f', 'c', 'x', 'n') and ${declared}`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, constraint).map((ofOne) => ofOne.sort(byName));
}

const constraint = ([
  ,
  name,
  contype,
  column,
  columns,
  definition,
  deferrable,
  validated,
  comment,
]: ConstraintRow): Constraint => ({
  name,
  kind: constraintKinds[contype] ?? 'CHECK',
  columns: namesOf(column, columns),
  definition,
  deferrable: boolean(deferrable),
  validated: boolean(validated),
  comment,
});

type ForeignKeyRow = [
  ordinal: string,
  name: string,
  column: string | null,
  columns: string | null,
  referencedColumn: string | null,
  referencedColumns: string | null,
  onUpdate: string,
  onDelete: string,
  /** Of the other end; this one was asked for. */
  schema: string,
  table: string,
];

const actions: Record<string, ReferentialAction> = {
  a: 'NO_ACTION',
  r: 'RESTRICT',
  c: 'CASCADE',
  n: 'SET_NULL',
  d: 'SET_DEFAULT',
};

const foreignKeyDetails = `k.conname, ${columnNames('k.conrelid', 'k.conkey')}, ${columnNames('k.confrelid', 'k.confkey')},
      k.confupdtype, k.confdeltype, n.nspname, c.relname`;

const foreignKey = (
  [, name, column, columns, referencedColumn, referencedColumns, onUpdate, onDelete]: ForeignKeyRow,
  { table, referenced }: Pick<ForeignKey, 'table' | 'referenced'>,
): ForeignKey => ({
  name,
  table: { schema: table.schema, name: table.name },
  columns: namesOf(column, columns),
  referenced: { schema: referenced.schema, name: referenced.name },
  referencedColumns: namesOf(referencedColumn, referencedColumns),
  onUpdate: actions[onUpdate] ?? 'NO_ACTION',
  onDelete: actions[onDelete] ?? 'NO_ACTION',
});

export async function readForeignKeys(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<ForeignKey[][]> {
  const rows = await query(
    `with ${targets(anyRelation)}
    select t.ordinal, ${foreignKeyDetails}
    from target t
    join pg_catalog.pg_constraint k on k.conrelid = t.oid and k.contype = 'f'
    join pg_catalog.pg_class c on c.oid = k.confrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where ${declared}`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, (row: ForeignKeyRow) =>
    foreignKey(row, { table: relations[Number(row[0]) - 1]!, referenced: { schema: row[8], name: row[9] } }),
  ).map((ofOne) => ofOne.sort(byName));
}

/**
 * pg_constraint has no index on the table that is referenced: without this a page would read all foreign keys of the
 * database. That each depends on what it references is indexed; for very many tables one scan is cheaper again.
 */
const dependents = `(
      select distinct target.ordinal, target.oid, d.objid as dependent
      from target join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = target.oid
      where d.classid = 'pg_catalog.pg_constraint'::regclass
    )`;
const maxRelationsByDependency = 500;

export async function readReferencedBy(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<ForeignKey[][]> {
  const many = relations.length > maxRelationsByDependency;
  const rows = await query(
    `with ${targets(anyRelation)}
    select t.ordinal, ${foreignKeyDetails}
    from ${many ? 'target' : dependents} t
    join pg_catalog.pg_constraint k on k.confrelid = t.oid and k.contype = 'f' ${many ? '' : 'and k.oid = t.dependent'}
    join pg_catalog.pg_class c on c.oid = k.conrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where k.conparentid = 0`,
    schemasAndNames(relations),
    options,
  );
  return grouped(rows, relations.length, (row: ForeignKeyRow) =>
    foreignKey(row, { table: { schema: row[8], name: row[9] }, referenced: relations[Number(row[0]) - 1]! }),
  ).map((ofOne) => ofOne.sort(byOrigin));
}

const byOrigin = (a: ForeignKey, b: ForeignKey): number => byName({ name: originOf(a) }, { name: originOf(b) });

const originOf = ({ table, name }: ForeignKey): string => JSON.stringify([table.schema, table.name, name]);
