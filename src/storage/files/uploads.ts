/**
 * How files come: with a GraphQL request, or by a signed link in as many pieces as it takes. Room is reserved first, and
 * the file is visible when all of it is there (reservations.ts).
 */
import { createHash } from 'node:crypto';
import type { Caller, Viewer } from '../../accounts/viewer.ts';
import { AppError, notFound } from '../../lib/errors.ts';
import { uuidv7 } from '../../lib/ids.ts';
import type { BlobStore, BlobUpload, FinishedBlob } from '../blob-store.ts';
import type { BucketAccess } from './access.ts';
import type { Addresses } from './addresses.ts';
import { takeLease } from './lease.ts';
import { storageLimits } from './limits.ts';
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
}

export interface Uploads {
  /** @throws AppError as reserve(), and LIMIT_EXCEEDED for a file that is too large for a request */
  uploadInline(viewer: Viewer | null, upload: InlineUpload, asked: Asked): Promise<StoredFile>;
  /** @throws AppError as reserve() */
  create(viewer: Viewer | null, upload: NewUpload): Promise<UploadTarget>;
  /** What of it is there. @throws AppError NOT_FOUND, FORBIDDEN */
  progressOf(viewer: Viewer | null, fileId: string, asked: Asked): Promise<UploadProgress>;
  /**
   * Goes on with it, or begins anew where the piece is all of the file; the file is ready with its last byte.
   * @throws AppError NOT_FOUND, FORBIDDEN, CONFLICT with `details.offset` for another beginning, and without it while
   * another one uploads; BAD_USER_INPUT for too few bytes, LIMIT_EXCEEDED for too many
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
}

export interface UploadsDeps {
  readonly store: FileStore;
  readonly access: BucketAccess;
  readonly reservations: Reservations;
  readonly blobs: BlobStore;
  readonly addresses: Addresses;
}

export function createUploads({ store, access, reservations, blobs, addresses }: UploadsDeps): Uploads {
  /** Whole and nowhere to go, it would only take up room. */
  async function commit(id: string, finished: FinishedBlob, caller: Caller): Promise<StoredFile> {
    try {
      return await reservations.commit(id, finished, caller);
    } catch (error) {
      if (error instanceof AppError) await reservations.release(id);
      throw error;
    }
  }

  const isWhole = async ({ blob, sizeBytes }: StoredFile) => (await blobs.size(blob)) === sizeBytes;

  /** All bytes are in the blob store, and the process died before it could say so: read once more for their checksum. */
  async function commitFound({ id, blob }: StoredFile, { caller, signal }: Asked): Promise<StoredFile> {
    const bytes = await blobs.read(blob, {}, signal);
    if (!bytes) throw notFound('File');
    return await commit(id, await checksumOf(bytes), caller);
  }

  /** @throws AppError CONFLICT while another one uploads, NOT_FOUND */
  async function withLease<T>(file: StoredFile, asked: Asked, work: (asked: Asked) => Promise<T>): Promise<T> {
    await using lease = await takeLease({ store }, file.id, uuidv7());
    if (lease) return await work({ ...asked, signal: AbortSignal.any([asked.signal, lease.signal]) });
    const [now] = await store.findFiles([file.id]);
    if (now?.status === 'ready') throw wrongOffset('The file is there already', now.sizeBytes);
    if (!now || isExpired(now)) throw notFound('File');
    throw new AppError('CONFLICT', 'Another request uploads this file now');
  }

  /** Into the blob, from where the piece begins. @returns where the blob is whole: what it holds */
  async function write({ blob, sizeBytes }: StoredFile, piece: Piece, signal: AbortSignal) {
    await using upload = await begin(blob, piece, signal);
    let offset = upload.offset;
    for await (const chunk of piece.body) {
      if (offset + chunk.length > Math.min(piece.end ?? sizeBytes, sizeBytes))
        throw tooLarge(sizeBytes, offset + chunk.length);
      await upload.write(chunk);
      offset += chunk.length;
    }
    return offset === sizeBytes ? upload.finish() : null;
  }

  async function begin(blob: string, { start }: Piece, signal: AbortSignal): Promise<BlobUpload> {
    const upload = await blobs.upload(blob, signal);
    const { offset } = upload;
    if (offset === (start ?? 0)) return upload;
    if (start === null) {
      await upload.abandon();
      return await blobs.upload(blob, signal);
    }
    await upload[Symbol.asyncDispose]();
    throw wrongOffset(`The upload goes on at ${offset}`, offset);
  }

  async function receiveAlone(viewer: Viewer | null, file: StoredFile, piece: Piece, { caller, signal }: Asked) {
    if (piece.start !== null && (await isWhole(file)))
      return { file: await commitFound(file, { caller, signal }), offset: file.sizeBytes };
    const finished = await write(file, piece, signal);
    if (!finished) {
      const offset = (await blobs.uploadOffset(file.blob)) ?? 0;
      if (piece.start !== null) return { file, offset };
      throw new AppError('BAD_USER_INPUT', `The file was to have ${file.sizeBytes} bytes`, { details: { offset } });
    }
    // It may have taken hours: what was allowed then may not be now.
    await access.requireFile(viewer, 'bucket:write', file.id);
    return { file: await commit(file.id, finished, caller), offset: file.sizeBytes };
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
      });
      try {
        await using upload = await blobs.upload(blobKey, signal);
        for await (const chunk of given.stream()) await upload.write(chunk);
        return await reservations.commit(fileId, await upload.finish(), caller);
      } catch (error) {
        await reservations.release(fileId);
        throw error;
      }
    },

    async create(viewer, upload) {
      const { file } = await reservations.reserve(viewer, { ...upload, mimeType: upload.mimeType ?? null });
      const expiresAt = file.expiresAt!;
      return { file, url: addresses.signed(viewer!, file, 'upload', expiresAt), expiresAt };
    },

    async progressOf(viewer, fileId, asked) {
      const { file } = await access.requireFile(viewer, 'bucket:write', fileId);
      if (file.status === 'ready') return { file, offset: file.sizeBytes };
      if (isExpired(file)) throw notFound('File');
      if (file.sizeBytes > 0 && (await isWhole(file)))
        return { file: await withLease(file, asked, (alone) => commitFound(file, alone)), offset: file.sizeBytes };
      return { file, offset: (await blobs.uploadOffset(file.blob)) ?? 0 };
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
