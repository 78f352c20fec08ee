/**
 * Columns. Types and defaults are few and repeat: each is printed once, as printing them is what such a read spends its
 * time on.
 */
import { compressionOf, storageOf } from '../catalog/details.ts';
import { boolean, strings, withoutSecrets } from '../catalog/rows.ts';
import { columnOptions, hasColumnOptions } from '../catalog/sql.ts';
import type { Way } from '../row-texts.ts';
import type { BuildingRelation, BuildingRelations, ColumnName } from './building.ts';
import { askAbout, awaitedLater, type Source } from './source.ts';

type ColumnRow = [
  relation: number,
  name: string,
  number: number,
  type: string,
  modifier: string | null,
  storage: string | null,
  collation: string | null,
  notNull: string | null,
  generated: string | null,
  identity: string | null,
  rare: string | null,
];

const columnWays: readonly Way[] = ['NUMBER', 'TEXT', 'NUMBER'];

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

/** Columns that are here, but for what is said of them and what their types say. */
export interface Columns {
  /** Says the rest, of both. Until then `dataType` is what tells one kind of column from another. */
  complete(): Promise<void>;
}

/** Gives each relation its columns, which are there when this has been answered. */
export async function readColumns(source: Source, relations: BuildingRelations): Promise<Columns> {
  const { ask, version } = source;
  const compression = version >= 140000 ? `nullif(a.attcompression, '')` : 'null::text';
  const kinds = createKinds(source);
  const nameOf = createNames(source);
  let relation: BuildingRelation | undefined;
  let relationId = 0;
  let prefix = '';
  const take = (row: unknown) => {
    const [oid, name, position, type, modifier, storage, collation, notNull, generated, identity, rare] =
      row as ColumnRow;
    if (oid !== relationId) {
      relationId = oid;
      relation = relations.get(oid);
      prefix = `${oid}.`;
    }
    if (!relation) return;
    const [inherited, local, chosen, statisticsTarget, options, foreignOptions, privileges] =
      rare === null ? usual : (JSON.parse(rare) as Rare);
    const columnName = nameOf(name);
    relation.columnNames[position] = columnName;
    relation.columns[position] = {
      id: prefix + position,
      name: columnName.text,
      position,
      dataType: kinds.kindOf(type, modifier, storage, collation),
      nullable: notNull === null,
      default: null,
      generated: null,
      identity: identity === null ? null : identity === 'a' ? 'ALWAYS' : 'BY DEFAULT',
      comment: null,
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
  if (relations.size > 0) {
    await ask(
      // By the index of the columns: a catalogue has more rows for the system's own columns and those of indexes than for
      // these. How many relations there are is kept from the planner, who would look at each to tell how many rows they have.
      `select a.attrelid, a.attname, a.attnum, a.atttypid, nullif(a.atttypmod, -1), nullif(a.attstorage, 'p'), nullif(a.attcollation, 0),
        nullif(a.attnotnull, false), nullif(a.attgenerated, ''), nullif(a.attidentity, ''),
        case when a.attinhcount <> 0 or not a.attislocal or ${compression} is not null or a.attstattarget >= 0
            or ${hasColumnOptions('a')} or a.attfdwoptions is not null or a.attacl is not null
          then json_build_array(a.attinhcount <> 0, a.attislocal, ${compression}, nullif(a.attstattarget, -1),
            ${columnOptions('a')}, a.attfdwoptions, a.attacl::text) end
      from pg_catalog.pg_attribute a
      where a.attrelid = any (array(select oid from unnest($1::oid[]) oid)) and a.attnum > 0 and not a.attisdropped`,
      [`{${[...relations.keys()].join()}}`],
      { ways: columnWays, take },
    );
  }
  const types = awaitedLater(readTypes(source, kinds.all));
  return {
    async complete() {
      const known = await types;
      for (const [oid, { columns }] of relations) {
        for (const column of Object.values(columns)) {
          const { printed, neverNull, enumValues, storage, collation, collationSchema } = known.get(column.dataType)!;
          column.dataType = printed;
          column.nullable &&= !neverNull;
          column.enumValues = enumValues;
          column.storage = storage;
          column.collation = collation;
          column.collationSchema = collationSchema;
        }
        for (const { number, text } of source.commentsOnColumns(oid)) {
          const column = columns[number];
          if (column) column.comment = text;
        }
      }
    },
  };
}

const none: readonly string[] = [];

function createNames({ quoted }: Source): (name: string) => ColumnName {
  const known = new Map<string, ColumnName>();
  return (text) => {
    const name = known.get(text) ?? { text, quoted: quoted(text), alone: [text], said: new Map() };
    if (!known.has(text)) known.set(text, name);
    return name;
  };
}

/** Type, modifier, storage and collation in one text, the same one for the same four. */
function createKinds({ intern }: Source) {
  const all: string[] = [];
  const known = new Set<string>();
  const last = new Map<
    string,
    { modifier: string | null; storage: string | null; collation: string | null; kind: string }
  >();
  return {
    /** That there are, in the order in which they came. */
    all,
    kindOf(type: string, modifier: string | null, storage: string | null, collation: string | null): string {
      // Most types are used in one way: what this one was used in last is looked at first.
      const before = last.get(type);
      if (before && before.modifier === modifier && before.storage === storage && before.collation === collation)
        return before.kind;
      const kind = intern([type, modifier ?? '-1', storage ?? 'p', collation ?? '0'].join(' '));
      last.set(type, { modifier, storage, collation, kind });
      if (!known.has(kind)) all.push(kind);
      known.add(kind);
      return kind;
    },
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
 * Gives columns their defaults and generation expressions. One that names no column prints the same wherever it is; which
 * ones are the same is cheap to see in their trees, from 17 on without places in a source. They are told apart by a hash, and
 * where two trees have the same one, as where they name columns, each is printed.
 */
export async function readExpressions({ ask, intern }: Source, relations: BuildingRelations): Promise<void> {
  const groups = await ask(
    `select array_agg(e.oid), array_agg(e.adrelid), array_agg(e.adnum),
      min(e.adbin::text collate "C") = max(e.adbin::text collate "C") and position('{VAR ' in min(e.adbin::text collate "C")) = 0
    from pg_catalog.pg_attrdef e
    group by hashtextextended(e.adbin::text, 0)`,
  );
  /** By the oid of the one that is printed for all of them. */
  const uses = new Map<string, Uses>();
  for (const [oids, tables, places, alike = null] of groups) {
    const [ids, relationIds, numbers] = [oids, tables, places].map(numbersOf) as [number[], number[], number[]];
    // One that is ours: others may be gone before they are printed.
    const first = relationIds.findIndex((id) => relations.has(id));
    if (first < 0) continue;
    if (boolean(alike)) uses.set(String(ids[first]), { relationIds, numbers });
    else {
      for (const [place, id] of ids.entries()) {
        if (!relations.has(relationIds[place]!)) continue;
        uses.set(String(id), { relationIds: [relationIds[place]!], numbers: [numbers[place]!] });
      }
    }
  }
  const printed = await askAbout(
    ask,
    [...uses.keys()],
    'select d.oid, pg_get_expr(d.adbin, d.adrelid) from pg_catalog.pg_attrdef d where d.oid = any($1::oid[])',
  );
  for (const [oid, expression] of printed) {
    const text = intern(expression ?? '');
    const { relationIds, numbers } = uses.get(oid ?? '') ?? noUses;
    for (let place = 0; place < relationIds.length; place += 1) {
      const column = relations.get(relationIds[place]!)?.columns[numbers[place]!];
      if (column?.generatedKind === null) column.default = text;
      else if (column) column.generated = text;
    }
  }
}

/** Columns, by their relations and numbers. */
interface Uses {
  readonly relationIds: readonly number[];
  readonly numbers: readonly number[];
}

const noUses: Uses = { relationIds: [], numbers: [] };

/** Of an array of oids, or of numbers. */
function numbersOf(array: string | null | undefined): number[] {
  const numbers: number[] = [];
  if (!array) return numbers;
  let number = 0;
  // Behind the brace; at each comma, and at the brace behind them, one ends.
  for (let at = 1; at < array.length; at += 1) {
    const digit = array.charCodeAt(at) - zero;
    if (digit >= 0 && digit <= 9) number = number * 10 + digit;
    else {
      numbers.push(number);
      number = 0;
    }
  }
  return numbers;
}

const zero = 0x30;
