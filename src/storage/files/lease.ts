/**
 * Who receives the bytes of an upload now: one at a time, on whichever replica. A lease in the file's row, by the
 * database's clock, kept up while it lasts; who dies or is held up loses it within seconds. What he does after that does no
 * harm: the store gives his successor a file of his own, and the row takes only its writer's commit.
 */
import { AppError } from '../../lib/errors.ts';
import { uuidv7 } from '../../lib/ids.ts';
import type { FileStore } from './store.ts';

export const defaultLeaseMs = 10_000;
/** In the time of one lease. */
const renewals = 3;

export interface Lease extends AsyncDisposable {
  /** Aborts when it is lost: the file was deleted, or nothing could be told to the database for too long. */
  readonly signal: AbortSignal;
  readonly writerId: string;
}

export interface LeaseDeps {
  readonly store: Pick<FileStore, 'takeLease' | 'renewLease' | 'endLease'>;
  readonly leaseMs: number;
}

export const retryAfterSeconds = defaultLeaseMs / 1_000;

const ended = () => new AppError('CONFLICT', 'The upload was ended meanwhile');

/** Null while another one has it, and for what cannot be uploaded to any more. */
export async function takeLease({ store, leaseMs }: LeaseDeps, fileId: string): Promise<Lease | null> {
  const writerId = uuidv7();
  const lost = new AbortController();
  // Counted from before the database was asked: here it never lasts longer than there.
  const askedMs = performance.now();
  if (!(await store.takeLease(fileId, writerId, leaseMs))) return null;
  let ending = endAt(askedMs + leaseMs);

  /** Whoever was held up for longer hears of it before he does anything else. */
  function endAt(untilMs: number): NodeJS.Timeout {
    return setTimeout(() => lost.abort(ended()), untilMs - performance.now());
  }

  async function renew(): Promise<void> {
    const renewedMs = performance.now();
    try {
      if (!(await store.renewLease(fileId, writerId, leaseMs))) return lost.abort(ended());
      clearTimeout(ending);
      if (!over) ending = endAt(renewedMs + leaseMs);
    } catch {
      /* The database may be back for the next one; until then the lease that is known counts. */
    }
  }

  let over = false;
  const renewing = setInterval(() => void renew(), leaseMs / renewals);
  return {
    signal: lost.signal,
    writerId,
    async [Symbol.asyncDispose]() {
      over = true;
      clearInterval(renewing);
      clearTimeout(ending);
      // Not ended, it ends by itself.
      await store.endLease(fileId, writerId).catch(() => undefined);
    },
  };
}
