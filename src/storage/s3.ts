/** Blobs as objects of one bucket, for Amazon's S3 and what speaks its protocol. */
import { buffer } from 'node:stream/consumers';
import {
  DeleteObjectsCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import type { BlobEntry, BlobStore } from './blob-store.ts';
import { checkKey, checkRange } from './keys.ts';
import type { S3Place } from './place.ts';
import { type Bucket, isMissing, openBucket, pages, S3Failure } from './s3-client.ts';
import { readObject } from './s3-read.ts';
import { tailBytes, tails } from './s3-tail.ts';
import {
  abortUnfinished,
  maxParts,
  partBytes,
  type Unfinished,
  unfinishedBelow,
  unfinishedOf,
  wholeParts,
} from './s3-unfinished.ts';
import { openS3Upload } from './s3-upload.ts';

/** For what has no caller to stop it; each request has its time limit. */
const { signal: unstopped } = new AbortController();

export function createS3Store(place: S3Place): BlobStore {
  const bucket = openBucket(place);
  const { client, name, ask } = bucket;

  async function head(key: string): Promise<HeadObjectCommandOutput | null> {
    try {
      const command = new HeadObjectCommand({ Bucket: name, Key: key });
      return await ask('HeadObject', (options) => client.send(command, options));
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  return {
    maxBytes: maxParts * partBytes,
    async put(key, bytes) {
      checkKey(key);
      const command = new PutObjectCommand({ Bucket: name, Key: key, Body: bytes });
      await ask('PutObject', (options) => client.send(command, options));
    },
    async get(key) {
      checkKey(key);
      const stream = await readObject(bucket, key, {}, unstopped);
      return stream && buffer(stream);
    },
    async read(key, range, signal) {
      checkKey(key);
      checkRange(range);
      return readObject(bucket, key, range, signal);
    },
    async size(key) {
      checkKey(key);
      return (await head(key))?.ContentLength ?? null;
    },
    async *list(prefix, signal) {
      checkKey(prefix);
      signal.throwIfAborted();
      const own = await head(prefix);
      if (own) yield { key: prefix, modifiedAt: own.LastModified ?? new Date(0) };
      const [newest] = await unfinishedOf(bucket, prefix, signal);
      const tail = newest ? null : await head(tails + prefix);
      if (newest) yield entryOf(newest);
      else if (tail) yield { key: prefix, modifiedAt: tail.LastModified ?? new Date(0), partial: true };
      const below = `${prefix}/`;
      const unfinished = merged(entriesOf(unfinishedBelow(bucket, below, signal)), tailsBelow(bucket, below, signal));
      yield* merged(finishedBelow(bucket, below, signal), unfinished);
    },
    async upload(key, signal, options = {}) {
      checkKey(key);
      return openS3Upload(bucket, key, signal, options);
    },
    async uploadOffset(key) {
      checkKey(key);
      const [newest] = await unfinishedOf(bucket, key, unstopped);
      const start = newest ? (await wholeParts(bucket, newest, unstopped)).length * partBytes : 0;
      const tail = await tailBytes(bucket, key, start);
      return newest || tail !== null ? start + (tail ?? 0) : null;
    },
    async deletePrefix(prefix, signal) {
      checkKey(prefix);
      await deleteKeys(bucket, [prefix, tails + prefix], signal);
      for (const below of [`${prefix}/`, `${tails}${prefix}/`]) {
        for await (const { Contents = [] } of objectPages(bucket, below, signal)) {
          const keys = Contents.flatMap(({ Key }) => Key ?? []);
          await deleteKeys(bucket, keys, signal);
        }
      }
      for (const one of await unfinishedOf(bucket, prefix, signal)) await abortUnfinished(bucket, one);
      for await (const one of unfinishedBelow(bucket, `${prefix}/`, signal)) {
        signal.throwIfAborted();
        await abortUnfinished(bucket, one);
      }
    },
    /** That the bucket is there and these keys may use it: a write each time would cost a write each time. */
    async check() {
      await ask('HeadBucket', (options) => client.send(new HeadBucketCommand({ Bucket: name }), options));
    },
  };
}

const entryOf = ({ key, begunAt }: Unfinished): BlobEntry => ({ key, modifiedAt: begunAt, partial: true });

async function* entriesOf(unfinished: AsyncIterable<Unfinished>): AsyncGenerator<BlobEntry> {
  for await (const one of unfinished) yield entryOf(one);
}

function objectPages({ client, name, ask }: Bucket, prefix: string, signal: AbortSignal) {
  return pages((last: ListObjectsV2CommandOutput | null) => {
    const after = last && { ContinuationToken: last.NextContinuationToken };
    const command = new ListObjectsV2Command({ Bucket: name, Prefix: prefix, ...after });
    return ask('ListObjectsV2', (options) => client.send(command, options), signal);
  });
}

async function* finishedBelow(bucket: Bucket, prefix: string, signal: AbortSignal): AsyncGenerator<BlobEntry> {
  for await (const { Contents = [] } of objectPages(bucket, prefix, signal)) {
    for (const { Key: key, LastModified: modifiedAt = new Date(0) } of Contents) {
      signal.throwIfAborted();
      if (key !== undefined) yield { key, modifiedAt };
    }
  }
}

async function* tailsBelow(bucket: Bucket, prefix: string, signal: AbortSignal): AsyncGenerator<BlobEntry> {
  for await (const { key, modifiedAt } of finishedBelow(bucket, tails + prefix, signal)) {
    yield { key: key.slice(tails.length), modifiedAt, partial: true };
  }
}

/** One deletes what the other lists, in one request of a page's 1,000. */
async function deleteKeys({ client, name, ask }: Bucket, keys: readonly string[], signal: AbortSignal): Promise<void> {
  if (keys.length === 0) return;
  const command = new DeleteObjectsCommand({
    Bucket: name,
    Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true },
  });
  const { Errors: [first] = [] } = await ask('DeleteObjects', (options) => client.send(command, options), signal);
  if (first)
    throw new S3Failure({ operation: 'DeleteObjects', code: first.Code ?? 'Unknown', status: 200, requestId: '' });
}

/** Two lists in the order of their keys as one; of the same key the first list's comes first, an unfinished one once. */
async function* merged(a: AsyncGenerator<BlobEntry>, b: AsyncGenerator<BlobEntry>): AsyncGenerator<BlobEntry> {
  try {
    let [left, right] = [await a.next(), await b.next()];
    while (!left.done || !right.done) {
      if (!left.done && !right.done && left.value.partial && left.value.key === right.value.key) right = await b.next();
      else if (!left.done && (right.done || left.value.key <= right.value.key)) {
        yield left.value;
        left = await a.next();
      } else if (!right.done) {
        yield right.value;
        right = await b.next();
      }
    }
  } finally {
    await Promise.all([a.return(undefined), b.return(undefined)]);
  }
}
