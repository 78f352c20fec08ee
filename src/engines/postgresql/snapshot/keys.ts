/** Indexes, constraints and foreign keys. */
import type { ConstraintKind, ReferentialAction } from '../../catalog.ts';
import type { SnapshotColumn, SnapshotConstraint, SnapshotIndex } from '../../snapshot.ts';
import { boolean, nameOrNull, strings, type TextRow } from '../catalog/rows.ts';
import { type Building, type BuildingRelation, type BuildingRelations, findInTurn } from './building.ts';
import { createDefinitions, type Definitions } from './printed.ts';
import { firstUserOid, flagOr, type Source } from './source.ts';

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
  /** Null for one that is plain. */
  definition: string | null,
  clustered: string | null,
  replicaIdentity: string | null,
  tablespace: string | null,
  parent: string | null,
  statisticsTargets: string | null,
  /** Of its columns, with spaces between. */
  classes: string,
  collations: string,
  orders: string,
];

type ConstraintRow = [
  relation: string,
  oid: string,
  name: string,
  contype: string,
  /** `{1,2}` */
  numbers: string | null,
  /** Null for NOT NULL, which is known without asking, and for keys that are plain. */
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
const wholeRow = 0;
const tableoid = -6;

/** Gives relations whose columns have names their indexes, constraints and foreign keys, and columns what these say of them. */
export async function readKeys(source: Source, relations: BuildingRelations): Promise<void> {
  const indexes = new Map<string, Building<SnapshotIndex>>();
  const taking = {
    source,
    relations,
    find: findInTurn(relations),
    indexes,
    odd: new Set<object>(),
    lists: createLists(),
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
  readonly find: (oid: string) => BuildingRelation | undefined;
  readonly indexes: Map<string, Building<SnapshotIndex>>;
  /** Indexes that are not plain. */
  readonly odd: Set<object>;
  readonly lists: Lists;
  readonly numbersOf: Numbers;
  readonly definitions: Definitions;
}

/** Lists of names: most are of one name, and of each such one there is one. */
interface Lists {
  ofOne(name: string): string[];
}

function createLists(): Lists {
  const known = new Map<string, string[]>();
  return {
    ofOne(name) {
      const list = known.get(name);
      if (list) return list;
      const made = [name];
      known.set(name, made);
      return made;
    },
  };
}

/** Column numbers of a text like `{1,2}` or `1 2`: the same few texts come again. */
type Numbers = (text: string | null) => readonly number[];

function createNumbers(): Numbers {
  const known = new Map<string, readonly number[]>();
  return (text) => {
    if (text === null) return nothing;
    const numbers = known.get(text) ?? (text.match(/-?\d+/g) ?? []).map(Number);
    known.set(text, numbers);
    return numbers;
  };
}

const nothing: never[] = [];

function takeIndex(taking: Taking, row: IndexRow): void {
  const { source, find, indexes, odd, lists, definitions } = taking;
  const [
    relation,
    oid,
    name,
    numbers,
    keyColumns,
    unique,
    primary,
    valid,
    method,
    predicate,
    expressions,
    definition,
    clustered,
    replicaIdentity,
    tablespace,
    parent,
    targets,
    classes,
    collations,
    orders,
  ] = row;
  const of = find(relation);
  const all = taking.numbersOf(numbers);
  const key = keyColumns === null ? all : all.slice(0, Number(keyColumns));
  const columns: (Building<SnapshotColumn> | undefined)[] = [];
  for (let place = 0; place < key.length; place += 1) {
    const column = of?.columns[key[place]!];
    columns.push(column);
    if (!column) continue;
    column.indexed = true;
    if (primary !== null) column.primaryKeyPosition ??= place + 1;
  }
  if (unique !== null && valid === null && predicate === null && columns.length === 1 && columns[0]) {
    columns[0].unique = true;
  }
  const texts = expressions === null ? nothing : strings(expressions);
  const index: Building<SnapshotIndex> = {
    id: oid,
    name,
    columns:
      columns.length === 1 && columns[0]
        ? lists.ofOne(columns[0].name)
        : columns.map((column, place) => (key[place] === 0 ? (texts.shift() ?? '') : (column?.name ?? ''))),
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
  index.definition = [
    kind,
    source.quoted(name),
    ' ON ',
    of.quoted,
    ' USING ',
    method,
    ' (',
    listed(columns, source),
    ')',
  ].join('');
  let shape = `${kind}${method} ${classes},${collations},${orders}`;
  for (const column of columns) shape += `,${column?.dataType}`;
  definitions.add(shape, index);
}

type Columns = readonly (SnapshotColumn | undefined)[];

function listed(columns: Columns, { quoted }: Source): string {
  if (columns.length === 1) return columns[0] ? quoted(columns[0].name) : '';
  return columns.map((column) => (column ? quoted(column.name) : '')).join(', ');
}

/** A class of a user's own may. */
const haveParameters = (classes: string): boolean =>
  /\d{5}/.test(classes) && classes.split(' ').some((id) => Number(id) >= firstUserOid);

function takeConstraint(taking: Taking, row: ConstraintRow): void {
  const { source, relations, find, indexes, odd, lists, numbersOf, definitions } = taking;
  const [
    relation,
    oid,
    name,
    contype,
    numbers,
    definition,
    deferrable,
    validated,
    ,
    inheritance,
    indexId,
    referenced,
    referencedNumbers,
    codes,
  ] = row;
  const of = find(relation);
  const [inherited, local, copied, copiedOnTable] =
    inheritance === null ? own : (JSON.parse(inheritance) as Inheritance);
  // A foreign key to a partitioned table has a hidden row more for each partition there: its parent is on the same table.
  if (!of || copiedOnTable) return;
  const index = indexId && contype !== 'f' ? indexes.get(indexId) : undefined;
  if (index) index.constraint = name;
  const columns = listOf(of, numbersOf(numbers), lists);
  const constraint: Building<SnapshotConstraint> = {
    id: oid,
    name,
    kind: kinds[contype] ?? 'CHECK',
    columns,
    definition: source.intern(definition ?? definitionOf(row, of, taking)),
    deferrable: boolean(deferrable),
    validated: flagOr(validated, true),
    comment: source.comment('pg_constraint', oid),
    inherited,
    local,
    index: index?.name ?? null,
  };
  of.constraints.push(constraint);
  if (definition === null && contype !== 'n') {
    const plain = contype === 'f' ? relations.has(referenced ?? '') : index && !odd.has(index);
    if (plain) definitions.add(`${contype}${codes ?? ''}`, constraint);
    else definitions.ask(constraint);
  }
  if (contype !== 'f') return;
  const to = relations.get(referenced ?? '');
  of.foreignKeys.push({
    id: oid,
    name,
    table: of.name,
    columns,
    referenced: to?.name ?? { schema: '', name: '' },
    referencedColumns: to ? listOf(to, numbersOf(referencedNumbers), lists) : [],
    onUpdate: actions[codes?.[0] ?? ''] ?? 'NO_ACTION',
    onDelete: actions[codes?.[1] ?? ''] ?? 'NO_ACTION',
    inherited: copied,
  });
}

type Inheritance = [inherited: boolean, local: boolean, copied: boolean, copiedOnTable: boolean | null];

const own: Inheritance = [false, true, false, null];

function listOf({ columns }: BuildingRelation, numbers: readonly number[], lists: Lists): string[] {
  const [first = wholeRow] = numbers;
  if (numbers.length === 1 && first > wholeRow) return lists.ofOne(columns[first]?.name ?? '');
  return numbers
    .filter((number) => number !== wholeRow)
    .map((number) => (number === tableoid ? 'tableoid' : (columns[number]?.name ?? '')));
}

/** As pg_get_constraintdef prints one that is plain. */
function definitionOf(row: ConstraintRow, of: BuildingRelation, { source, relations, numbersOf }: Taking): string {
  const [, , , contype, numbers, , , validated, heritable, , , referenced, referencedNumbers, codes] = row;
  const at = ({ columns }: BuildingRelation, places: string | null) =>
    listed(
      numbersOf(places).map((number) => columns[number]),
      source,
    );
  if (contype === 'n')
    return `NOT NULL ${at(of, numbers)}${heritable === null ? '' : ' NO INHERIT'}${validated === null ? '' : ' NOT VALID'}`;
  if (contype !== 'f') return [contype === 'p' ? 'PRIMARY KEY (' : 'UNIQUE (', at(of, numbers), ')'].join('');
  const to = relations.get(referenced ?? '');
  const [onUpdate = '', onDelete = ''] = codes ?? '';
  return [
    'FOREIGN KEY (',
    at(of, numbers),
    ') REFERENCES ',
    to?.quoted,
    '(',
    to && at(to, referencedNumbers),
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
    `select i.indrelid, i.indexrelid, x.relname, i.indkey, nullif(i.indnkeyatts, i.indnatts),
      nullif(i.indisunique, false), nullif(i.indisprimary, false), nullif(i.indisvalid, true), am.amname,
      pg_get_expr(i.indpred, i.indrelid),
      case when i.indexprs is not null then (
        select json_agg(pg_get_indexdef(i.indexrelid, k.place::int, false) order by k.place)
        from unnest(i.indkey) with ordinality k (number, place) where k.number = 0 and k.place <= i.indnkeyatts) end,
      case when not p.plain then pg_get_indexdef(i.indexrelid) end, nullif(i.indisclustered, false), nullif(i.indisreplident, false),
      nullif(x.reltablespace, 0),
      case when x.relispartition then (
        select json_build_array(n.nspname, p.relname) from pg_catalog.pg_inherits h
        join pg_catalog.pg_class p on p.oid = h.inhparent join pg_catalog.pg_namespace n on n.oid = p.relnamespace
        where h.inhrelid = x.oid) end,
      case when i.indexprs is not null then (
        select json_agg(a.attnum || '=' || a.attstattarget order by a.attnum) from pg_catalog.pg_attribute a
        where a.attrelid = i.indexrelid and a.attstattarget >= 0) end,
      i.indclass, i.indcollation, i.indoption
    from pg_catalog.pg_index i
    join pg_catalog.pg_class x on x.oid = i.indexrelid
    join pg_catalog.pg_am am on am.oid = x.relam
    cross join lateral (select ${isPlainIndex(version)} as plain) p
    where x.relnamespace = any($1::oid[]) and x.relkind in ('i', 'I')`,
    [schemaIds],
    (row: TextRow) => take(row as unknown as IndexRow),
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
