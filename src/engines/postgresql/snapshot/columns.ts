/**
 * Columns. Types and defaults are few and repeat: each is printed once, as printing them is what such a read spends its
 * time on.
 */
import type { QualifiedName } from '../../catalog.ts';
import type { SnapshotColumn } from '../../snapshot.ts';
import { compressionOf, storageOf } from '../catalog/details.ts';
import { boolean, strings, withoutSecrets } from '../catalog/rows.ts';
import { columnOptions, hasColumnOptions } from '../catalog/sql.ts';
import { type Building, type BuildingRelations, columnsOf } from './building.ts';
import { askAbout, type Source } from './source.ts';

type ColumnRow = [
  relation: string,
  name: string,
  number: string,
  type: string,
  modifier: string | null,
  /** The name as SQL has to quote it, where it has to. */
  quoted: string | null,
  notNull: string | null,
  generated: string | null,
  identity: string | null,
  collation: string | null,
  rare: string | null,
];

/** What hardly any column has, as JSON. */
type Rare = [
  inherited: boolean,
  local: boolean,
  storage: string | null,
  compression: string | null,
  statisticsTarget: number | null,
  options: string[] | null,
  foreignOptions: string[] | null,
  privileges: string | null,
];

const usual: Rare = [false, true, null, null, null, null, null, null];

interface TypeInfo {
  readonly printed: string;
  readonly neverNull: boolean;
  readonly enumValues: string[] | null;
}

/** What is known of a column beside what is kept. */
export interface ColumnWords {
  /** The name as SQL has to quote it. */
  quoted(column: SnapshotColumn): string;
  /** The collation's oid; empty where it is the one of its type. */
  collation(column: SnapshotColumn): string;
}

/** Gives each relation its columns, whose names are known when this has asked; the rest is when it is done. */
export function readColumns(
  source: Source,
  relations: BuildingRelations,
): { readonly words: ColumnWords; readonly done: Promise<void> } {
  const quotedNames = new Map<SnapshotColumn, string>();
  const collated = new Map<Building<SnapshotColumn>, string>();
  return {
    words: {
      quoted: (column) => quotedNames.get(column) ?? column.name,
      collation: (column) => collated.get(column) ?? '',
    },
    done: readRows(source, relations, quotedNames, collated),
  };
}

async function readRows(
  source: Source,
  relations: BuildingRelations,
  quotedNames: Map<SnapshotColumn, string>,
  collated: Map<Building<SnapshotColumn>, string>,
): Promise<void> {
  const { ask, version, schemaIds, intern } = source;
  const compression = version >= 140000 ? `nullif(a.attcompression, '')` : 'null::text';
  const take = (row: readonly (string | null)[]) => {
    const [oid, name, number, type, modifier, quoted, notNull, generated, identity, collation, rare] = row as ColumnRow;
    const [inherited, local, storage, chosen, statisticsTarget, options, foreignOptions, privileges] =
      rare === null ? usual : (JSON.parse(rare) as Rare);
    const column: Building<SnapshotColumn> = {
      id: `${oid}.${number}`,
      name: intern(name),
      position: Number(number),
      dataType: intern(typeKey(type, modifier)),
      nullable: notNull === null,
      default: null,
      generated: null,
      identity: identity === null ? null : identity === 'a' ? 'ALWAYS' : 'BY DEFAULT',
      comment: source.comment('pg_class', oid, number),
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
      storage: storageOf(storage),
      compression: compressionOf(chosen),
      statisticsTarget,
      options: options ?? none,
      foreignOptions: foreignOptions === null ? none : withoutSecrets(foreignOptions),
      privileges,
    };
    if (quoted !== null) quotedNames.set(column, quoted);
    if (collation !== null) collated.set(column, collation);
    const relation = relations.get(oid);
    if (relation) relation.columns[column.position] = column;
  };
  await Promise.all([
    ask(
      `select a.attrelid, a.attname, a.attnum, a.atttypid, nullif(a.atttypmod, -1), nullif(quote_ident(a.attname), a.attname::text),
        nullif(a.attnotnull, false), nullif(a.attgenerated, ''), nullif(a.attidentity, ''), nullif(a.attcollation, ty.typcollation),
        case when a.attinhcount <> 0 or not a.attislocal or a.attstorage <> ty.typstorage or ${compression} is not null
            or a.attstattarget >= 0 or ${hasColumnOptions('a')} or a.attfdwoptions is not null or a.attacl is not null
          then json_build_array(a.attinhcount <> 0, a.attislocal, nullif(a.attstorage, ty.typstorage), ${compression},
            nullif(a.attstattarget, -1), ${columnOptions('a')}, a.attfdwoptions, a.attacl::text) end
      from pg_catalog.pg_class c
      join pg_catalog.pg_attribute a on a.attrelid = c.oid
      join pg_catalog.pg_type ty on ty.oid = a.atttypid
      where c.relnamespace = any($1::oid[]) and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped`,
      [schemaIds],
      take,
    ),
    readExpressions(source, relations),
  ]);
  const columns = function* () {
    for (const relation of relations.values()) yield* columnsOf(relation);
  };
  const keys = new Set<string>();
  for (const { dataType } of columns()) keys.add(dataType);
  const [types, collations] = await Promise.all([
    readTypes(source, [...keys]),
    readCollations(source, [...new Set(collated.values())]),
  ]);
  for (const column of columns()) {
    const { printed, neverNull, enumValues } = types.get(column.dataType)!;
    column.dataType = printed;
    column.nullable &&= !neverNull;
    column.enumValues = enumValues;
  }
  for (const [column, oid] of collated) {
    const { schema = null, name = null } = collations.get(oid) ?? {};
    column.collation = name;
    column.collationSchema = schema;
  }
}

const none: readonly string[] = [];

const typeKey = (type: string, modifier: string | null): string => (modifier === null ? type : `${type} ${modifier}`);

async function readTypes({ ask, intern }: Source, keys: readonly string[]): Promise<Map<string, TypeInfo>> {
  const pairs = keys.map((key) => key.split(' '));
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
      ) end
    from unnest($1::oid[], $2::int4[]) with ordinality t (oid, modifier, place)
    join pg_catalog.pg_type ty on ty.oid = t.oid
    order by t.place`,
    [pairs.map(([type = '']) => type), pairs.map(([, modifier = '-1']) => modifier)],
  );
  return new Map(
    found.map(([printed = null, neverNull = null, values = null], place) => [
      keys[place]!,
      {
        printed: intern(printed ?? ''),
        neverNull: boolean(neverNull),
        enumValues: values === null ? null : strings(values),
      },
    ]),
  );
}

async function readCollations({ ask }: Source, oids: readonly string[]): Promise<Map<string, QualifiedName>> {
  const found = await askAbout(
    ask,
    oids,
    `select co.oid, n.nspname, co.collname from pg_catalog.pg_collation co
     join pg_catalog.pg_namespace n on n.oid = co.collnamespace where co.oid = any($1::oid[])`,
  );
  return new Map(found.map(([oid, schema, name]) => [oid ?? '', { schema: schema ?? '', name: name ?? '' }]));
}

/**
 * Defaults and generation expressions by relation and column. One that names no column prints the same for every
 * relation that has it; which ones are the same is cheap to see in their trees, from 17 on without places in a source.
 */
async function readExpressions({ ask, schemaIds, intern }: Source, relations: BuildingRelations): Promise<void> {
  await ask(
    `select pg_get_expr(d.adbin, d.adrelid), g.places
    from (
      select min(e.oid) as oid, string_agg(e.adrelid || ' ' || e.adnum, ',') as places
      from pg_catalog.pg_attrdef e
      join pg_catalog.pg_class c on c.oid = e.adrelid
      where c.relnamespace = any($1::oid[])
      group by e.adbin::text, case when position('{VAR ' in e.adbin::text) > 0 then e.adrelid end
    ) g
    join pg_catalog.pg_attrdef d on d.oid = g.oid`,
    [schemaIds],
    ([expression, places]) => {
      const text = intern(expression ?? '');
      for (const place of (places ?? '').split(',')) {
        const [oid = '', number] = place.split(' ');
        const column = relations.get(oid)?.columns[Number(number)];
        if (column) column[column.generatedKind === null ? 'default' : 'generated'] = text;
      }
    },
  );
}
