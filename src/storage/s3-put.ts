/**
 * Puts a whole object in the place of what was there when its upload began, and of nothing else: a writer that was held up
 * finds the object of the next one, and fails. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
import { randomUUID } from 'node:crypto';
import { HeadObjectCommand, type HeadObjectCommandOutput, PutObjectCommand } from '@aws-sdk/client-s3';
import { AppError } from '../lib/errors.ts';
import { type Bucket, isMissing, S3Failure } from './s3-client.ts';

export interface ObjectPlace {
  /** Once more with other bytes, it takes its own place. @throws AppError CONFLICT, S3Failure, the signal's reason */
  put(bytes: Uint8Array): Promise<void>;
}

/** Looks what is there now. */
export async function placeOf({ client, name, ask }: Bucket, key: string, signal: AbortSignal): Promise<ObjectPlace> {
  const object = { Bucket: name, Key: key };
  /** With the object, so that a put whose answer was lost is known again. */
  const writer = randomUUID();

  async function head(): Promise<HeadObjectCommandOutput | null> {
    try {
      return await ask('HeadObject', (options) => client.send(new HeadObjectCommand(object), options), signal);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  async function put(bytes: Uint8Array, condition: { IfMatch?: string; IfNoneMatch?: string }): Promise<void> {
    const command = new PutObjectCommand({ ...object, Body: bytes, Metadata: { writer }, ...condition });
    await ask('PutObject', (options) => client.send(command, options), signal);
  }

  const etag = (await head())?.ETag;
  return {
    async put(bytes) {
      try {
        await put(bytes, etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: etag });
      } catch (error) {
        // Some who speak the protocol know no conditions.
        if (error instanceof S3Failure && error.status === 501) return await put(bytes, {});
        if (!(error instanceof S3Failure) || !(refusals.includes(error.status) || isMissing(error))) throw error;
        if ((await head())?.Metadata?.writer === writer) return;
        throw new AppError('CONFLICT', 'The upload was ended or taken over', { cause: error });
      }
    },
  };
}

/** The condition does not hold, or another one writes or deletes at this moment; what is deleted by now is missing. */
const refusals: readonly number[] = [412, 409];
