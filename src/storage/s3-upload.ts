/**
 * An upload to S3 in parts, of which one at a time is in memory; what fits into one goes as a whole when it is finished.
 *
 * Two writers of one key, of whom the first was held up, are kept apart less well than on a disk, where each has a file of
 * his own. They share the parts: one that comes late takes the place of his successor's of the same number, whose finish then
 * fails, as S3 compares the sum of every part; or, as long as that has not finished, the late one does, with bytes that are
 * all his. Never are bytes of both visible in one blob, and the row of a file takes only its writer's commit (files/lease.ts).
 */
import { createHash, type Hash } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { AppError } from '../lib/errors.ts';
import type { BlobUpload, FinishedBlob, UploadOptions } from './blob-store.ts';
import type { Bucket } from './s3-client.ts';
import { placeOf } from './s3-put.ts';
import { readObject } from './s3-read.ts';
import { deleteTail, readTail, writeTail } from './s3-tail.ts';
import { abortUnfinished, isNoSuchUpload, maxParts, partBytes, unfinishedOf, wholeParts } from './s3-unfinished.ts';

export async function openS3Upload(
  bucket: Bucket,
  key: string,
  signal: AbortSignal,
  { anew = false }: UploadOptions,
): Promise<BlobUpload> {
  const { client, name, ask } = bucket;
  const object = { Bucket: name, Key: key };
  const ending = new AbortController();
  const either = AbortSignal.any([signal, ending.signal]);
  const [unfinished, place] = await Promise.all([unfinishedOf(bucket, key, signal), placeOf(bucket, key, either)]);
  const found = anew ? undefined : unfinished[0];
  for (const one of unfinished) if (one !== found) await abortUnfinished(bucket, one);
  if (anew) await deleteTail(bucket, key);
  const parts = found ? await wholeParts(bucket, found, signal) : [];
  let uploadId = found?.uploadId ?? null;
  /** Where the part that is being filled begins. */
  let start = parts.length * partBytes;
  const tail = anew ? null : await readTail(bucket, key, signal);
  let hasTail = tail !== null;

  /** Made with the first byte, and used for every part. */
  let part: Buffer | null = null;
  let filled = 0;
  /** Of what is filled, these bytes are kept as the tail. */
  let kept = 0;
  /** Over all parts, and over that with what is filled; null after a resume: the first bytes are with S3 alone. */
  let safeHash: Hash | null = start === 0 ? createHash('sha256') : null;
  let hash = safeHash?.copy() ?? null;
  // An older one is behind a part that has its bytes.
  if (tail?.start === start) {
    part = Buffer.allocUnsafe(partBytes);
    part.set(tail.bytes);
    filled = tail.bytes.length;
    kept = filled;
    hash?.update(tail.bytes);
  }

  /** Until the next write says that its caller knows. */
  let lost: { error: unknown } | null = null;
  let state: 'open' | 'ended' = 'open';
  let working: Promise<unknown> | null = null;
  let visible = false;
  let finished: FinishedBlob | null = null;

  /** One thing at a time: all of them fill the one part. */
  async function alone<T>(work: () => Promise<T>): Promise<T> {
    if (state === 'ended') throw new Error('this upload has ended');
    if (working) throw new Error('one write at a time');
    either.throwIfAborted();
    const result = work();
    working = result.catch(() => undefined);
    try {
      return await result;
    } finally {
      working = null;
    }
  }

  async function begin(): Promise<string> {
    const { UploadId } = await ask(
      'CreateMultipartUpload',
      (options) => client.send(new CreateMultipartUploadCommand(object), options),
      either,
    );
    if (UploadId === undefined) throw new Error('S3 began an upload without a name for it');
    return UploadId;
  }

  /** Once more with the same number, it takes the place of the one that was there. */
  async function send(bytes: Buffer): Promise<{ PartNumber: number; ETag: string | undefined }> {
    if (parts.length >= maxParts) {
      throw new AppError('LIMIT_EXCEEDED', `A file on S3 is at most ${maxParts * partBytes} bytes`, {
        details: { limit: maxParts * partBytes },
      });
    }
    uploadId ??= await begin();
    const PartNumber = parts.length + 1;
    const command = new UploadPartCommand({ ...object, UploadId: uploadId, PartNumber, Body: bytes });
    const { ETag } = await ask('UploadPart', (options) => client.send(command, options), either);
    return { PartNumber, ETag };
  }

  async function take(bytes: Uint8Array): Promise<void> {
    if (visible) throw new Error('this upload is visible already');
    lost = null;
    part ??= Buffer.allocUnsafe(partBytes);
    for (let rest = bytes; rest.length > 0; ) {
      const piece = rest.subarray(0, partBytes - filled);
      part.set(piece, filled);
      filled += piece.length;
      hash?.update(piece);
      rest = rest.subarray(piece.length);
      if (filled < partBytes) return;
      try {
        parts.push(await send(part));
      } catch (error) {
        hash = safeHash?.copy().update(part.subarray(0, kept)) ?? null;
        filled = kept;
        lost = { error };
        throw error;
      }
      safeHash = hash?.copy() ?? null;
      start += partBytes;
      filled = 0;
      kept = 0;
    }
  }

  async function putWhole(bytes: Uint8Array): Promise<void> {
    if (uploadId !== null) await abortUnfinished(bucket, { key, uploadId });
    await place.put(bytes);
  }

  async function complete(id: string, bytes: number): Promise<void> {
    const all = filled === 0 || !part ? parts : [...parts, await send(part.subarray(0, filled))];
    const command = new CompleteMultipartUploadCommand({ ...object, UploadId: id, MultipartUpload: { Parts: all } });
    try {
      await ask('CompleteMultipartUpload', (options) => client.send(command, options), either);
    } catch (error) {
      // An answer that was lost on its way: asked again, S3 knows the upload no more.
      if (!isNoSuchUpload(error) || !(await isComplete(bytes, all.length))) throw error;
    }
  }

  /** An object from parts has their number in its ETag. */
  async function isComplete(bytes: number, count: number): Promise<boolean> {
    const head = await ask('HeadObject', (options) => client.send(new HeadObjectCommand(object), options), either);
    return head.ContentLength === bytes && head.ETag?.replaceAll('"', '').endsWith(`-${count}`) === true;
  }

  async function show(): Promise<FinishedBlob> {
    if (lost) throw lost.error;
    const bytes = start + filled;
    if (!visible) {
      await dropTail();
      if (uploadId === null || bytes === 0) await putWhole(part?.subarray(0, filled) ?? Buffer.alloc(0));
      else await complete(uploadId, bytes);
      visible = true;
    }
    const sha256 = (hash ?? (await hashOfObject(bucket, key, either))).copy().digest('hex');
    end();
    return { bytes, sha256 };
  }

  /** Before the end: one that stayed behind a finished upload would be taken for the beginning of the next. */
  async function dropTail(): Promise<void> {
    if (!hasTail) return;
    kept = 0;
    await deleteTail(bucket, key);
    hasTail = false;
  }

  /** What does not get there is not in the offset either: the next upload() asks for it. */
  async function keepTail(): Promise<void> {
    if (!part || filled === kept) return;
    try {
      await writeTail(bucket, key, start, part.subarray(0, filled));
      hasTail = true;
      kept = filled;
    } catch {
      /* The server is gone: whatever ended this upload has told of it. */
    }
  }

  function end(): void {
    state = 'ended';
    part = null;
  }

  return {
    get offset() {
      return start + kept;
    },
    write: (bytes) => alone(() => take(bytes)),
    async finish() {
      finished ??= await alone(show);
      return finished;
    },
    async abandon() {
      ending.abort(new Error('this upload has ended'));
      await working;
      end();
      if (visible) return;
      if (uploadId !== null) await abortUnfinished(bucket, { key, uploadId });
      await dropTail();
    },
    async [Symbol.asyncDispose]() {
      await working;
      if (state === 'ended') return;
      // After an abort it may be another's.
      if (!visible && !signal.aborted) await keepTail();
      end();
      // As if it had never begun.
      if (!visible && uploadId !== null && start + kept === 0) await abortUnfinished(bucket, { key, uploadId });
    },
  };
}

async function hashOfObject(bucket: Bucket, key: string, signal: AbortSignal): Promise<Hash> {
  const hash = createHash('sha256');
  const stream = await readObject(bucket, key, {}, signal);
  if (!stream) throw new Error('the blob went while it was finished');
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash;
}
