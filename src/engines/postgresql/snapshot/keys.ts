/** Indexes, constraints and foreign keys. */
import type { ConstraintKind, ReferentialAction } from '../../catalog.ts';
import type { SnapshotColumn, SnapshotConstraint, SnapshotIndex } from '../../snapshot.ts';
import { boolean } from '../catalog/rows.ts';
import type { Way } from '../row-texts.ts';
import { type Building, type BuildingRelation, type BuildingRelations, findInTurn } from './building.ts';
import { firstUserOid } from './oids.ts';
import { createDefinitions, type Definitions } from './printed.ts';
import type { Source } from './source.ts';

type IndexRow = [
  relation: number,
  oid: number,
  name: string,
  /** Column numbers with spaces between, 0 for an expression. */
  numbers: string,
  unique: string | null,
  primary: string | null,
  method: string,
  /** Null for one that is plain. */
  definition: string | null,
  rare: string | null,
  /** Of its columns, with spaces between. */
  classes: string,
  collations: string,
  orders: string,
];

const indexWays: readonly Way[] = ['NUMBER', 'NUMBER', 'OWN'];

/** What hardly any index has, as JSON. */
type RareOfIndex = [
  /** Null: all of its columns are. */
  keyColumns: number | null,
  valid: boolean,
  clustered: boolean,
  replicaIdentity: boolean,
  predicate: string | null,
  expressions: string[] | null,
  tablespace: string | null,
  parent: [schema: string, name: string] | null,
  statisticsTargets: string[] | null,
];

const usualIndex: RareOfIndex = [null, true, false, false, null, null, null, null, null];

type ConstraintRow = [
  relation: number,
  oid: number,
  name: string,
  contype: string,
  /** `{1,2}` */
  numbers: string | null,
  /** Null for NOT NULL, which is known without asking, and for keys that are plain. */
  definition: string | null,
  rare: string | null,
  index: number | null,
  referenced: number | null,
  referencedNumbers: string | null,
  actions: string | null,
];

const constraintWays: readonly Way[] = ['NUMBER', 'NUMBER', 'OWN', 'TEXT', 'TEXT', 'TEXT', 'TEXT', 'NUMBER', 'NUMBER'];

/** As `RareOfIndex`, of a constraint. */
type RareOfConstraint = [
  deferrable: boolean,
  validated: boolean,
  /** Of NOT NULL. */
  noInherit: boolean,
  inherited: boolean,
  local: boolean,
  copied: boolean,
  copiedOnTable: boolean | null,
];

const usualConstraint: RareOfConstraint = [false, true, false, false, true, false, null];

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
const wholeRow = 0;
const tableoid = -6;

/** Gives relations whose columns have names their indexes, constraints and foreign keys, and columns what these say of them. */
export async function readKeys(source: Source, relations: BuildingRelations): Promise<void> {
  const indexes = new Map<number, Building<SnapshotIndex>>();
  const taking = {
    source,
    relations,
    find: findInTurn(relations),
    indexes,
    odd: new Set<object>(),
    numbersOf: createNumbers(),
  };
  const ofIndex = { ...taking, definitions: createDefinitions(source.ask, 'pg_get_indexdef') };
  const ofConstraint = { ...taking, definitions: createDefinitions(source.ask, 'pg_get_constraintdef') };
  // The answers come in this order: a constraint finds the index that keeps it.
  await Promise.all([
    readIndexes(source, (row) => takeIndex(ofIndex, row)),
    readConstraints(source, (row) => takeConstraint(ofConstraint, row)),
  ]);
  await Promise.all([ofIndex.definitions.check(), ofConstraint.definitions.check()]);
}

interface Taking {
  readonly source: Source;
  readonly relations: BuildingRelations;
  readonly find: (oid: number) => BuildingRelation | undefined;
  readonly indexes: Map<number, Building<SnapshotIndex>>;
  /** Indexes that are not plain. */
  readonly odd: Set<object>;
  readonly numbersOf: Numbers;
  readonly definitions: Definitions;
}

/** Column numbers of a text like `{1,2}` or `1 2`: the same few texts come again. */
type Numbers = (text: string | null) => readonly number[];

function createNumbers(): Numbers {
  const known = new Map<string, readonly number[]>();
  return (text) => {
    if (text === null) return nothing;
    const before = known.get(text);
    if (before) return before;
    const numbers = (text.match(/-?\d+/g) ?? []).map(Number);
    known.set(text, numbers);
    return numbers;
  };
}

const nothing: never[] = [];

function takeIndex(taking: Taking, row: IndexRow): void {
  const { source, find, indexes, odd, definitions } = taking;
  const [relation, oid, name, numbers, unique, primary, method, definition, rare, classes, collations, orders] = row;
  const [keyColumns, valid, clustered, replicaIdentity, predicate, expressions, tablespace, parent, targets] =
    rare === null ? usualIndex : (JSON.parse(rare) as RareOfIndex);
  const of = find(relation);
  const all = taking.numbersOf(numbers);
  const key = keyColumns === null ? all : all.slice(0, keyColumns);
  const columns: (Building<SnapshotColumn> | undefined)[] = [];
  for (let place = 0; place < key.length; place += 1) {
    const column = of?.columns[key[place]!];
    columns.push(column);
    if (!column) continue;
    column.indexed = true;
    if (primary !== null) column.primaryKeyPosition ??= place + 1;
  }
  if (unique !== null && valid && predicate === null && columns.length === 1 && columns[0]) {
    columns[0].unique = true;
  }
  const texts = expressions ?? nothing;
  const alone = key.length === 1 ? of?.columnNames[key[0]!]?.alone : undefined;
  const index: Building<SnapshotIndex> = {
    id: String(oid),
    name,
    columns: alone ?? columns.map((column, place) => (key[place] === 0 ? (texts.shift() ?? '') : (column?.name ?? ''))),
    unique: boolean(unique),
    primary: boolean(primary),
    valid,
    method: source.intern(method),
    predicate,
    definition,
    comment: source.comment('pg_class', oid),
    constraint: null,
    parent: parent && { schema: parent[0], name: parent[1] },
    clustered,
    replicaIdentity,
    statisticsTargets: targets ?? nothing,
    tablespace,
  };
  indexes.set(oid, index);
  if (!of) return;
  of.indexes.push(index);
  if (definition !== null) {
    odd.add(index);
    return;
  }
  if (haveParameters(classes)) {
    definitions.ask(index);
    return;
  }
  const kind = index.unique ? 'CREATE UNIQUE INDEX ' : 'CREATE INDEX ';
  // Joined they are one text; added up they would be kept as their parts.
  index.definition = [kind, source.quoted(name), ' ON ', of.quoted, ' USING ', method, ' (', listed(of, key), ')'].join(
    '',
  );
  let shape = definitions.shape.with(kind).with(method).with(classes).with(collations).with(orders);
  for (const column of columns) shape = shape.with(column?.dataType ?? '');
  shape.items.push(index);
}

function listed({ columnNames }: BuildingRelation, numbers: readonly number[]): string {
  if (numbers.length === 1) return columnNames[numbers[0]!]?.quoted ?? '';
  return numbers.map((number) => columnNames[number]?.quoted ?? '').join(', ');
}

/** A class of a user's own may. */
const haveParameters = (classes: string): boolean =>
  /\d{5}/.test(classes) && classes.split(' ').some((id) => Number(id) >= firstUserOid);

function takeConstraint(taking: Taking, row: ConstraintRow): void {
  const { source, relations, find, indexes, odd, numbersOf, definitions } = taking;
  const [relation, oid, name, contype, numbers, definition, rare, indexId, referenced, referencedNumbers, codes] = row;
  const of = find(relation);
  const said = rare === null ? usualConstraint : (JSON.parse(rare) as RareOfConstraint);
  const [deferrable, validated, , inherited, local, copied, copiedOnTable] = said;
  // A foreign key to a partitioned table has a hidden row more for each partition there: its parent is on the same table.
  if (!of || copiedOnTable) return;
  const index = indexId && contype !== 'f' ? indexes.get(indexId) : undefined;
  if (index) index.constraint = name;
  const id = String(oid);
  const columns = listOf(of, numbersOf(numbers));
  const constraint: Building<SnapshotConstraint> = {
    id,
    name,
    kind: kinds[contype] ?? 'CHECK',
    columns,
    definition: definition === null ? definitionOf(row, said, of, taking) : source.intern(definition),
    deferrable,
    validated,
    comment: source.comment('pg_constraint', oid),
    inherited,
    local,
    index: index?.name ?? null,
  };
  of.constraints.push(constraint);
  if (definition === null && contype !== 'n') {
    const plain = contype === 'f' ? relations.has(referenced ?? 0) : index && !odd.has(index);
    if (plain)
      definitions.shape
        .with(contype)
        .with(codes ?? '')
        .items.push(constraint);
    else definitions.ask(constraint);
  }
  if (contype !== 'f') return;
  const to = relations.get(referenced ?? 0);
  of.foreignKeys.push({
    id,
    name,
    table: of.name,
    columns,
    referenced: to?.name ?? { schema: '', name: '' },
    referencedColumns: to ? listOf(to, numbersOf(referencedNumbers)) : [],
    onUpdate: actions[codes?.[0] ?? ''] ?? 'NO_ACTION',
    onDelete: actions[codes?.[1] ?? ''] ?? 'NO_ACTION',
    inherited: copied,
  });
}

function listOf({ columnNames }: BuildingRelation, numbers: readonly number[]): string[] {
  const first = columnNames[numbers[0] ?? wholeRow];
  if (numbers.length === 1 && first) return first.alone;
  return numbers
    .filter((number) => number !== wholeRow)
    .map((number) => (number === tableoid ? 'tableoid' : (columnNames[number]?.text ?? '')));
}

/** As pg_get_constraintdef prints one that is plain. */
function definitionOf(
  row: ConstraintRow,
  [, validated, noInherit]: RareOfConstraint,
  of: BuildingRelation,
  { relations, numbersOf }: Taking,
): string {
  const [, , , contype, places, , , , referenced, referencedPlaces, codes] = row;
  const numbers = numbersOf(places);
  const alone = numbers.length === 1 && !noInherit && validated && contype !== 'f';
  const said = alone ? of.columnNames[numbers[0]!]?.said : undefined;
  const known = said?.get(contype);
  if (known !== undefined) return known;
  const made = (definition: string) => {
    said?.set(contype, definition);
    return definition;
  };
  if (contype === 'n')
    return made(`NOT NULL ${listed(of, numbers)}${noInherit ? ' NO INHERIT' : ''}${validated ? '' : ' NOT VALID'}`);
  if (contype !== 'f') return made([contype === 'p' ? 'PRIMARY KEY (' : 'UNIQUE (', listed(of, numbers), ')'].join(''));
  const to = relations.get(referenced ?? 0);
  const [onUpdate = '', onDelete = ''] = codes ?? '';
  return [
    'FOREIGN KEY (',
    listed(of, numbers),
    ') REFERENCES ',
    to?.quoted,
    '(',
    to && listed(to, numbersOf(referencedPlaces)),
    ')',
    onUpdate === 'a' ? '' : ` ON UPDATE ${actions[onUpdate]?.replace('_', ' ')}`,
    onDelete === 'a' ? '' : ` ON DELETE ${actions[onDelete]?.replace('_', ' ')}`,
  ].join('');
}

/**
 * Without expressions, conditions, options and columns that it only carries, and not partitioned: what it says beside its
 * names is decided by its columns' types, classes, collations and orders.
 */
const isPlainIndex = (version: number) => `i.indexprs is null and i.indpred is null and x.reloptions is null
  and x.relkind = 'i' and am.amname in ('btree', 'hash') and i.indnkeyatts = i.indnatts
  ${version >= 150000 ? 'and not i.indnullsnotdistinct' : ''}`;

async function readIndexes({ ask, schemaIds, version }: Source, take: (row: IndexRow) => void): Promise<void> {
  await ask(
    `select i.indrelid, i.indexrelid, x.relname, i.indkey, nullif(i.indisunique, false), nullif(i.indisprimary, false), am.amname,
      case when not p.plain then pg_get_indexdef(i.indexrelid) end,
      case when i.indnkeyatts <> i.indnatts or not i.indisvalid or i.indisclustered or i.indisreplident or i.indpred is not null
          or i.indexprs is not null or x.reltablespace <> 0 or x.relispartition
        then json_build_array(nullif(i.indnkeyatts, i.indnatts), i.indisvalid, i.indisclustered, i.indisreplident,
          pg_get_expr(i.indpred, i.indrelid),
          case when i.indexprs is not null then (
            select json_agg(pg_get_indexdef(i.indexrelid, k.place::int, false) order by k.place)
            from unnest(i.indkey) with ordinality k (number, place) where k.number = 0 and k.place <= i.indnkeyatts) end,
          nullif(x.reltablespace, 0)::text,
          case when x.relispartition then (
            select json_build_array(n.nspname, p.relname) from pg_catalog.pg_inherits h
            join pg_catalog.pg_class p on p.oid = h.inhparent join pg_catalog.pg_namespace n on n.oid = p.relnamespace
            where h.inhrelid = x.oid) end,
          case when i.indexprs is not null then (
            select json_agg(a.attnum || '=' || a.attstattarget order by a.attnum) from pg_catalog.pg_attribute a
            where a.attrelid = i.indexrelid and a.attstattarget >= 0) end) end,
      i.indclass, i.indcollation, i.indoption
    from pg_catalog.pg_index i
    join pg_catalog.pg_class x on x.oid = i.indexrelid
    join pg_catalog.pg_am am on am.oid = x.relam
    cross join lateral (select ${isPlainIndex(version)} as plain) p
    where x.relnamespace = any($1::oid[]) and x.relkind in ('i', 'I')`,
    [schemaIds],
    { ways: indexWays, take: (row) => take(row as unknown as IndexRow) },
  );
}

/** NOT NULL, and keys that say their columns, and of foreign ones what is referred to and done then, and nothing more. */
const isPlainConstraint = (version: number) => `(k.contype = 'n' or k.contype in ('p', 'u', 'f')
  and not k.condeferrable and k.convalidated and k.confmatchtype in ('s', ' ')
  ${version >= 150000 ? 'and k.confdelsetcols is null' : ''}
  ${version >= 180000 ? 'and k.conenforced and not k.conperiod' : ''})`;

async function readConstraints({ ask, schemaIds, version }: Source, take: (row: ConstraintRow) => void): Promise<void> {
  await ask(
    `select k.conrelid, k.oid, k.conname, k.contype, k.conkey, case when not ${isPlainConstraint(version)} then pg_get_constraintdef(k.oid) end,
      case when k.condeferrable or not k.convalidated or k.contype = 'n' and k.connoinherit or k.coninhcount <> 0
          or not k.conislocal or k.conparentid <> 0
        then json_build_array(k.condeferrable, k.convalidated, k.contype = 'n' and k.connoinherit, k.coninhcount <> 0,
          k.conislocal, k.conparentid <> 0, (
            select up.conrelid = k.conrelid from pg_catalog.pg_constraint up where up.oid = k.conparentid)) end,
      nullif(k.conindid, 0), nullif(k.confrelid, 0), k.confkey,
      case when k.contype = 'f' then k.confupdtype::text || k.confdeltype::text end
    from pg_catalog.pg_constraint k
    where k.connamespace = any($1::oid[]) and k.conrelid <> 0 and k.contype in ('p', 'u', 'f', 'c', 'x', 'n')`,
    [schemaIds],
    { ways: constraintWays, take: (row) => take(row as unknown as ConstraintRow) },
  );
}
