/** How relations are made beside their columns and keys: partitions, inheritance, row security, foreign servers. */
import type { QualifiedName, ReadOptions, RelationDetails } from '../../catalog.ts';
import { aligned, boolean, type CatalogQuery, schemasAndNames } from './rows.ts';
import { anyRelation, targets } from './sql.ts';

type DetailsRow = [
  ordinal: string,
  partitionKey: string | null,
  partitionBound: string | null,
  rowSecurity: string,
  forceRowSecurity: string,
  parents: string | null,
  foreignServer: string | null,
];

export async function readDetails(
  query: CatalogQuery,
  relations: readonly QualifiedName[],
  options: ReadOptions,
): Promise<(RelationDetails | null)[]> {
  const rows = await query(
    `with ${targets(anyRelation)}
    select t.ordinal, case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end, pg_get_expr(c.relpartbound, c.oid),
      c.relrowsecurity, c.relforcerowsecurity,
      (select json_agg(json_build_array(n.nspname, p.relname) order by i.inhseqno) from pg_catalog.pg_inherits i
       join pg_catalog.pg_class p on p.oid = i.inhparent join pg_catalog.pg_namespace n on n.oid = p.relnamespace
       where i.inhrelid = c.oid),
      case when c.relkind = 'f' then (
        select s.srvname from pg_catalog.pg_foreign_table f
        join pg_catalog.pg_foreign_server s on s.oid = f.ftserver where f.ftrelid = c.oid) end
    from target t join pg_catalog.pg_class c on c.oid = t.oid`,
    schemasAndNames(relations),
    options,
  );
  return aligned(rows, relations.length, details);
}

const details = ([
  ,
  partitionKey,
  partitionBound,
  rowSecurity,
  forceRowSecurity,
  parents,
  foreignServer,
]: DetailsRow): RelationDetails => ({
  partitionKey,
  partitionBound,
  parents:
    parents === null ? [] : (JSON.parse(parents) as [string, string][]).map(([schema, name]) => ({ schema, name })),
  rowSecurity: boolean(rowSecurity),
  forceRowSecurity: boolean(forceRowSecurity),
  foreignServer,
});
