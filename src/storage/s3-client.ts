/** One bucket, and how it is spoken to: with which keys, for how long, how often, and with which errors. */
import { S3Client } from '@aws-sdk/client-s3';
import type { S3Place } from './place.ts';

export interface Bucket {
  readonly client: S3Client;
  readonly name: string;
  /** @throws S3Failure, the signal's reason */
  ask<T>(
    operation: string,
    run: (options: { abortSignal?: AbortSignal }) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>;
}

/** Per request, the first one included. */
const maxAttempts = 4;
const connectMs = 5_000;
/** From the request to its answer, also of a part on a slow line, and without a byte on the socket. */
const answerMs = 60_000;
/** Connections at once; what is more waits. */
const maxSockets = 128;

export function openBucket({ bucket, endpoint, region, credentials }: S3Place): Bucket {
  const client = new S3Client({
    region,
    ...(endpoint && { endpoint: endpoint.href, forcePathStyle: true }),
    ...(credentials && {
      credentials: {
        accessKeyId: credentials.accessKeyId,
        secretAccessKey: credentials.secretAccessKey.reveal(),
        ...(credentials.sessionToken && { sessionToken: credentials.sessionToken.reveal() }),
      },
    }),
    // Others than Amazon do not know the newer sums that are sent by default.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts,
    retryMode: 'standard',
    requestHandler: {
      connectionTimeout: connectMs,
      requestTimeout: answerMs,
      throwOnRequestTimeout: true,
      socketTimeout: answerMs,
      httpAgent: { maxSockets },
      httpsAgent: { maxSockets },
    },
    // Each of these left out is looked for in the environment and in files of the user's home.
    defaultsMode: 'legacy',
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    useArnRegion: false,
    disableS3ExpressSessionAuth: false,
    authSchemePreference: [],
    sigv4aSigningRegionSet: [region],
    userAgentAppId: async () => undefined,
    ignoreConfiguredEndpointUrls: true,
  });
  return {
    client,
    name: bucket,
    async ask(operation, run, signal) {
      signal?.throwIfAborted();
      try {
        return await run(signal ? { abortSignal: signal } : {});
      } catch (error) {
        signal?.throwIfAborted();
        throw failureOf(operation, error);
      }
    },
  };
}

/** What the client throws carries the request as it was signed, and the server's answer to it: neither is for a log. */
export class S3Failure extends Error {
  override readonly name = 'S3Failure';
  /** S3's own, e.g. AccessDenied, or the network's, e.g. ECONNREFUSED. */
  readonly code: string;
  /** Of HTTP; 0 without an answer. */
  readonly status: number;

  constructor({
    operation,
    code,
    status,
    requestId,
  }: { operation: string; code: string; status: number; requestId: string }) {
    super(
      `S3 failed at ${operation}: ${code}${status ? `, status ${status}` : ''}${requestId && `, request ${requestId}`}`,
    );
    this.code = code;
    this.status = status;
  }
}

interface ClientError {
  name?: string;
  code?: string;
  $metadata?: { httpStatusCode?: number; requestId?: string };
}

export function failureOf(operation: string, error: unknown): S3Failure {
  if (error instanceof S3Failure) return error;
  const { name, code, $metadata = {} } = error as ClientError;
  const { httpStatusCode: status = 0, requestId = '' } = $metadata;
  return new S3Failure({
    operation,
    code: plain(status ? name : (code ?? name)),
    status,
    requestId: plain(requestId, ''),
  });
}

/** A code has no more than this; an answer that is not S3's may have anything. */
const plain = (text: string | undefined, otherwise = 'Unknown') =>
  text && /^[A-Za-z0-9._/+=-]{1,128}$/.test(text) ? text : otherwise;

/** Whatever is not there: HEAD answers without a body, so without a code. */
export const isMissing = (error: unknown): boolean =>
  error instanceof S3Failure && (error.code === 'NoSuchKey' || error.code === 'NotFound');

/** @param next asks for the page behind this one; null: for the first */
export async function* pages<Page extends { IsTruncated?: boolean | undefined }>(
  next: (last: Page | null) => Promise<Page>,
): AsyncGenerator<Page> {
  for (let page: Page | null = null; page === null || page.IsTruncated; ) {
    page = await next(page);
    yield page;
  }
}
