/**
 * How files come: with a GraphQL request, or by a signed link in as many pieces as it takes. Room is reserved first, and
 * the file is visible when all of it is there (reservations.ts).
 */
import { createHash } from 'node:crypto';
import type { Caller, Viewer } from '../../accounts/viewer.ts';
import { AppError, notFound } from '../../lib/errors.ts';
import type { BlobStore, BlobUpload, FinishedBlob } from '../blob-store.ts';
import { storeFaultOf } from '../store-fault.ts';
import type { BucketAccess } from './access.ts';
import type { Addresses } from './addresses.ts';
import { defaultLeaseMs, type Lease, takeLease } from './lease.ts';
import { storageLimits } from './limits.ts';
import { linkEnd } from './links.ts';
import type { Reservations } from './reservations.ts';
import type { FileStore, StoredFile } from './store.ts';

export interface NewUpload {
  /** A UUID. */
  readonly bucketId: string;
  readonly path: string;
  readonly overwrite: boolean;
  readonly sizeBytes: number;
  readonly mimeType?: string | null | undefined;
}

export interface InlineUpload extends Pick<NewUpload, 'bucketId' | 'path' | 'overwrite'> {
  readonly file: Pick<File, 'size' | 'type' | 'stream'>;
}

export interface UploadTarget {
  readonly file: StoredFile;
  readonly url: string;
  readonly expiresAt: Date;
}

/** A piece that one PUT brings. */
export interface Piece {
  /** Where it begins; null: it is all of the file. */
  readonly start: number | null;
  /** Where it ends, not included; null: as far as it goes. */
  readonly end: number | null;
  /** What the client believes all of the file to have; null: it does not say. */
  readonly total: number | null;
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the body with an error for whoever reads it. */
  readonly stop: (reason: Error) => void;
}

export interface Uploads {
  /**
   * @throws AppError as reserve(), LIMIT_EXCEEDED for a file that is too large for a request or where the store is full, and
   * CONNECTION_FAILED where it does not serve
   */
  uploadInline(viewer: Viewer | null, upload: InlineUpload, asked: Asked): Promise<StoredFile>;
  /** Each time a new one. @throws AppError as reserve() */
  create(viewer: Viewer | null, upload: NewUpload): Promise<UploadTarget>;
  /** Where his who made it goes on; null for all others, and for what comes by no link, or not any more. */
  targetOf(viewer: Viewer | null, file: StoredFile): UploadTarget | null;
  /** What of it is there. @throws AppError NOT_FOUND, FORBIDDEN */
  progressOf(viewer: Viewer | null, fileId: string, asked: Asked): Promise<UploadProgress>;
  /**
   * Goes on with it, or begins anew where the piece is all of the file; the file is ready with its last byte.
   * @throws AppError NOT_FOUND, FORBIDDEN, CONFLICT with `details.offset` for another beginning, and without it while
   * another one uploads; BAD_USER_INPUT for too few bytes, LIMIT_EXCEEDED for too many: then it
   * begins anew, with nothing kept of what came
   */
  receive(viewer: Viewer | null, fileId: string, piece: Piece, asked: Asked): Promise<UploadProgress>;
}

export interface UploadProgress {
  readonly file: StoredFile;
  /** Bytes that are safe. */
  readonly offset: number;
}

export interface Asked {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** Who brings it by now, as it may have taken hours; absent: who did at the beginning. @throws AppError FORBIDDEN */
  readonly viewerNow?: () => Promise<Viewer>;
}

export interface UploadsDeps {
  readonly store: FileStore;
  readonly access: BucketAccess;
  readonly reservations: Reservations;
  readonly blobs: BlobStore;
  readonly addresses: Addresses;
  /** For so long at the most a writer that is gone keeps others away. */
  readonly leaseMs?: number;
}

/** The one writer of a file. The store hears of the lease alone: what a client brought is kept also when he is gone. */
interface Alone extends Asked {
  readonly lease: Pick<Lease, 'signal' | 'writerId'>;
}

export function createUploads({
  store,
  access,
  reservations,
  blobs,
  addresses,
  leaseMs = defaultLeaseMs,
}: UploadsDeps): Uploads {
  /** Whole and nowhere to go, it would only take up room; whole and not his any more, its maker may end it still. */
  async function commit(viewer: Viewer | null, id: string, finished: FinishedBlob, alone: Alone) {
    const { caller, viewerNow, lease } = alone;
    const { writerId } = lease;
    // It may have taken hours: what was allowed then may not be now.
    await access.requireFile(viewerNow ? await viewerNow() : viewer, 'bucket:write', id);
    try {
      return await reservations.commit(id, { ...finished, writerId }, caller);
    } catch (error) {
      if (error instanceof AppError) await reservations.release(id, { writerId });
      throw error;
    }
  }

  function targetOf(viewer: Viewer | null, file: StoredFile): UploadTarget | null {
    const { status, byLink, ownerId } = file;
    if (!viewer || viewer.userId !== ownerId || status !== 'pending' || !byLink) return null;
    if (file.expiresAt === null || isExpired(file)) return null;
    const expiresAt = linkEnd(viewer, file.expiresAt);
    return { file, url: addresses.signed(viewer, file, 'upload', expiresAt), expiresAt };
  }

  const isWhole = async ({ blob, sizeBytes }: StoredFile) => (await blobs.size(blob)) === sizeBytes;

  const offsetOf = async ({ blob }: StoredFile) => (await blobs.uploadOffset(blob)) ?? 0;

  /** All bytes are there, and their process died before it could say so. An empty file has to be brought, too. */
  const isBrought = async (file: StoredFile) =>
    file.sizeBytes > 0 && ((await isWhole(file)) || (await offsetOf(file)) === file.sizeBytes);

  /** What is left of such an upload; all bytes are read once more for their checksum. */
  async function endFound(viewer: Viewer | null, file: StoredFile, alone: Alone): Promise<UploadProgress> {
    const { blob, sizeBytes } = file;
    const finished = (await isWhole(file)) ? await readFound(blob, alone) : await finishFound(file, alone);
    return finished
      ? { file: await commit(viewer, file.id, finished, alone), offset: sizeBytes }
      : { file, offset: await offsetOf(file) };
  }

  async function readFound(blob: string, { lease }: Alone): Promise<FinishedBlob | null> {
    const bytes = await blobs.read(blob, {}, lease.signal);
    return bytes && (await checksumOf(bytes));
  }

  /** Null where there are fewer by now. */
  async function finishFound({ blob, sizeBytes }: StoredFile, { lease }: Alone): Promise<FinishedBlob | null> {
    await using upload = await blobs.upload(blob, lease.signal);
    return upload.offset === sizeBytes ? await upload.finish() : null;
  }

  /** @throws AppError CONFLICT while another one uploads, NOT_FOUND */
  async function withLease<T>(file: StoredFile, asked: Asked, work: (alone: Alone) => Promise<T>): Promise<T> {
    asked.signal.throwIfAborted();
    await using lease = await takeLease({ store, leaseMs }, file.id);
    if (lease) return await work({ ...asked, lease });
    const [now] = await store.findFiles([file.id]);
    if (now?.status === 'ready') throw wrongOffset('The file is there already', now.sizeBytes);
    if (!now || isExpired(now)) throw notFound('File');
    throw new AppError('CONFLICT', 'Another request uploads this file now');
  }

  /** Into the blob, from where the piece begins. @returns where the blob is whole: what it holds */
  async function write({ blob, sizeBytes }: StoredFile, piece: Piece, { lease }: Alone) {
    // Also while it waits for the client.
    lease.signal.addEventListener('abort', () => piece.stop(lease.signal.reason), { once: true });
    await using upload = await begin(blob, piece, lease.signal);
    let offset = upload.offset;
    for await (const chunk of piece.body) {
      const actual = offset + chunk.length;
      if (actual > Math.min(piece.end ?? sizeBytes, sizeBytes)) {
        // What fitted may be as long as the whole file: kept, it would be one as soon as somebody looks.
        await upload.abandon();
        throw tooLarge(sizeBytes, actual);
      }
      await upload.write(chunk);
      offset = actual;
    }
    // Awaited here: a failure that nobody has heard of when the upload is disposed of would end the process.
    return offset === sizeBytes ? await upload.finish() : null;
  }

  async function begin(blob: string, { start }: Piece, signal: AbortSignal): Promise<BlobUpload> {
    if (start === null) return await blobs.upload(blob, signal, { anew: true });
    // First: to take an upload up costs more than to look.
    const known = (await blobs.uploadOffset(blob)) ?? 0;
    if (known !== start) throw wrongOffset(`The upload goes on at ${known}`, known);
    const upload = await blobs.upload(blob, signal);
    const { offset } = upload;
    if (offset === start) return upload;
    await upload[Symbol.asyncDispose]();
    throw wrongOffset(`The upload goes on at ${offset}`, offset);
  }

  async function receiveAlone(viewer: Viewer | null, file: StoredFile, piece: Piece, alone: Alone) {
    if (piece.start !== null && (await isBrought(file))) return await endFound(viewer, file, alone);
    const finished = await write(file, piece, alone);
    if (!finished) {
      const offset = await offsetOf(file);
      if (piece.start !== null) return { file, offset };
      throw new AppError('BAD_USER_INPUT', `The file was to have ${file.sizeBytes} bytes`, { details: { offset } });
    }
    return { file: await commit(viewer, file.id, finished, alone), offset: file.sizeBytes };
  }

  return {
    async uploadInline(viewer, { file: given, ...place }, { caller, signal }) {
      const limit = storageLimits.inlineBytes;
      if (given.size > limit) {
        throw new AppError(
          'LIMIT_EXCEEDED',
          `A file inside of a request has at most ${limit} bytes: use createUpload`,
          {
            details: { limit, actual: given.size },
          },
        );
      }
      const { fileId, blobKey } = await reservations.reserve(viewer, {
        ...place,
        sizeBytes: given.size,
        mimeType: given.type,
        typeField: 'input.file',
      });
      try {
        await using upload = await blobs.upload(blobKey, signal);
        for await (const chunk of given.stream()) await upload.write(chunk);
        return await reservations.commit(fileId, await upload.finish(), caller);
      } catch (error) {
        await reservations.release(fileId);
        throw refusalOf(error);
      }
    },

    async create(viewer, upload) {
      const { file } = await reservations.reserve(viewer, {
        ...upload,
        mimeType: upload.mimeType ?? null,
        byLink: true,
      });
      return targetOf(viewer, file)!;
    },

    targetOf,

    async progressOf(viewer, fileId, asked) {
      const { file } = await access.requireFile(viewer, 'bucket:write', fileId);
      if (file.status === 'ready') return { file, offset: file.sizeBytes };
      if (isExpired(file)) throw notFound('File');
      if (await isBrought(file)) return await withLease(file, asked, (alone) => endFound(viewer, file, alone));
      return { file, offset: await offsetOf(file) };
    },

    async receive(viewer, fileId, piece, asked) {
      const { file } = await access.requireFile(viewer, 'bucket:write', fileId);
      const { sizeBytes, status } = file;
      if (status === 'ready') throw wrongOffset('The file is there already', sizeBytes);
      if (piece.end !== null && piece.end > sizeBytes) throw tooLarge(sizeBytes, piece.end);
      if (piece.total !== null && piece.total !== sizeBytes)
        throw new AppError('BAD_USER_INPUT', `The file was to have ${sizeBytes} bytes`);
      return await withLease(file, asked, (alone) => receiveAlone(viewer, file, piece, alone));
    },
  };
}

/** As GraphQL's callers know it. */
function refusalOf(error: unknown): unknown {
  const fault = storeFaultOf(error);
  if (!fault) return error;
  return fault === 'full'
    ? new AppError('LIMIT_EXCEEDED', 'No room is left where files are kept', { cause: error })
    : new AppError('CONNECTION_FAILED', 'Where files are kept does not answer as it should', { cause: error });
}

const isExpired = ({ expiresAt }: StoredFile) => expiresAt !== null && expiresAt.getTime() <= Date.now();

const wrongOffset = (message: string, offset: number) => new AppError('CONFLICT', message, { details: { offset } });

const tooLarge = (limit: number, actual: number) =>
  new AppError('LIMIT_EXCEEDED', `The file was to have ${limit} bytes`, { details: { limit, actual } });

async function checksumOf(stream: AsyncIterable<Uint8Array>): Promise<FinishedBlob> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
