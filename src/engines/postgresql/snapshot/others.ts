/**
 * Kinds of objects that hold no rows and that nobody browses, but without which a database is another one: each by the
 * statement that makes it, as a script has it. All are read at once, since most databases have none.
 */
import type { OtherKind, OtherObject } from '../../snapshot.ts';
import { foundations } from '../ddl/foundations.ts';
import type { Kind } from '../ddl/kind.ts';
import { nameIn } from '../ddl/remarks.ts';
import { routines } from '../ddl/routines.ts';
import { types } from '../ddl/types.ts';
import { type CatalogTable, firstUserOid } from './oids.ts';
import { isBaseType, type Source } from './source.ts';

interface Other {
  readonly kind: OtherKind;
  /** As COMMENT ON begins to call one. */
  readonly spoken: string;
  /** Which of the catalogue's rows `o`. */
  readonly which?: string;
  /** Of what has no name of its own, in place of one: without schemas, which may be called otherwise. */
  readonly name?: string;
}

const others: Partial<Record<CatalogTable, Other>> = {
  pg_type: { kind: 'TYPE', spoken: 'TYPE', which: isBaseType },
  pg_collation: { kind: 'COLLATION', spoken: 'COLLATION' },
  pg_language: { kind: 'LANGUAGE', spoken: 'LANGUAGE' },
  pg_am: { kind: 'ACCESS_METHOD', spoken: 'ACCESS METHOD' },
  pg_conversion: { kind: 'CONVERSION', spoken: 'CONVERSION' },
  pg_transform: { kind: 'TRANSFORM', spoken: 'TRANSFORM' },
  pg_operator: { kind: 'OPERATOR', spoken: 'OPERATOR' },
  pg_opfamily: { kind: 'OPERATOR_FAMILY', spoken: 'OPERATOR FAMILY' },
  pg_opclass: { kind: 'OPERATOR_CLASS', spoken: 'OPERATOR CLASS' },
  pg_cast: {
    kind: 'CAST',
    spoken: 'CAST',
    name: `(select format('%s AS %s', s.typname, t.typname) from pg_cast c
      join pg_type s on s.oid = c.castsource join pg_type t on t.oid = c.casttarget where c.oid = made.oid)`,
  },
  pg_ts_parser: { kind: 'TEXT_SEARCH_PARSER', spoken: 'TEXT SEARCH PARSER' },
  pg_ts_template: { kind: 'TEXT_SEARCH_TEMPLATE', spoken: 'TEXT SEARCH TEMPLATE' },
  pg_ts_dict: { kind: 'TEXT_SEARCH_DICTIONARY', spoken: 'TEXT SEARCH DICTIONARY' },
  pg_ts_config: { kind: 'TEXT_SEARCH_CONFIGURATION', spoken: 'TEXT SEARCH CONFIGURATION' },
};

const isOther = (catalog: string): catalog is CatalogTable => catalog in others;
const kinds: readonly (Kind & { catalog: CatalogTable })[] = [...foundations, ...types, ...routines].flatMap((kind) =>
  // A shell comes before what is made of it: it is no other object.
  isOther(kind.catalog) && kind.suffix !== '/shell' ? [{ ...kind, catalog: kind.catalog }] : [],
);

/** What can depend on an extension that did not make it. */
const dependents = ['pg_proc', 'pg_class', 'pg_trigger'] as const;

const dependency = 'pg_depend';
const isDependency = `d.deptype = 'x' and d.refclassid = 'pg_extension'::regclass`;

const rowsOf = (catalog: CatalogTable): string => `(o.oid >= ${firstUserOid} and ${others[catalog]?.which ?? 'true'})`;

/** Which catalogues have any: most have none, and then nothing that prints them has to be planned. Of types the source knows. */
const there = [
  ...(Object.keys(others) as CatalogTable[])
    .filter((catalog) => catalog !== 'pg_type')
    .map((catalog) => `select '${catalog}' where exists (select from ${catalog} o where ${rowsOf(catalog)})`),
  `select '${dependency}' where exists (select from pg_depend d where ${isDependency})`,
].join('\nunion all ');

function statementOf(version: number, found: ReadonlySet<string>): string {
  const parts = kinds
    .filter(({ catalog }) => found.has(catalog))
    .map(
      ({ catalog, sql }) => `select '${catalog}', made.oid::text, made.schema::text,
      ${others[catalog]?.name ?? 'made.name::text'}, ${nameIn(catalog, 'made.oid')}, made.sql
      from (${sql({ asked: rowsOf(catalog), version })}) made (oid, schema, name, sql)`,
    );
  const dependencies = `select '${dependency}', concat_ws('.', d.classid, d.objid, d.refobjid), null, e.extname, s.name,
      format('ALTER %s DEPENDS ON EXTENSION %I;', s.name, e.extname)
    from pg_depend d join pg_extension e on e.oid = d.refobjid
    cross join lateral (select case d.classid ${dependents
      .map((catalog) => `when '${catalog}'::regclass then ${nameIn(catalog, 'd.objid')}`)
      .join(' ')} end as name) s
    where ${isDependency} and s.name is not null`;
  return [...parts, ...(found.has(dependency) ? [dependencies] : [])].join('\n    union all\n    ');
}

/** In the order of their kinds and identities. */
export async function readOthers(source: Source): Promise<OtherObject[]> {
  const found = new Map<string, OtherObject>();
  const [rowsThere, hasBaseTypes] = await Promise.all([source.ask(there), source.hasAny('BASE_TYPE')]);
  const some = new Set([...rowsThere.map(([catalog]) => catalog ?? ''), ...(hasBaseTypes ? ['pg_type'] : [])]);
  const rows = some.size === 0 ? [] : await source.ask(statementOf(source.version, some));
  for (const [catalog, oid, schema = null, name, spoken, sql] of rows) {
    if (!catalog || !oid || sql === null || sql === undefined) continue;
    const place = `${catalog} ${oid}`;
    const before = found.get(place);
    // Of an operator family, which is made first and given its members then.
    if (before) found.set(place, { ...before, definition: `${before.definition}\n${sql}` });
    else if (!isOther(catalog)) {
      found.set(place, { ...ofDependency, id: oid, name: name ?? '', identity: spoken ?? '', definition: sql });
    } else if (!source.isMember(catalog, oid)) {
      const { kind, spoken: word } = others[catalog]!;
      found.set(place, {
        id: oid,
        kind,
        schema,
        name: name ?? '',
        identity: (spoken ?? '').slice(word.length + 1),
        definition: sql,
        comment: source.comment(catalog, oid),
      });
    }
  }
  return [...found.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

const ofDependency = { kind: 'EXTENSION_DEPENDENCY', schema: null, comment: null } as const;

const keyOf = ({ kind, identity, name }: OtherObject): string => JSON.stringify([kind, identity, name]);
