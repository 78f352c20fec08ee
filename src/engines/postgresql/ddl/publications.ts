/** Publications and what they publish. */
import type { Kind } from './kind.ts';
import { ranks } from './object.ts';

/** Lists of columns, conditions and whole schemas came with it. */
const filtered = 150_000;

export const publications: readonly Kind[] = [
  {
    catalog: 'pg_publication',
    rank: ranks.publication,
    sql: ({ asked, version }) => `select o.oid, null, o.pubname,
        format('CREATE PUBLICATION %I%s WITH (publish = %L%s%s);', o.pubname,
          case when o.puballtables then ' FOR ALL TABLES' end,
          concat_ws(', ', case when o.pubinsert then 'insert' end, case when o.pubupdate then 'update' end,
            case when o.pubdelete then 'delete' end, case when o.pubtruncate then 'truncate' end),
          case when o.pubviaroot then ', publish_via_partition_root = true' end,
          ${version >= 180_000 ? `case when o.pubgencols = 's' then ', publish_generated_columns = stored' end` : `''`})
      from pg_publication o where ${asked}`,
  },
  {
    catalog: 'pg_publication_rel',
    rank: ranks.published,
    sql: ({ asked, version }) => `select o.oid, null, format('%s %s', p.pubname, o.prrelid::regclass),
        format('ALTER PUBLICATION %I ADD TABLE ONLY %s%s;', p.pubname, o.prrelid::regclass, ${
          version < filtered
            ? `''`
            : `concat((
          select ' (' || string_agg(quote_ident(a.attname), ', ' order by k.place) || ')'
          from unnest(o.prattrs) with ordinality k (attnum, place)
          join pg_attribute a on a.attrelid = o.prrelid and a.attnum = k.attnum),
          ' WHERE (' || pg_get_expr(o.prqual, o.prrelid) || ')')`
        })
      from pg_publication_rel o join pg_publication p on p.oid = o.prpubid where ${asked}`,
  },
  {
    catalog: 'pg_publication_namespace',
    since: filtered,
    rank: ranks.published,
    sql: ({ asked }) => `select o.oid, null, format('%s %s', p.pubname, n.nspname),
        format('ALTER PUBLICATION %I ADD TABLES IN SCHEMA %I;', p.pubname, n.nspname)
      from pg_publication_namespace o join pg_publication p on p.oid = o.pnpubid join pg_namespace n on n.oid = o.pnnspid
      where ${asked}`,
  },
];
