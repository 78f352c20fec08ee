/** Result sets and the index of their chunks. A worker's write names its fence and is refused when that has moved on. */
import type pg from 'pg';
import type { Executor } from '../db/metadata.ts';
import type { ResultColumn } from '../engines/engine.ts';
import type { Job } from '../jobs/job.ts';
import type { JobError, JobStatus } from '../jobs/states.ts';
import type { Hold } from '../jobs/store.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Page } from '../lib/pages.ts';

/** Of a chunk; more bytes than a chunk bears make it end before. */
export const maxChunkRows = 1_000;

export interface ResultSet {
  readonly id: string;
  readonly jobId: string;
  /** Where it was read; null when that is gone. */
  readonly databaseId: string | null;
  readonly index: number;
  readonly statement: string;
  readonly command: string;
  readonly columns: readonly ResultColumn[];
  /** Returned or affected, as the engine tells; null where neither applies. */
  readonly rowCount: number | null;
  readonly storedRows: number;
  readonly truncated: boolean;
  readonly durationMs: number | null;
  /** When its rows are thrown away; null until its job has ended. */
  readonly expiresAt: Date | null;
  /** Its rows have been thrown away. */
  readonly dropped: boolean;
}

export interface Chunk {
  readonly index: number;
  readonly firstRow: number;
  readonly rows: number;
  readonly blob: string;
  /** Unpacked; null where it was stored before they were counted. */
  readonly textBytes: number | null;
}

interface Row {
  id: string;
  job_id: string;
  database_id: string | null;
  index: number;
  statement: string;
  command: string;
  columns: ResultColumn[];
  row_count: string | null;
  stored_rows: string;
  truncated: boolean;
  duration_ms: number | null;
  results_expire_at: Date | null;
  results_dropped: boolean;
}

interface ChunkRow {
  index: number;
  first_row: string;
  rows: number;
  blob: string;
  text_bytes: number | null;
}

const resultSetOf = (row: Row): ResultSet => ({
  id: row.id,
  jobId: row.job_id,
  databaseId: row.database_id,
  index: row.index,
  statement: row.statement,
  command: row.command,
  columns: row.columns,
  rowCount: row.row_count === null ? null : Number(row.row_count),
  storedRows: Number(row.stored_rows),
  truncated: row.truncated,
  durationMs: row.duration_ms,
  expiresAt: row.results_expire_at,
  dropped: row.results_dropped,
});

const select = `SELECT result_sets.*, jobs.database_id, jobs.results_expire_at, jobs.results_dropped
  FROM result_sets JOIN jobs ON jobs.id = result_sets.job_id`;

/** True while the worker still holds the job. */
const held = `EXISTS (SELECT FROM jobs WHERE jobs.id = $1 AND jobs.fence = $2 AND jobs.status = 'running')`;

/** Of a result set, what changes while its job runs. */
export interface SetProgress {
  readonly id: string;
  readonly index: number;
  readonly storedRows: number;
  readonly hasColumns: boolean;
  /** Its statement has come to its end. */
  readonly ended: boolean;
}

export interface ResultProgress extends Pick<Job, 'ownerId' | 'databaseId' | 'status' | 'error' | 'timeoutMs'> {
  /** The rows have been thrown away. */
  readonly dropped: boolean;
  readonly sets: readonly SetProgress[];
}

interface ProgressRow {
  owner_id: string;
  database_id: string | null;
  status: JobStatus;
  error: JobError | null;
  timeout_ms: number;
  results_dropped: boolean;
  /** Null, like all behind it, where there is no set. */
  set_id: string | null;
  index: number;
  stored_rows: string;
  has_columns: boolean;
  ended: boolean;
}

const wholeMs = (ms: number | null): number | null => (ms === null ? null : Math.round(ms));

export type ResultStore = ReturnType<typeof createResultStore>;

export function createResultStore(pool: pg.Pool) {
  return {
    /** @returns its id, the same when it is asked twice; null when the job is another worker's by now */
    async begin({ id, fence }: Hold, set: Pick<ResultSet, 'index' | 'statement' | 'columns'>): Promise<string | null> {
      const { rows } = await pool.query<{ id: string }>(
        `INSERT INTO result_sets (id, job_id, index, statement, command, columns) SELECT $3, $1, $4, $5, '', $6 WHERE ${held}
         ON CONFLICT (job_id, index) DO UPDATE SET statement = excluded.statement RETURNING id`,
        [id, fence, uuidv7(), set.index, set.statement, JSON.stringify(set.columns)],
      );
      return rows[0]?.id ?? null;
    },

    /** The result set of a statement without columns, whole: at its end, and the same when it is told twice. */
    async put(
      { id, fence }: Hold,
      set: Pick<ResultSet, 'index' | 'statement' | 'command' | 'rowCount' | 'truncated' | 'durationMs'>,
    ): Promise<boolean> {
      const { rowCount } = await pool.query(
        `INSERT INTO result_sets (id, job_id, index, statement, columns, command, row_count, truncated, duration_ms)
         SELECT $3, $1, $4, $5, '[]', $6, $7, $8, $9 WHERE ${held}
         ON CONFLICT (job_id, index) DO UPDATE SET command = excluded.command`,
        [
          id,
          fence,
          uuidv7(),
          set.index,
          set.statement,
          set.command,
          set.rowCount,
          set.truncated,
          wholeMs(set.durationMs),
        ],
      );
      return rowCount === 1;
    },

    /** Chunks that follow each other. The same one twice is one. Blobs of those that are refused go to the trash. */
    async append({ id, fence }: Hold, resultSetId: string, chunks: readonly [Chunk, ...Chunk[]]): Promise<boolean> {
      const last = chunks.at(-1) ?? chunks[0];
      const indexes = chunks.map(({ index }) => index);
      const blobs = chunks.map(({ blob }) => blob);
      const { rowCount } = await pool.query(
        `WITH stored AS (
           UPDATE result_sets SET stored_rows = $4 WHERE result_sets.id = $3 AND ${held} RETURNING result_sets.id
         )
         INSERT INTO result_chunks (result_set_id, index, first_row, rows, blob, text_bytes)
         SELECT stored.id, given.* FROM stored, unnest($5::int[], $6::bigint[], $7::int[], $8::text[], $9::int[]) AS given
         ON CONFLICT (result_set_id, index) DO UPDATE SET blob = excluded.blob`,
        [
          id,
          fence,
          resultSetId,
          last.firstRow + last.rows,
          indexes,
          chunks.map(({ firstRow }) => firstRow),
          chunks.map(({ rows }) => rows),
          blobs,
          chunks.map(({ textBytes }) => textBytes),
        ],
      );
      if (rowCount === chunks.length) return true;
      // Unless they were written before, and only the answer was lost.
      await pool.query(
        `INSERT INTO blob_trash (prefix) SELECT given.blob FROM unnest($1::text[], $3::int[]) AS given (blob, index)
         WHERE NOT EXISTS (SELECT FROM result_chunks WHERE result_set_id = $2 AND result_chunks.index = given.index)
         ON CONFLICT DO NOTHING`,
        [blobs, resultSetId, indexes],
      );
      return false;
    },

    async end(
      { id, fence }: Hold,
      resultSetId: string,
      set: Pick<ResultSet, 'command' | 'rowCount' | 'truncated' | 'durationMs'>,
    ): Promise<boolean> {
      const { rowCount } = await pool.query(
        `UPDATE result_sets SET command = $4, row_count = $5, truncated = $6, duration_ms = $7 WHERE id = $3 AND ${held}`,
        [id, fence, resultSetId, set.command, set.rowCount, set.truncated, wholeMs(set.durationMs)],
      );
      return rowCount === 1;
    },

    /**
     * Forgets what a job that goes back into the queue has returned and told, in the caller's transaction: what any hold
     * up to this one has stored goes to the trash, also what a lost worker wrote under an earlier fence.
     */
    async dropAttempt(client: Executor, { id, fence }: Hold): Promise<void> {
      await client.query('DELETE FROM job_notices WHERE job_id = $1', [id]);
      await client.query('DELETE FROM result_sets WHERE job_id = $1', [id]);
      await client.query(
        `INSERT INTO blob_trash (prefix) SELECT 'results/' || $1::text || '/' || fence FROM generate_series(1, $2::int) AS fence
         ON CONFLICT DO NOTHING`,
        [id, fence],
      );
    },

    async find(id: string): Promise<ResultSet | null> {
      const { rows } = await pool.query<Row>(`${select} WHERE result_sets.id = $1`, [id]);
      return rows[0] ? resultSetOf(rows[0]) : null;
    },

    async at(jobId: string, index: number): Promise<ResultSet | null> {
      const { rows } = await pool.query<Row>(`${select} WHERE job_id = $1 AND index = $2`, [jobId, index]);
      return rows[0] ? resultSetOf(rows[0]) : null;
    },

    /** In the order of the statements, whose index is the key of a page. */
    async list(jobId: string, { limit, backward, after, before }: Page): Promise<ResultSet[]> {
      const { rows } = await pool.query<Row>(
        `${select} WHERE job_id = $1 AND ($2::int IS NULL OR index > $2) AND ($3::int IS NULL OR index < $3)
         ORDER BY index ${backward ? 'DESC' : 'ASC'} LIMIT $4`,
        [jobId, after, before, limit + 1],
      );
      return (backward ? rows.reverse() : rows).map(resultSetOf);
    },

    /** A statement of it has returned columns, and perhaps rows. */
    async hasColumns(jobId: string): Promise<boolean> {
      const { rowCount } = await pool.query(`SELECT FROM result_sets WHERE job_id = $1 AND columns <> '[]' LIMIT 1`, [
        jobId,
      ]);
      return rowCount === 1;
    },

    /** Of all result sets of a job, at most `maxRows` of each. */
    async keptRows(jobId: string, maxRows: number | null): Promise<number> {
      const { rows } = await pool.query<{ rows: number }>(
        'SELECT coalesce(sum(least(stored_rows, $2::bigint)), 0)::float8 AS rows FROM result_sets WHERE job_id = $1',
        [jobId, maxRows],
      );
      return rows[0]!.rows;
    },

    async count(jobId: string): Promise<number> {
      const { rows } = await pool.query<{ count: string }>('SELECT count(*) FROM result_sets WHERE job_id = $1', [
        jobId,
      ]);
      return Number(rows[0]?.count);
    },

    /**
     * What a reader of all rows of a job has to know, as it is at one instant: the job, and of its result sets the first
     * two from `index` on. Null when the job is gone.
     */
    async progress(jobId: string, index: number): Promise<ResultProgress | null> {
      const { rows } = await pool.query<ProgressRow>(
        `SELECT jobs.owner_id, jobs.database_id, jobs.status, jobs.error, jobs.timeout_ms, jobs.results_dropped, sets.*
         FROM jobs LEFT JOIN LATERAL (
           SELECT id AS set_id, index, stored_rows, columns <> '[]' AS has_columns, command <> '' AS ended FROM result_sets
           WHERE job_id = jobs.id AND index >= $2 ORDER BY index LIMIT 2) sets ON true
         WHERE jobs.id = $1 ORDER BY sets.index`,
        [jobId, index],
      );
      const [job] = rows;
      return (
        (job && {
          ownerId: job.owner_id,
          databaseId: job.database_id,
          status: job.status,
          error: job.error,
          timeoutMs: job.timeout_ms,
          dropped: job.results_dropped,
          sets: rows.flatMap((set) =>
            set.set_id === null
              ? []
              : [
                  {
                    id: set.set_id,
                    index: set.index,
                    storedRows: Number(set.stored_rows),
                    hasColumns: set.has_columns,
                    ended: set.ended,
                  },
                ],
          ),
        }) ??
        null
      );
    },

    /** The chunks that hold rows `from` to `to`, the last excluded. */
    async chunks(resultSetId: string, from: number, to: number): Promise<Chunk[]> {
      const { rows } = await pool.query<ChunkRow>(
        `SELECT index, first_row, rows, blob, text_bytes FROM result_chunks
         WHERE result_set_id = $1 AND first_row > $2::bigint - ${maxChunkRows} AND first_row < $3 AND first_row + rows > $2 ORDER BY index`,
        [resultSetId, from, to],
      );
      return rows.map(({ index, first_row, rows, blob, text_bytes }) => ({
        index,
        firstRow: Number(first_row),
        rows,
        blob,
        textBytes: text_bytes,
      }));
    },
  };
}
