/**
 * Who receives the bytes of an upload now: one at a time, on whichever replica. A lease in the file's row, by the
 * database's clock, kept up while it lasts; who dies loses it within seconds.
 */
import { AppError } from '../../lib/errors.ts';
import type { FileStore } from './store.ts';

const leaseMs = 10_000;
const renewEveryMs = 3_000;

export interface Lease extends AsyncDisposable {
  /** Aborts when it is lost: the file was deleted, or nothing could be told to the database for too long. */
  readonly signal: AbortSignal;
  readonly writerId: string;
}

export interface LeaseDeps {
  readonly store: Pick<FileStore, 'takeLease' | 'renewLease' | 'endLease'>;
}

export const retryAfterSeconds = leaseMs / 1_000;

const ended = () => new AppError('CONFLICT', 'The upload was ended meanwhile');

/** Null while another one has it, and for what cannot be uploaded to any more. */
export async function takeLease({ store }: LeaseDeps, fileId: string, writerId: string): Promise<Lease | null> {
  const lost = new AbortController();
  let untilMs = performance.now() + leaseMs;
  if (!(await store.takeLease(fileId, writerId, leaseMs))) return null;

  async function renew(): Promise<void> {
    const askedMs = performance.now();
    try {
      if (await store.renewLease(fileId, writerId, leaseMs)) untilMs = askedMs + leaseMs;
      else lost.abort(ended());
    } catch {
      /* The database may be back for the next one; until then the lease that is known counts. */
    }
    if (performance.now() > untilMs - renewEveryMs) lost.abort(ended());
  }

  const timer = setInterval(() => void renew(), renewEveryMs);
  return {
    signal: lost.signal,
    writerId,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      // Not ended, it ends by itself.
      await store.endLease(fileId, writerId).catch(() => undefined);
    },
  };
}
