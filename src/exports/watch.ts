/** Asks from time to time whether an export may still be written where it goes, so that it does not run on for nothing. */
import type { Job, JobExport } from '../jobs/job.ts';
import { ownerOf } from '../jobs/owner.ts';
import type { JobStore } from '../jobs/store.ts';
import { AppError } from '../lib/errors.ts';
import type { Reservations } from '../storage/files/reservations.ts';
import { type ExportFailed, isGone, refusedBy } from './export-failed.ts';

export interface WatchDeps {
  readonly reservations: Pick<Reservations, 'requireStanding'>;
  readonly jobStore: Pick<JobStore, 'roleOfOwner'>;
  readonly everyMs: number;
}

export interface Watched {
  readonly job: Job & { readonly export: JobExport };
  /** Those that are reserved; it grows. */
  readonly fileIds: readonly string[];
  /** Called once. */
  readonly stop: (lost: ExportFailed) => void;
}

/** Until it is disposed of; nothing is told behind that. */
export function watchPlace(
  { reservations, jobStore, everyMs }: WatchDeps,
  { job, fileIds, stop }: Watched,
): Disposable {
  let over = false;
  let asking = false;

  async function look(): Promise<void> {
    try {
      await reservations.requireStanding(await ownerOf(jobStore, job), job.export.bucketId, [...fileIds]);
    } catch (error) {
      // While the metadata are away nothing is known; they may be back for the next look.
      if (over || !(error instanceof AppError && isGone(error))) return;
      end();
      stop(refusedBy(error));
    }
  }

  const timer = setInterval(() => {
    if (asking) return;
    asking = true;
    void look().finally(() => {
      asking = false;
    });
  }, everyMs);

  function end(): void {
    over = true;
    clearInterval(timer);
  }
  return { [Symbol.dispose]: end };
}
