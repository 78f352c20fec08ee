/**
 * The two phases of every file: room is reserved for it, its bytes go into a blob that nobody sees, and one transaction
 * makes it visible, in place of what was there. Who brings the bytes is uploads.ts, and the export jobs; what is reserved
 * and never committed the sweeper takes away.
 */
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { type Caller, nobody, type Viewer } from '../../accounts/viewer.ts';
import { record } from '../../audit/audit.ts';
import { type Executor, transaction } from '../../db/metadata.ts';
import { AppError, badInput, notFound } from '../../lib/errors.ts';
import { encodeId, uuidv7 } from '../../lib/ids.ts';
import type { BlobStore } from '../blob-store.ts';
import type { BucketAccess } from './access.ts';
import { type StorageLimits, storageLimits, uploadTtlMs } from './limits.ts';
import { isAllowed, parseMediaType } from './media-types.ts';
import { parsePath } from './names.ts';
import { createRoom, exceeded, type Room, requireRoom } from './room.ts';
import type { Bucket, FileStore, StoredFile } from './store.ts';

export interface ReservationDeps {
  readonly pool: pg.Pool;
  readonly store: FileStore;
  readonly access: Pick<BucketAccess, 'requireBucket'>;
  readonly blobs: Pick<BlobStore, 'maxBytes'>;
  readonly limits?: StorageLimits;
}

export interface NewReservation {
  /** A UUID. */
  readonly bucketId: string;
  /** As the user wrote it. */
  readonly path: string;
  readonly overwrite: boolean;
  /** A UUID, of who may have to ask again: what was reserved under it, and not committed, this one takes the place of. */
  readonly id?: string;
  /** What is known of it; absent: it claims its room as it grows. */
  readonly sizeBytes?: number;
  readonly mimeType?: string | null | undefined;
  /** What of the input says the type; absent: `input.mimeType`. */
  readonly typeField?: string;
  /** Its bytes come by a signed link. */
  readonly byLink?: boolean;
}

export interface Reservation {
  readonly file: StoredFile;
  readonly fileId: string;
  /** Under which its bytes go into the blob store. */
  readonly blobKey: string;
  /** Of one file: more the bucket refuses when it is committed, the store when it is written. */
  readonly maxBytes: number;
  /** Whose limit that is. */
  readonly limitedBy: 'bucket' | 'store';
}

export interface CommittedFile {
  readonly bytes: number;
  /** Hex, of all bytes. */
  readonly sha256: string;
  /** Absent: as it was reserved. */
  readonly mimeType?: string;
  /** Of the lease under which the bytes came (lease.ts); absent: there was none. */
  readonly writerId?: string;
}

export interface ReservedFile extends CommittedFile {
  readonly fileId: string;
}

export interface Reservations extends Room {
  /**
   * Room for one file of the viewer's, for 24 hours, and for as long as a job runs that has it among its `exported`.
   * @throws AppError BAD_USER_INPUT, NOT_FOUND, FORBIDDEN, LIMIT_EXCEEDED, CONFLICT where a file is at the path already, or
   * a running export has reserved it, which holds for an upload that overwrites, too, unless the export does
   */
  reserve(viewer: Viewer | null, reservation: NewReservation): Promise<Reservation>;
  /**
   * Makes it visible, once its blob is whole. CONFLICT also where the lease is another's by now.
   * @throws AppError NOT_FOUND when it was swept or deleted, CONFLICT when another file or an export came to the path, LIMIT_EXCEEDED,
   * BAD_USER_INPUT for a type that the bucket does not take; the reservation is left to be released
   */
  commit(fileId: string, committed: CommittedFile, caller?: Caller): Promise<StoredFile>;
  /**
   * Makes files of one viewer in one bucket visible, all or none; whether he may write there is asked once more. May be
   * tried again: those that are there with the same bytes are done.
   * @throws AppError as commit(), and FORBIDDEN
   */
  commitAll(viewer: Viewer | null, bucketId: string, files: readonly ReservedFile[]): Promise<void>;
  /**
   * Of files that were committed together, or not at all: they were. One that is there tells it, as the others may have been
   * deleted since; of those that are all deleted nobody knows.
   */
  areCommitted(fileIds: readonly string[]): Promise<boolean>;
  /**
   * That files which were reserved may still be written: the bucket and they are there, and the viewer may.
   * @throws AppError NOT_FOUND, FORBIDDEN, UNAUTHENTICATED
   */
  requireStanding(viewer: Viewer | null, bucketId: string, fileIds: readonly string[]): Promise<void>;
  /** Gives the room back, with whatever of the blob is there; no-op for what is committed, gone or another writer's. */
  release(fileId: string, options?: { writerId?: string }): Promise<void>;
}

/** @throws AppError LIMIT_EXCEEDED, BAD_USER_INPUT for what the bucket does not take */
export function requireFit(
  { maxFileSizeBytes, allowedMimeTypes }: Pick<Bucket, 'maxFileSizeBytes' | 'allowedMimeTypes'>,
  { sizeBytes, mimeType }: { sizeBytes: number; mimeType: string },
  /** What of the input decides the type; null where no input does. */
  field: string | null,
): void {
  if (maxFileSizeBytes !== null && sizeBytes > maxFileSizeBytes)
    throw exceeded(`The bucket takes files of at most ${maxFileSizeBytes} bytes`, maxFileSizeBytes, sizeBytes);
  if (isAllowed(mimeType, allowedMimeTypes)) return;
  const message = `the bucket takes ${allowedMimeTypes?.join(', ')}, and this is ${mimeType}`;
  throw field === null ? new AppError('BAD_USER_INPUT', message) : badInput({ path: field, message });
}

/** @throws AppError CONFLICT for a path where a file is, or will be when an export that runs has ended */
export async function requireFree(
  store: Pick<FileStore, 'fileAt' | 'isExportedTo'>,
  client: Executor | null,
  { bucketId, path }: Pick<StoredFile, 'bucketId' | 'path'>,
): Promise<void> {
  if (await store.fileAt(client, bucketId, path)) throw pathTaken();
  if (await store.isExportedTo(client, bucketId, path)) throw pathExported();
}

const thereAlready = () => new AppError('CONFLICT', 'The file is there already');
const pathExported = () => new AppError('CONFLICT', 'An export is being written to this path');
const pathTaken = () => new AppError('CONFLICT', 'There is a file at this path already');

export function createReservations({
  pool,
  store,
  access,
  blobs,
  limits = storageLimits,
}: ReservationDeps): Reservations {
  /** In the transaction that holds its user, its bucket and itself; whether there is room is asked behind it. */
  async function publish(
    client: pg.PoolClient,
    { bucket, file, caller }: { bucket: Bucket; file: StoredFile; caller: Caller },
    { bytes, sha256, mimeType: ended, writerId }: CommittedFile,
  ): Promise<StoredFile> {
    const mimeType = ended === undefined ? file.mimeType : parseMediaType(ended);
    requireFit(bucket, { sizeBytes: bytes, mimeType }, null);
    const before = await store.fileAt(client, file.bucketId, file.path);
    if (before && !file.overwrite) throw pathTaken();
    if (await store.isKeptByExport(client, file)) throw pathExported();
    if (before) await store.deleteFile(client, before.id);
    const publicKey = before?.publicKey ?? file.publicKey;
    const row = { id: file.id, sizeBytes: bytes, sha256, mimeType, publicKey, writerId: writerId ?? null };
    const published = await store.publish(client, row);
    if (!published) throw new AppError('CONFLICT', 'Another request uploads this file now');
    await record(client, {
      actorId: file.ownerId,
      action: 'file.uploaded',
      subject: encodeId('StoredFile', file.id),
      outcome: 'success',
      caller,
      details: { bucket: encodeId('Bucket', file.bucketId), path: file.path, bytes, replaced: before !== null },
    });
    return published;
  }

  async function requireRoomOf(client: pg.PoolClient, ownerId: string | null, sizeBytes: number): Promise<void> {
    if (ownerId !== null) requireRoom(limits, (await store.usageOf(client, ownerId)).bytes, sizeBytes);
  }

  return {
    ...createRoom({ pool, store, limits }),

    async reserve(viewer, reservation) {
      const { bucketId, overwrite, sizeBytes = 0, ...given } = reservation;
      const id = given.id ?? uuidv7();
      const { typeField = 'input.mimeType', byLink = false } = reservation;
      const seen = await access.requireBucket(viewer, 'bucket:write', bucketId);
      const ownerId = viewer!.userId;
      const path = parsePath(given.path);
      const mimeType = parseMediaType(given.mimeType, typeField);
      if (sizeBytes < 0) throw badInput({ path: 'input.sizeBytes', message: '0 or more' });
      if (sizeBytes > blobs.maxBytes)
        throw exceeded(`Where files are kept one has at most ${blobs.maxBytes} bytes`, blobs.maxBytes, sizeBytes);
      // An export names its type when it is done.
      if (given.mimeType !== undefined) requireFit(seen, { sizeBytes, mimeType }, typeField);
      return await transaction(pool, async (client) => {
        await store.holdUser(client, ownerId);
        if (given.id !== undefined) await store.deletePending(client, id, null);
        const bucket = await store.lockBucket(client, bucketId);
        if (!bucket) throw notFound('Bucket');
        if (!overwrite) await requireFree(store, client, { bucketId, path });
        // Told now and not when all its bytes have come; one export may say that it overwrites another.
        else if (given.mimeType !== undefined && (await store.isKeptByExport(client, { id, bucketId, path })))
          throw pathExported();
        const row = {
          id,
          bucketId,
          path,
          sizeBytes,
          mimeType,
          ownerId,
          overwrite,
          blob: `files/${randomBytes(16).toString('hex')}`,
          publicKey: randomBytes(16).toString('base64url'),
          byLink,
        };
        const file = await store.insertFile(client, row, uploadTtlMs);
        const used = await store.usageOf(client, ownerId);
        if (used.files > limits.filesOfUser)
          throw exceeded(
            `The user may have ${limits.filesOfUser} files, uploads included, and has as many`,
            limits.filesOfUser,
            used.files - 1,
          );
        requireRoom(limits, used.bytes, sizeBytes);
        const ofBucket = bucket.maxFileSizeBytes ?? Number.POSITIVE_INFINITY;
        const maxBytes = Math.min(ofBucket, blobs.maxBytes);
        const limitedBy = ofBucket <= blobs.maxBytes ? 'bucket' : 'store';
        return { file, fileId: file.id, blobKey: file.blob, maxBytes, limitedBy };
      });
    },

    async commit(fileId, committed, caller = nobody) {
      const [seen] = await store.findFiles([fileId]);
      if (!seen) throw notFound('File');
      return await transaction(pool, async (client) => {
        // Always in this order: the user, the bucket, the file.
        if (seen.ownerId !== null) await store.holdUser(client, seen.ownerId);
        const bucket = await store.lockBucket(client, seen.bucketId);
        const file = bucket && (await store.lockFile(client, fileId));
        if (!file) throw notFound('File');
        if (file.status === 'ready') throw thereAlready();
        const published = await publish(client, { bucket, file, caller }, committed);
        await requireRoomOf(client, seen.ownerId, committed.bytes);
        return published;
      });
    },

    async commitAll(viewer, bucketId, files) {
      if (files.length === 0) return;
      await access.requireBucket(viewer, 'bucket:write', bucketId);
      await transaction(pool, async (client) => {
        await store.holdUser(client, viewer!.userId);
        const bucket = await store.lockBucket(client, bucketId);
        if (!bucket) throw notFound('Bucket');
        let bytes = 0;
        for (const { fileId, ...committed } of files) {
          const file = await store.lockFile(client, fileId);
          if (!file) throw notFound('File');
          if (file.status === 'ready' && file.sha256 === committed.sha256) continue;
          if (file.status === 'ready') throw thereAlready();
          await publish(client, { bucket, file, caller: nobody }, committed);
          bytes += committed.bytes;
        }
        // Once for all: the second may take the place of what leaves room for the first.
        if (bytes > 0) await requireRoomOf(client, viewer!.userId, bytes);
      });
    },

    async requireStanding(viewer, bucketId, fileIds) {
      await access.requireBucket(viewer, 'bucket:write', bucketId);
      if ((await store.findFiles(fileIds)).length < fileIds.length) throw notFound('File');
    },

    areCommitted: async (fileIds) => (await store.findFiles(fileIds)).some(({ status }) => status === 'ready'),

    release: (fileId, { writerId } = {}) => store.deletePending(null, fileId, writerId ?? null),
  };
}
