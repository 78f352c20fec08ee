/**
 * Writes what a job returns into files: room is reserved for each, its bytes go through format and compression into the
 * blob store, and all become visible together when the job has come to its end. Nothing is left of one that broke off.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Patience } from '../db/patience.ts';
import type { Exported, Job, JobExport } from '../jobs/job.ts';
import { LostHold } from '../jobs/lost-hold.ts';
import { ownerOf } from '../jobs/owner.ts';
import type { Hold, JobStore } from '../jobs/store.ts';
import { AppError } from '../lib/errors.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { BlobStore, BlobUpload } from '../storage/blob-store.ts';
import type { Reservation, Reservations, ReservedFile } from '../storage/files/reservations.ts';
import { StorageFailed } from '../storage/storage-failed.ts';
import { type CompressedSink, type CompressionName, compressTo } from './compression.ts';
import { mimeTypeOf, numbered } from './destination.ts';
import { ExportFailed, refusedBy } from './export-failed.ts';
import type { ExportColumn, ExportRow, Format, FormatWriter, Sink } from './format.ts';
import { type FormatName, formats } from './registry.ts';
import { watchPlace } from './watch.ts';

export interface ExportWriterDeps {
  readonly jobStore: Pick<JobStore, 'setExported' | 'roleOfOwner'>;
  readonly reservations: Reservations;
  readonly blobs: Pick<BlobStore, 'upload'>;
  /** Where formats put what they cannot stream. */
  readonly temporaryFolder: string;
  readonly patience: Patience;
  /** Of one export. */
  readonly maxFiles?: number;
  /** How often it is asked whether the export may still be written. */
  readonly lookEveryMs?: number;
}

export interface ExportWriterOptions {
  readonly job: Job & { readonly export: JobExport };
  /** Its reason is thrown by whatever waits. */
  readonly signal: AbortSignal;
  /** The export has lost its place while it was written: whoever runs the job has nothing more to bring. */
  readonly stop: (lost: ExportFailed) => void;
}

/** In order: `start`, then `begin`, rows or lines, `end` for each result set, then `commit`, or `abandon` whatever has happened. */
export interface ExportWriter {
  /**
   * Before anything runs: from here on nobody else takes the path of the first file unasked.
   * @throws ExportFailed, StorageFailed, LostHold, the signal's reason; so do all others
   */
  start(): Promise<void>;
  begin(columns: readonly ExportColumn[]): Promise<void>;
  rows(rows: readonly ExportRow[]): Promise<void>;
  /** Those of COPY: see FormatWriter.copy. */
  lines(lines: Buffer, rows: number): Promise<void>;
  /** @param truncated the query returned more */
  end(set: { truncated: boolean }): Promise<void>;
  /** Of all files, so far. */
  writtenBytes(): number;
  /** Makes all of it visible. */
  commit(): Promise<void>;
  /** Takes away what is not visible; no-op behind a commit. Never throws. */
  abandon(): Promise<void>;
}

interface OpenFile {
  readonly fileId: string;
  readonly upload: BlobUpload;
  readonly compressed: CompressedSink | null;
  readonly writer: FormatWriter;
}

/** One for each result set of a script. */
const maxExportFiles = 1_000;

/** Of this attempt alone: when its job is another worker's, or has ended, nobody needs it any more. */
export const temporaryFolderOf = (folder: string, { id, fence }: Hold): string => join(folder, `${id}-${fence}`);

export function createExportWriter(deps: ExportWriterDeps, { job, signal, stop }: ExportWriterOptions): ExportWriter {
  const { reservations, blobs, jobStore, patience, maxFiles = maxExportFiles, lookEveryMs = 3_000 } = deps;
  const request = job.export;
  const format: Format = formats[request.format as FormatName];
  const compression = request.compression as CompressionName | 'none';
  const mimeType = mimeTypeOf(request.format as FormatName, compression);
  const temporaryFolder = temporaryFolderOf(deps.temporaryFolder, job);
  /** Whole, and not visible yet. */
  const finished: ReservedFile[] = [];
  let current: OpenFile | null = null;
  /** The first one, until something is returned. */
  let unused: Reservation | null = null;
  /** Reserved by now. */
  const standing: string[] = [];
  let watching: Disposable | null = null;
  let exported: Exported = { files: [], rows: 0, bytes: 0, truncated: false };
  let sets = 0;
  let written = 0;
  const finishedBytes = () => finished.reduce((sum, { bytes }) => sum + bytes, 0);

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

  async function reserve(): Promise<Reservation> {
    if (exported.files.length >= maxFiles) throw tooManyFiles(maxFiles);
    const fileId = uuidv7();
    // Before anything of it is there: what a lost worker has left is found by this.
    await save({ ...exported, files: [...exported.files, fileId] });
    const { bucketId, overwrite } = request;
    const path = numbered(request.path, exported.files.length);
    const reservation = await asked(() =>
      patience(async () =>
        reservations.reserve(await ownerOf(jobStore, job), { id: fileId, bucketId, path, overwrite, mimeType }),
      ),
    );
    standing.push(fileId);
    return reservation;
  }

  /** @returns what the file may have now, at least so many bytes, and so many more where there is room */
  const claim = (fileId: string, bytes: number, aheadBytes: number): Promise<number> =>
    asked(() => patience(() => reservations.claim({ fileId, bytes, aheadBytes, together: standing })));

  async function open(): Promise<OpenFile> {
    const last = finished.at(-1);
    // What it has claimed and not used is the next one's.
    if (last) await claim(last.fileId, last.bytes, 0);
    const reservation = unused ?? (await reserve());
    const { fileId, blobKey } = reservation;
    unused = null;
    await asked(() => mkdir(temporaryFolder, { recursive: true, mode: 0o700 }));
    const upload = await asked(() => blobs.upload(blobKey, signal));
    let compressed: CompressedSink | null = null;
    try {
      const counted = {
        async write(chunk: Uint8Array) {
          await upload.write(chunk);
          written += chunk.length;
        },
      };
      const sink = sinkInto(counted, reservation, { asked, claim: (...more) => claim(fileId, ...more) });
      compressed = compression === 'none' ? null : compressTo(sink, compression, { signal });
      const writer = format.open(compressed ?? sink, { safe: request.safe, temporaryFolder, signal });
      return { fileId, upload, compressed, writer };
    } catch (error) {
      await compressed?.[Symbol.asyncDispose]().catch(ignored);
      await upload.abandon().catch(ignored);
      throw error;
    }
  }

  function opened(): OpenFile {
    if (current === null) throw new Error('rows of no result set');
    return current;
  }

  /** A script may have many result sets: each holds buffers and a descriptor only while it is written. */
  async function close({ fileId, writer, compressed, upload }: OpenFile): Promise<void> {
    const blob = await asked(async () => {
      await writer.close();
      await compressed?.end();
      return await upload.finish();
    });
    current = null;
    finished.push({ fileId, ...blob });
    await dispose(writer, compressed, upload);
  }

  return {
    async start() {
      unused = await reserve();
      watching = watchPlace({ reservations, jobStore, everyMs: lookEveryMs }, { job, fileIds: standing, stop });
    },
    async begin(columns) {
      if (!format.sheets && current !== null) throw new Error('a result set inside of another');
      current ??= await open();
      const { writer } = current;
      sets += 1;
      const name = job.name?.trim() || 'result';
      await asked(() => writer.begin({ name: sets === 1 ? name : `${name} ${sets}`, columns }));
    },
    async rows(rows) {
      const { writer } = opened();
      await asked(() => writer.rows(rows));
      exported = { ...exported, rows: exported.rows + rows.length };
    },
    async lines(lines, rows) {
      const { copy } = opened().writer;
      if (copy === undefined) throw new Error('lines for a format that makes its own');
      await asked(() => copy.write(lines, rows));
      exported = { ...exported, rows: exported.rows + rows };
    },
    async end({ truncated }) {
      const file = opened();
      await asked(() => file.writer.end());
      exported = { ...exported, truncated: exported.truncated || truncated };
      if (!format.sheets) await close(file);
    },
    writtenBytes: () => written,
    async commit() {
      if (current !== null) await close(current);
      watching?.[Symbol.dispose]();
      signal.throwIfAborted();
      if (unused !== null) {
        const { fileId } = unused;
        await asked(() => patience(() => reservations.release(fileId)));
        exported = { ...exported, files: [] };
      }
      await save({ ...exported, bytes: finishedBytes() });
      await asked(() =>
        patience(async () => reservations.commitAll(await ownerOf(jobStore, job), request.bucketId, finished)),
      );
      await rm(temporaryFolder, { recursive: true, force: true }).catch(ignored);
    },
    async abandon() {
      watching?.[Symbol.dispose]();
      if (current !== null) {
        const { writer, compressed, upload } = current;
        // From its source on: none of them writes into the next one any more.
        await dispose(writer, compressed);
        await upload.abandon().catch(ignored);
        await dispose(upload);
      }
      // No-op for those that are visible.
      for (const fileId of exported.files) await reservations.release(fileId).catch(ignored);
      await rm(temporaryFolder, { recursive: true, force: true }).catch(ignored);
    },
  };
}

async function dispose(...opened: readonly (AsyncDisposable | null)[]): Promise<void> {
  for (const one of opened) await Promise.resolve(one?.[Symbol.asyncDispose]()).catch(ignored);
}

const tooManyFiles = (limit: number) =>
  new ExportFailed({
    code: 'LIMIT_EXCEEDED',
    message: `An export has at most ${limit} files, one for each result set`,
    hint: 'XLSX has a sheet for each, in one file.',
  });

/** What stays behind has no row that shows it: the sweepers take it away. */
const ignored = () => undefined;

/** Claimed ahead, as much as there is already and within these: a small file keeps little from others, a large one asks seldom. */
const aheadBytes = { min: 2 ** 20, max: 64 * 2 ** 20 } as const;

const takesAtMost = {
  bucket: 'The bucket takes files of',
  store: 'Where files are kept one has',
} as const;

/** More than the reservation allows would be refused in the end: better now. */
function sinkInto(
  upload: Pick<BlobUpload, 'write'>,
  { maxBytes, limitedBy }: Pick<Reservation, 'maxBytes' | 'limitedBy'>,
  {
    asked,
    claim,
  }: {
    asked: <T>(work: () => Promise<T>) => Promise<T>;
    claim: (bytes: number, aheadBytes: number) => Promise<number>;
  },
): Sink {
  let bytes = 0;
  let claimed = 0;
  return {
    async write(data) {
      const chunk = typeof data === 'string' ? Buffer.from(data) : data;
      bytes += chunk.length;
      if (bytes > maxBytes) {
        const message = `${takesAtMost[limitedBy]} at most ${maxBytes} bytes`;
        throw new ExportFailed({ code: 'LIMIT_EXCEEDED', message });
      }
      if (bytes > claimed) {
        const ahead = Math.min(Math.max(bytes, aheadBytes.min), aheadBytes.max, maxBytes - bytes);
        claimed = await claim(bytes, ahead);
      }
      await asked(() => upload.write(chunk));
    },
  };
}

function refusalOf(cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (cause instanceof ExportFailed || cause instanceof StorageFailed || cause instanceof LostHold) return cause;
  if (!(cause instanceof AppError)) return new StorageFailed('the export could not be stored', { cause });
  return refusedBy(cause);
}
