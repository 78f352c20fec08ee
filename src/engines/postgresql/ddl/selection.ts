/** Which objects a script is about: those that were asked for, what belongs to them, and what they all need. */
import type { DdlSelection } from '../../catalog.ts';
import { sendable } from '../catalog/rows.ts';
import type { Ask } from '../snapshot/source.ts';
import type { Address } from './object.ts';

/** Catalogues whose objects lie in a schema, with the columns that tell which. */
const inSchemas: readonly [catalog: string, namespace: string, condition?: string][] = [
  ['pg_class', 'relnamespace', `x.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c') and x.relpersistence <> 't'`],
  ['pg_type', 'typnamespace', 'x.typrelid = 0 and not exists (select from pg_type el where el.typarray = x.oid)'],
  ['pg_proc', 'pronamespace'],
  ['pg_operator', 'oprnamespace'],
  ['pg_opclass', 'opcnamespace'],
  ['pg_opfamily', 'opfnamespace'],
  ['pg_collation', 'collnamespace'],
  ['pg_conversion', 'connamespace'],
  ['pg_ts_parser', 'prsnamespace'],
  ['pg_ts_template', 'tmplnamespace'],
  ['pg_ts_dict', 'dictnamespace'],
  ['pg_ts_config', 'cfgnamespace'],
  ['pg_extension', 'extnamespace', 'x.oid >= 16384'],
];

const ofSchemas = inSchemas
  .map(
    ([catalog, namespace, condition = 'true']) =>
      `select s.ordinal, '${catalog}'::regclass::oid, x.oid from schema s join ${catalog} x on x.${namespace} = s.oid where ${condition}`,
  )
  .join('\n  union all ');

/** A member of an extension comes with it, and nothing that it needs is looked at. */
const notMember = (d: string): string => `not exists (
  select from pg_depend e where e.classid = ${d}.classid and e.objid = ${d}.objid and e.deptype = 'e')`;

/**
 * $1, $2, $3: the ordinal of a selection, a schema, and a table in it or an empty text for all of it. $4, $5: the ordinal
 * and the oid of functions that are needed besides.
 * own: what was asked for, with what belongs to it: indexes, constraints, triggers, partitions and their like.
 * need: with whatever these stand on. Of a table that is only needed that is what it cannot be made without, so that
 * a foreign key brings one table and not all that those refer to.
 */
const selected = `with recursive
asked as (select * from unnest($1::int[], $2::text[], $3::text[]) a (ordinal, schema, name)),
schema as (
  select a.ordinal, n.oid from asked a join pg_namespace n on n.nspname = a.schema collate "C" where a.name = ''
),
own (ordinal, classid, objid) as (
  select * from (
    select s.ordinal, 'pg_namespace'::regclass::oid, s.oid from schema s
    union all ${ofSchemas}
    union all
    select s.ordinal, 'pg_cast'::regclass::oid, x.oid from schema s join pg_type t on t.typnamespace = s.oid
      join pg_cast x on t.oid in (x.castsource, x.casttarget)
    union all
    select a.ordinal, 'pg_class'::regclass::oid, c.oid from asked a
      join pg_namespace n on n.nspname = a.schema collate "C"
      join pg_class c on c.relnamespace = n.oid and c.relname = a.name collate "C" and c.relkind in ('r', 'p', 'v', 'm', 'f')
  ) x
  union
  select o.ordinal, d.classid, d.objid
  from own o join pg_depend d on d.refclassid = o.classid and d.refobjid = o.objid
  where o.classid in ('pg_class'::regclass, 'pg_constraint'::regclass) and d.deptype in ('a', 'i', 'P', 'S')
    and d.classid in ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass, 'pg_rewrite'::regclass,
      'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_statistic_ext'::regclass)
),
need (ordinal, classid, objid) as (
  select * from own
  union
  select * from (select ordinal, 'pg_proc'::regclass::oid, oid from unnest($4::int[], $5::oid[]) x (ordinal, oid)) x
  union
  select n.ordinal, m.classid, m.objid
  from need n cross join lateral (
    select d.refclassid, d.refobjid from pg_depend d
    where d.classid = n.classid and d.objid = n.objid and d.deptype <> 'x'
      and (d.refobjid >= 16384 or d.refclassid = 'pg_namespace'::regclass)
      and (d.deptype = 'e' or ${notMember('d')})
      -- A sequence is made without the table whose column owns it.
      and not (d.deptype = 'a' and d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
        and (select c.relkind from pg_class c where c.oid = d.objid) = 'S')
    union all
    select d.classid, d.objid from pg_depend d
    where d.refclassid = n.classid and d.refobjid = n.objid and d.deptype in ('a', 'i') and d.objid >= 16384
      and (
        d.classid = 'pg_attrdef'::regclass
        or d.classid = 'pg_constraint'::regclass
          and (select k.contype from pg_constraint k where k.oid = d.objid) in ('c', 'n')
        or d.classid = 'pg_rewrite'::regclass and d.deptype = 'i'
        or d.classid = 'pg_class'::regclass and d.deptype = 'i'
          and (select c.relkind from pg_class c where c.oid = d.objid) in ('c', 'S')
        or d.classid in ('pg_amop'::regclass, 'pg_amproc'::regclass))
  ) m (classid, objid)
)
select ordinal, classid::regclass, objid from need`;

/** Functions of SQL and PL/pgSQL whose bodies are text: what they call is known to nobody but their language. */
const bodies = `select o.oid, o.prosrc from pg_proc o join pg_language l on l.oid = o.prolang
where o.oid = any($1::oid[]) and l.lanname in ('sql', 'plpgsql') and not exists (
  select from pg_depend e where e.classid = 'pg_proc'::regclass and e.objid = o.oid and e.deptype = 'e')`;

const functionsNamed = `select o.oid, o.proname from pg_proc o join pg_namespace n on n.oid = o.pronamespace
where o.oid >= 16384 and o.proname = any($1::name[]) and n.nspname !~ '^pg_'`;

/** For each selection the addresses that its script is made of. */
export async function select(ask: Ask, selections: readonly DdlSelection[]): Promise<Set<Address>[]> {
  const asked: [ordinal: string, schema: string, name: string][] = selections.flatMap(
    ({ schemas, tables }, ordinal) => [
      ...schemas.map((schema): [string, string, string] => [`${ordinal}`, sendable(schema), '']),
      ...tables.map(({ schema, name }): [string, string, string] => [`${ordinal}`, sendable(schema), sendable(name)]),
    ],
  );
  const called = new Map<string, [ordinal: number, oid: string]>();
  for (;;) {
    const rows = await ask(selected, [
      asked.map(([ordinal]) => ordinal),
      asked.map(([, schema]) => schema),
      asked.map(([, , name]) => name),
      [...called.values()].map(([ordinal]) => `${ordinal}`),
      [...called.values()].map(([, oid]) => oid),
    ]);
    const found = selections.map(() => new Set<Address>());
    for (const [ordinal, catalog, oid] of rows) found[Number(ordinal)]?.add(`${catalog}:${oid}`);
    const before = called.size;
    for (const [ordinal, oid] of await callees(ask, found)) called.set(`${ordinal} ${oid}`, [ordinal, oid]);
    if (called.size === before) return found;
  }
}

/** Functions that are named in the bodies of those found, and were not found yet. */
async function callees(ask: Ask, found: readonly ReadonlySet<Address>[]): Promise<[ordinal: number, oid: string][]> {
  const prefix = 'pg_proc:';
  const functions = found.map((set) =>
    [...set].filter((address) => address.startsWith(prefix)).map((address) => address.slice(prefix.length)),
  );
  if (functions.every((oids) => oids.length === 0)) return [];
  const words = new Map<string, string[]>();
  for (const [oid, body] of await ask(bodies, [[...new Set(functions.flat())]]))
    words.set(oid ?? '', wordsOf(body ?? ''));
  const byName = new Map<string, string[]>();
  for (const [oid, name] of await ask(functionsNamed, [[...new Set([...words.values()].flat())]])) {
    byName.set(name ?? '', [...(byName.get(name ?? '') ?? []), oid ?? '']);
  }
  return functions.flatMap((oids, ordinal) => {
    const called = oids.flatMap((oid) => words.get(oid) ?? []).flatMap((word) => byName.get(word) ?? []);
    return called
      .filter((oid) => !found[ordinal]?.has(`${prefix}${oid}`))
      .map((oid): [number, string] => [ordinal, oid]);
  });
}

/** Whatever could be a name, as it is kept: quoted as it stands, else in small letters. */
function wordsOf(body: string): string[] {
  const words = new Set<string>();
  for (const [text, quoted] of body.matchAll(/"((?:[^"]|"")+)"|[\p{L}_][\p{L}\p{N}_$]*/gu)) {
    // PostgreSQL folds ASCII alone.
    words.add(quoted?.replaceAll('""', '"') ?? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()));
  }
  return [...words].filter((word) => Buffer.byteLength(word) < 64);
}
