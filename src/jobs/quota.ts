/**
 * How many unfinished jobs one user may have. They are counted seldom: a count gives out a part of what it found free, and
 * only when that is used up, or has grown old, is there another. Submissions at the same moment, or on several replicas,
 * may pass the limit by a little.
 */
import type { Executor } from '../db/metadata.ts';
import { AppError } from '../lib/errors.ts';

/** Queued, held and running, of one user. */
export const maxUnfinishedJobs = 100_000;

export interface JobQuota {
  /** Takes a place for one more. @throws AppError LIMIT_EXCEEDED, details `{ limit, actual }` */
  take(ownerId: string): Promise<void>;
}

export interface JobQuotaDeps {
  readonly pool: Executor;
  readonly limit?: number;
}

/** Of what is free: other replicas give out of the same. */
const givenPart = 0.1;
const givenForMs = 10_000;
/** Users whose counts are remembered. */
const maxRemembered = 10_000;

export function createJobQuota({ pool, limit = maxUnfinishedJobs }: JobQuotaDeps): JobQuota {
  const given = new Map<string, { left: number; untilMs: number }>();

  return {
    async take(ownerId) {
      const known = given.get(ownerId);
      if (known && known.left > 0 && performance.now() < known.untilMs) {
        known.left -= 1;
        return;
      }
      given.delete(ownerId);
      const actual = await countUnfinished(pool, ownerId, limit);
      if (actual >= limit) {
        throw new AppError('LIMIT_EXCEEDED', `At most ${limit} unfinished jobs of one user`, {
          details: { limit, actual },
        });
      }
      if (given.size >= maxRemembered) given.clear();
      given.set(ownerId, { left: Math.floor((limit - actual) * givenPart), untilMs: performance.now() + givenForMs });
    },
  };
}

/** No further than `atMost`; each part is one range of an index that holds nothing else. */
async function countUnfinished(pool: Executor, ownerId: string, atMost: number): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM (
       (SELECT FROM jobs WHERE owner_id = $1 AND status = 'queued' AND held_until IS NULL LIMIT $2)
       UNION ALL (SELECT FROM jobs WHERE owner_id = $1 AND status = 'queued' AND held_until IS NOT NULL LIMIT $2)
       UNION ALL (SELECT FROM jobs WHERE owner_id = $1 AND status = 'running' LIMIT $2)
       LIMIT $2
     ) unfinished`,
    [ownerId, atMost],
  );
  return rows[0]!.count;
}
