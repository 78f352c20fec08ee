/** Indexes, constraints and foreign keys. */
import type { ConstraintKind, QualifiedName, ReferentialAction } from '../../catalog.ts';
import type { SnapshotConstraint, SnapshotForeignKey, SnapshotIndex } from '../../snapshot.ts';
import { boolean, byName, nameOrNull, strings } from '../catalog/rows.ts';
import type { ColumnNames, KeysOfColumns } from './columns.ts';
import { flagOr, groupedBy, type Source } from './source.ts';

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

export interface KeyParts {
  indexes(relation: string): { indexes: SnapshotIndex[]; keys: KeysOfColumns };
  constraints(relation: string): SnapshotConstraint[];
  foreignKeys(relation: string): SnapshotForeignKey[];
}

export interface KeyDeps {
  readonly relations: ReadonlyMap<string, QualifiedName>;
  namesOf(relation: string): ColumnNames;
  tablespaceName(oid: string | null): string | null;
}

/** What a check may be about beside columns (access/sysattr.h): all of the row, and the one column of the system's. */
const wholeRow = '0';
const tableoid = '-6';

export async function readKeyParts(source: Source, { relations, namesOf, tablespaceName }: KeyDeps): Promise<KeyParts> {
  const indexes = await readIndexes(source);
  const rows = await readConstraints(source);
  const byOid = new Map(rows.map((row) => [row[1], row]));
  const byIndex = new Map(
    rows.flatMap(([, , name, contype, , , , , , , index]) =>
      index !== null && contype !== 'f' ? [[index, name] as const] : [],
    ),
  );
  const indexNames = new Map(indexes.map(([, oid, name]) => [oid, name]));
  const indexesOf = groupedBy<IndexRow & readonly (string | null)[]>(indexes);
  // A foreign key to a partitioned table has a hidden row more for each partition there: its parent is on the same table.
  const constraintsOf = groupedBy<ConstraintRow & readonly (string | null)[]>(
    rows.filter((row) => {
      const parent = inheritanceOf(row).parent;
      return parent === '0' || byOid.get(parent)?.[0] !== row[0];
    }),
  );
  const columnsOf = (relation: string, numbers: string | null): string[] => {
    const names = namesOf(relation);
    return numbersOf(numbers)
      .filter((number) => number !== wholeRow)
      .map((number) => (number === tableoid ? 'tableoid' : (names.get(number)?.name ?? '')));
  };
  const { intern } = source;

  return {
    indexes(relation) {
      const keys = { primaryKey: [] as string[], unique: new Set<string>(), indexed: new Set<string>() };
      const found = (indexesOf.get(relation) ?? []).map((row): SnapshotIndex => {
        const [, oid, name, numbers, keyColumns, unique, primary, valid, method, predicate, expressions] = row;
        const [definition, clustered, replicaIdentity, tablespace, parent, targets] = row.slice(11) as (
          | string
          | null
        )[];
        const key = numbers.split(' ').slice(0, keyColumns === null ? undefined : Number(keyColumns));
        const columns = key.filter((number) => number !== '0');
        for (const number of columns) keys.indexed.add(number);
        if (primary !== null) keys.primaryKey = key;
        if (unique !== null && valid === null && predicate === null && key.length === 1 && columns[0] !== undefined) {
          keys.unique.add(columns[0]);
        }
        const names = namesOf(relation);
        const texts = strings(expressions);
        return {
          id: oid,
          name,
          columns: key.map((number) => (number === '0' ? (texts.shift() ?? '') : (names.get(number)?.name ?? ''))),
          unique: boolean(unique),
          primary: boolean(primary),
          valid: flagOr(valid, true),
          method: intern(method),
          predicate,
          definition: definition ?? null,
          comment: source.comment('pg_class', oid),
          constraint: byIndex.get(oid) ?? null,
          parent: nameOrNull(parent ?? null),
          clustered: boolean(clustered ?? null),
          replicaIdentity: boolean(replicaIdentity ?? null),
          statisticsTargets: strings(targets ?? null),
          tablespace: tablespaceName(tablespace ?? null),
        };
      });
      return { indexes: found.sort(byName), keys };
    },

    constraints: (relation) =>
      (constraintsOf.get(relation) ?? [])
        .map((row): SnapshotConstraint => {
          const [, oid, name, contype, numbers, definition, deferrable, validated, , , index] = row;
          const { inherited, local } = inheritanceOf(row);
          return {
            id: oid,
            name,
            kind: kinds[contype] ?? 'CHECK',
            columns: columnsOf(relation, numbers),
            definition: definition ?? notNullDefinition(row, namesOf(relation)),
            deferrable: boolean(deferrable),
            validated: flagOr(validated, true),
            comment: source.comment('pg_constraint', oid),
            inherited,
            local,
            index: index === null || contype === 'f' ? null : (indexNames.get(index) ?? null),
          };
        })
        .sort(byName),

    foreignKeys: (relation) =>
      (constraintsOf.get(relation) ?? [])
        .filter(([, , , contype]) => contype === 'f')
        .map((row): SnapshotForeignKey => {
          const [, oid, name, , numbers] = row;
          const [referenced, referencedNumbers, codes] = row.slice(11) as (string | null)[];
          return {
            id: oid,
            name,
            table: relations.get(relation) ?? { schema: '', name: '' },
            columns: columnsOf(relation, numbers),
            referenced: relations.get(referenced ?? '') ?? { schema: '', name: '' },
            referencedColumns: columnsOf(referenced ?? '', referencedNumbers ?? null),
            onUpdate: actions[codes?.[0] ?? ''] ?? 'NO_ACTION',
            onDelete: actions[codes?.[1] ?? ''] ?? 'NO_ACTION',
            inherited: inheritanceOf(row).parent !== '0',
          };
        })
        .sort(byName),
  };
}

const numbersOf = (array: string | null): string[] => (array === null ? [] : array.slice(1, -1).split(','));

const own = { inherited: false, local: true, parent: '0' };

function inheritanceOf(row: ConstraintRow): { inherited: boolean; local: boolean; parent: string } {
  const inheritance = row[9];
  if (inheritance === null) return own;
  const [inherited, local, parent] = JSON.parse(inheritance) as [boolean, boolean, string];
  return { inherited, local, parent };
}

/** As pg_get_constraintdef prints it. */
function notNullDefinition(row: ConstraintRow, names: ColumnNames): string {
  const [, , , , numbers, , , validated, heritable] = row;
  const [number = ''] = numbersOf(numbers);
  const column = names.get(number)?.quoted ?? '';
  return `NOT NULL ${column}${heritable === null ? '' : ' NO INHERIT'}${validated === null ? '' : ' NOT VALID'}`;
}

async function readIndexes({ ask, schemaIds }: Source): Promise<IndexRow[]> {
  const rows = await ask(
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
  );
  return rows as unknown as IndexRow[];
}

async function readConstraints({ ask, schemaIds }: Source): Promise<ConstraintRow[]> {
  const rows = await ask(
    `select k.conrelid, k.oid, k.conname, k.contype, k.conkey, case when k.contype <> 'n' then pg_get_constraintdef(k.oid) end,
      nullif(k.condeferrable, false), nullif(k.convalidated, true),
      case when k.contype = 'n' and k.connoinherit then true end,
      case when k.coninhcount <> 0 or not k.conislocal or k.conparentid <> 0
        then json_build_array(k.coninhcount <> 0, k.conislocal, k.conparentid::text) end,
      nullif(k.conindid, 0), nullif(k.confrelid, 0), k.confkey,
      case when k.contype = 'f' then k.confupdtype::text || k.confdeltype::text end
    from pg_catalog.pg_constraint k
    where k.connamespace = any($1::oid[]) and k.conrelid <> 0 and k.contype in ('p', 'u', 'f', 'c', 'x', 'n')`,
    [schemaIds],
  );
  return rows as unknown as ConstraintRow[];
}
