/**
 * Writes what a job returns into files: their bytes go through format and compression into the blob store, where nobody
 * sees them. What the metadata know of them is export-books.ts'. Nothing is left of an export that broke off.
 */
import { mkdir, rm } from 'node:fs/promises';
import type { BlobStore, BlobUpload } from '../storage/blob-store.ts';
import type { ReservedFile } from '../storage/files/reservations.ts';
import { type CompressedSink, type CompressionName, compressTo } from './compression.ts';
import type { ExportBooks, FileRoom, Written } from './export-books.ts';
import { ExportFailed, refusalOf } from './export-failed.ts';
import type { ExportColumn, ExportRow, Format, FormatWriter, Sink } from './format.ts';

export interface ExportWriterDeps {
  readonly books: Pick<ExportBooks, 'reserve' | 'claim'>;
  readonly blobs: Pick<BlobStore, 'upload'>;
  readonly format: Format;
  /** Of this attempt alone, for what a format cannot stream; made when it is needed, and taken away. */
  readonly temporaryFolder: string;
}

export interface ExportWriterOptions {
  readonly compression: CompressionName | 'none';
  readonly safe: boolean;
  /** Of the job: its sheets, and the tables of its statements, have it. */
  readonly name: string | null;
  /** Its reason is thrown by whatever waits. */
  readonly signal: AbortSignal;
}

/** In order: `begin`, rows or lines, `end` for each result set, then `finish`, or `abandon` whatever has happened. */
export interface ExportWriter {
  /** @throws ExportFailed, StorageFailed, what the books throw, the signal's reason; so do all others */
  begin(columns: readonly ExportColumn[]): Promise<void>;
  rows(rows: readonly ExportRow[]): Promise<void>;
  /** Those of COPY: see FormatWriter.copy. */
  lines(lines: Buffer, rows: number): Promise<void>;
  /** @param truncated the query returned more */
  end(set: { truncated: boolean }): Promise<void>;
  /** Of all files, so far. */
  writtenBytes(): number;
  /** Every byte is stored, and visible when the books have committed it. */
  finish(): Promise<Written>;
  /** Frees what is open, and takes away what is not stored. Never throws. */
  abandon(): Promise<void>;
}

interface OpenFile {
  readonly fileId: string;
  readonly upload: BlobUpload;
  readonly compressed: CompressedSink | null;
  readonly writer: FormatWriter;
}

export function createExportWriter(
  { books, blobs, format, temporaryFolder }: ExportWriterDeps,
  { compression, safe, name, signal }: ExportWriterOptions,
): ExportWriter {
  /** Whole, and not visible yet. */
  const finished: ReservedFile[] = [];
  let current: OpenFile | null = null;
  let all = { rows: 0, truncated: false };
  let sets = 0;
  let written = 0;

  /** What the store and the format say, as the fault of a job. */
  async function asked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw refusalOf(cause, signal);
    }
  }

  async function open(): Promise<OpenFile> {
    const last = finished.at(-1);
    // What it has claimed and not used is the next one's.
    if (last) await books.claim({ fileId: last.fileId, bytes: last.bytes, aheadBytes: 0 });
    const room = await books.reserve();
    await asked(() => mkdir(temporaryFolder, { recursive: true, mode: 0o700 }));
    const upload = await asked(() => blobs.upload(room.blobKey, signal));
    let compressed: CompressedSink | null = null;
    try {
      const counted = {
        async write(chunk: Uint8Array) {
          await asked(() => upload.write(chunk));
          written += chunk.length;
        },
      };
      const sink = sinkInto(counted, room, books);
      compressed = compression === 'none' ? null : compressTo(sink, compression, { signal });
      const writer = format.open(compressed ?? sink, { safe, temporaryFolder, signal });
      return { fileId: room.fileId, upload, compressed, writer };
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

  const removeFolder = () => rm(temporaryFolder, { recursive: true, force: true }).catch(ignored);

  return {
    async begin(columns) {
      if (!format.sheets && current !== null) throw new Error('a result set inside of another');
      current ??= await open();
      const { writer } = current;
      sets += 1;
      const set = name?.trim() || 'result';
      await asked(() => writer.begin({ name: sets === 1 ? set : `${set} ${sets}`, columns }));
    },
    async rows(rows) {
      const { writer } = opened();
      await asked(() => writer.rows(rows));
      all = { ...all, rows: all.rows + rows.length };
    },
    async lines(lines, rows) {
      const { copy } = opened().writer;
      if (copy === undefined) throw new Error('lines for a format that makes its own');
      await asked(() => copy.write(lines, rows));
      all = { ...all, rows: all.rows + rows };
    },
    async end({ truncated }) {
      const file = opened();
      await asked(() => file.writer.end());
      all = { ...all, truncated: all.truncated || truncated };
      if (!format.sheets) await close(file);
    },
    writtenBytes: () => written,
    async finish() {
      if (current !== null) await close(current);
      signal.throwIfAborted();
      await removeFolder();
      return { ...all, files: finished };
    },
    async abandon() {
      if (current !== null) {
        const { writer, compressed, upload } = current;
        // From its source on: none of them writes into the next one any more.
        await dispose(writer, compressed);
        await upload.abandon().catch(ignored);
        await dispose(upload);
      }
      await removeFolder();
    },
  };
}

async function dispose(...opened: readonly (AsyncDisposable | null)[]): Promise<void> {
  for (const one of opened) await Promise.resolve(one?.[Symbol.asyncDispose]()).catch(ignored);
}

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
  { fileId, maxBytes, limitedBy }: FileRoom,
  { claim }: Pick<ExportBooks, 'claim'>,
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
        claimed = await claim({ fileId, bytes, aheadBytes: ahead });
      }
      await upload.write(chunk);
    },
  };
}
