/** Changes of PostgreSQL databases: opens their feeds, and takes away what feeds left behind. */
import { AppError } from '../../../lib/errors.ts';
import type { ChangeSource, FeedLimits } from '../../changes.ts';
import type { ConnectDeps } from '../connect.ts';
import { decoderOfCoding } from '../types.ts';
import { openFeed } from './feed.ts';
import { namesOf } from './names.ts';
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
const label = 'quarry feed setup';

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
      await using side = await openSide(deps, target, { signal, label });
      await installOutbox(side, { feedId, signal }).catch(rethrow);
    },

    async uninstall(target, { feedId, signal }) {
      await using side = await openSide(deps, target, { signal, label });
      await removeOutbox(side, { feedId, signal }).catch(rethrow);
    },

    async identify(target, { signal }) {
      await using side = await openSide(deps, target, { signal, label });
      const [row] = await side.query(identitySql, [], { signal }).catch(rethrow);
      return String(row![0]);
    },

    async remove(target, { feedId, signal }) {
      await using side = await openSide(deps, target, { signal, label });
      await removeFeed(side, feedId, signal).catch(rethrow);
    },
  };
}

const identitySql = `
  SELECT concat_ws('/', s.system_identifier, d.oid) FROM pg_control_system() s, pg_database d WHERE datname = current_database()`;

async function removeFeed(side: Side, feedId: string, signal: AbortSignal): Promise<void> {
  const names = namesOf(feedId);
  await takeOver(side, names, { signal });
  await dropSlots(side, [names.temporarySlot, names.keptSlot], { signal });
  await removeOutbox(side, { feedId, signal });
  await side.query(`DROP PUBLICATION IF EXISTS ${names.publication}, ${names.insertPublication}`, [], { signal });
}

function rethrow(error: unknown): never {
  throw refusalOf(error);
}
