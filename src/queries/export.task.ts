/** Writes the rows that a job has kept into files, in whatever format, without running its SQL again. */
import { can } from '../accounts/policy.ts';
import type { Cell, ResultColumn } from '../engines/engine.ts';
import { rawTextOf } from '../engines/raw-text.ts';
import type { CompressionName } from '../exports/compression.ts';
import { createExportBooks, type ExportBooks } from '../exports/export-books.ts';
import { ExportFailed } from '../exports/export-failed.ts';
import { createExportWriter, type ExportWriter } from '../exports/export-writer.ts';
import { type FormatName, formats } from '../exports/registry.ts';
import { rescueExport } from '../exports/rescue.ts';
import { temporaryFolderOf } from '../exports/temporary-folder.ts';
import { type Job, jobResource } from '../jobs/job.ts';
import { LostHold } from '../jobs/lost-hold.ts';
import { ownerOf } from '../jobs/owner.ts';
import type { JobError } from '../jobs/states.ts';
import type { JobStore } from '../jobs/store.ts';
import type { Outcome, StopReason, Task, TaskContext } from '../jobs/task.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { Reservations } from '../storage/files/reservations.ts';
import { StorageFailed } from '../storage/storage-failed.ts';
import { linesFrom } from './chunk-readers.ts';
import type { ResultSet, ResultStore } from './store.ts';

export interface ExportTaskDeps {
  jobStore: JobStore;
  resultStore: Pick<ResultStore, 'list' | 'chunks' | 'keptRows'>;
  blobs: BlobStore;
  reservations: Reservations;
  exportFolder: string;
}

/** It has no session in any target: what a successor finds in its place says that it had begun. */
const noSession = { sessionId: 'export', startedAt: 'export' } as const;
/** Result sets, and chunks of one, that are looked up at once. */
const setsAtOnce = 100;
const rowsAtOnce = 100_000;
/** Behind the last row the files are still to be made visible. */
const maxPercent = 99;

export function createExportTask(deps: ExportTaskDeps): Task {
  return {
    kind: 'export',
    run: (context) => run(deps, context),
    rescue: (job) => rescueExport(deps, job),
    // What a lost worker had begun was released by the rescue.
    discard: async () => undefined,
  };
}

async function run(deps: ExportTaskDeps, { job, signal, patience, progress }: TaskContext): Promise<Outcome> {
  const { jobStore, reservations, blobs, exportFolder } = deps;
  const stopped = new AbortController();
  const timer = setTimeout(() => stopped.abort('timeout'), job.timeoutMs);
  const onStop = () => stopped.abort(signal.reason);
  signal.addEventListener('abort', onStop);
  if (signal.aborted) onStop();
  let writer: ExportWriter | null = null;
  let books: ExportBooks | null = null;
  try {
    if (job.export === null) throw new TypeError('an export without a destination');
    if (!(await patience(() => jobStore.setBackend(job, noSession)))) throw new LostHold();
    const viewer = await ownerOf(jobStore, job);
    const source = job.sourceId === null ? null : await jobStore.find(job.sourceId);
    if (source && !can(viewer, 'job:see', jobResource(source))) throw gone();
    if (!source || source.resultsDropped) throw thrownAway();
    const exporting = { ...job, export: job.export };
    books = createExportBooks(
      { jobStore, reservations, patience },
      { job: exporting, signal: stopped.signal, stop: (lost) => stopped.abort(lost satisfies Stop) },
    );
    const format = formats[job.export.format as FormatName];
    const compression = job.export.compression as CompressionName | 'none';
    writer = createExportWriter(
      { books, blobs, format, temporaryFolder: temporaryFolderOf(exportFolder, job) },
      { compression, safe: job.export.safe, name: job.name, signal: stopped.signal },
    );
    await books.start();
    await writeSets(deps, {
      source,
      writer,
      maxRows: job.maxRows ?? Number.POSITIVE_INFINITY,
      allRows: await deps.resultStore.keptRows(source.id, job.maxRows),
      progress,
      signal: stopped.signal,
    });
    // What of it was gone when it was its turn was left out, and nothing else tells.
    const still = await jobStore.find(source.id);
    if (!still || still.resultsDropped) throw thrownAway();
    await books.commit(await writer.finish());
    return { status: 'succeeded' };
  } catch (error) {
    await writer?.abandon();
    await books?.release();
    return outcomeOf(error, job, stopped.signal.aborted ? (stopped.signal.reason as Stop) : null);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onStop);
  }
}

/** Why it was stopped from here; decides what its error means. */
type Stop = StopReason | 'timeout' | ExportFailed;

interface WriteSets {
  source: Job;
  writer: ExportWriter;
  /** Of each result set. */
  maxRows: number;
  /** Of all that is to be written. */
  allRows: number;
  progress: TaskContext['progress'];
  signal: AbortSignal;
}

async function writeSets(
  deps: ExportTaskDeps,
  { source, writer, maxRows, allRows, progress, signal }: WriteSets,
): Promise<void> {
  let rows = 0;
  let bytes = 0;
  for await (const set of setsOf(deps, source.id)) {
    const columns = set.columns.map(withType);
    const encode = rawTextOf(columns);
    const end = Math.min(set.storedRows, maxRows);
    await writer.begin(columns);
    for await (const lines of linesOf(deps, set, end)) {
      signal.throwIfAborted();
      await writer.rows(lines.map((line) => encode(JSON.parse(line) as Cell[])));
      rows += lines.length;
      bytes += lines.reduce((sum, line) => sum + line.length, 0);
      const percent = Math.min(maxPercent, (rows / Math.max(allRows, 1)) * 100);
      progress({ rows, bytes, estimatedRows: allRows, percent, writtenBytes: writer.writtenBytes() });
    }
    // Of a job that failed or was cancelled the rest is not there.
    const cutBefore = set.truncated || source.status !== 'succeeded';
    await writer.end({ truncated: cutBefore || end < set.storedRows });
  }
}

/** Those with columns, in the order of their statements. */
async function* setsOf({ resultStore }: ExportTaskDeps, jobId: string): AsyncGenerator<ResultSet> {
  for (let after: string | null = null; ; ) {
    const sets: ResultSet[] = await resultStore.list(jobId, {
      limit: setsAtOnce,
      backward: false,
      after,
      before: null,
    });
    for (const set of sets.slice(0, setsAtOnce)) if (set.columns.length > 0) yield set;
    if (sets.length <= setsAtOnce) return;
    after = String(sets[setsAtOnce - 1]?.index);
  }
}

/** A chunk at a time. @throws ExportFailed for one that is not there */
async function* linesOf(
  { resultStore, blobs }: ExportTaskDeps,
  { id }: ResultSet,
  end: number,
): AsyncGenerator<string[]> {
  const read = linesFrom(blobs);
  let row = 0;
  while (row < end) {
    const chunks = await resultStore.chunks(id, row, Math.min(end, row + rowsAtOnce));
    if (chunks.length === 0) throw thrownAway();
    for (const chunk of chunks) {
      const lines = chunk.firstRow > row ? null : await read(chunk).catch(unread);
      if (lines === null) throw thrownAway();
      const wanted = lines.slice(row - chunk.firstRow, Math.min(chunk.rows, end - chunk.firstRow));
      row += wanted.length;
      yield wanted;
    }
  }
}

/** Results of an earlier version do not tell the type; their values are texts. */
const withType = (column: ResultColumn): ResultColumn => ({
  ...column,
  type: (column as Partial<ResultColumn>).type ?? { kind: 'other' },
});

function unread(cause: unknown): never {
  throw new StorageFailed('the rows of the job could not be read', { cause });
}

const thrownAway = () =>
  new ExportFailed({ code: 'STORAGE_FAILED', message: 'The rows of the job have been thrown away: run it again' });
const gone = () =>
  new ExportFailed({ code: 'FORBIDDEN', message: 'The right to see the job was gone when it started' });

function outcomeOf(error: unknown, job: Job, stop: Stop | null): Outcome {
  const failed = (fault: JobError): Outcome => ({ status: 'failed', error: fault });
  if (error instanceof LostHold || stop === 'lost') throw error;
  if (stop instanceof ExportFailed) return failed(stop.fault);
  if (stop === 'cancel') return { status: 'cancelled' };
  if (stop === 'timeout') return failed({ code: 'TIMEOUT', message: `Stopped after ${job.timeoutMs} ms` });
  if (stop === 'shutdown') return failed({ code: 'INTERRUPTED', message: 'The worker was stopped while it wrote' });
  if (error instanceof ExportFailed) return failed(error.fault);
  if (error instanceof StorageFailed) return failed({ code: 'STORAGE_FAILED', message: error.message });
  throw error;
}
