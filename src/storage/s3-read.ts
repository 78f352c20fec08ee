/** Reads an object as one stream, also where the connection breaks on the way: it goes on where it stopped, in the same object. */
import { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import type { BlobRange } from './blob-store.ts';
import { type Bucket, failureOf, isMissing, S3Failure } from './s3-client.ts';

/** Times in a row that a connection may break without a byte more. */
const maxBreaks = 3;
const bufferBytes = 256 * 1_024;

/** @returns null when it is not there; empty where the range lies behind the end */
export async function readObject(
  { client, name, ask }: Bucket,
  key: string,
  { start = 0, end }: BlobRange,
  signal: AbortSignal,
): Promise<Readable | null> {
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);

  async function open(at: number, etag?: string): Promise<GetObjectCommandOutput> {
    const ranged = at > 0 || end !== undefined;
    const command = new GetObjectCommand({
      Bucket: name,
      Key: key,
      ...(ranged && { Range: `bytes=${at}-${end ?? ''}` }),
      ...(etag !== undefined && { IfMatch: etag }),
    });
    const answer = await ask('GetObject', (options) => client.send(command, options), either);
    // Who does not know ranges sends all of it, which is other bytes.
    if (ranged && !answer.ContentRange?.startsWith(`bytes ${at}-`)) {
      ended.abort();
      throw new S3Failure({ operation: 'GetObject', code: 'RangeIgnored', status: 200, requestId: '' });
    }
    return answer;
  }

  let first: GetObjectCommandOutput;
  try {
    first = await open(start);
  } catch (error) {
    if (isMissing(error)) return null;
    if (error instanceof S3Failure && error.code === 'InvalidRange') return Readable.from([]);
    throw error;
  }

  async function* bytes(): AsyncGenerator<Buffer> {
    const until = start + (first.ContentLength ?? 0);
    let at = start;
    let breaks = 0;
    for (let answer = first; ; answer = await open(at, first.ETag)) {
      try {
        for await (const chunk of answer.Body as Readable) {
          at += (chunk as Buffer).length;
          breaks = 0;
          yield chunk as Buffer;
        }
        if (at >= until) return;
      } catch (error) {
        either.throwIfAborted();
        breaks += 1;
        if (breaks > maxBreaks || first.ETag === undefined) throw failureOf('GetObject', error);
      }
    }
  }

  const stream = Readable.from(bytes(), { objectMode: false, highWaterMark: bufferBytes });
  // The generator may wait for S3 and cannot see who has gone; its connection ends with the stream.
  stream.once('close', () => ended.abort());
  const onAbort = () => stream.destroy(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  stream.once('close', () => signal.removeEventListener('abort', onAbort));
  return stream;
}
