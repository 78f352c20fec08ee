/**
 * Which feeds there are, in the metadata: a row before anything is put into a target, so that a crash leaves nothing there
 * that nobody knows; and which process holds each, by a lease of the metadata's clock.
 */
import type pg from 'pg';
import { type Executor, transaction } from '../../db/metadata.ts';
import type { CommitPosition } from '../../engines/changes.ts';

/** What a holder knows of the feed that it holds. */
export interface HeldFeed {
  readonly databaseId: string;
  /** Of this holding: rises with each holder. */
  readonly lease: number;
  /** Changes are kept also while nobody listens. */
  readonly kept: boolean;
  /** Of the positions that were given before; null: none were. */
  readonly generation: string | null;
}

export interface Hold {
  readonly holderId: string;
  readonly leaseMs: number;
}

export interface KeptProblem {
  readonly isHeld: boolean;
  readonly message: string | null;
  readonly at: Date | null;
}

export interface FeedStore {
  /** Of these, those whose changes are kept. */
  kept(databaseIds: readonly string[]): Promise<Set<string>>;
  /** Somebody listens to it, or has left something in the target. */
  has(databaseId: string): Promise<boolean>;
  /** Takes a feed that nobody else holds, and begins one that is not there. Null: somebody does, or it is being changed. */
  take(databaseId: string, hold: Hold): Promise<HeldFeed | null>;
  /** Takes kept feeds that nobody holds, up to so many with those that it holds already. */
  takeKept(hold: Hold & { limit: number }): Promise<HeldFeed[]>;
  /** Holds on to what it holds: all of that. */
  renew(hold: Hold): Promise<HeldFeed[]>;
  /** For another one to take; one that is not kept is gone then. No-op for what it does not hold. */
  release(databaseId: string, holderId: string): Promise<void>;

  /** It begins anew: what was known of it before is of no worth. @returns false: it is held no longer */
  began(feed: HeldFeed, generation: string): Promise<boolean>;
  /** Of a kept feed: the place behind which nothing of a table is missed, by the table's id. */
  tables(databaseId: string): Promise<Map<string, CommitPosition>>;
  /** @param since null: it is followed no longer. @returns false: the feed is held no longer */
  note(feed: HeldFeed, tables: ReadonlyMap<string, CommitPosition | null>): Promise<boolean>;

  /**
   * Something is put into the target or taken out of it, for as long as `hold` says: nobody holds the feed meanwhile.
   * By the same holder again: for so much longer.
   * @returns false: the database is gone, or somebody else changes it
   */
  change(databaseId: string, hold: Hold): Promise<boolean>;
  /** The change has ended: it is kept. @returns false: it was taken for left behind meanwhile */
  keep(client: Executor, databaseId: string, holderId: string): Promise<boolean>;
  /** What kept a kept feed from being listened to, or lost changes of it. */
  noteProblem(databaseId: string, message: string): Promise<void>;
  /** The last one since changes are kept; and whether no process listens to it though they are. Null: they are not kept. */
  problemOf(databaseId: string): Promise<KeptProblem | null>;
  /** Kept feeds that no process listens to. */
  countUnheld(): Promise<number>;

  /** Nothing is left in the target. */
  remove(client: Executor, databaseId: string): Promise<void>;
  /**
   * Takes what others have left behind so long ago, to clean up as `change` does: feeds that are not kept, and changes that
   * never ended.
   */
  takeLeft(hold: Hold & { leftMs: number; limit: number }): Promise<string[]>;
}

const until = (parameter: string): string => `clock_timestamp() + ${parameter} * interval '1 millisecond'`;
const isHeld = 'coalesce(holder_until > clock_timestamp(), false)';
const held = `database_id AS "databaseId", lease, state = 'kept' AS kept, generation`;

export function createFeedStore({ pool }: { pool: pg.Pool }): FeedStore {
  return {
    async kept(databaseIds) {
      const { rows } = await pool.query<{ id: string }>(
        `SELECT database_id AS id FROM change_feeds WHERE database_id = ANY($1::uuid[]) AND state = 'kept'`,
        [databaseIds],
      );
      return new Set(rows.map(({ id }) => id));
    },

    async has(databaseId) {
      return (await pool.query('SELECT FROM change_feeds WHERE database_id = $1', [databaseId])).rowCount === 1;
    },

    async take(databaseId, { holderId, leaseMs }) {
      const { rows } = await pool.query<HeldFeed>(
        `INSERT INTO change_feeds AS f (database_id, state, holder_id, holder_until, lease)
         SELECT id, 'open', $2, ${until('$3')}, 1 FROM databases WHERE id = $1
         ON CONFLICT (database_id) DO UPDATE SET holder_id = $2, holder_until = ${until('$3')},
                lease = f.lease + (f.holder_id IS DISTINCT FROM $2)::int
          WHERE f.state <> 'changing' AND (f.holder_id = $2 OR f.holder_until IS NULL OR f.holder_until <= clock_timestamp())
         RETURNING ${held}`,
        [databaseId, holderId, leaseMs],
      );
      return rows[0] ?? null;
    },

    async takeKept({ holderId, leaseMs, limit }) {
      const { rows } = await pool.query<HeldFeed>(
        `UPDATE change_feeds AS f SET holder_id = $1, holder_until = ${until('$2')},
                lease = f.lease + (f.holder_id IS DISTINCT FROM $1)::int
          WHERE f.database_id IN (
            SELECT database_id FROM change_feeds
             WHERE state = 'kept' AND (holder_id = $1 OR holder_until IS NULL OR holder_until <= clock_timestamp())
             ORDER BY holder_id = $1 DESC NULLS LAST, database_id LIMIT $3 FOR UPDATE SKIP LOCKED)
          RETURNING ${held}`,
        [holderId, leaseMs, limit],
      );
      return rows;
    },

    async renew({ holderId, leaseMs }) {
      const { rows } = await pool.query<HeldFeed>(
        `UPDATE change_feeds SET holder_until = ${until('$2')} WHERE holder_id = $1 AND state <> 'changing'
         RETURNING ${held}`,
        [holderId, leaseMs],
      );
      return rows;
    },

    async release(databaseId, holderId) {
      await pool.query(
        `WITH gone AS (DELETE FROM change_feeds WHERE database_id = $1 AND holder_id = $2 AND state = 'open')
         UPDATE change_feeds SET holder_id = NULL, holder_until = NULL
          WHERE database_id = $1 AND holder_id = $2 AND state = 'kept'`,
        [databaseId, holderId],
      );
    },

    began: ({ databaseId, lease }, generation) =>
      transaction(pool, async (client) => {
        const { rowCount } = await client.query(
          `UPDATE change_feeds SET generation = $3 WHERE database_id = $1 AND lease = $2 AND state <> 'changing'`,
          [databaseId, lease, generation],
        );
        await client.query('DELETE FROM change_feed_tables WHERE $2 AND database_id = $1', [
          databaseId,
          rowCount === 1,
        ]);
        return rowCount === 1;
      }),

    async tables(databaseId) {
      const { rows } = await pool.query<{ id: string; since: string }>(
        'SELECT table_id AS id, since FROM change_feed_tables WHERE database_id = $1',
        [databaseId],
      );
      return new Map(rows.map(({ id, since }) => [id, since]));
    },

    note: ({ databaseId, lease }, tables) =>
      transaction(pool, async (client) => {
        const { rowCount } = await client.query(
          `SELECT FROM change_feeds WHERE database_id = $1 AND lease = $2 AND state <> 'changing' FOR SHARE`,
          [databaseId, lease],
        );
        if (rowCount !== 1) return false;
        await client.query(
          `WITH noted AS (SELECT * FROM unnest($2::text[], $3::text[]) AS n (table_id, since)),
                gone AS (DELETE FROM change_feed_tables t USING noted n
                          WHERE t.database_id = $1 AND t.table_id = n.table_id AND n.since IS NULL)
           INSERT INTO change_feed_tables (database_id, table_id, since)
           SELECT $1, table_id, since FROM noted WHERE since IS NOT NULL
           ON CONFLICT (database_id, table_id) DO UPDATE SET since = excluded.since`,
          [databaseId, [...tables.keys()], [...tables.values()]],
        );
        return true;
      }),

    async change(databaseId, { holderId, leaseMs }) {
      const { rowCount } = await pool.query(
        `INSERT INTO change_feeds AS f (database_id, state, holder_id, holder_until, lease)
         SELECT id, 'changing', $2, ${until('$3')}, 1 FROM databases WHERE id = $1
         ON CONFLICT (database_id) DO UPDATE
            SET state = 'changing', holder_id = $2, holder_until = ${until('$3')}, lease = f.lease + 1
          WHERE f.state <> 'changing' OR f.holder_id = $2 OR f.holder_until <= clock_timestamp()`,
        [databaseId, holderId, leaseMs],
      );
      return rowCount === 1;
    },

    async keep(client, databaseId, holderId) {
      const { rowCount } = await client.query(
        `UPDATE change_feeds SET state = 'kept', holder_id = NULL, holder_until = NULL, problem = NULL, problem_at = NULL
          WHERE database_id = $1 AND holder_id = $2 AND state = 'changing'`,
        [databaseId, holderId],
      );
      return rowCount === 1;
    },

    async noteProblem(databaseId, message) {
      await pool.query(
        `UPDATE change_feeds SET problem = $2, problem_at = clock_timestamp() WHERE database_id = $1 AND state = 'kept'`,
        [databaseId, message],
      );
    },

    async problemOf(databaseId) {
      const { rows } = await pool.query<KeptProblem>(
        `SELECT ${isHeld} AS "isHeld", problem AS message, problem_at AS at
           FROM change_feeds WHERE database_id = $1 AND state = 'kept'`,
        [databaseId],
      );
      return rows[0] ?? null;
    },

    async countUnheld() {
      const { rows } = await pool.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM change_feeds WHERE state = 'kept' AND NOT ${isHeld}`,
      );
      return rows[0]!.count;
    },

    async remove(client, databaseId) {
      await client.query('DELETE FROM change_feeds WHERE database_id = $1', [databaseId]);
    },

    async takeLeft({ holderId, leaseMs, leftMs, limit }) {
      const { rows } = await pool.query<{ id: string }>(
        `UPDATE change_feeds AS f
            SET state = 'changing', holder_id = $1, holder_until = ${until('$2')}, lease = f.lease + 1
          WHERE f.database_id IN (
            SELECT database_id FROM change_feeds
             WHERE state <> 'kept' AND holder_id <> $1 AND holder_until <= ${until('-$3::integer')}
             ORDER BY holder_until LIMIT $4 FOR UPDATE SKIP LOCKED)
          RETURNING f.database_id AS id`,
        [holderId, leaseMs, leftMs, limit],
      );
      return rows.map(({ id }) => id);
    },
  };
}
