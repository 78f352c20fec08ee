/** Whether a table can be followed, and how much of it without breaking its owner's own UPDATE and DELETE. */
import type { Coverage } from '../../changes.ts';
import { trackingSchema } from '../catalog/sql.ts';

/** What the catalogue says of a table now. */
export interface TableFacts {
  readonly oid: string;
  /** Quoted, for SQL. */
  readonly sqlName: string;
  readonly coverage: Coverage;
  /** Why it is not all. */
  readonly reason: string | null;
  /** Of the publications of the feed. */
  readonly published: 'ALL' | 'INSERTS' | null;
}

/** Tables by oid, and the two publications; for one that is gone there is no row. */
export const factsSql = `
  SELECT c.oid::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind, c.relpersistence,
         c.relispartition, pg_has_role(c.relowner, 'USAGE'), n.nspname,
         c.oid < 16384 OR n.nspname IN ('pg_catalog', 'information_schema', '${trackingSchema}') AS system,
         ${identifies('c')} AS identified,
         NOT ${partsIdentify('c')} AS unidentified,
         (SELECT count(*) FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
           WHERE t.isleaf AND (l.relkind <> 'r' OR l.relpersistence <> 'p')) AS unlogged,
         c.relreplident,
         (SELECT p.pubname FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
           WHERE r.prrelid = c.oid AND p.pubname = ANY ($2) ORDER BY p.pubname LIMIT 1)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = ANY ($1::oid[])`;

/**
 * As the server itself decides when an old row has to be logged: no key that can be deferred, no index that is not
 * valid, and of the whole row no column that is made when it is read.
 */
function identifies(r: string): string {
  return `CASE ${r}.relreplident
    WHEN 'd' THEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = ${r}.oid AND i.indisprimary AND i.indimmediate
                                                   AND (i.indisvalid OR ${r}.relkind = 'p'))
    WHEN 'i' THEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = ${r}.oid AND i.indisreplident AND i.indimmediate
                                                   AND (i.indisvalid OR ${r}.relkind = 'p'))
    WHEN 'f' THEN NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = ${r}.oid AND a.attgenerated = 'v'
                                                           AND NOT a.attisdropped)
    ELSE false END`;
}

function partsIdentify(r: string): string {
  return `NOT EXISTS (
    SELECT FROM pg_partition_tree(${r}.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf AND NOT ${identifies('l')})`;
}

/** Of the pg_class row `r`: an UPDATE and a DELETE of it can be published, and would fail otherwise. */
export const canTellAll = (r: string): string => `(${identifies(r)} AND ${partsIdentify(r)})`;

/** @param publications the one that tells of all first */
export function factsOf(row: readonly (string | null)[], publications: readonly string[]): TableFacts {
  const [oid = '', sqlName = '', kind, persistence, partition, owned, , system] = row;
  const [identified, unidentified, unlogged, replicaIdentity, publication] = row.slice(8);
  const facts = (coverage: Coverage, reason: string | null): TableFacts => ({
    oid: oid!,
    sqlName: sqlName!,
    coverage,
    reason,
    published: publication == null ? null : publication === publications[0] ? 'ALL' : 'INSERTS',
  });
  const nothing = (reason: string) => facts('NOTHING', reason);

  if (system === 't') return nothing('It belongs to the system: its changes are not told');
  const what = otherKinds[kind ?? ''];
  if (what !== undefined) return nothing(`It is ${what}: only the changes of tables are in the log`);
  if (persistence === 'u') return nothing('It is unlogged: its changes are not in the log');
  if (persistence === 't') return nothing('It is temporary: its changes are not in the log');
  if (partition === 't') return nothing('It is a partition: follow the table that it is a part of');
  if (unlogged !== '0' && kind === 'p')
    return nothing('Some of its partitions are foreign or unlogged tables: their changes are not in the log');
  if (owned !== 't') return nothing('The credentials do not own it: only its owner, or a superuser, can publish it');
  if (identified === 't' && (kind !== 'p' || unidentified === 'f')) return facts('ALL', null);
  return facts('INSERTS', whyInserts(replicaIdentity ?? '', kind === 'p' && identified === 't'));
}

const otherKinds: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  S: 'a sequence',
  c: 'a composite type',
  i: 'an index',
  I: 'an index',
  t: 'a system table',
};

function whyInserts(replicaIdentity: string, ofPartitions: boolean): string {
  const which = ofPartitions ? 'some of its partitions' : 'it';
  const missing: Readonly<Record<string, string>> = {
    d: `${which} has no primary key that is checked at once`,
    i: `the index of its replica identity is gone or not valid`,
    f: `${which} has a virtual generated column, which REPLICA IDENTITY FULL cannot hold`,
  };
  const why = missing[replicaIdentity] ?? `the replica identity of ${which} is NOTHING`;
  return `Only INSERT and TRUNCATE are told, as ${why}: give it a primary key, or ALTER TABLE … REPLICA IDENTITY FULL`;
}
