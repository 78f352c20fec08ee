/**
 * Whether definitions may be of another moment than the rest. What prints them looks at the catalogues as they are now
 * and not as the transaction sees them; both are the same as long as no row that it sees was replaced or removed since.
 */
import type { AppError } from '../../../lib/errors.ts';
import type { Source } from './source.ts';

/** Removed or replaced by a transaction that had not ended when ours began to look. */
const replaced = (row: string) => `${row}.xmax <> '0'::xid and age(${row}.xmax) <= seen.age`;

/** Of a relation whose row was replaced nothing printed depends on but its name: TRUNCATE and GRANT replace it too. */
const renamed = `(c.oid::regclass)::text <> quote_ident(n.nspname) || '.' || quote_ident(c.relname)`;

/** Ends the snapshot's transaction: reads nothing that was there from its beginning again if this is true. */
export async function hasMoved({ ask, schemaIds }: Pick<Source, 'ask' | 'schemaIds'>): Promise<boolean> {
  const rows = await ask(
    // age() counts from the transaction id that is next when it is first asked: where none was given out since ours began to
    // look, nor was under way then, there is nothing to look for.
    `with seen (age) as materialized (
      select age(pg_snapshot_xmin(pg_current_snapshot())::xid)
    )
    select seen.age > 0 and (exists (
        select from seen, pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where ${replaced('c')} and c.relnamespace = any($1::oid[]) and ${renamed})
      or exists (
        select from seen, pg_catalog.pg_attribute a
        where ${replaced('a')} and exists (
          select from pg_catalog.pg_class c where c.oid = a.attrelid and c.relnamespace = any($1::oid[])))
      or exists (select from seen, pg_catalog.pg_constraint k where ${replaced('k')} and k.connamespace = any($1::oid[]))
      or exists (
        select from seen, pg_catalog.pg_index i
        where ${replaced('i')} and exists (
          select from pg_catalog.pg_class c where c.oid = i.indrelid and c.relnamespace = any($1::oid[])))
      or ${[
        'pg_namespace',
        'pg_proc',
        'pg_type',
        'pg_trigger',
        'pg_rewrite',
        'pg_statistic_ext',
        'pg_operator',
        'pg_collation',
        'pg_opclass',
        'pg_language',
        'pg_authid',
      ]
        .filter((catalog) => catalog !== 'pg_authid')
        .map((catalog) => `exists (select from seen, pg_catalog.${catalog} r where ${replaced('r')})`)
        .join('\n      or ')})
    from seen`,
    [schemaIds],
  );
  return rows[0]?.[0] === 't';
}

/** SQLSTATEs of a function that did not find what it was to print: internal errors, undefined objects. */
const gone = /^(XX000|42P01|42703|42704|42883|3F000)$/;

export const isGone = (error: AppError): boolean => gone.test(String(error.details?.sqlState ?? ''));
