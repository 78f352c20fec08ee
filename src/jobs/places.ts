/** Where the queued jobs of a user stand, and how long it will take: counted for all who ask at the same moment. */
import DataLoader from 'dataloader';
import type pg from 'pg';
import { ready } from './claim.ts';
import type { Job } from './job.ts';

export interface Place {
  /** Jobs of its owner that start before it, plus one. */
  readonly position: number;
  /** From recent jobs and those ahead; null when there is nothing to go by. */
  readonly etaMs: number | null;
}

export interface Places {
  /** Null unless it is queued. */
  of(job: Pick<Job, 'id'>): Promise<Place | null>;
}

export interface PlacesDeps {
  pool: pg.Pool;
  /** Parallel jobs of a user for whom no administrator set a ceiling. */
  maxParallelJobs: number;
}

/** So many of a user's last jobs tell how long one takes. */
const recentJobs = 20;
/** Of one statement. */
const maxBatch = 1_000;
/** Whoever asks within so long is answered together: followers of a queue look at it all the time. */
const gatherMs = 10;
/** So many are counted one by one; for more the whole queue is put in order once. */
const fewJobs = 3;

const countedLine = `
  SELECT asked.id, 1 + CASE WHEN asked.held_until IS NULL THEN (
           SELECT count(*) FROM jobs WHERE ${ready} AND owner_id = asked.owner_id AND (rank_ms, id) < (asked.rank_ms, asked.id))
         ELSE (SELECT count(*) FROM jobs WHERE ${ready} AND owner_id = asked.owner_id) + (
           SELECT count(*) FROM jobs WHERE status = 'queued' AND held_until IS NOT NULL AND owner_id = asked.owner_id
             AND (held_until, rank_ms, id) < (asked.held_until, asked.rank_ms, asked.id)) END AS position
  FROM asked`;

const orderedLine = `
  SELECT id, row_number() OVER (PARTITION BY owner_id ORDER BY held_until NULLS FIRST, rank_ms, id) AS position
  FROM jobs WHERE status = 'queued' AND owner_id IN (SELECT owner_id FROM asked)`;

interface PlaceRow {
  id: string;
  position: string;
  held_ms: number | null;
  parallel: number;
  mean_ms: number | null;
  running: string;
  running_ms: number;
}

export function createPlaces({ pool, maxParallelJobs }: PlacesDeps): Places {
  const loader = new DataLoader(load, {
    cache: false,
    maxBatchSize: maxBatch,
    batchScheduleFn: (callback) => setTimeout(callback, gatherMs),
  });

  async function load(ids: readonly string[]): Promise<(Place | null)[]> {
    const { rows } = await pool.query<PlaceRow>(
      `WITH asked AS (
         SELECT id, owner_id, held_until, rank_ms FROM jobs WHERE id = ANY($1) AND status = 'queued'
       ), line AS (${ids.length <= fewJobs ? countedLine : orderedLine}
       ), owner AS (
         SELECT users.id, least(users.max_parallel_jobs, coalesce(users.max_parallel_jobs_limit, $2)) AS parallel,
                recent.mean_ms, busy.running, busy.running_ms
         FROM users
         CROSS JOIN LATERAL (
           SELECT avg(extract(epoch FROM finished_at - started_at)::float8 * 1000) AS mean_ms
           FROM (SELECT started_at, finished_at FROM jobs WHERE owner_id = users.id AND status = 'succeeded'
                 ORDER BY finished_at DESC LIMIT ${recentJobs}) last) recent
         CROSS JOIN LATERAL (
           -- Of those that run, what they still need.
           SELECT count(*) AS running,
                  coalesce(sum(greatest(recent.mean_ms - extract(epoch FROM now() - started_at)::float8 * 1000, 0)), 0) AS running_ms
           FROM jobs WHERE status = 'running' AND owner_id = users.id) busy
         WHERE users.id IN (SELECT owner_id FROM asked)
       )
       SELECT line.id, line.position, extract(epoch FROM asked.held_until - now())::float8 * 1000 AS held_ms,
              owner.parallel, owner.mean_ms, owner.running, owner.running_ms
       FROM asked JOIN line ON line.id = asked.id JOIN owner ON owner.id = asked.owner_id`,
      [ids, maxParallelJobs],
    );
    const places = new Map(rows.map((row) => [row.id, placeOf(row)]));
    return ids.map((id) => places.get(id) ?? null);
  }

  return { of: ({ id }) => loader.load(id) };
}

function placeOf(row: PlaceRow): Place {
  const position = Number(row.position);
  const heldMs = row.held_ms === null ? null : Math.max(0, row.held_ms);
  return { position, etaMs: rounded(eta(row, position, heldMs)) };
}

function eta({ parallel, mean_ms, running, running_ms }: PlaceRow, position: number, heldMs: number | null) {
  const ahead = position - 1;
  const free = parallel - Number(running);
  // There is a place for it as soon as a worker looks.
  if (ahead < free) return heldMs ?? 0;
  if (mean_ms === null) return heldMs;
  return Math.max(heldMs ?? 0, (running_ms + ahead * mean_ms) / parallel);
}

/** As GraphQL's Int holds it: some 24 days. */
const longestMs = 2 ** 31 - 1;

const rounded = (ms: number | null): number | null => (ms === null ? null : Math.min(Math.round(ms), longestMs));
