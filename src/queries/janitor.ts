/** Takes away what has to go, now and then: every worker has one, and each does what the others have not yet done. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { Leftovers } from './leftovers.ts';

export interface SweepDeps {
  leftovers: Leftovers;
  blobs: Pick<BlobStore, 'deletePrefix'>;
  log: Log;
  /** What others have to take away, by name; what they leave in the trash goes in the same round. */
  others?: Readonly<Record<string, (signal: AbortSignal) => Promise<number>>>;
}

export interface JanitorDeps extends SweepDeps {
  everyMs?: number;
}

/** Jobs whose chunks go in one transaction: 20 of the largest are some 300,000 rows. */
const jobsAtOnce = 20;
const prefixesAtOnce = 100;
const deletionsAtOnce = 1_000;

/** Sweeps at once, and then every minute. */
export function startJanitor({ everyMs = 60_000, ...deps }: JanitorDeps): Service {
  const stopping = new AbortController();
  const { signal } = stopping;
  const working = (async () => {
    while (!signal.aborted) {
      await sweep(deps, signal);
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await working;
    },
  };
}

/** All that is there to do, piece by piece; what fails is logged, keeps nothing else back and is tried again by the next one. */
export async function sweep({ leftovers, blobs, log, others = {} }: SweepDeps, signal: AbortSignal): Promise<void> {
  const duties = {
    ...Object.fromEntries(Object.entries(others).map(([name, work]) => [name, () => work(signal)])),
    jobs: () => inPieces(jobsAtOnce, leftovers.expire),
    prefixes: emptyTrash,
    deletions: () => inPieces(deletionsAtOnce, leftovers.forgetDeletions),
  };
  const done: Record<string, number> = {};
  for (const [duty, work] of Object.entries(duties)) {
    try {
      done[duty] = await work();
    } catch (error) {
      log.warn({ duty, error: String(error) }, 'janitor.failed');
    }
  }
  if (Object.values(done).some((count) => count > 0)) log.info(done, 'janitor.swept');

  async function inPieces(limit: number, piece: (limit: number) => Promise<number>): Promise<number> {
    let total = 0;
    while (!signal.aborted) {
      const count = await piece(limit);
      total += count;
      if (count < limit) break;
    }
    return total;
  }

  /** Not one transaction: a prefix whose row stays is deleted once more, and nothing is there. */
  async function emptyTrash(): Promise<number> {
    let total = 0;
    for (let after = ''; !signal.aborted; ) {
      const prefixes = await leftovers.trash(after, prefixesAtOnce);
      const empty: string[] = [];
      for (const prefix of prefixes) {
        if (signal.aborted) break;
        try {
          await blobs.deletePrefix(prefix, signal);
          empty.push(prefix);
        } catch (error) {
          log.warn({ prefix, error: String(error) }, 'janitor.blobs_not_deleted');
        }
      }
      if (empty.length > 0) await leftovers.forgetTrash(empty);
      total += empty.length;
      const last = prefixes.at(-1);
      if (last === undefined || prefixes.length < prefixesAtOnce) break;
      after = last;
    }
    return total;
  }
}
