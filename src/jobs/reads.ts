/** What is read of the queue's table: jobs, their lists, and the stream of their changes. */
import DataLoader from 'dataloader';
import type pg from 'pg';
import type { Page } from '../lib/pages.ts';
import type { Job, Position } from './job.ts';
import { type JobRow, jobOf } from './row.ts';
import type { JobStatus } from './states.ts';

export interface JobFilter {
  ownerId: string;
  statuses?: readonly JobStatus[] | undefined;
  /** Null or absent: of any, and of none. */
  databaseIds?: readonly string[] | null | undefined;
  savedQueryId?: string | undefined;
  /** Found in the name or the SQL, whatever its case. */
  search?: string | undefined;
}

export interface QueueState {
  readonly queued: number;
  readonly running: number;
  /** Null: nothing waits. */
  readonly oldestQueuedAt: Date | null;
}

/** A change of a job: its newest state, or that it is gone. */
export type JobChange = { readonly position: Position } & (
  | { readonly job: Job; readonly deletedJobId: null }
  | { readonly job: null; readonly deletedJobId: string }
);

export interface NoticesAsked {
  readonly jobId: string;
  readonly last: number;
}

export interface ReadNotices {
  readonly messages: string[];
  readonly bytes: number;
}

/** What one statement has read, and whether there is more behind it. */
export interface Batch<T> {
  readonly items: T[];
  readonly more: boolean;
}

/** Of the SQL and the parameters of one batch; two jobs are in it however long theirs are. */
const maxBatchBytes = 16 * 2 ** 20;

/** In SQL: as many of those jobs, in that order, as their texts allow; `found` is how many there were. */
const withinBytes = (jobs: string, order: string): string => `
  SELECT * FROM (
    SELECT job.*, count(*) OVER () AS found,
           sum(text_bytes) OVER (ORDER BY ${order} ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING) AS bytes_before
    FROM (${jobs}) job
  ) counted WHERE coalesce(bytes_before, 0) <= ${maxBatchBytes} ORDER BY ${order}`;

type CountedRow = JobRow & { found: string };

const batchOf = (rows: readonly CountedRow[], limit: number): Batch<Job> => {
  const found = Number(rows[0]?.found ?? 0);
  return { items: rows.map(jobOf), more: found > rows.length || found === limit };
};

/** Behind every change of a transaction. */
const maxSeq = 2n ** 62n;

export type JobReads = ReturnType<typeof createJobReads>;

export function createJobReads(pool: pg.Pool) {
  /** Those that are there, in no order. */
  const findAll = async (ids: readonly string[]): Promise<Job[]> =>
    (await pool.query<JobRow>('SELECT * FROM jobs WHERE id = ANY($1::uuid[])', [ids])).rows.map(jobOf);

  const byId = new DataLoader<string, Job | null>(
    async (ids) => {
      const found = new Map((await findAll(ids)).map((job) => [job.id, job]));
      return ids.map((id) => found.get(id) ?? null);
    },
    { cache: false, maxBatchSize: 500 },
  );

  return {
    /** Those who ask at the same moment, as all followers of a queue do, are one statement. */
    find: (id: string): Promise<Job | null> => byId.load(id),

    findAll,

    findByKey: async (ownerId: string, idempotencyKey: string): Promise<Job | null> => {
      const { rows } = await pool.query<JobRow>('SELECT * FROM jobs WHERE owner_id = $1 AND idempotency_key = $2', [
        ownerId,
        idempotencyKey,
      ]);
      return rows[0] ? jobOf(rows[0]) : null;
    },

    /**
     * Of each job that is asked for the newest, in the order in which they came; none is read of a job before which there
     * are `maxBytes` already: it is `null`.
     */
    async notices(asked: readonly NoticesAsked[], maxBytes: number): Promise<(ReadNotices | null)[]> {
      const { rows } = await pool.query<{ place: string; messages: string[] | null; bytes: string | null }>(
        `WITH found AS (
           SELECT asked.place, notice.index, notice.message, coalesce(sum(octet_length(notice.message))
                    OVER (ORDER BY asked.place GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) < $3 AS fits
           FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS asked (job_id, last, place) CROSS JOIN LATERAL (
             SELECT index, message FROM job_notices WHERE job_id = asked.job_id ORDER BY index DESC LIMIT asked.last) notice
         )
         SELECT place, array_agg(message ORDER BY index) FILTER (WHERE fits) AS messages,
                sum(octet_length(message)) FILTER (WHERE fits) AS bytes
         FROM found GROUP BY place`,
        [asked.map(({ jobId }) => jobId), asked.map(({ last }) => last), maxBytes],
      );
      const found = new Map(rows.map(({ place, ...read }) => [Number(place) - 1, read]));
      return asked.map((_, place) => {
        const { messages, bytes } = found.get(place) ?? { messages: [], bytes: 0 };
        return messages && { messages, bytes: Number(bytes) };
      });
    },

    /**
     * Newest first; the key of a page is a job's id, which rises with time. A page that is cut short, since its jobs have
     * long texts, has one job more than its own limit, as a whole one has.
     */
    async list(filter: JobFilter, page: Page): Promise<{ jobs: Job[]; page: Page }> {
      const order = page.backward ? 'id ASC' : 'id DESC';
      const { rows } = await pool.query<CountedRow>(
        withinBytes(
          `SELECT * FROM jobs WHERE ${matches} AND ($6::uuid IS NULL OR id < $6) AND ($7::uuid IS NULL OR id > $7)
           ORDER BY ${order} LIMIT $8`,
          order,
        ),
        [...valuesOf(filter), page.after, page.before, page.limit + 1],
      );
      const cut = rows.length < Number(rows[0]?.found ?? 0);
      return {
        jobs: (page.backward ? rows.reverse() : rows).map(jobOf),
        page: cut ? { ...page, limit: rows.length - 1 } : page,
      };
    },

    async count(filter: JobFilter): Promise<number> {
      const { rows } = await pool.query<{ count: string }>(
        `SELECT count(*) FROM jobs WHERE ${matches}`,
        valuesOf(filter),
      );
      return Number(rows[0]?.count);
    },

    /** Those that have a session in one of these databases now: of each so many, the oldest first. */
    async runningOn(databaseIds: readonly string[], limitOfEach: number): Promise<Job[]> {
      const { rows } = await pool.query<JobRow>(
        `SELECT job.* FROM unnest($1::uuid[]) AS asked (id) CROSS JOIN LATERAL (
           SELECT * FROM jobs
            WHERE database_id = asked.id AND status = 'running' AND backend_id IS NOT NULL ORDER BY id LIMIT $2) job
         ORDER BY job.id`,
        [databaseIds, limitOfEach],
      );
      return rows.map(jobOf);
    },

    async queueOf(ownerId: string, databaseIds: readonly string[] | null = null): Promise<QueueState> {
      const { rows } = await pool.query<{ queued: string; running: string; oldest: Date | null }>(
        `SELECT count(*) FILTER (WHERE status = 'queued') AS queued, count(*) FILTER (WHERE status = 'running') AS running,
                min(submitted_at) FILTER (WHERE status = 'queued') AS oldest
         FROM jobs WHERE owner_id = $1 AND status IN ('queued', 'running') AND ($2::uuid[] IS NULL OR database_id = ANY($2))`,
        [ownerId, databaseIds],
      );
      const { queued, running, oldest } = rows[0]!;
      return { queued: Number(queued), running: Number(running), oldestQueuedAt: oldest };
    },

    /** From where on nothing is missed that happens from now on. */
    async horizon(): Promise<Position> {
      const { rows } = await pool.query<{ xid: string }>('SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xid');
      return { xid: BigInt(rows[0]!.xid) - 1n, seq: maxSeq };
    },

    /** The last deletion that was forgotten: behind it nothing is missing. */
    async deletionHorizon(): Promise<Position> {
      const { rows } = await pool.query<{ change_xid: string; change_seq: string }>(
        'SELECT change_xid, change_seq FROM job_deletion_horizon',
      );
      return { xid: BigInt(rows[0]?.change_xid ?? 0), seq: BigInt(rows[0]?.change_seq ?? 0) };
    },

    /** The unfinished jobs now, in the order of their ids, behind `after`. */
    async unfinished(
      ownerId: string,
      databaseIds: readonly string[] | null,
      after: string | null,
      limit: number,
    ): Promise<Batch<Job>> {
      const { rows } = await pool.query<CountedRow>(
        withinBytes(
          `SELECT * FROM jobs WHERE owner_id = $1 AND status IN ('queued', 'running') AND ($2::uuid[] IS NULL OR target_key = ANY($2))
             AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4`,
          'id',
        ),
        [ownerId, databaseIds, after, limit],
      );
      return batchOf(rows, limit);
    },

    /**
     * What changed behind a position, in order. Only below the oldest transaction that still runs: a later one may yet
     * commit a change with a smaller number, and would be passed over. `unsettled` says that there is more, soon.
     */
    async changesAfter(
      ownerId: string,
      databaseIds: readonly string[] | null,
      after: Position,
      limit: number,
    ): Promise<Batch<JobChange> & { unsettled: boolean }> {
      const { rows } = await pool.query<CountedRow & ChangeRow>(
        `WITH moved AS (
           -- By what outlives the database: with it its jobs lose its id, in the transaction that cancels them.
           SELECT id, change_xid, change_seq, false AS deleted FROM jobs
           WHERE owner_id = $1 AND ($2::uuid[] IS NULL OR target_key = ANY($2)) AND (change_xid, change_seq) > ($3::bigint, $4::bigint)
           ORDER BY change_xid, change_seq LIMIT $5
         ), gone AS (
           SELECT job_id AS id, change_xid, change_seq, true AS deleted FROM job_deletions
           WHERE owner_id = $1 AND ($2::uuid[] IS NULL OR database_id = ANY($2)) AND (change_xid, change_seq) > ($3::bigint, $4::bigint)
           ORDER BY change_xid, change_seq LIMIT $5
         ), change AS (
           SELECT * FROM moved UNION ALL SELECT * FROM gone ORDER BY change_xid, change_seq LIMIT $5
         )
         ${withinBytes(
           `SELECT jobs.*, change.id AS of_id, change.change_xid AS at_xid, change.change_seq AS at_seq, change.deleted,
                   change.change_xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS settled
            FROM change LEFT JOIN jobs ON jobs.id = change.id AND NOT change.deleted`,
           'at_xid, at_seq',
         )}`,
        [ownerId, databaseIds, after.xid.toString(), after.seq.toString(), limit],
      );
      const found = Number(rows[0]?.found ?? 0);
      const settled = rows.filter((row) => row.settled);
      const unsettled = settled.length < rows.length;
      return { items: settled.map(changeOf), more: !unsettled && (found > rows.length || found === limit), unsettled };
    },
  };
}

interface ChangeRow {
  of_id: string;
  at_xid: string;
  at_seq: string;
  deleted: boolean;
  settled: boolean;
}

const changeOf = (row: JobRow & ChangeRow): JobChange => ({
  position: { xid: BigInt(row.at_xid), seq: BigInt(row.at_seq) },
  ...(row.deleted ? { job: null, deletedJobId: row.of_id } : { job: jobOf(row), deletedJobId: null }),
});

const matches = `owner_id = $1 AND ($2::text[] IS NULL OR status = ANY($2)) AND ($3::uuid[] IS NULL OR database_id = ANY($3))
  AND ($4::uuid IS NULL OR saved_query_id = $4) AND ($5::text IS NULL OR name ILIKE $5 OR sql ILIKE $5)`;

const valuesOf = ({ ownerId, statuses, databaseIds, savedQueryId, search }: JobFilter) => [
  ownerId,
  statuses ?? null,
  databaseIds ?? null,
  savedQueryId ?? null,
  search === undefined ? null : `%${search.replace(/[\\%_]/g, '\\$&')}%`,
];
