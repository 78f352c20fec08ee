/**
 * What the processes that tell each other of changes keep in the metadata: how far the holder of a feed has told, the chunks
 * of what he has heard, and who reads them. Who holds a feed is feeds/'s; what a holder writes names his epoch, and is
 * nothing when another one has begun.
 *
 * The chunks are logged like any table: an unlogged one would be empty after a crash of the metadata server, and what was in
 * it and not read yet could be had again from no target that keeps nothing.
 */

import type { Executor } from '../../db/metadata.ts';
import type { QualifiedName } from '../../engines/catalog.ts';
import type { CommitPosition, Coverage, FeedStatus, FollowOutcome } from '../../engines/changes.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import type { HeldFeed, Hold } from '../feeds/store.ts';

/** What is told between the opening of a feed and its end. */
export interface Epoch {
  readonly databaseId: string;
  readonly epoch: string;
}

export interface Chunk {
  /** Rising without gaps. */
  readonly number: number;
  /** Up to which all was told before it; null where it goes on inside of a transaction. */
  readonly behind: CommitPosition | null;
  readonly payload: Buffer;
}

/** How far the holder has told. */
export interface Told {
  readonly number: number;
  /** Null where the chunks end inside of a transaction, or nothing is told. */
  readonly position: CommitPosition | null;
}

export interface RelayState {
  /** Who holds the feed; null: nobody does. */
  readonly holderId: string | null;
  /** Null while he opens it. */
  readonly telling: Telling | null;
}

export interface Telling extends Told {
  readonly epoch: string;
  readonly revision: string;
  readonly generation: string;
  readonly kept: boolean;
  readonly sealedKey: string;
  readonly status: RelayedStatus | null;
}

/** As JSON keeps it. */
export type RelayedStatus = Omit<FeedStatus, 'position' | 'heardAt'> & { readonly heardAt: string };

export interface Answer {
  /** To which it is one. */
  readonly request: string;
  /** Number of the last chunk before it. */
  readonly number: number;
  readonly outcomes: readonly FollowOutcome[];
  /** All that is followed then. */
  readonly followed: readonly (readonly [tableId: string, coverage: Coverage])[];
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
}

/** What a process asks of the holder: each replaces the one before. */
export interface Request {
  readonly databaseId: string;
  readonly readerId: string;
  /** Of one feed of the process. */
  readonly session: string;
  readonly request: string;
  /** Ids of tables that it follows and goes on with. */
  readonly held: readonly string[];
  /** What it wants to follow besides. */
  readonly wanted: readonly QualifiedName[];
  /** Up to which it has all, and up to which it needs nothing any more; null: not known yet. */
  readonly position: CommitPosition | null;
  readonly confirmed: CommitPosition | null;
}

export interface Reader {
  readonly id: string;
  readonly request: string;
  readonly held: readonly string[];
  readonly wanted: readonly QualifiedName[];
  readonly taken: number;
  readonly position: CommitPosition | null;
  readonly confirmed: CommitPosition | null;
}

export interface RelayStore {
  /** The feed is open, and nothing is told yet. @returns false where somebody else holds it now */
  begin(
    epoch: Epoch &
      Pick<Telling, 'revision' | 'generation' | 'kept' | 'sealedKey'> &
      Pick<HeldFeed, 'lease'> &
      Pick<Hold, 'holderId'>,
  ): Promise<boolean>;
  /** Says how far it has come. @returns who reads; null where the epoch has ended */
  report(epoch: Epoch & Told & { readonly status: RelayedStatus }): Promise<readonly Reader[] | null>;
  /** Whoever holds it. */
  readers(databaseId: string): Promise<readonly Reader[]>;
  /** Again is no change; also with none, to say how far all is told. @returns false where the epoch has ended */
  append(epoch: Epoch & Told, chunks: readonly Chunk[]): Promise<boolean>;
  /** Forgets the chunks up to this number. */
  trim(epoch: Epoch, number: number): Promise<void>;
  answer(epoch: Epoch, readerId: string, answer: Answer): Promise<void>;
  /** Nothing is told any more, and what was is forgotten. @param epoch absent: whichever it is */
  end(databaseId: string, epoch?: string): Promise<void>;

  ask(request: Request & { readonly readMs: number }): Promise<void>;
  /** Goes on reading. @returns false where it is no longer known: ask again */
  stay(
    reader: Pick<Request, 'databaseId' | 'readerId' | 'session'> & {
      readonly taken: number;
      readonly position: CommitPosition;
      readonly confirmed: CommitPosition | null;
      readonly readMs: number;
    },
  ): Promise<boolean>;
  leave(reader: Pick<Request, 'databaseId' | 'readerId' | 'session'>): Promise<void>;
  answerOf(reader: Pick<Request, 'databaseId' | 'readerId'>): Promise<Answer | null>;
  state(databaseId: string): Promise<RelayState | null>;
  /** Where a reader may begin, rising: chunks that begin outside of a transaction. */
  beginnings(epoch: Epoch): Promise<readonly (Told & { readonly position: CommitPosition })[]>;
  /** Behind this number, the first of them, together no more than so many bytes, or one. */
  read(databaseId: string, number: number, maxBytes: number): Promise<(RelayState & { chunks: Chunk[] }) | null>;
  /** False: there is no such database. */
  knows(databaseId: string): Promise<boolean>;
  /** What is left of processes that have ended without a word: so long ago. */
  sweep(leftMs: number): Promise<void>;
}

const chunksAtOnce = 32;

/** Of the feed f and its relay r. */
const stateSql = `CASE WHEN f.state <> 'changing' AND f.holder_until > clock_timestamp() THEN f.holder_id END AS "holderId",
  CASE WHEN r.epoch IS NULL THEN NULL ELSE json_build_object(
    'epoch', r.epoch, 'revision', r.revision, 'generation', r.generation, 'kept', r.kept, 'sealedKey', r.sealed_key, 'number', r.number,
    'position', r.position, 'status', r.status) END AS telling`;
const feedSql = `change_feeds AS f LEFT JOIN change_relays AS r
  ON r.database_id = f.database_id AND r.holder_id = f.holder_id AND r.lease = f.lease`;

/** Of the database $1. */
const readersSql = `SELECT coalesce(json_agg(json_build_object('id', reader_id, 'request', request, 'held', held,
    'wanted', wanted, 'taken', taken, 'position', position, 'confirmed', confirmed)), '[]')
  FROM change_feed_readers WHERE database_id = $1 AND read_until > clock_timestamp()`;

export function createRelayStore({ db }: { db: Executor }): RelayStore {
  return {
    async begin({ databaseId, epoch, holderId, lease, revision, generation, kept, sealedKey }) {
      const { rows } = await db.query<{ begun: boolean }>(
        `WITH begun AS (
           INSERT INTO change_relays (database_id, epoch, holder_id, lease, revision, generation, kept, sealed_key)
           SELECT database_id, $2, holder_id, lease, $5, $6, $7, $8 FROM change_feeds
            WHERE database_id = $1 AND holder_id = $3 AND lease = $4
           ON CONFLICT (database_id) DO UPDATE SET epoch = excluded.epoch, holder_id = excluded.holder_id,
             lease = excluded.lease, revision = excluded.revision, generation = excluded.generation, kept = excluded.kept,
             sealed_key = excluded.sealed_key, number = 0, position = NULL, status = NULL
           RETURNING database_id),
         gone AS (DELETE FROM change_feed_chunks AS c USING begun WHERE c.database_id = begun.database_id)
         SELECT EXISTS (SELECT FROM begun) AS begun`,
        [databaseId, epoch, holderId, lease, revision, generation, kept, sealedKey],
      );
      return rows[0]!.begun;
    },

    async report({ databaseId, epoch, number, position, status }) {
      const { rows } = await db.query<{ told: boolean; readers: Reader[] }>(
        `WITH told AS (
           UPDATE change_relays SET status = $5, position = CASE WHEN number = $3 THEN $4 ELSE position END
            WHERE database_id = $1 AND epoch = $2 RETURNING 1)
         SELECT EXISTS (SELECT FROM told) AS told, (${readersSql}) AS readers`,
        [databaseId, epoch, number, position, JSON.stringify(status)],
      );
      return rows[0]!.told ? rows[0]!.readers : null;
    },

    async readers(databaseId) {
      const { rows } = await db.query<{ readers: Reader[] }>(`SELECT (${readersSql}) AS readers`, [databaseId]);
      return rows[0]!.readers;
    },

    async append({ databaseId, epoch, number, position }, chunks) {
      const { rows } = await db.query<{ told: boolean }>(
        `WITH told AS (
           UPDATE change_relays SET number = greatest(number, $3), position = CASE WHEN number <= $3 THEN $4 ELSE position END
            WHERE database_id = $1 AND epoch = $2 RETURNING 1),
         added AS (
           INSERT INTO change_feed_chunks (database_id, epoch, number, behind, payload)
           SELECT $1, $2, chunk.* FROM told, unnest($5::bigint[], $6::text[], $7::bytea[]) AS chunk
           ON CONFLICT DO NOTHING)
         SELECT EXISTS (SELECT FROM told) AS told`,
        [
          databaseId,
          epoch,
          number,
          position,
          chunks.map((chunk) => chunk.number),
          chunks.map(({ behind }) => behind),
          chunks.map(({ payload }) => payload),
        ],
      );
      return rows[0]!.told;
    },

    async trim({ databaseId, epoch }, number) {
      await db.query('DELETE FROM change_feed_chunks WHERE database_id = $1 AND epoch = $2 AND number <= $3', [
        databaseId,
        epoch,
        number,
      ]);
    },

    async answer({ databaseId, epoch }, readerId, answer) {
      await db.query(
        `UPDATE change_feed_readers AS reader SET answer = $5 FROM change_relays AS r
          WHERE r.database_id = $1 AND r.epoch = $2 AND reader.database_id = $1 AND reader_id = $3 AND request = $4`,
        [databaseId, epoch, readerId, answer.request, JSON.stringify(answer)],
      );
    },

    async end(databaseId, epoch) {
      await db.query('DELETE FROM change_relays WHERE database_id = $1 AND ($2::uuid IS NULL OR epoch = $2)', [
        databaseId,
        epoch,
      ]);
    },

    async ask({ databaseId, readerId, session, request, held, wanted, position, confirmed, readMs }) {
      await db.query(
        `INSERT INTO change_feed_readers AS reader
                (database_id, reader_id, session, request, held, wanted, position, confirmed, read_until)
         SELECT id, $2, $3, $4, $5, $6, $7, $8, clock_timestamp() + $9 * interval '1 millisecond' FROM databases WHERE id = $1
         ON CONFLICT (database_id, reader_id) DO UPDATE SET session = excluded.session, request = excluded.request,
           held = excluded.held, wanted = excluded.wanted, read_until = excluded.read_until,
           position = excluded.position, confirmed = excluded.confirmed,
           taken = CASE WHEN reader.session = excluded.session THEN reader.taken ELSE 0 END`,
        [databaseId, readerId, session, request, held, JSON.stringify(wanted), position, confirmed, readMs],
      );
    },

    async stay({ databaseId, readerId, session, taken, position, confirmed, readMs }) {
      const { rowCount } = await db.query(
        `UPDATE change_feed_readers SET taken = $4, position = $5, confirmed = $6,
                read_until = clock_timestamp() + $7 * interval '1 millisecond'
          WHERE database_id = $1 AND reader_id = $2 AND session = $3`,
        [databaseId, readerId, session, taken, position, confirmed, readMs],
      );
      return rowCount === 1;
    },

    async leave({ databaseId, readerId, session }) {
      await db.query('DELETE FROM change_feed_readers WHERE database_id = $1 AND reader_id = $2 AND session = $3', [
        databaseId,
        readerId,
        session,
      ]);
    },

    async answerOf({ databaseId, readerId }) {
      const { rows } = await db.query<{ answer: Answer | null }>(
        'SELECT answer FROM change_feed_readers WHERE database_id = $1 AND reader_id = $2',
        [databaseId, readerId],
      );
      return rows[0]?.answer ?? null;
    },

    async state(databaseId) {
      const { rows } = await db.query<RelayState>(`SELECT ${stateSql} FROM ${feedSql} WHERE f.database_id = $1`, [
        databaseId,
      ]);
      return rows[0] ?? null;
    },

    async beginnings({ databaseId, epoch }) {
      const { rows } = await db.query<Told & { position: CommitPosition }>(
        `SELECT (number - 1)::float8 AS number, behind AS position FROM change_feed_chunks
          WHERE database_id = $1 AND epoch = $2 AND behind IS NOT NULL
         UNION ALL
         SELECT number::float8, position FROM change_relays
          WHERE database_id = $1 AND epoch = $2 AND position IS NOT NULL
         ORDER BY 1`,
        [databaseId, epoch],
      );
      return rows;
    },

    async read(databaseId, number, maxBytes) {
      const { rows } = await db.query<RelayState & { chunk: number | null; behind: string | null; payload: Buffer }>(
        `SELECT ${stateSql}, c.number::float8 AS chunk, c.behind, c.payload
           FROM ${feedSql} LEFT JOIN LATERAL (
             SELECT number, behind, payload FROM (
               SELECT number, behind, payload,
                      sum(octet_length(payload)) OVER (ORDER BY number) - octet_length(payload) AS before
                 FROM (SELECT * FROM change_feed_chunks
                        WHERE database_id = r.database_id AND epoch = r.epoch AND number > $2
                        ORDER BY number LIMIT ${chunksAtOnce}) AS next) AS next
              WHERE before < $3) AS c ON true
          WHERE f.database_id = $1 ORDER BY c.number`,
        [databaseId, number, maxBytes],
      );
      const [first] = rows;
      if (!first) return null;
      const chunks = rows.flatMap(({ chunk, behind, payload }) =>
        chunk === null ? [] : [{ number: chunk, behind, payload }],
      );
      return { ...first, chunks };
    },

    async knows(databaseId) {
      return (await db.query('SELECT FROM databases WHERE id = $1', [databaseId])).rowCount === 1;
    },

    async sweep(leftMs) {
      await db.query(
        `WITH readers AS (
           DELETE FROM change_feed_readers WHERE read_until < clock_timestamp() - $1 * interval '1 millisecond')
         DELETE FROM change_relays AS r WHERE NOT EXISTS (
           SELECT FROM change_feeds AS f WHERE f.database_id = r.database_id AND f.lease = r.lease
              AND f.holder_id = r.holder_id AND f.holder_until > clock_timestamp() - $1 * interval '1 millisecond')`,
        [leftMs],
      );
    },
  };
}
