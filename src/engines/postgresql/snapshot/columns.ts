/**
 * Columns. Types and defaults are few and repeat: each is printed once, as printing them is what such a read spends its
 * time on.
 */
import type { SnapshotColumn } from '../../snapshot.ts';
import { compressionOf, storageOf } from '../catalog/details.ts';
import { boolean, strings, withoutSecrets } from '../catalog/rows.ts';
import { columnOptions, hasColumnOptions } from '../catalog/sql.ts';
import { type Building, type BuildingRelation, type BuildingRelations, columnsOf } from './building.ts';
import { askAbout, type Source } from './source.ts';

type ColumnRow = [
  relation: string,
  name: string,
  number: string,
  type: string,
  modifier: string | null,
  storage: string | null,
  collation: string | null,
  notNull: string | null,
  generated: string | null,
  identity: string | null,
  rare: string | null,
];

/** What hardly any column has, as JSON. */
type Rare = [
  inherited: boolean,
  local: boolean,
  compression: string | null,
  statisticsTarget: number | null,
  options: string[] | null,
  foreignOptions: string[] | null,
  privileges: string | null,
];

const usual: Rare = [false, true, null, null, null, null, null];

/** What a column's type says, and whether its storage and collation are its type's. */
interface TypeInfo {
  readonly printed: string;
  readonly neverNull: boolean;
  readonly enumValues: string[] | null;
  readonly storage: string | null;
  readonly collation: string | null;
  readonly collationSchema: string | null;
}

/**
 * Gives each relation its columns, whose names are known when this has asked; the rest is when it is done, and until then
 * `dataType` is what tells one kind of column from another.
 */
export async function readColumns(source: Source, relations: BuildingRelations): Promise<void> {
  const { ask, version, schemaIds, intern } = source;
  const compression = version >= 140000 ? `nullif(a.attcompression, '')` : 'null::text';
  const kindOf = createKinds(source);
  let relation: BuildingRelation | undefined;
  let relationId = '';
  let comments = source.columnComments('');
  const take = (row: readonly (string | null)[]) => {
    const [oid, name, number, type, modifier, storage, collation, notNull, generated, identity, rare] =
      row as ColumnRow;
    if (oid !== relationId) {
      relationId = oid;
      relation = relations.get(oid);
      comments = source.columnComments(oid);
    }
    if (!relation) return;
    const [inherited, local, chosen, statisticsTarget, options, foreignOptions, privileges] =
      rare === null ? usual : (JSON.parse(rare) as Rare);
    const position = Number(number);
    relation.columns[position] = {
      id: `${oid}.${number}`,
      name: intern(name),
      position,
      dataType: kindOf(type, modifier, storage, collation),
      nullable: notNull === null,
      default: null,
      generated: null,
      identity: identity === null ? null : identity === 'a' ? 'ALWAYS' : 'BY DEFAULT',
      comment: comments.get(number) ?? null,
      primaryKeyPosition: null,
      unique: false,
      indexed: false,
      enumValues: null,
      collation: null,
      notNull: notNull !== null,
      generatedKind: generated === null ? null : generated === 's' ? 'STORED' : 'VIRTUAL',
      collationSchema: null,
      inherited,
      local,
      storage: null,
      compression: compressionOf(chosen),
      statisticsTarget,
      options: options ?? none,
      foreignOptions: foreignOptions === null ? none : withoutSecrets(foreignOptions),
      privileges,
    };
  };
  await Promise.all([
    // By the index of the columns: a catalogue has more rows for the system's own columns and those of indexes than for these.
    ask(
      `select a.attrelid, a.attname, a.attnum, a.atttypid, nullif(a.atttypmod, -1), nullif(a.attstorage, 'p'), nullif(a.attcollation, 0),
        nullif(a.attnotnull, false), nullif(a.attgenerated, ''), nullif(a.attidentity, ''),
        case when a.attinhcount <> 0 or not a.attislocal or ${compression} is not null or a.attstattarget >= 0
            or ${hasColumnOptions('a')} or a.attfdwoptions is not null or a.attacl is not null
          then json_build_array(a.attinhcount <> 0, a.attislocal, ${compression}, nullif(a.attstattarget, -1),
            ${columnOptions('a')}, a.attfdwoptions, a.attacl::text) end
      from pg_catalog.pg_attribute a
      where a.attrelid = any (array(
          select c.oid from pg_catalog.pg_class c
          where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relnamespace = any($1::oid[])))
        and a.attnum > 0 and not a.attisdropped`,
      [schemaIds],
      take,
    ),
    readExpressions(source, relations),
  ]);
  const columns = function* () {
    for (const relation of relations.values()) yield* columnsOf(relation);
  };
  const kinds = new Set<string>();
  for (const { dataType } of columns()) kinds.add(dataType);
  const types = await readTypes(source, [...kinds]);
  for (const column of columns()) {
    const { printed, neverNull, enumValues, storage, collation, collationSchema } = types.get(column.dataType)!;
    column.dataType = printed;
    column.nullable &&= !neverNull;
    column.enumValues = enumValues;
    column.storage = storage;
    column.collation = collation;
    column.collationSchema = collationSchema;
  }
}

const none: readonly string[] = [];

/** Type, modifier, storage and collation in one text, the same one for the same four. */
function createKinds({ intern }: Source) {
  const last = new Map<
    string,
    { modifier: string | null; storage: string | null; collation: string | null; kind: string }
  >();
  return (type: string, modifier: string | null, storage: string | null, collation: string | null): string => {
    // Most types are used in one way: what this one was used in last is looked at first.
    const known = last.get(type);
    if (known && known.modifier === modifier && known.storage === storage && known.collation === collation)
      return known.kind;
    const kind = intern([type, modifier ?? '-1', storage ?? 'p', collation ?? '0'].join(' '));
    last.set(type, { modifier, storage, collation, kind });
    return kind;
  };
}

async function readTypes({ ask, intern }: Source, kinds: readonly string[]): Promise<Map<string, TypeInfo>> {
  const parts = kinds.map((kind) => kind.split(' '));
  const found = await ask(
    `select format_type(t.oid, t.modifier), nullif(ty.typtype = 'd' and ty.typnotnull, false),
      case when ty.typtype in ('e', 'd') then (
        with recursive base (oid, typtype, typbasetype) as (
          select ty.oid, ty.typtype, ty.typbasetype
          union all
          select b.oid, b.typtype, b.typbasetype
          from base join pg_catalog.pg_type b on base.typtype = 'd' and b.oid = base.typbasetype
        )
        select json_agg(v.enumlabel order by v.enumsortorder)
        from base join pg_catalog.pg_enum v on base.typtype = 'e' and v.enumtypid = base.oid
      ) end,
      nullif(t.stored::"char", ty.typstorage), n.nspname, co.collname
    from unnest($1::oid[], $2::int4[], $3::text[], $4::oid[]) with ordinality t (oid, modifier, stored, collated, place)
    left join pg_catalog.pg_type ty on ty.oid = t.oid
    left join pg_catalog.pg_collation co on co.oid = t.collated and t.collated <> ty.typcollation
    left join pg_catalog.pg_namespace n on n.oid = co.collnamespace
    order by t.place`,
    [0, 1, 2, 3].map((part) => parts.map((all) => all[part] ?? '')),
  );
  return new Map(
    found.map(([printed, neverNull = null, values = null, storage = null, schema = null, name = null], place) => [
      kinds[place]!,
      {
        printed: intern(printed ?? ''),
        neverNull: boolean(neverNull),
        enumValues: values === null ? null : strings(values),
        storage: storageOf(storage),
        collation: name,
        collationSchema: schema,
      },
    ]),
  );
}

/**
 * Defaults and generation expressions. One that names no column prints the same wherever it is; which ones are the same is
 * cheap to see in their trees, from 17 on without places in a source. They are told apart by a hash, and where two trees
 * have the same one, as where they name columns, each is printed.
 */
async function readExpressions(source: Source, relations: BuildingRelations): Promise<void> {
  const { ask, intern } = source;
  const groups = await ask(
    `select array_agg(e.oid), array_agg(e.adrelid), array_agg(e.adnum),
      min(e.adbin::text collate "C") = max(e.adbin::text collate "C") and position('{VAR ' in min(e.adbin::text collate "C")) = 0
    from pg_catalog.pg_attrdef e
    group by hashtextextended(e.adbin::text, 0)`,
  );
  const columnsOfDefault = new Map<string, Building<SnapshotColumn>[]>();
  for (const [oids, tables, numbers, alike = null] of groups) {
    const [ids, relationIds, columnNumbers] = [oids, tables, numbers].map(idsOf) as [string[], string[], string[]];
    let same: Building<SnapshotColumn>[] | null = null;
    for (const [place, relation] of relationIds.entries()) {
      const column = relations.get(relation)?.columns[Number(columnNumbers[place])];
      if (!column) continue;
      if (same && boolean(alike)) same.push(column);
      else {
        same = [column];
        columnsOfDefault.set(ids[place] ?? '', same);
      }
    }
  }
  const oids = [...columnsOfDefault.keys()];
  const printed = await askAbout(
    ask,
    oids,
    'select d.oid, pg_get_expr(d.adbin, d.adrelid) from pg_catalog.pg_attrdef d where d.oid = any($1::oid[])',
  );
  for (const [oid, expression] of printed) {
    const text = intern(expression ?? '');
    for (const column of columnsOfDefault.get(oid ?? '') ?? []) {
      column[column.generatedKind === null ? 'default' : 'generated'] = text;
    }
  }
}

/** Of an array of oids, or of numbers. */
const idsOf = (array: string | null | undefined): string[] => (array ?? '').slice(1, -1).split(',');
