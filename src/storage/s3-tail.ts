/**
 * The end of an upload that was left between two parts: too short to be one of them, kept as an object of its own below
 * `.tails/`, where no key is, until the upload goes on. So an upload in pieces of any size comes forward.
 */

import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { type Bucket, isMissing } from './s3-client.ts';

export const tails = '.tails/';

/** @returns from where on it holds what; null where there is none */
export async function readTail({ client, name, ask }: Bucket, key: string, signal: AbortSignal) {
  const command = new GetObjectCommand({ Bucket: name, Key: tails + key });
  return orNull(
    ask(
      'GetObject',
      async (options) => {
        const { Body, Metadata } = await client.send(command, options);
        return { start: Number(Metadata?.start), bytes: await buffer(Body as Readable) };
      },
      signal,
    ),
  );
}

/** Bytes of it; null where none begins there: an older one lies behind a part that has its bytes. */
export async function tailBytes({ client, name, ask }: Bucket, key: string, start: number): Promise<number | null> {
  const command = new HeadObjectCommand({ Bucket: name, Key: tails + key });
  const head = await orNull(ask('HeadObject', (options) => client.send(command, options)));
  return head?.Metadata?.start === String(start) ? (head.ContentLength ?? null) : null;
}

export async function writeTail({ client, name, ask }: Bucket, key: string, start: number, bytes: Uint8Array) {
  const Metadata = { start: String(start) };
  const command = new PutObjectCommand({ Bucket: name, Key: tails + key, Body: bytes, Metadata });
  await ask('PutObject', (options) => client.send(command, options));
}

/** Nothing there is nothing to do. */
export async function deleteTail({ client, name, ask }: Bucket, key: string): Promise<void> {
  const command = new DeleteObjectCommand({ Bucket: name, Key: tails + key });
  await ask('DeleteObject', (options) => client.send(command, options));
}

async function orNull<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
