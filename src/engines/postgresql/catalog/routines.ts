/** Functions, procedures, aggregates and window functions. */
import type {
  PageRequest,
  ReadOptions,
  Routine,
  RoutineArgument,
  RoutineFilter,
  RoutineKind,
  RoutineName,
  Within,
} from '../../catalog.ts';
import { aligned, boolean, byRoutineName, type CatalogQuery, grouped, schemasAndNames, sendable } from './rows.ts';
import { type Bind, binder, contains, description, notSystem, routineIdentity } from './sql.ts';

export type RoutineRow = [
  ordinal: string,
  schema: string,
  name: string,
  identity: string,
  prokind: string,
  arguments: string | null,
  returns: string | null,
  language: string,
  provolatile: string,
  securityDefiner: string,
  comment: string | null,
  definition: string | null,
];

const kinds: Record<string, RoutineKind> = { f: 'FUNCTION', p: 'PROCEDURE', a: 'AGGREGATE', w: 'WINDOW' };
const volatilities: Record<string, string> = { i: 'IMMUTABLE', s: 'STABLE', v: 'VOLATILE' };
const modes: Record<string, string> = { i: 'IN', o: 'OUT', b: 'INOUT', v: 'VARIADIC', t: 'TABLE' };

/** Of the rows (ordinal, oid, identity) of `r`. pg_get_functiondef refuses aggregates. */
export const details = (r: string) => `select r.ordinal, n.nspname, p.proname, r.identity, p.prokind,
      (select json_agg(json_build_array(nullif(p.proargnames[a.place], ''), format_type(a.type, null),
          coalesce(p.proargmodes[a.place], 'i'), pg_get_function_arg_default(p.oid, a.place::int)) order by a.place)
       from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality a (type, place)),
      pg_get_function_result(p.oid), l.lanname, p.provolatile, p.prosecdef, d.description,
      case when p.prokind <> 'a' then pg_get_functiondef(p.oid) end
    from (${r}) r
    join pg_catalog.pg_proc p on p.oid = r.oid
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    join pg_catalog.pg_language l on l.oid = p.prolang
    ${description('d', 'pg_proc', 'p.oid')}`;

export const routine = ([
  ,
  schema,
  name,
  identity,
  prokind,
  args,
  returns,
  language,
  provolatile,
  securityDefiner,
  comment,
  definition,
]: RoutineRow): Routine => ({
  schema,
  name,
  identity,
  kind: kinds[prokind] ?? 'FUNCTION',
  arguments: args === null ? [] : JSON.parse(args).map(argument),
  returns,
  language,
  volatility: volatilities[provolatile] ?? null,
  securityDefiner: boolean(securityDefiner),
  comment,
  definition,
});

const argument = ([name, dataType, mode, byDefault]: [
  string | null,
  string,
  string,
  string | null,
]): RoutineArgument => ({
  name,
  dataType,
  mode: modes[mode] ?? 'IN',
  default: byDefault,
});

/** The pg_proc rows `p` of a page or a count, with their group's ordinal. */
function routinesOf(within: Within, { search }: RoutineFilter, bind: Bind): { count: number; rows: string } {
  const schemas = 'schemas' in within ? within.schemas.map(sendable) : undefined;
  const groups = schemas
    ? `unnest(${bind(schemas)}::text[]) with ordinality g (schema, ordinal)
      join pg_catalog.pg_namespace n on n.nspname = g.schema collate "C"`
    : `(select 1 as ordinal) g join pg_catalog.pg_namespace n on ${notSystem('n')}`;
  const matching = search === undefined || search === '' ? '' : `and ${contains('p.proname', search, bind)}`;
  return {
    count: schemas?.length ?? 1,
    rows: `from ${groups} join pg_catalog.pg_proc p on p.pronamespace = n.oid ${matching}`,
  };
}

export async function readRoutinePages(
  query: CatalogQuery,
  within: Within,
  filter: RoutineFilter,
  page: PageRequest<RoutineName>,
  options: ReadOptions,
): Promise<Routine[][]> {
  const { values, bind } = binder();
  const { count, rows: found } = routinesOf(within, filter, bind);
  const key = ['k.nspname', 'k.proname', 'k.identity collate "C"'];
  const bound = (comparison: string, name: RoutineName) =>
    `(${key}) ${comparison} (${[name.schema, name.name, name.identity].map((part) => `${bind(sendable(part))}::text collate "C"`)})`;
  const bounds = [...(page.after ? [bound('>', page.after)] : []), ...(page.before ? [bound('<', page.before)] : [])];
  const direction = page.backward ? 'desc' : 'asc';
  // Details are dear, so only what is on the page is joined to them.
  const picked = `select * from (
      select k.*, row_number() over (partition by k.ordinal order by ${key.map((part) => `${part} ${direction}`)}) as place
      from (select g.ordinal, p.oid, n.nspname, p.proname, ${routineIdentity('p')} as identity ${found}) k
      ${bounds.length === 0 ? '' : `where ${bounds.join(' and ')}`}
    ) numbered
    ${page.limit === undefined ? '' : `where place <= ${bind(page.limit)}::int8`}`;
  const rows = await query(details(picked), values, options);
  return grouped(rows, count, routine).map((items) => items.sort(byRoutineName));
}

export async function readRoutineCounts(
  query: CatalogQuery,
  within: Within,
  filter: RoutineFilter,
  options: ReadOptions,
): Promise<number[]> {
  const { values, bind } = binder();
  const { count, rows: found } = routinesOf(within, filter, bind);
  const rows = await query(`select g.ordinal, count(*) ${found} group by g.ordinal`, values, options);
  return aligned(rows, count, ([, total]: [string, string]) => Number(total)).map((total) => total ?? 0);
}

export async function readRoutinesByName(
  query: CatalogQuery,
  names: readonly RoutineName[],
  options: ReadOptions,
): Promise<(Routine | null)[]> {
  const rows = await query(
    details(`select k.ordinal, k.oid, k.identity from (
        select g.ordinal, p.oid, g.identity as wanted, ${routineIdentity('p')} as identity
        from unnest($1::text[], $2::text[], $3::text[]) with ordinality g (schema, name, identity, ordinal)
        join pg_catalog.pg_namespace n on n.nspname = g.schema collate "C"
        join pg_catalog.pg_proc p on p.pronamespace = n.oid and p.proname = g.name collate "C"
      ) k where k.identity = k.wanted collate "C"`),
    [...schemasAndNames(names), names.map(({ identity }) => sendable(identity))],
    options,
  );
  return aligned(rows, names.length, routine);
}
