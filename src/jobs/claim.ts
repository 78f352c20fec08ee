/**
 * Which jobs start next, in SQL. A user's jobs go by rank: when they came, less what their priority is worth. Users take
 * turns: whoever has fewest jobs running comes first, so that many jobs do not stand before one. No user, no database
 * and no worker gets more at once than it may; both limits are counted here, under a lock.
 */
import { byKey, type Prepared } from '../db/round.ts';
import { changed, type JobRow, leaseFromNow } from './row.ts';

/** Of the advisory lock that claims take: any number that nothing else in this database uses. */
const lockNumber = 4_707_691;

/**
 * Holds off other claims for its transaction, so that the limits counted in it are exact. Who comes with ends of jobs does
 * not wait for it, since rows that heartbeats want are locked by then: he ends them, and claims nothing.
 */
const lock = (take: string, timeout = '2s') =>
  byKey([
    `set_config('lock_timeout', '${timeout}', true)`,
    `set_config('quarry.may_claim', ${take}, true) AS may_claim`,
  ]);

export const claimLock: Prepared = {
  name: 'claim_lock',
  text: lock(`coalesce(pg_advisory_xact_lock(${lockNumber})::text, '') || 'true'`),
};

export const claimLockIfFree: Prepared = {
  name: 'claim_lock_if_free',
  text: lock(`pg_try_advisory_xact_lock(${lockNumber})::text`),
};

/**
 * For who runs no jobs himself. All claims would wait with a submission that waits for a row that somebody holds: it goes
 * without the lock very soon.
 */
export const claimLockBriefly: Prepared = {
  name: 'claim_lock_briefly',
  text: lock(`pg_try_advisory_xact_lock(${lockNumber})::text`, '20ms'),
};

/** Behind the rows of submissions: the commit of a notification waits for those of others, on a slow disk for long. */
export const patientAgain: Prepared = {
  name: 'patient_again',
  text: `SELECT set_config('lock_timeout', '2s', true)`,
};

/** In SQL: the transaction has the lock. */
export const mayClaim = `current_setting('quarry.may_claim', true) = 'true'`;

/** In SQL: what may start now. */
export const ready = `status = 'queued' AND held_until IS NULL`;

/**
 * In SQL: the queries behind `busy` that count what runs, as one value each. The planner may not join here (pump.ts), and a
 * nested loop over two lists is slow where both are long.
 */
export const counts = `
    counts_of_owner AS MATERIALIZED (
      SELECT jsonb_object_agg(owner_id, jobs) AS all FROM (SELECT owner_id, sum(jobs) AS jobs FROM busy GROUP BY owner_id) _
    ), counts_of_target AS MATERIALIZED (
      SELECT jsonb_object_agg(target_key, jobs) AS all FROM (SELECT target_key, sum(jobs) AS jobs FROM busy GROUP BY target_key) _
    )`;
export const countOf = (of: 'owner' | 'target', key: string): string =>
  `coalesce(((SELECT counts.all FROM counts_of_${of} counts) -> ${key}::text)::int, 0)`;

/** Before the first owner: where the first claim begins to look. */
export const firstCursor = '00000000-0000-0000-0000-000000000000';

/** The queues of so many owners are looked at by one claim: each costs a probe, also where the others fill it. */
export const windowOf = (room: number): number => Math.max(16, room);

/** What is longer travels behind the commit: whoever reads slowly must not hold the lock. */
const maxTextBytes = 2_048;

export const claimedColumns = [
  'id, kind, status, owner_id, database_id, target_key, target_label, name, read_only, transaction, timeout_ms, max_rows',
  'priority, run_at, held_until, submitted_at, started_at, finished_at, cancel_requested_at, attempt, max_attempts, error',
  'progress_rows, progress_bytes, estimated_rows, percent, revision, change_xid, change_seq, fence',
  'backend_id, backend_started_at, results_expire_at, results_dropped, source_id, saved_query_id, export, exported',
].join(', ');

/**
 * In SQL, of a row of jobs or a submission: the API key that it came with opens something yet. As one value,
 * which those without a key do not pay for; by NOT EXISTS the planner may read all keys for a list of them.
 */
export const keyIsLive = `coalesce(key_id IS NULL OR (
  SELECT true FROM api_keys k WHERE k.id = key_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())), false)`;

/** In SQL: of the advisory lock of jobs that come with a key. */
export const lockOfKey = (id: string): string => `hashtextextended('quarry_jobs_of_key_' || ${id}::text, 0)`;

/** In SQL: whoever cancels or deletes it at this moment is not waited for. */
const unlessHeld = 'FOR UPDATE SKIP LOCKED';

/**
 * In SQL: the query behind `taken` that starts those jobs for the worker $1, and what is told of each. One whose key ended
 * while it waited ends here, and frees its place for the next claim.
 */
const claimed = `claimed AS (
      UPDATE jobs SET status = CASE WHEN live THEN 'running' ELSE 'cancelled' END,
             started_at = CASE WHEN live THEN clock_timestamp() END, attempt = attempt + live::int, fence = fence + 1,
             error = CASE WHEN NOT live THEN error END, worker_id = CASE WHEN live THEN $1::uuid END,
             lease_until = CASE WHEN live THEN ${leaseFromNow} END,
             cancel_requested_at = CASE WHEN NOT live THEN now() END, finished_at = CASE WHEN NOT live THEN now() END,
             sealed_connection = CASE WHEN live THEN sealed_connection END, ${changed}
      FROM taken WHERE jobs.id = taken.id
      RETURNING jobs.*, jobs.text_bytes + coalesce(octet_length(jobs.sealed_connection), 0) <= ${maxTextBytes} AS short
    )`;
const claimedRow = `${claimedColumns}, ${['sql', 'parameters', 'sealed_connection']
  .map((text) => `CASE WHEN short THEN ${text} END AS ${text}`)
  .join(', ')}`;

/** All null where nothing was taken. */
export interface TakenRow extends Omit<JobRow, 'sql' | 'parameters' | 'sealed_connection'> {
  /** Null with the other two where they are long. */
  sql: string | null;
  parameters: unknown[] | null;
  sealed_connection: string | null;
}

/** One row for each job that was taken, or a single one without a job; and where the claim looked. */
export interface ClaimRow extends TakenRow {
  /** The last owner that was taken from, or else looked at; null where nothing waits. */
  last_owner: string | null;
  /** It came back to the first owner. */
  around: boolean;
  /** There are no other owners. */
  whole: boolean;
}

const queues = (name: string, from: string, until: string, most: string) => `
    ${name} (owner_id, target_key, rank_ms, id, n) AS (
      (SELECT owner_id, target_key, rank_ms, id, 1 FROM jobs WHERE ${ready} AND ${from} AND ${most} > 0 AND ${mayClaim}
       ORDER BY owner_id, target_key, rank_ms, id LIMIT 1)
      UNION ALL
      SELECT next.*, n + (next.owner_id <> ${name}.owner_id)::int
      FROM ${name} CROSS JOIN LATERAL (
        -- No other lower bound: the server would begin to read at that one.
        SELECT owner_id, target_key, rank_ms, id FROM jobs
        WHERE ${ready} AND ${until} AND (owner_id, target_key) > (${name}.owner_id, ${name}.target_key)
        ORDER BY owner_id, target_key, rank_ms, id LIMIT 1) next
      WHERE n + (next.owner_id <> ${name}.owner_id)::int <= ${most}
    )`;

/**
 * $1 worker, $2 jobs at the most, $3 parallel jobs of a user without a ceiling of his own, $4 of a database, $5 behind
 * which owner to look first, $6 owners at the most, $7 jobs of the worker at once: by the database it may have some that it
 * was given and has not heard of. There is a queue for each pair of an owner and a database with
 * something ready; each costs a probe or two of the index `jobs_ready`, however long it is.
 *
 * line: the queues in the window with their first jobs, `nth` by their owners from the cursor on. open: what the limits
 * leave of them. level: with so many jobs of each owner running there would be as many more as are wanted, or twice that
 * where owners are few, since not all of them have enough. first: the next jobs of each owner; `turn` is the how-manieth of
 * his it would be with those that run. seated: `seat` is its place among those for one database. Equal turns go by `nth`, so
 * that the owner who was served last is the last to be served again.
 */
export const claimJobs: Prepared = {
  name: 'claim_jobs',
  text: `
    WITH RECURSIVE ${queues('ahead', 'owner_id > $5::uuid', 'true', '$6::int')},
    ${queues('around', 'owner_id <= $5::uuid', 'owner_id <= $5::uuid', '($6::int - (SELECT coalesce(max(n), 0)::int FROM ahead))')},
    line AS MATERIALIZED (
      SELECT owner_id, target_key, rank_ms, id, false AS again, n AS nth FROM ahead
      UNION ALL
      SELECT owner_id, target_key, rank_ms, id, true, n + (SELECT coalesce(max(n), 0) FROM ahead) FROM around
    ), busy AS MATERIALIZED (
      SELECT owner_id, target_key, worker_id, count(*)::int AS jobs FROM jobs WHERE status = 'running'
      GROUP BY owner_id, target_key, worker_id
    ), ${counts}, open AS MATERIALIZED (
      SELECT line.*, running.of_owner AS running, $4::int - running.of_target AS of_target,
             least(users.max_parallel_jobs, coalesce(users.max_parallel_jobs_limit, $3::int)) - running.of_owner AS of_owner
      FROM line JOIN users ON users.id = line.owner_id
      CROSS JOIN LATERAL (SELECT ${countOf('owner', 'line.owner_id')} AS of_owner, ${countOf('target', 'line.target_key')} AS of_target) running
    ), level AS (
      SELECT ceil((CASE WHEN count(*) < $2::int THEN 2.0 ELSE 1.0 END * $2::int + sum(running)) / greatest(count(*), 1))::int AS jobs
      -- Those held up by a limit would keep the level below what the others have running.
      FROM (SELECT DISTINCT owner_id, running FROM open WHERE of_owner > 0 AND of_target > 0) owners
    ), first AS (
      SELECT job.id, job.rank_ms, open.owner_id, target_key, nth, of_target, of_owner, running, level.jobs AS level,
             row_number() OVER (PARTITION BY open.owner_id ORDER BY job.rank_ms, job.id) AS of_his
      FROM open CROSS JOIN level
      CROSS JOIN LATERAL (SELECT least($2::int, level.jobs - running, of_owner, of_target) AS jobs) share
      CROSS JOIN LATERAL (
        SELECT open.id, open.rank_ms WHERE share.jobs > 0
        UNION ALL
        (SELECT id, rank_ms FROM jobs WHERE ${ready} AND owner_id = open.owner_id AND target_key = open.target_key
           AND (rank_ms, id) > (open.rank_ms, open.id)
         ORDER BY rank_ms, id LIMIT greatest(0, share.jobs - 1))) job
    ), seated AS (
      SELECT id, rank_ms, owner_id, target_key, nth, of_target, running + of_his AS turn,
             row_number() OVER (PARTITION BY target_key ORDER BY running + of_his, nth) AS seat
      FROM first WHERE of_his <= least(level - running, of_owner)
    ), chosen AS MATERIALIZED (
      SELECT id, rank_ms, owner_id, target_key, nth FROM seated WHERE seat <= of_target ORDER BY turn, nth
      LIMIT least($2::int, greatest(0, $7::int - (SELECT coalesce(sum(jobs), 0) FROM busy WHERE worker_id = $1::uuid)))
    ), taken AS MATERIALIZED (
      SELECT job.id, job.live FROM chosen CROSS JOIN LATERAL (
        SELECT id, ${keyIsLive} AS live FROM jobs WHERE ${ready} AND owner_id = chosen.owner_id AND target_key = chosen.target_key
          AND rank_ms = chosen.rank_ms AND id = chosen.id ${unlessHeld}) job
    ), ${claimed}, last AS (
      SELECT owner_id, nth FROM chosen UNION ALL SELECT owner_id, nth FROM line WHERE NOT EXISTS (SELECT FROM chosen)
      ORDER BY nth DESC LIMIT 1
    )
    SELECT ${claimedRow}, (SELECT owner_id FROM last) AS last_owner,
           (SELECT coalesce(bool_or(again), false) FROM line) AS around,
           (SELECT coalesce(max(nth), 0) < $6::int FROM line) AS whole
    FROM (SELECT) one LEFT JOIN claimed ON true`,
};

/** One row, also where nothing was taken. */
export interface OnlyRow extends TakenRow {
  /** How many were ready, no further than two. */
  waiting: number;
}

/**
 * For a queue that is mostly idle: takes the only job that is ready, at a third of what claimJobs costs, and none where
 * there are more. $1 worker, $2 parallel jobs of a user without a ceiling of his own, $3 of a database, $4 of the worker.
 */
export const claimOnly: Prepared = {
  name: 'claim_only',
  text: `
    WITH ready AS MATERIALIZED (
      SELECT id, owner_id, target_key FROM jobs WHERE ${ready} AND ${mayClaim} LIMIT 2
    ), taken AS MATERIALIZED (
      SELECT job.id, job.live FROM ready JOIN users ON users.id = ready.owner_id
      CROSS JOIN LATERAL (
        SELECT id, ${keyIsLive} AS live FROM jobs WHERE ${ready} AND owner_id = ready.owner_id AND target_key = ready.target_key AND id = ready.id
        ${unlessHeld}) job
      WHERE (SELECT count(*) FROM ready) = 1
        AND (SELECT count(*) FROM jobs WHERE status = 'running' AND owner_id = ready.owner_id)
          < least(users.max_parallel_jobs, coalesce(users.max_parallel_jobs_limit, $2::int))
        AND (SELECT count(*) FROM jobs WHERE status = 'running' AND target_key = ready.target_key) < $3::int
        AND (SELECT count(*) FROM jobs WHERE status = 'running' AND worker_id = $1::uuid) < $4::int
    ), ${claimed}
    SELECT ${claimedRow}, (SELECT count(*)::int FROM ready) AS waiting FROM (SELECT) one LEFT JOIN claimed ON true`,
};
