/**
 * Which jobs start next, in SQL. A user's jobs go by rank: when they came, less what their priority is worth. Users take
 * turns: whoever has fewest jobs running comes first, so that many jobs do not stand before one. No user, no database
 * and no worker gets more at once than it may; both limits are counted here, under a lock.
 */
import type { Prepared } from '../db/round.ts';
import { changed, leaseFromNow } from './row.ts';

/**
 * Holds off other claims for its transaction, so that the limits counted in it are exact. And no bitmap scan until it
 * ends: unlike the others it marks no index entry as dead, and where jobs come and go quickly most of them are.
 */
export const claimLock: Prepared = {
  name: 'claim_lock',
  text: `SELECT pg_advisory_xact_lock(4707691), set_config('enable_bitmapscan', 'off', true)`,
};

/** In SQL: what may start now. */
export const ready = `status = 'queued' AND held_until IS NULL`;

/** Where the next claim begins to look; none is before the first. */
export interface Cursor {
  readonly ownerId: string;
  readonly targetKey: string;
}

export const firstCursor: Cursor = {
  ownerId: '00000000-0000-0000-0000-000000000000',
  targetKey: '00000000-0000-0000-0000-000000000000',
};

/** So many queues are looked at by one claim: as many again as it could fill, so that there is something to choose. */
export const windowOf = (room: number): number => Math.max(16, 2 * room);

/** The rows of a claim: each has where it looked last; without a job there was nothing to take in all it saw. */
export interface ClaimRow {
  last_owner: string;
  last_target: string;
  /** There are no other queues than these. */
  whole: boolean;
}

const queues = (name: string, from: string, most: string) => `
    ${name} (owner_id, target_key, n) AS (
      (SELECT owner_id, target_key, 1 FROM jobs WHERE ${ready} AND ${from} AND ${most} > 0 ORDER BY owner_id, target_key LIMIT 1)
      UNION ALL
      SELECT next.owner_id, next.target_key, n + 1
      FROM ${name} CROSS JOIN LATERAL (
        SELECT owner_id, target_key FROM jobs WHERE ${ready} AND (owner_id, target_key) > (${name}.owner_id, ${name}.target_key)
        ORDER BY owner_id, target_key LIMIT 1) next
      WHERE n < ${most}
    )`;

/**
 * $1 worker, $2 jobs at the most, $3 parallel jobs of a user without a ceiling of his own, $4 of a database, $5 and $6
 * behind which queue to look first, $7 queues at the most. There is a queue for each pair of a user and a database with
 * something ready; each costs two probes of the index `jobs_ready`, however long it is and however many there are.
 */
export const claimJobs: Prepared = {
  name: 'claim_jobs',
  text: `
    WITH RECURSIVE ${queues('ahead', '(owner_id, target_key) > ($5::uuid, $6::uuid)', '$7::int')},
    ${queues('around', 'true', '($7::int - (SELECT count(*)::int FROM ahead))')},
    line AS MATERIALIZED (
      SELECT owner_id, target_key, false AS again, n FROM ahead
      UNION ALL
      SELECT owner_id, target_key, true, n FROM around WHERE (owner_id, target_key) <= ($5::uuid, $6::uuid)
    ), share AS (
      -- Of one queue: where many wait, none is read further than its turn may come.
      SELECT ceil(2.0 * $2::int / greatest(count(*), 1))::int AS jobs FROM line
    ), busy AS MATERIALIZED (
      SELECT owner_id, target_key, count(*)::int AS jobs FROM jobs WHERE status = 'running' GROUP BY owner_id, target_key
    ), of_owner AS (
      SELECT owner_id, sum(jobs)::int AS jobs FROM busy GROUP BY owner_id
    ), of_target AS (
      SELECT target_key, sum(jobs)::int AS jobs FROM busy GROUP BY target_key
    ), first AS (
      SELECT job.id, job.rank_ms, line.owner_id, line.target_key, room.of_target,
             coalesce(of_owner.jobs, 0) + row_number() OVER (PARTITION BY line.owner_id ORDER BY job.rank_ms, job.id) AS turn,
             coalesce(of_owner.jobs, 0) + room.of_owner AS last_turn
      FROM line
      CROSS JOIN share
      JOIN users ON users.id = line.owner_id
      LEFT JOIN of_owner ON of_owner.owner_id = line.owner_id
      LEFT JOIN of_target ON of_target.target_key = line.target_key
      CROSS JOIN LATERAL (
        SELECT least(users.max_parallel_jobs, coalesce(users.max_parallel_jobs_limit, $3::int)) - coalesce(of_owner.jobs, 0) AS of_owner,
               $4::int - coalesce(of_target.jobs, 0) AS of_target) room
      CROSS JOIN LATERAL (
        SELECT id, rank_ms FROM jobs WHERE ${ready} AND owner_id = line.owner_id AND target_key = line.target_key
        ORDER BY rank_ms, id LIMIT greatest(0, least($2::int, share.jobs, room.of_owner, room.of_target))) job
    ), seated AS (
      SELECT id, rank_ms, owner_id, target_key, turn, of_target, row_number() OVER (PARTITION BY target_key ORDER BY turn, id) AS seat
      FROM first WHERE turn <= last_turn
    ), chosen AS MATERIALIZED (
      SELECT id, rank_ms, owner_id, target_key FROM seated WHERE seat <= of_target ORDER BY turn, id LIMIT $2::int
    ), taken AS MATERIALIZED (
      -- Whoever cancels or deletes one of them at this moment is not waited for.
      SELECT job.id FROM chosen CROSS JOIN LATERAL (
        SELECT id FROM jobs WHERE ${ready} AND owner_id = chosen.owner_id AND target_key = chosen.target_key
          AND rank_ms = chosen.rank_ms AND id = chosen.id FOR UPDATE SKIP LOCKED) job
    ), claimed AS (
      UPDATE jobs SET status = 'running', started_at = now(), attempt = attempt + 1, fence = fence + 1,
             error = NULL, worker_id = $1::uuid, lease_until = ${leaseFromNow}, ${changed}
      FROM taken WHERE jobs.id = taken.id RETURNING jobs.*
    )
    SELECT claimed.*, last.owner_id AS last_owner, last.target_key AS last_target, (SELECT count(*) FROM line) < $7::int AS whole
    FROM (SELECT owner_id, target_key FROM line ORDER BY again DESC, n DESC LIMIT 1) last LEFT JOIN claimed ON true`,
};
