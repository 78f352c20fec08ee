/**
 * Snapshots in the metadata: the newest of each database, who reads its target now, and since when it may be behind.
 * Times are the metadata's own clock, so that replicas agree.
 */
import type pg from 'pg';
import { type Executor, transaction } from '../../db/metadata.ts';
import { secretOf } from '../../lib/keyring.ts';
import type { Difference } from '../drift/difference.ts';
import { writeChanges } from '../drift/store.ts';
import { type Content, contentFormat } from './content.ts';

/** What is known of a database's snapshot without opening it. */
export interface SnapshotState {
  readonly databaseId: string;
  /** Another one for any other content, also where the fingerprint is the same. */
  readonly version: string;
  readonly fingerprint: string;
  readonly readAt: Date;
  /** Of its text. */
  readonly bytes: number;
  /** Younger than asked, and no job may have changed the catalogue since it was read. */
  readonly fresh: boolean;
}

export interface SnapshotStore {
  /** Of those that have one that is still understood. */
  states(databaseIds: readonly string[], maxAgeMs: number): Promise<SnapshotState[]>;
  /** Null when it is gone, or another version by now. */
  content(databaseId: string, version: string): Promise<Buffer | null>;
  /**
   * Makes `readerId` the one who reads the target: nobody else does for as long as he says so again.
   * GONE: the database is, or has other credentials by now.
   */
  begin(source: SnapshotSource, reader: Reader): Promise<{ startedAt: string } | 'TAKEN' | 'GONE'>;
  /** False when another one reads it by now. */
  goOn(databaseId: string, reader: Reader): Promise<boolean>;
  /** Ends the reading, and writes what has changed with it; false when another one reads it by now, or the database is gone. */
  keep(databaseId: string, readerId: string, read: ReadSnapshot): Promise<boolean>;
  /** Ends the reading with nothing. */
  giveUp(databaseId: string, readerId: string): Promise<void>;
  /** What was read before this is fresh no longer. */
  changed(databaseId: string): Promise<void>;
  /** Of a database that is let go. */
  drop(client: Executor, databaseId: string): Promise<void>;
}

export interface SnapshotSource {
  readonly id: string;
  /** Another text where the credentials are others. */
  readonly sealedPassword: string;
}

export interface Reader {
  readonly id: string;
  readonly leaseMs: number;
}

export interface ReadSnapshot extends Content {
  readonly fingerprint: string;
  /** As `begin` gave it. */
  readonly startedAt: string;
  /** To what was kept before. */
  readonly changes: readonly Difference[];
}

/** Planned once a connection: every request for a catalogue asks it. */
const findStates = {
  name: 'catalog.states',
  text: `SELECT database_id AS "databaseId", version, fingerprint, read_at AS "readAt", bytes,
     read_at > clock_timestamp() - $2 * interval '1 millisecond' AND (changed_at IS NULL OR read_at > changed_at) AS fresh
     FROM catalog_snapshots WHERE database_id = ANY($1) AND starts_with(version, $3)`,
};

export function createSnapshotStore({ pool }: { pool: pg.Pool }): SnapshotStore {
  return {
    async states(databaseIds, maxAgeMs) {
      const { rows } = await pool.query<SnapshotState>({
        ...findStates,
        values: [databaseIds, maxAgeMs, contentFormat],
      });
      return rows;
    },

    async content(databaseId, version) {
      const { rows } = await pool.query<{ content: Buffer }>(
        'SELECT content FROM catalog_snapshots WHERE database_id = $1 AND version = $2',
        [databaseId, version],
      );
      return rows[0]?.content ?? null;
    },

    async begin({ id, sealedPassword }, reader) {
      const { rows } = await pool.query<{ startedAt: string | null }>(
        `WITH source AS (SELECT id FROM databases WHERE id = $1 AND split_part(sealed_password, '.', 4) = $2),
         taken AS (
           INSERT INTO catalog_snapshots AS c (database_id, reader_id, reader_until)
           SELECT id, $3, clock_timestamp() + $4 * interval '1 millisecond' FROM source
           ON CONFLICT (database_id) DO UPDATE SET reader_id = EXCLUDED.reader_id, reader_until = EXCLUDED.reader_until
             WHERE c.reader_until IS NULL OR c.reader_until <= clock_timestamp()
           RETURNING clock_timestamp()::text AS started_at)
         SELECT (SELECT started_at FROM taken) AS "startedAt" FROM source`,
        [id, secretOf(sealedPassword), reader.id, reader.leaseMs],
      );
      const [row] = rows;
      if (!row) return 'GONE';
      return row.startedAt === null ? 'TAKEN' : { startedAt: row.startedAt };
    },

    async goOn(databaseId, { id, leaseMs }) {
      const { rowCount } = await pool.query(
        `UPDATE catalog_snapshots SET reader_until = clock_timestamp() + $3 * interval '1 millisecond'
          WHERE database_id = $1 AND reader_id = $2`,
        [databaseId, id, leaseMs],
      );
      return rowCount === 1;
    },

    async keep(databaseId, readerId, { version, fingerprint, content, bytes, startedAt, changes }) {
      return await transaction(pool, async (client) => {
        // From here on the row is held: of one database the changes are written in the order of their positions.
        const { rowCount } = await client.query(
          `UPDATE catalog_snapshots SET reader_id = NULL, reader_until = NULL, version = $3, fingerprint = $4, read_at = $5,
             bytes = $6, content = $7 WHERE database_id = $1 AND reader_id = $2`,
          [databaseId, readerId, version, fingerprint, startedAt, bytes, content],
        );
        if (rowCount !== 1) return false;
        await writeChanges(client, { databaseId, fingerprint }, changes);
        return true;
      });
    },

    async giveUp(databaseId, readerId) {
      await pool.query(
        'UPDATE catalog_snapshots SET reader_id = NULL, reader_until = NULL WHERE database_id = $1 AND reader_id = $2',
        [databaseId, readerId],
      );
    },

    async changed(databaseId) {
      await pool.query('UPDATE catalog_snapshots SET changed_at = clock_timestamp() WHERE database_id = $1', [
        databaseId,
      ]);
    },

    async drop(client, databaseId) {
      await client.query('DELETE FROM catalog_snapshots WHERE database_id = $1', [databaseId]);
    },
  };
}
