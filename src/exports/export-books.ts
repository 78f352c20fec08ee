/**
 * What the metadata hold of an export: room is reserved for each of its files, and all become visible together when the
 * job has come to its end. Their bytes are export-writer.ts', which may be in another process.
 */
import type { Patience } from '../db/patience.ts';
import type { Exported, Job, JobExport } from '../jobs/job.ts';
import { LostHold } from '../jobs/lost-hold.ts';
import { ownerOf } from '../jobs/owner.ts';
import type { JobStore } from '../jobs/store.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Reservation, Reservations, ReservedFile } from '../storage/files/reservations.ts';
import type { CompressionName } from './compression.ts';
import { mimeTypeOf, numbered } from './destination.ts';
import { ExportFailed, refusalOf } from './export-failed.ts';
import type { FormatName } from './registry.ts';
import { watchPlace } from './watch.ts';

export interface ExportBooksDeps {
  readonly jobStore: Pick<JobStore, 'setExported' | 'roleOfOwner'>;
  readonly reservations: Reservations;
  readonly patience: Patience;
  /** Of one export. */
  readonly maxFiles?: number;
  /** How often it is asked whether the export may still be written. */
  readonly lookEveryMs?: number;
}

export interface ExportBooksOptions {
  readonly job: Job & { readonly export: JobExport };
  /** Its reason is thrown by whatever waits. */
  readonly signal: AbortSignal;
  /** The export has lost its place while it was written: whoever runs the job has nothing more to bring. */
  readonly stop: (lost: ExportFailed) => void;
}

/** Where a file goes. */
export type FileRoom = Pick<Reservation, 'fileId' | 'blobKey' | 'maxBytes' | 'limitedBy'>;

export interface RoomClaim {
  readonly fileId: string;
  /** That it has. */
  readonly bytes: number;
  /** That it may soon have. */
  readonly aheadBytes: number;
}

/** All that an export has written, when its last byte is stored. */
export interface Written {
  readonly files: readonly ReservedFile[];
  readonly rows: number;
  /** A query returned more than is in its file. */
  readonly truncated: boolean;
}

/** In order: `start`, `reserve` and `claim` as files come, then `commit`, or `release` whatever has happened. */
export interface ExportBooks {
  /**
   * Before anything runs: from here on nobody else takes the path of the first file unasked.
   * @throws ExportFailed, StorageFailed, LostHold, the signal's reason; so do all others
   */
  start(): Promise<void>;
  /** For the next file. */
  reserve(): Promise<FileRoom>;
  /** @returns what the file may have now, at least `bytes`, and so many more where there is room */
  claim(claimed: RoomClaim): Promise<number>;
  /** Makes all of it visible. */
  commit(written: Written): Promise<void>;
  /** Gives back what is not visible; no-op behind a commit. Never throws. */
  release(): Promise<void>;
}

/** One for each result set of a script. */
const maxExportFiles = 1_000;

export function createExportBooks(deps: ExportBooksDeps, { job, signal, stop }: ExportBooksOptions): ExportBooks {
  const { reservations, jobStore, patience, maxFiles = maxExportFiles, lookEveryMs = 3_000 } = deps;
  const { bucketId, overwrite, path, ...request } = job.export;
  const mimeType = mimeTypeOf(request.format as FormatName, request.compression as CompressionName | 'none');
  /** The first one, until something is returned. */
  let unused: FileRoom | null = null;
  /** Reserved by now. */
  const standing: string[] = [];
  let watching: Disposable | null = null;
  let exported: Exported = { files: [], rows: 0, bytes: 0, truncated: false };

  async function save(next: Exported): Promise<void> {
    exported = next;
    if (!(await patience(() => jobStore.setExported(job, next)))) throw new LostHold();
  }

  /** What the file store says, as the fault of a job. */
  async function asked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await patience(work);
    } catch (cause) {
      throw refusalOf(cause, signal);
    }
  }

  async function reserve(): Promise<FileRoom> {
    if (exported.files.length >= maxFiles) throw tooManyFiles(maxFiles);
    const id = uuidv7();
    // Before anything of it is there: what a lost worker has left is found by this.
    await save({ ...exported, files: [...exported.files, id] });
    const wanted = { id, bucketId, path: numbered(path, exported.files.length), overwrite, mimeType };
    const { fileId, blobKey, maxBytes, limitedBy } = await asked(async () =>
      reservations.reserve(await ownerOf(jobStore, job), wanted),
    );
    standing.push(fileId);
    return { fileId, blobKey, maxBytes, limitedBy };
  }

  return {
    async start() {
      unused = await reserve();
      watching = watchPlace({ reservations, jobStore, everyMs: lookEveryMs }, { job, fileIds: standing, stop });
    },
    async reserve() {
      const first = unused;
      unused = null;
      return first ?? (await reserve());
    },
    claim: (claimed) => asked(() => reservations.claim({ ...claimed, together: standing })),
    async commit({ files, rows, truncated }) {
      watching?.[Symbol.dispose]();
      signal.throwIfAborted();
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
      exported = { ...exported, rows, truncated, bytes };
      if (unused !== null) {
        const { fileId } = unused;
        await asked(() => reservations.release(fileId));
        exported = { ...exported, files: [] };
      }
      await save(exported);
      await asked(async () => reservations.commitAll(await ownerOf(jobStore, job), bucketId, files));
    },
    async release() {
      watching?.[Symbol.dispose]();
      // No-op for those that are visible.
      for (const fileId of exported.files) await reservations.release(fileId).catch(ignored);
    },
  };
}

const tooManyFiles = (limit: number) =>
  new ExportFailed({
    code: 'LIMIT_EXCEEDED',
    message: `An export has at most ${limit} files, one for each result set`,
    hint: 'XLSX has a sheet for each, in one file.',
  });

/** What stays behind has no row that shows it: the sweepers take it away. */
const ignored = () => undefined;
