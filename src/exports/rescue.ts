/** What a worker that is gone had begun to export. */
import type { Exported, Job } from '../jobs/job.ts';
import type { Reservations } from '../storage/files/reservations.ts';

/** Takes it away. @returns what it wrote, where it had made that visible; else null */
export async function rescueExport(
  { reservations }: { reservations: Pick<Reservations, 'release' | 'areCommitted'> },
  { exported }: Pick<Job, 'exported'>,
): Promise<Exported | null> {
  if (exported === null) return null;
  // First: what is gone it cannot make visible any more, also where it is not dead but late.
  for (const fileId of exported.files) await reservations.release(fileId);
  return (await reservations.areCommitted(exported.files)) ? exported : null;
}
