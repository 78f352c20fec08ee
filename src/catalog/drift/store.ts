/** Changes of catalogues in the metadata: written with the snapshot that shows them, read in the order of their positions. */
import type { Executor } from '../../db/metadata.ts';
import type { Page } from '../../lib/pages.ts';
import type { CatalogKind } from '../search/kinds.ts';
import type { CatalogChangeKind, Difference } from './difference.ts';
import { type Limits, shortened } from './shortened.ts';

export interface CatalogChange {
  /** Of one sequence: rising with the commits of one database. */
  readonly position: bigint;
  readonly databaseId: string;
  /** As it is called now. */
  readonly databaseName: string;
  readonly kind: CatalogChangeKind;
  readonly object: CatalogKind;
  readonly names: readonly string[];
  readonly identity: string | null;
  readonly before: unknown;
  readonly after: unknown;
  readonly fingerprint: string;
  readonly detectedAt: Date;
}

export interface ChangeStore {
  /** Oldest first; one more than the page's limit tells of a next page. */
  page(databaseId: string, page: Page): Promise<CatalogChange[]>;
  count(databaseId: string): Promise<number>;
  /** Oldest first. */
  after(databaseId: string, position: bigint, limit: number): Promise<CatalogChange[]>;
  /** The newest that there is, or was; 0: none. */
  last(databaseId: string): Promise<bigint>;
  /** The newest that is kept no longer; 0: none. */
  horizon(databaseId: string): Promise<bigint>;
}

export const keptChanges = {
  /** Of one database. */
  count: 10_000,
  days: 90,
  /** Of one database, as JSON. */
  bytes: 64 * 2 ** 20,
} as const;

/** Texts of before and after: of one change, and of all that one refresh finds; what is longer is told by its names. */
const writtenBytes: Limits = { ofOne: 64 * 2 ** 10, ofAll: 16 * 2 ** 20 };

const columns = `c.position, c.database_id AS "databaseId", d.name AS "databaseName", c.kind, c.object, c.names, c.identity,
  c.before, c.after, c.fingerprint, c.detected_at AS "detectedAt"`;
const from = 'FROM catalog_changes AS c JOIN databases AS d ON d.id = c.database_id';

type Row = Omit<CatalogChange, 'position'> & { readonly position: string };
const changeOf = (row: Row): CatalogChange => ({ ...row, position: BigInt(row.position) });

export function createChangeStore({ db }: { db: Executor }): ChangeStore {
  return {
    async page(databaseId, { after, before, backward, limit }) {
      const { rows } = await db.query<Row>(
        `SELECT ${columns} ${from} WHERE c.database_id = $1 AND ($2::bigint IS NULL OR c.position > $2)
           AND ($3::bigint IS NULL OR c.position < $3) ORDER BY c.position ${backward ? 'DESC' : ''} LIMIT $4`,
        [databaseId, after, before, limit + 1],
      );
      return (backward ? rows.reverse() : rows).map(changeOf);
    },

    async count(databaseId) {
      const { rows } = await db.query<{ count: string }>(
        'SELECT count(*) FROM catalog_changes WHERE database_id = $1',
        [databaseId],
      );
      return Number(rows[0]?.count);
    },

    async after(databaseId, position, limit) {
      const { rows } = await db.query<Row>(
        `SELECT ${columns} ${from} WHERE c.database_id = $1 AND c.position > $2 ORDER BY c.position LIMIT $3`,
        [databaseId, position, limit],
      );
      return rows.map(changeOf);
    },

    async last(databaseId) {
      const { rows } = await db.query<{ position: string }>(
        `SELECT greatest((SELECT max(position) FROM catalog_changes WHERE database_id = $1),
           (SELECT position FROM catalog_change_horizons WHERE database_id = $1), 0) AS position`,
        [databaseId],
      );
      return BigInt(rows[0]!.position);
    },

    async horizon(databaseId) {
      const { rows } = await db.query<{ position: string }>(
        'SELECT position FROM catalog_change_horizons WHERE database_id = $1',
        [databaseId],
      );
      return BigInt(rows[0]?.position ?? 0);
    },
  };
}

/** For a transaction that holds the database's snapshot, so that nobody else writes any of this database meanwhile. */
export async function writeChanges(
  client: Executor,
  { databaseId, fingerprint }: { databaseId: string; fingerprint: string },
  differences: readonly Difference[],
): Promise<void> {
  if (differences.length > 0) {
    const newest = shortened(differences.slice(-keptChanges.count), writtenBytes);
    const { rows } = await client.query<{ first: string }>(
      `WITH written AS (
         INSERT INTO catalog_changes (database_id, kind, object, names, identity, before, after, bytes, fingerprint)
         SELECT $1, kind, object, names, identity, before, after,
           coalesce(octet_length(before::text), 0) + coalesce(octet_length(after::text), 0), $2
         FROM json_to_recordset($3::json)
           AS r (place integer, kind text, object text, names text[], identity text, before json, after json) ORDER BY place
         RETURNING position)
       SELECT min(position) AS first FROM written`,
      [databaseId, fingerprint, JSON.stringify(newest)],
    );
    if (newest.length < differences.length) await forget(client, databaseId, BigInt(rows[0]!.first) - 1n);
  }
  const { rows } = await client.query<{ position: string | null }>(
    `SELECT max(position) AS position FROM (
       SELECT position, detected_at, row_number() OVER newer AS place, sum(bytes) OVER newer AS bytes
       FROM catalog_changes WHERE database_id = $1 WINDOW newer AS (ORDER BY position DESC)) AS kept
     WHERE place > $2 OR bytes > $3 OR detected_at < clock_timestamp() - $4 * interval '1 day'`,
    [databaseId, keptChanges.count, keptChanges.bytes, keptChanges.days],
  );
  const position = rows[0]?.position ?? null;
  if (position !== null) await forget(client, databaseId, BigInt(position));
}

/** Up to and with this position. */
async function forget(client: Executor, databaseId: string, position: bigint): Promise<void> {
  await client.query('DELETE FROM catalog_changes WHERE database_id = $1 AND position <= $2', [databaseId, position]);
  await client.query(
    `INSERT INTO catalog_change_horizons AS h (database_id, position) VALUES ($1, $2)
     ON CONFLICT (database_id) DO UPDATE SET position = greatest(h.position, EXCLUDED.position)`,
    [databaseId, position],
  );
}

/** Of a database that is let go. */
export async function dropChanges(client: Executor, databaseId: string): Promise<void> {
  await client.query('DELETE FROM catalog_changes WHERE database_id = $1', [databaseId]);
}
