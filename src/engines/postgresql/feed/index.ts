/** Changes of PostgreSQL databases: opens their feeds, and takes away what feeds left behind. */
import { AppError } from '../../../lib/errors.ts';
import type { ChangeSource, FeedLimits } from '../../changes.ts';
import type { ConnectDeps } from '../connect.ts';
import { decoderOfCoding } from '../types.ts';
import { openFeed } from './feed.ts';
import { feedIdOf, namesOf, publicationPattern, slotPattern } from './names.ts';
import { installOutbox, removeOutbox } from './outbox/install.ts';
import { openOutboxFeed } from './outbox/open.ts';
import { openSide, refusalOf, type Side } from './side.ts';
import { dropSlots, takeOver } from './slot.ts';

const defaultLimits: FeedLimits = {
  checkMs: 2_000,
  silentMs: 30_000,
  patienceMs: 30_000,
  maxRetainedBytes: 2 ** 30,
  maxToldBytes: 2 ** 28,
};
const sweepLabel = 'quarry feed sweep';

export function createChanges(deps: ConnectDeps): ChangeSource {
  return {
    decoderOf: decoderOfCoding,

    async open(target, options) {
      const limits = { ...defaultLimits, ...options.limits };
      try {
        return await openFeed(deps, target, options, limits);
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'UNSUPPORTED') throw error;
        // What the log would need is said where there is nothing else.
        return await openOutboxFeed(deps, target, options, limits).catch((other: unknown) => {
          throw other instanceof AppError && other.code === 'UNSUPPORTED' ? error : other;
        });
      }
    },

    async install(target, { feedId, signal }) {
      await using side = await openSide(deps, target, { signal, label: sweepLabel });
      await installOutbox(side, { feedId, signal }).catch(rethrow);
    },

    async uninstall(target, { feedId, signal }) {
      await using side = await openSide(deps, target, { signal, label: sweepLabel });
      await removeOutbox(side, { feedId, signal }).catch(rethrow);
    },

    async remove(target, { feedId, signal }) {
      await using side = await openSide(deps, target, { signal, label: sweepLabel });
      await removeFeed(side, feedId, signal).catch(rethrow);
    },

    async sweep(target, { keep, signal }) {
      await using side = await openSide(deps, target, { signal, label: sweepLabel });
      const found = await side.query(orphansSql, [slotPattern, publicationPattern], { signal }).catch(rethrow);
      const orphans = found.map(([id]) => feedIdOf(id!)).filter((feedId) => !keep.has(feedId));
      for (const feedId of orphans) await removeFeed(side, feedId, signal).catch(rethrow);
      return orphans;
    },
  };
}

async function removeFeed(side: Side, feedId: string, signal: AbortSignal): Promise<void> {
  const names = namesOf(feedId);
  await takeOver(side, names, { signal });
  await dropSlots(side, [names.temporarySlot, names.keptSlot], { signal });
  await removeOutbox(side, { feedId, signal });
  await side.query(`DROP PUBLICATION IF EXISTS ${names.publication}, ${names.insertPublication}`, [], { signal });
}

/** Of feeds that nobody reads: a slot of theirs would be active. */
const orphansSql = `
  WITH slot AS (
    SELECT substring(slot_name from $1) AS id, active FROM pg_replication_slots
     WHERE database = current_database() AND slot_name ~ $1
  ), feed AS (
    SELECT id FROM slot
    UNION
    SELECT substring(pubname from $2) FROM pg_publication WHERE pubname ~ $2
  )
  SELECT id FROM feed WHERE id NOT IN (SELECT id FROM slot WHERE active) ORDER BY id`;

function rethrow(error: unknown): never {
  throw refusalOf(error);
}
