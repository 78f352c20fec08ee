/** The notices of one operation: of all its jobs with one statement, and only so many bytes of them. */
import DataLoader from 'dataloader';
import { AppError, badInput } from '../lib/errors.ts';
import { createGate } from '../lib/gate.ts';
import type { Job } from './job.ts';
import type { JobReads, NoticesAsked } from './reads.ts';

/** Of one job; the writer throws older ones away. */
const maxNotices = 1_000;

/** Of all jobs of an operation; what is asked of one alone may be more. */
export const maxOperationBytes = 4 * 2 ** 20;

export interface OperationNotices {
  /**
   * The newest, oldest of them first.
   * @throws AppError BAD_USER_INPUT; LIMIT_EXCEEDED where those of the other jobs are too many; the signal's reason
   */
  of(job: Pick<Job, 'id'>, last: number): Promise<string[]>;
}

/** @param signal nobody waits for the operation any more */
export function createOperationNotices(store: Pick<JobReads, 'notices'>, signal: AbortSignal): OperationNotices {
  // What one batch has read, the next one has to know.
  const gate = createGate({ max: 1 });
  let left = maxOperationBytes;

  const loader = new DataLoader<NoticesAsked, string[]>(
    (asked) =>
      gate.run(async () => {
        const found = await store.notices(asked, left);
        return found.map((read) => {
          if (!read) return tooMany();
          left -= read.bytes;
          return read.messages;
        });
      }, signal),
    { cache: false },
  );

  return {
    of({ id }, last) {
      if (last < 0 || last > maxNotices) throw badInput({ path: 'last', message: `from 0 to ${maxNotices}` });
      return loader.load({ jobId: id, last });
    },
  };
}

const tooMany = () =>
  new AppError(
    'LIMIT_EXCEEDED',
    `The notices of one operation are more than ${maxOperationBytes} bytes: ask for fewer of each job, or of fewer jobs`,
    { details: { limit: maxOperationBytes } },
  );
