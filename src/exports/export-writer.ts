/**
 * Writes what a job returns into files: room is reserved for each, its bytes go through format and compression into the
 * blob store, and all become visible together when the job has come to its end. Nothing is left of one that broke off.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Viewer } from '../accounts/viewer.ts';
import type { Patience } from '../db/patience.ts';
import type { Exported, Job, JobExport } from '../jobs/job.ts';
import type { JobError } from '../jobs/states.ts';
import type { JobStore } from '../jobs/store.ts';
import { AppError } from '../lib/errors.ts';
import { LostHold, StorageFailed } from '../queries/result-writer.ts';
import type { BlobStore, BlobUpload } from '../storage/blob-store.ts';
import type { Reservation, Reservations } from '../storage/files/reservations.ts';
import { type CompressedSink, type CompressionName, compressTo } from './compression.ts';
import { mimeTypeOf, numbered } from './destination.ts';
import type { ExportColumn, ExportRow, Format, FormatWriter, Sink } from './format.ts';
import { type FormatName, formats } from './registry.ts';

export interface ExportWriterDeps {
  readonly jobStore: Pick<JobStore, 'setExported'>;
  readonly reservations: Reservations;
  readonly blobs: Pick<BlobStore, 'upload'>;
  /** Where formats put what they cannot stream. */
  readonly temporaryFolder: string;
  readonly patience: Patience;
}

export interface ExportWriterOptions {
  readonly job: Job & { readonly export: JobExport };
  /** Its owner, as he is now. */
  readonly viewer: Viewer | null;
  /** Its reason is thrown by whatever waits. */
  readonly signal: AbortSignal;
}

/** The file store refused: the fault is the job's. */
export class ExportFailed extends Error {
  override readonly name = 'ExportFailed';
  readonly fault: JobError;
  constructor(fault: JobError, options?: { cause?: unknown }) {
    super(fault.message, options);
    this.fault = fault;
  }
}

/** In order: `begin`, rows or lines, `end` for each result set, then `commit`, or `abandon` whatever has happened. */
export interface ExportWriter {
  /** @throws ExportFailed, StorageFailed, LostHold, the signal's reason; so do all others */
  begin(columns: readonly ExportColumn[]): Promise<void>;
  rows(rows: readonly ExportRow[]): Promise<void>;
  /** Those of COPY: see FormatWriter.copy. */
  lines(lines: Buffer, rows: number): Promise<void>;
  /** @param truncated the query returned more */
  end(set: { truncated: boolean }): Promise<void>;
  /** Makes all of it visible. */
  commit(): Promise<void>;
  /** Takes away what is not visible; no-op behind a commit. Never throws. */
  abandon(): Promise<void>;
}

interface OpenFile {
  readonly reservation: Reservation;
  readonly upload: BlobUpload;
  readonly compressed: CompressedSink | null;
  readonly writer: FormatWriter;
  /** Its bytes are all in the upload. */
  closed: boolean;
  committed: boolean;
}

export const temporaryFolderOf = (folder: string, jobId: string): string => join(folder, jobId);

export function createExportWriter(deps: ExportWriterDeps, { job, viewer, signal }: ExportWriterOptions): ExportWriter {
  const { reservations, blobs, jobStore, patience } = deps;
  const request = job.export;
  const format: Format = formats[request.format as FormatName];
  const compression = request.compression as CompressionName | 'none';
  const temporaryFolder = temporaryFolderOf(deps.temporaryFolder, job.id);
  const files: OpenFile[] = [];
  let exported: Exported = { files: [], rows: 0, bytes: 0, truncated: false };
  let sets = 0;

  async function save(next: Exported): Promise<void> {
    exported = next;
    if (!(await patience(() => jobStore.setExported(job, next)))) throw new LostHold();
  }

  /** What the file store says, as the fault of a job. */
  async function asked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw refusalOf(cause, signal);
    }
  }

  async function open(): Promise<OpenFile> {
    const path = numbered(request.path, files.length + 1);
    const { bucketId, overwrite } = request;
    const reservation = await asked(() => reservations.reserve(viewer, { bucketId, path, overwrite }));
    try {
      // Before a byte is there: a lost worker's upload is found by this.
      await save({ ...exported, files: [...exported.files, reservation.fileId] });
      const upload = await asked(() => blobs.upload(reservation.blobKey, signal));
      const sink = sinkInto(upload, reservation.maxBytes, asked);
      const compressed = compression === 'none' ? null : compressTo(sink, compression, { signal });
      await asked(() => mkdir(temporaryFolder, { recursive: true, mode: 0o700 }));
      const writer = format.open(compressed ?? sink, { temporaryFolder, signal });
      const file = { reservation, upload, compressed, writer, closed: false, committed: false };
      files.push(file);
      return file;
    } catch (error) {
      await reservations.release(reservation.fileId).catch(ignored);
      throw error;
    }
  }

  const current = (): OpenFile => {
    const file = files.at(-1);
    if (file === undefined || file.closed) throw new Error('rows of no result set');
    return file;
  };

  async function close(file: OpenFile): Promise<void> {
    await asked(async () => {
      await file.writer.close();
      await file.compressed?.end();
    });
    file.closed = true;
  }

  return {
    async begin(columns) {
      const file = format.sheets && files.length > 0 ? current() : await open();
      sets += 1;
      const name = job.name?.trim() || 'result';
      await asked(() => file.writer.begin({ name: sets === 1 ? name : `${name} ${sets}`, columns }));
    },
    async rows(rows) {
      const { writer } = current();
      await asked(() => writer.rows(rows));
      exported = { ...exported, rows: exported.rows + rows.length };
    },
    async lines(lines, rows) {
      const { writer } = current();
      await asked(async () => await writer.copy?.write(lines, rows));
      exported = { ...exported, rows: exported.rows + rows };
    },
    async end({ truncated }) {
      const file = current();
      await asked(() => file.writer.end());
      exported = { ...exported, truncated: exported.truncated || truncated };
      if (!format.sheets) await close(file);
    },
    async commit() {
      const last = files.at(-1);
      if (last && !last.closed) await close(last);
      const finished = [];
      for (const file of files) finished.push({ file, blob: await asked(() => file.upload.finish()) });
      signal.throwIfAborted();
      await save({ ...exported, bytes: finished.reduce((sum, { blob }) => sum + blob.bytes, 0) });
      const mimeType = mimeTypeOf(request.format as FormatName, compression);
      for (const { file, blob } of finished) {
        await asked(() => reservations.commit(file.reservation.fileId, { ...blob, mimeType }));
        file.committed = true;
      }
      await dispose();
    },
    async abandon() {
      for (const { committed, compressed, upload, reservation } of files) {
        if (committed) continue;
        await compressed?.[Symbol.asyncDispose]().catch(ignored);
        await upload.abandon().catch(ignored);
        await reservations.release(reservation.fileId).catch(ignored);
      }
      await dispose();
    },
  };

  async function dispose(): Promise<void> {
    for (const { writer, compressed, upload } of files) {
      const opened: (AsyncDisposable | null)[] = [writer, compressed, upload];
      for (const one of opened) await Promise.resolve(one?.[Symbol.asyncDispose]()).catch(ignored);
    }
    await rm(temporaryFolder, { recursive: true, force: true }).catch(ignored);
  }
}

/** What stays behind has no row that shows it: the sweepers take it away. */
const ignored = () => undefined;

/** @param maxBytes more would be refused in the end: better now */
function sinkInto(upload: BlobUpload, maxBytes: number, asked: <T>(work: () => Promise<T>) => Promise<T>): Sink {
  let bytes = 0;
  return {
    async write(data) {
      const chunk = typeof data === 'string' ? Buffer.from(data) : data;
      bytes += chunk.length;
      if (bytes > maxBytes) {
        const message = `The file would be larger than the ${maxBytes} bytes that are left for it`;
        throw new ExportFailed({ code: 'LIMIT_EXCEEDED', message });
      }
      await asked(() => upload.write(chunk));
    },
  };
}

function refusalOf(cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (cause instanceof ExportFailed || cause instanceof StorageFailed || cause instanceof LostHold) return cause;
  if (!(cause instanceof AppError)) return new StorageFailed('the export could not be stored', { cause });
  const { code, message } = cause;
  if (code === 'LIMIT_EXCEEDED') return new ExportFailed({ code, message }, { cause });
  return code === 'NOT_FOUND' || code === 'FORBIDDEN' || code === 'UNAUTHENTICATED'
    ? new ExportFailed(
        { code: 'FORBIDDEN', message: 'The bucket of the export is gone, or the right to it' },
        { cause },
      )
    : new ExportFailed({ code: 'STORAGE_FAILED', message }, { cause });
}
