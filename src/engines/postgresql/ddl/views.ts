/** Views and materialized views. A view in a circle is made without its query first, and given it at the end. */
import { printed, type Scope } from './kind.ts';
import { type DdlObject, ranks, whole } from './object.ts';
import { parameters, schemaOf } from './sql.ts';

export async function readViews(scope: Scope): Promise<DdlObject[]> {
  const rows = await printed(scope, {
    catalog: 'pg_class',
    which: `o.relkind in ('v', 'm') and o.relpersistence <> 't'`,
    sql: (
      asked,
    ) => `select o.oid, n.nspname, o.relname, o.relkind, o.oid::regclass, r.oid, ' WITH (' || ${parameters('o.reloptions')} || ')',
      rtrim(pg_get_viewdef(o.oid), ';'), case when am.amname <> 'heap' then ' USING ' || quote_ident(am.amname) end, (
        select string_agg(format(E'\\n    NULL::%s%s AS %I', format_type(a.atttypid, a.atttypmod),
          case when a.attcollation <> t.typcollation then ' COLLATE ' || a.attcollation::regcollation end, a.attname), ','
          order by a.attnum)
        from pg_attribute a join pg_type t on t.oid = a.atttypid where a.attrelid = o.oid and a.attnum > 0)
    from pg_class o ${schemaOf('o', 'relnamespace')}
    join pg_rewrite r on r.ev_class = o.oid and r.rulename = '_RETURN'
    left join pg_am am on am.oid = o.relam
    where ${asked}`,
  });
  return rows.flatMap(([oid, schema, label, relkind, name, rule, options, query, method, blank]) => {
    // Dropped since the transaction began.
    if (query === null || query === undefined) return [];
    const object = { key: `pg_class:${oid}`, rank: ranks.view, schema: schema ?? null, name: label ?? '' };
    if (relkind === 'm') {
      // Its rows are no part of a schema: REFRESH makes them.
      const sql = `CREATE MATERIALIZED VIEW ${name}${method ?? ''}${options ?? ''} AS\n${query}\n  WITH NO DATA;`;
      return [whole({ ...object, sql })];
    }
    const address = `pg_rewrite:${rule}`;
    const made = `VIEW ${name}${options ?? ''} AS\n${query};`;
    return [
      {
        ...object,
        sql: (without) => (without.has(address) ? `CREATE VIEW ${name} AS\n SELECT${blank ?? ''};` : `CREATE ${made}`),
        parts: [{ address, rank: ranks.view, sql: `CREATE OR REPLACE ${made}` }],
        needs: [],
      },
    ];
  });
}
