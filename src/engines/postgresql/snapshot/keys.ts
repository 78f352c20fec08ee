/** Indexes, constraints and foreign keys. */
import type { ConstraintKind, ReferentialAction } from '../../catalog.ts';
import type { SnapshotIndex } from '../../snapshot.ts';
import { boolean, nameOrNull, strings, type TextRow } from '../catalog/rows.ts';
import type { Building, BuildingRelation, BuildingRelations } from './building.ts';
import type { QuotedName } from './columns.ts';
import { flagOr, type Source } from './source.ts';

type IndexRow = [
  relation: string,
  oid: string,
  name: string,
  /** Column numbers with spaces between, 0 for an expression. */
  numbers: string,
  keyColumns: string | null,
  unique: string | null,
  primary: string | null,
  valid: string | null,
  method: string,
  predicate: string | null,
  expressions: string | null,
  definition: string,
  clustered: string | null,
  replicaIdentity: string | null,
  tablespace: string | null,
  parent: string | null,
  statisticsTargets: string | null,
];

type ConstraintRow = [
  relation: string,
  oid: string,
  name: string,
  contype: string,
  /** `{1,2}` */
  numbers: string | null,
  /** Null for NOT NULL: it is known without asking, and of most tables the most frequent. */
  definition: string | null,
  deferrable: string | null,
  validated: string | null,
  heritable: string | null,
  inheritance: string | null,
  index: string | null,
  referenced: string | null,
  referencedNumbers: string | null,
  actions: string | null,
];

const kinds: Record<string, ConstraintKind> = {
  p: 'PRIMARY_KEY',
  u: 'UNIQUE',
  f: 'FOREIGN_KEY',
  c: 'CHECK',
  x: 'EXCLUSION',
  n: 'NOT_NULL',
};

const actions: Record<string, ReferentialAction> = {
  a: 'NO_ACTION',
  r: 'RESTRICT',
  c: 'CASCADE',
  n: 'SET_NULL',
  d: 'SET_DEFAULT',
};

/** What a check may be about beside columns (access/sysattr.h): all of the row, and the one column of the system's. */
const wholeRow = '0';
const tableoid = '-6';

/** Gives relations whose columns have names their indexes, constraints and foreign keys, and columns what these say of them. */
export async function readKeys(source: Source, relations: BuildingRelations, quoted: QuotedName): Promise<void> {
  const indexes = new Map<string, Building<SnapshotIndex>>();
  // The answers come in this order: a constraint finds the index that keeps it.
  await Promise.all([
    readIndexes(source, (row) => takeIndex(source, relations, indexes, row)),
    readConstraints(source, (row) => takeConstraint(source, relations, indexes, quoted, row)),
  ]);
}

const nothing: never[] = [];

function takeIndex(
  source: Source,
  relations: BuildingRelations,
  indexes: Map<string, Building<SnapshotIndex>>,
  row: IndexRow,
): void {
  const [relation, oid, name, numbers, keyColumns, unique, primary, valid, method, predicate, expressions] = row;
  const [
    definition = null,
    clustered = null,
    replicaIdentity = null,
    tablespace = null,
    parent = null,
    targets = null,
  ] = row.slice(11);
  const of = relations.get(relation);
  const key = numbers.split(' ').slice(0, keyColumns === null ? undefined : Number(keyColumns));
  const columns = key.map((number) => of?.columns[Number(number)]);
  for (const [place, column] of columns.entries()) {
    if (!column) continue;
    column.indexed = true;
    if (primary !== null) column.primaryKeyPosition ??= place + 1;
  }
  if (unique !== null && valid === null && predicate === null && columns.length === 1 && columns[0]) {
    columns[0].unique = true;
  }
  const texts = strings(expressions);
  const index: Building<SnapshotIndex> = {
    id: oid,
    name,
    columns: columns.map((column, place) => (key[place] === '0' ? (texts.shift() ?? '') : (column?.name ?? ''))),
    unique: boolean(unique),
    primary: boolean(primary),
    valid: flagOr(valid, true),
    method: source.intern(method),
    predicate,
    definition,
    comment: source.comment('pg_class', oid),
    constraint: null,
    parent: nameOrNull(parent),
    clustered: boolean(clustered),
    replicaIdentity: boolean(replicaIdentity),
    statisticsTargets: targets === null ? nothing : strings(targets),
    tablespace,
  };
  indexes.set(oid, index);
  of?.indexes.push(index);
}

function takeConstraint(
  source: Source,
  relations: BuildingRelations,
  indexes: ReadonlyMap<string, Building<SnapshotIndex>>,
  quoted: QuotedName,
  row: ConstraintRow,
): void {
  const [relation, oid, name, contype, numbers, definition, deferrable, validated, , inheritance] = row;
  const [indexId, referenced, referencedNumbers, codes] = row.slice(10);
  const of = relations.get(relation);
  const [inherited, local, copied, copiedOnTable] =
    inheritance === null ? own : (JSON.parse(inheritance) as Inheritance);
  // A foreign key to a partitioned table has a hidden row more for each partition there: its parent is on the same table.
  if (!of || copiedOnTable) return;
  const index = indexId && contype !== 'f' ? indexes.get(indexId) : undefined;
  if (index) index.constraint = name;
  of.constraints.push({
    id: oid,
    name,
    kind: kinds[contype] ?? 'CHECK',
    columns: namesOf(of, numbers),
    definition: source.intern(definition ?? notNullDefinition(row, of, quoted)),
    deferrable: boolean(deferrable),
    validated: flagOr(validated, true),
    comment: source.comment('pg_constraint', oid),
    inherited,
    local,
    index: index?.name ?? null,
  });
  if (contype !== 'f') return;
  const to = relations.get(referenced ?? '');
  of.foreignKeys.push({
    id: oid,
    name,
    table: of.name,
    columns: namesOf(of, numbers),
    referenced: to?.name ?? { schema: '', name: '' },
    referencedColumns: to ? namesOf(to, referencedNumbers ?? null) : [],
    onUpdate: actions[codes?.[0] ?? ''] ?? 'NO_ACTION',
    onDelete: actions[codes?.[1] ?? ''] ?? 'NO_ACTION',
    inherited: copied,
  });
}

const numbersOf = (array: string | null): string[] => (array === null ? [] : array.slice(1, -1).split(','));

type Inheritance = [inherited: boolean, local: boolean, copied: boolean, copiedOnTable: boolean | null];

const own: Inheritance = [false, true, false, null];

const namesOf = ({ columns }: BuildingRelation, numbers: string | null): string[] =>
  numbersOf(numbers)
    .filter((number) => number !== wholeRow)
    .map((number) => (number === tableoid ? 'tableoid' : (columns[Number(number)]?.name ?? '')));

/** As pg_get_constraintdef prints it. */
function notNullDefinition(row: ConstraintRow, { columns }: BuildingRelation, quoted: QuotedName): string {
  const [, , , , numbers, , , validated, heritable] = row;
  const [number = ''] = numbersOf(numbers);
  const column = columns[Number(number)];
  return `NOT NULL ${column ? quoted(column) : ''}${heritable === null ? '' : ' NO INHERIT'}${validated === null ? '' : ' NOT VALID'}`;
}

async function readIndexes({ ask, schemaIds }: Source, take: (row: IndexRow) => void): Promise<void> {
  await ask(
    `select i.indrelid, i.indexrelid, x.relname, i.indkey::text, nullif(i.indnkeyatts, i.indnatts),
      nullif(i.indisunique, false), nullif(i.indisprimary, false), nullif(i.indisvalid, true), am.amname,
      pg_get_expr(i.indpred, i.indrelid),
      case when i.indexprs is not null then (
        select json_agg(pg_get_indexdef(i.indexrelid, k.place::int, false) order by k.place)
        from unnest(i.indkey) with ordinality k (number, place) where k.number = 0 and k.place <= i.indnkeyatts) end,
      pg_get_indexdef(i.indexrelid), nullif(i.indisclustered, false), nullif(i.indisreplident, false),
      nullif(x.reltablespace, 0),
      case when x.relispartition then (
        select json_build_array(n.nspname, p.relname) from pg_catalog.pg_inherits h
        join pg_catalog.pg_class p on p.oid = h.inhparent join pg_catalog.pg_namespace n on n.oid = p.relnamespace
        where h.inhrelid = x.oid) end,
      case when i.indexprs is not null then (
        select json_agg(a.attnum || '=' || a.attstattarget order by a.attnum) from pg_catalog.pg_attribute a
        where a.attrelid = i.indexrelid and a.attstattarget >= 0) end
    from pg_catalog.pg_index i
    join pg_catalog.pg_class x on x.oid = i.indexrelid
    join pg_catalog.pg_am am on am.oid = x.relam
    where x.relnamespace = any($1::oid[]) and x.relkind in ('i', 'I')`,
    [schemaIds],
    (row: TextRow) => take(row as unknown as IndexRow),
  );
}

async function readConstraints({ ask, schemaIds }: Source, take: (row: ConstraintRow) => void): Promise<void> {
  await ask(
    `select k.conrelid, k.oid, k.conname, k.contype, k.conkey, case when k.contype <> 'n' then pg_get_constraintdef(k.oid) end,
      nullif(k.condeferrable, false), nullif(k.convalidated, true),
      case when k.contype = 'n' and k.connoinherit then true end,
      case when k.coninhcount <> 0 or not k.conislocal or k.conparentid <> 0
        then json_build_array(k.coninhcount <> 0, k.conislocal, k.conparentid <> 0, (
          select up.conrelid = k.conrelid from pg_catalog.pg_constraint up where up.oid = k.conparentid)) end,
      nullif(k.conindid, 0), nullif(k.confrelid, 0), k.confkey,
      case when k.contype = 'f' then k.confupdtype::text || k.confdeltype::text end
    from pg_catalog.pg_constraint k
    where k.connamespace = any($1::oid[]) and k.conrelid <> 0 and k.contype in ('p', 'u', 'f', 'c', 'x', 'n')`,
    [schemaIds],
    (row: TextRow) => take(row as unknown as ConstraintRow),
  );
}
