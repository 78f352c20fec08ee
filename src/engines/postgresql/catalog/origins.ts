/** Which columns the columns of views are made of: what their queries say, by name. */
import type { ColumnOrigin, QualifiedName, ReadOptions } from '../../catalog.ts';
import { type Origin, viewOrigins } from '../view-origins.ts';
import { type CatalogQuery, type SqlValue, schemasAndNames, type TextRow } from './rows.ts';
import { targets } from './sql.ts';

type Ask = (sql: string, values: readonly SqlValue[]) => Promise<TextRow[]>;

/** Of one query, as it is kept; a view with a longer one tells no origins. */
const maxTreeCharacters = 4_000_000;
/** Queries read at once: one is some thousand characters. */
const viewsAtOnce = 100;

export async function readOrigins(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<ColumnOrigin[][]> {
  const ask: Ask = (sql, values) => query(sql, values, options);
  const rows = await ask(
    `with ${targets(['v', 'm'])} select ordinal, oid from target where oid is not null`,
    schemasAndNames(relations),
  );
  const origins = await readOriginsOf(
    ask,
    rows.map(([, oid]) => oid ?? ''),
  );
  const oids = new Map(rows.map(([ordinal, oid]) => [Number(ordinal) - 1, oid ?? '']));
  return relations.map((_, place) => origins.get(oids.get(place) ?? '') ?? []);
}

/** By the oid of the view. */
export async function readOriginsOf(ask: Ask, views: readonly string[]): Promise<Map<string, ColumnOrigin[]>> {
  const found = new Map<string, ColumnOrigin[]>();
  for (let from = 0; from < views.length; from += viewsAtOnce) {
    const rows = await ask(
      `select r.ev_class, r.ev_action, (
        select json_agg(a.attname order by a.attnum) from pg_catalog.pg_attribute a where a.attrelid = r.ev_class and a.attnum > 0)
      from pg_catalog.pg_rewrite r
      where r.ev_class = any($1::oid[]) and r.rulename = '_RETURN' and length(r.ev_action::text) <= ${maxTreeCharacters}`,
      [views.slice(from, from + viewsAtOnce)],
    );
    const parsed = rows.map(([oid, action, columns]) => ({
      oid: oid ?? '',
      columns: JSON.parse(columns ?? '[]') as string[],
      origins: originsIn(action ?? ''),
    }));
    const names = await readNames(
      ask,
      parsed.flatMap(({ origins }) => origins.flat()),
    );
    for (const { oid, columns, origins } of parsed) {
      found.set(
        oid,
        origins.flatMap((ofColumn, place) =>
          ofColumn
            .flatMap(({ relation, column }) => names.get(`${relation} ${column}`) ?? [])
            .map((origin) => ({ name: columns[place] ?? '', ...origin })),
        ),
      );
    }
  }
  return found;
}

/** What is written in another way than it is known here tells none, and keeps nothing else from being read. */
function originsIn(action: string): Origin[][] {
  try {
    return viewOrigins(action);
  } catch {
    return [];
  }
}

/** By `relation number`; several where the number is 0, which is the whole row. */
async function readNames(ask: Ask, origins: readonly Origin[]): Promise<Map<string, Omit<ColumnOrigin, 'name'>[]>> {
  const names = new Map<string, Omit<ColumnOrigin, 'name'>[]>();
  if (origins.length === 0) return names;
  const rows = await ask(
    `select o.relation, o.number, n.nspname, c.relname, a.attname
    from (select distinct * from unnest($1::oid[], $2::int[]) u (relation, number)) o
    join pg_catalog.pg_class c on c.oid = o.relation
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      and (o.number = 0 or a.attnum = o.number)
    order by n.nspname, c.relname, a.attnum`,
    [origins.map(({ relation }) => relation), origins.map(({ column }) => `${column}`)],
  );
  for (const [relation, number, schema, table, column] of rows) {
    const key = `${relation} ${number}`;
    const origin = { table: { schema: schema ?? '', name: table ?? '' }, column: column ?? '' };
    names.set(key, [...(names.get(key) ?? []), origin]);
  }
  return names;
}
