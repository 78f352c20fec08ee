/**
 * Columns. Types and defaults are few and repeat: each is printed once, as printing them is what such a read spends its
 * time on.
 */
import type { QualifiedName } from '../../catalog.ts';
import type { SnapshotColumn } from '../../snapshot.ts';
import { compressionOf, storageOf } from '../catalog/details.ts';
import { boolean, strings, withoutSecrets } from '../catalog/rows.ts';
import { askAbout, groupedBy, type Source } from './source.ts';

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

export interface ColumnName {
  readonly name: string;
  readonly quoted: string;
}

/** Names by number, of one relation. */
export type ColumnNames = ReadonlyMap<string, ColumnName>;

export interface ColumnParts {
  namesOf(relation: string): ColumnNames;
  /** @param keys what the relation's indexes say of its columns */
  columnsOf(relation: string, keys: KeysOfColumns): SnapshotColumn[];
}

/** What indexes say of a relation's columns, by number. */
export interface KeysOfColumns {
  readonly primaryKey: readonly string[];
  readonly unique: ReadonlySet<string>;
  readonly indexed: ReadonlySet<string>;
}

export async function readColumnParts(source: Source): Promise<ColumnParts> {
  const { ask, version, schemaIds, intern } = source;
  const compression = version >= 140000 ? `nullif(a.attcompression, '')` : 'null::text';
  const rows = await ask(
    `select a.attrelid, a.attname, a.attnum, a.atttypid, nullif(a.atttypmod, -1), nullif(quote_ident(a.attname), a.attname::text),
      nullif(a.attnotnull, false), nullif(a.attgenerated, ''), nullif(a.attidentity, ''), nullif(a.attcollation, ty.typcollation),
      case when a.attinhcount <> 0 or not a.attislocal or a.attstorage <> ty.typstorage or ${compression} is not null
          or a.attstattarget >= 0 or a.attoptions is not null or a.attfdwoptions is not null or a.attacl is not null
        then json_build_array(a.attinhcount <> 0, a.attislocal, nullif(a.attstorage, ty.typstorage), ${compression},
          nullif(a.attstattarget, -1), a.attoptions, a.attfdwoptions, a.attacl::text) end
    from pg_catalog.pg_class c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid
    join pg_catalog.pg_type ty on ty.oid = a.atttypid
    where c.relnamespace = any($1::oid[]) and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped`,
    [schemaIds],
  );
  const types = await readTypes(source, rows as unknown as ColumnRow[]);
  const collations = await readCollations(source, rows as unknown as ColumnRow[]);
  const expressions = await readExpressions(source);
  const ofRelation = groupedBy<ColumnRow & readonly (string | null)[]>(rows);
  for (const columns of ofRelation.values()) columns.sort((a, b) => Number(a[2]) - Number(b[2]));
  const names = new Map<string, ColumnNames>();

  return {
    namesOf(relation) {
      const known = names.get(relation);
      if (known) return known;
      const found = new Map<string, ColumnName>();
      for (const [, text, number, , , quoted] of ofRelation.get(relation) ?? []) {
        const name = intern(text);
        found.set(number, { name, quoted: quoted ?? name });
      }
      names.set(relation, found);
      return found;
    },

    columnsOf(relation, keys) {
      const byDefault = expressions.get(relation);
      return (ofRelation.get(relation) ?? []).map((row) => {
        const [, name, number, type, modifier, , notNull, generated, identity, collationId, rare] = row;
        const { printed, neverNull, enumValues } = types.get(typeKey(type, modifier))!;
        const expression = byDefault?.get(number) ?? null;
        const collation = collationId === null ? undefined : collations.get(collationId);
        const [inherited, local, storage, compression, statisticsTarget, options, foreignOptions, privileges] =
          rare === null ? usual : (JSON.parse(rare) as Rare);
        const place = keys.primaryKey.indexOf(number);
        return {
          id: `${relation}.${number}`,
          name: intern(name),
          position: Number(number),
          dataType: printed,
          nullable: notNull === null && !neverNull,
          default: generated === null ? expression : null,
          generated: generated === null ? null : expression,
          identity: identity === null ? null : identity === 'a' ? 'ALWAYS' : 'BY DEFAULT',
          comment: source.comment('pg_class', relation, number),
          primaryKeyPosition: place < 0 ? null : place + 1,
          unique: keys.unique.has(number),
          indexed: keys.indexed.has(number),
          enumValues,
          collation: collation?.name ?? null,
          notNull: notNull !== null,
          generatedKind: generated === null ? null : generated === 's' ? 'STORED' : 'VIRTUAL',
          collationSchema: collation?.schema ?? null,
          inherited,
          local,
          storage: storageOf(storage),
          compression: compressionOf(compression),
          statisticsTarget,
          options: options ?? none,
          foreignOptions: foreignOptions === null ? none : withoutSecrets(foreignOptions),
          privileges,
        };
      });
    },
  };
}

const none: readonly string[] = [];

const typeKey = (type: string, modifier: string | null): string => (modifier === null ? type : `${type} ${modifier}`);

async function readTypes({ ask, intern }: Source, rows: readonly ColumnRow[]): Promise<Map<string, TypeInfo>> {
  const keys = [...new Set(rows.map(([, , , type, modifier]) => typeKey(type, modifier)))];
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

async function readCollations({ ask }: Source, rows: readonly ColumnRow[]): Promise<Map<string, QualifiedName>> {
  const oids = [...new Set(rows.flatMap(([, , , , , , , , , collation]) => collation ?? []))];
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
async function readExpressions({ ask, schemaIds, intern }: Source): Promise<Map<string, Map<string, string>>> {
  const rows = await ask(
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
  );
  const expressions = new Map<string, Map<string, string>>();
  for (const [expression, places] of rows) {
    const text = intern(expression ?? '');
    for (const place of (places ?? '').split(',')) {
      const [relation = '', number = ''] = place.split(' ');
      const ofRelation = expressions.get(relation) ?? new Map<string, string>();
      expressions.set(relation, ofRelation.set(number, text));
    }
  }
  return expressions;
}
