/** Uploads that S3 holds in parts: found again by whoever goes on with them, or takes them away. */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type ListPartsCommandOutput,
} from '@aws-sdk/client-s3';
import { type Bucket, pages, S3Failure } from './s3-client.ts';

/** Of every part but the last: S3 wants 5 MiB at least, and some who speak its protocol all of one size. */
export const partBytes = 8 * 2 ** 20;

/** S3's own limit: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const maxParts = 10_000;

export interface Unfinished {
  key: string;
  uploadId: string;
  begunAt: Date;
}

/** In the order of the keys. */
export async function* unfinishedBelow(
  { client, name, ask }: Bucket,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<Unfinished> {
  const page = (last: ListMultipartUploadsCommandOutput | null) => {
    const after = last && { KeyMarker: last.NextKeyMarker, UploadIdMarker: last.NextUploadIdMarker };
    const command = new ListMultipartUploadsCommand({ Bucket: name, Prefix: prefix, ...after });
    return ask('ListMultipartUploads', (options) => client.send(command, options), signal);
  };
  for await (const { Uploads = [] } of pages(page)) {
    for (const { Key: key, UploadId: uploadId, Initiated: begunAt } of Uploads) {
      if (key !== undefined && uploadId !== undefined) yield { key, uploadId, begunAt: begunAt ?? new Date(0) };
    }
  }
}

/** The newest first; more than one where two began at once. */
export async function unfinishedOf(bucket: Bucket, key: string, signal: AbortSignal): Promise<Unfinished[]> {
  const found: Unfinished[] = [];
  for await (const one of unfinishedBelow(bucket, key, signal)) {
    // The key itself comes before every longer one.
    if (one.key !== key) break;
    found.push(one);
  }
  return found.sort((a, b) => b.begunAt.getTime() - a.begunAt.getTime());
}

/**
 * Those from the first on that are whole: a shorter one was the last, of an upload that broke off when it was finishing,
 * and comes once more.
 */
export async function wholeParts(
  { client, name, ask }: Bucket,
  { key, uploadId }: Unfinished,
  signal: AbortSignal,
): Promise<CompletedPart[]> {
  const page = (last: ListPartsCommandOutput | null) => {
    const after = last && { PartNumberMarker: last.NextPartNumberMarker };
    const command = new ListPartsCommand({ Bucket: name, Key: key, UploadId: uploadId, ...after });
    return ask('ListParts', (options) => client.send(command, options), signal);
  };
  const whole: CompletedPart[] = [];
  for await (const { Parts = [] } of pages(page)) {
    for (const { PartNumber, ETag, Size } of Parts) {
      if (PartNumber !== whole.length + 1 || Size !== partBytes) return whole;
      whole.push({ PartNumber, ETag });
    }
  }
  return whole;
}

/** Nothing there is nothing to do. */
export async function abortUnfinished(
  { client, name, ask }: Bucket,
  { key, uploadId }: Pick<Unfinished, 'key' | 'uploadId'>,
): Promise<void> {
  try {
    await ask('AbortMultipartUpload', (options) =>
      client.send(new AbortMultipartUploadCommand({ Bucket: name, Key: key, UploadId: uploadId }), options),
    );
  } catch (error) {
    if (!isNoSuchUpload(error)) throw error;
  }
}

export const isNoSuchUpload = (error: unknown): boolean => error instanceof S3Failure && error.code === 'NoSuchUpload';
