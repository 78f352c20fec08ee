/**
 * All rows of a job as a stream, from the first on, while it still runs. A reader is pulled: at each step he asks the
 * store what there is behind his place, so that one who is slow holds nothing back, and no more than the chunk he is in.
 */

import { can } from '../accounts/policy.ts';
import type { Viewer } from '../accounts/viewer.ts';
import { createPatience } from '../db/patience.ts';
import type { ResultColumn } from '../engines/engine.ts';
import { jobResource } from '../jobs/job.ts';
import { isFinal, type JobErrorCode } from '../jobs/states.ts';
import { type Bus, createDoorbell } from '../lib/bus.ts';
import { AppError, badInput, type ErrorCode, notFound } from '../lib/errors.ts';
import { isUuid } from '../lib/ids.ts';
import type { Topic } from '../lib/topics.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { keepingLast } from './chunk-readers.ts';
import type { LongReads } from './long-reads.ts';
import { readRows } from './results.ts';
import type { ResultProgress, ResultStore, SetProgress } from './store.ts';

export interface JobRowsDeps {
  results: ResultStore;
  blobs: Pick<BlobStore, 'get'>;
  longReads: LongReads;
  bus: Bus<Topic>;
}

export interface RowBatch {
  /** Index of the result set. */
  readonly resultSet: number;
  /** In the first batch of a result set only. */
  readonly columns: readonly ResultColumn[] | null;
  /** Where the columns were read; null when that is gone. */
  readonly databaseId: string | null;
  readonly rows: readonly unknown[];
  /** Behind the last row of this batch. */
  readonly cursor: string;
}

export interface JobRowsOptions {
  /** Rows of a batch at the most; it is less where they are large, or not there yet. */
  batchSize: number;
  /** The cursor of a batch. */
  after: string | null;
}

export interface JobRows {
  /**
   * Completes behind the last row of a job that succeeded.
   * @throws AppError NOT_FOUND, BAD_USER_INPUT; the job's own error behind the last row of one that failed, CONFLICT of
   * one that was cancelled; POSITION_LOST where the rows have expired, were deleted, or the job is run again
   */
  follow(
    viewer: Viewer | null,
    jobId: string,
    options: JobRowsOptions,
    signal: AbortSignal,
  ): AsyncGenerator<RowBatch, void>;
}

export const maxBatchSize = 1_000;
/** A ring that was lost costs so long. */
const pollMs = 2_000;

/** Between two rows. The id of a result set is another one for each attempt of its job. */
interface Place {
  readonly setId: string;
  readonly index: number;
  /** Rows before it. */
  readonly row: number;
  /** Its columns were told. */
  readonly begun: boolean;
}

export function createJobRows({ results, blobs, longReads, bus }: JobRowsDeps): JobRows {
  const store = { find: results.find, chunks: results.chunks };
  return {
    async *follow(viewer, jobId, { batchSize, after }, signal) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      if (batchSize < 1 || batchSize > maxBatchSize)
        throw badInput({ path: 'batchSize', message: `from 1 to ${maxBatchSize}` });
      let place = after === null ? null : parseCursor(after);
      // Something was told that a new attempt would contradict.
      let told = place !== null;
      let seen = false;
      using bell = createDoorbell(bus, ['job.rows', 'job.changed'], jobId);
      const patience = createPatience(signal);
      using chunks = keepingLast({ blobs, longReads }, { userId: viewer.userId, signal });
      while (!signal.aborted) {
        const from: number = place?.index ?? 0;
        const job = await patience(() => results.progress(jobId, from));
        if (!job || !can(viewer, 'job:see', jobResource(job)))
          throw seen ? positionLost('The job was deleted') : notFound('Job');
        seen = true;
        if (job.dropped) throw positionLost('The rows have been thrown away');
        const [set, next] = job.sets;
        if (place && set?.id !== place.setId) {
          if (told) throw positionLost('The rows of this attempt are gone: the job is run again');
          place = null;
          continue;
        }
        if (set) {
          place ??= startOf(set);
          if (place.row < set.storedRows || (!place.begun && set.hasColumns && isWhole(job, set, next))) {
            const { row, begun } = place;
            const page = await patience(() => readRows({ store, blobs, read: chunks.read }, set, row, batchSize));
            const columns = begun ? null : ((await patience(() => results.find(set.id)))?.columns ?? null);
            // Gone between the two looks: the next one says how.
            if (page === null || (!begun && columns === null)) continue;
            place = { ...place, row: row + page.rows.length, begun: true };
            told = true;
            const { databaseId } = job;
            yield { resultSet: set.index, columns, databaseId, rows: page.rows, cursor: formatCursor(place) };
            continue;
          }
          if (next) {
            place = startOf(next);
            continue;
          }
        }
        if (isFinal(job.status)) return endOf(job);
        chunks.forget();
        await bell.wait(pollMs, signal);
      }
    },
  };
}

const startOf = ({ id, index }: SetProgress): Place => ({ setId: id, index, row: 0, begun: false });

/** No row will be added. */
const isWhole = (job: ResultProgress, set: SetProgress, next: SetProgress | undefined): boolean =>
  set.ended || next !== undefined || isFinal(job.status);

/** Opaque to clients. */
const formatCursor = ({ setId, index, row }: Place): string =>
  Buffer.from(`rows:${setId}:${index}:${row}`).toString('base64url');

/** @throws AppError BAD_USER_INPUT */
function parseCursor(cursor: string): Place {
  const text = Buffer.from(cursor, 'base64url').toString();
  const [, setId = '', index, row] = /^rows:([^:]{1,40}):(\d{1,9}):(\d{1,15})$/.exec(text) ?? [];
  const place = { setId, index: Number(index), row: Number(row), begun: true };
  if (!isUuid(setId) || formatCursor(place) !== cursor)
    throw badInput({ path: 'after', message: 'not a cursor of this stream' });
  return place;
}

const positionLost = (message: string): AppError =>
  new AppError('POSITION_LOST', `${message}; subscribe again without a position`);

/** Errors of jobs that are no code of requests: a session that broke off, and two that are not the caller's doing. */
const codes: Readonly<Record<Exclude<JobErrorCode, ErrorCode>, ErrorCode>> = {
  CONNECTION_LOST: 'CONNECTION_FAILED',
  STORAGE_FAILED: 'INTERNAL_SERVER_ERROR',
  INTERRUPTED: 'INTERNAL_SERVER_ERROR',
};

const isOwnCode = (code: JobErrorCode): code is keyof typeof codes => code in codes;

/** @throws AppError with what the job ended with, unless it succeeded */
function endOf({ status, error, timeoutMs }: ResultProgress): void {
  if (status === 'succeeded') return;
  if (!error) throw new AppError('CONFLICT', 'The job was cancelled', { details: { jobStatus: status.toUpperCase() } });
  const { code, message, ...rest } = error;
  throw new AppError(isOwnCode(code) ? codes[code] : code, message, {
    details: { jobErrorCode: code, ...rest, ...(code === 'TIMEOUT' && { timeoutMs }) },
  });
}
