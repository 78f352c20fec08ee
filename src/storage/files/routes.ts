/**
 * `/files/…`: files fetched and brought over plain HTTP. The link says which file, and in whose name; what he may do is
 * asked at each use. No cookie and no header of authorization takes part.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller, UserRole, Viewer } from '../../accounts/viewer.ts';
import { AppError, type ErrorCode } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { rateHeaders } from '../../lib/rates.ts';
import type { BlobStore } from '../blob-store.ts';
import { type StoreFault, storeFaultOf } from '../store-fault.ts';
import type { BucketAccess } from './access.ts';
import { etagOf, fileHeaders } from './headers.ts';
import { retryAfterSeconds } from './lease.ts';
import type { Link, Links } from './links.ts';
import { contentRangeOf, isFresh, isOther, rangeOf } from './ranges.ts';
import type { FileStore, StoredFile } from './store.ts';
import { type Pace, receiveBody, sendBody, slowest } from './transfer.ts';
import type { Piece, Uploads } from './uploads.ts';

export interface FileRoutesDeps {
  readonly store: Pick<FileStore, 'publicFile' | 'markMissing'>;
  readonly access: Pick<BucketAccess, 'requireFile'>;
  readonly blobs: Pick<BlobStore, 'read'>;
  readonly uploads: Pick<Uploads, 'progressOf' | 'receive'>;
  readonly links: Pick<Links, 'open'>;
  /** Null for an account that is gone or disabled, or has ended its links after they were made. */
  readonly roleOf: (userId: string, linksMadeAt: Date | null) => Promise<UserRole | null>;
  /** Whether an API key still opens something. */
  readonly isKeyLive: (keyId: string) => Promise<boolean>;
  readonly corsOrigins: readonly string[];
  readonly log: Log;
  readonly pace?: Pace;
}

export interface FileRoutes {
  /** Answers any request below `/files/`. Only what is not expected is thrown. */
  handle(request: IncomingMessage, response: ServerResponse, from: Asker): Promise<void>;
}

export interface Asker {
  readonly caller: Caller;
  /** Whether more may be asked from there. @throws AppError RATE_LIMITED */
  enter(): Promise<void>;
}

const statuses: Partial<Record<ErrorCode, number>> = {
  BAD_USER_INPUT: 400,
  UNAUTHENTICATED: 403,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  TIMEOUT: 408,
  CONFLICT: 409,
  LIMIT_EXCEEDED: 413,
  RATE_LIMITED: 429,
};

/** A store that failed is not back sooner. */
const storeRetryAfterSeconds = 30;

/** To another page; some more are to be seen there in any case, as the length and the type. */
const exposedHeaders = [
  'etag',
  'accept-ranges',
  'content-range',
  'content-disposition',
  'upload-offset',
  'upload-length',
  'x-request-id',
  ...rateHeaders,
].join(', ');

const publicKey = /^[A-Za-z0-9_-]{22}$/;

export function createFileRoutes({
  store,
  access,
  blobs,
  uploads,
  links,
  roleOf,
  isKeyLive,
  corsOrigins,
  log,
  pace = slowest,
}: FileRoutesDeps): FileRoutes {
  /** @throws AppError FORBIDDEN for an account that is gone or disabled or has ended its links, or a key that has ended */
  async function viewerOf({ userId, keyId, madeAt, expiresAt }: Link): Promise<Viewer> {
    // One of a key ends with the key.
    const role = await roleOf(userId, keyId === null ? madeAt : null);
    if (!role) throw new AppError('FORBIDDEN', 'The account that made this link is gone or disabled, or has ended it');
    if (keyId !== null && !(await isKeyLive(keyId)))
      throw new AppError('FORBIDDEN', 'The API key that made this link has ended');
    return { userId, role, sessionId: '', expiresAt };
  }

  async function send(
    file: StoredFile,
    { download, shared }: { download: boolean; shared: boolean },
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (file.missingAt !== null) return refuseLost(response);
    const size = file.sizeBytes;
    const validators = { etag: etagOf(file), modifiedAt: file.updatedAt };
    // Said with the answer that they are of: of a refusal, or of what went wrong, none of them is true.
    const headers = fileHeaders(file, { download, shared });
    if (isOther(request.headers, validators)) return refuse(response, 412, 'the file is another one now', 'CONFLICT');
    if (isFresh(request.headers, validators)) return void response.writeHead(304, headers).end();
    const range = request.method === 'GET' ? rangeOf(request.headers, size, validators) : null;
    if (range === 'unsatisfiable') {
      response.setHeader('content-range', `bytes */${size}`);
      return refuse(response, 416, 'no such range', 'BAD_USER_INPUT');
    }
    const { start, end } = range ?? { start: 0, end: size - 1 };
    const bytes = end - start + 1;
    const part = range && { 'content-range': `bytes ${start}-${end}/${size}` };
    const answer = () => response.writeHead(range ? 206 : 200, { ...headers, 'content-length': bytes, ...part });
    if (request.method === 'HEAD' || size === 0) return void answer().end();
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const source = await blobs.read(file.blob, { start, end }, gone.signal);
    if (!source) {
      await store.markMissing([file.id]);
      log.error({ fileId: file.id, blob: file.blob }, 'file.blob_missing');
      return refuseLost(response);
    }
    answer();
    const found = await sendBody(source, response, { bytes, pace });
    if (found < bytes) {
      await store.markMissing([file.id]);
      log.error({ fileId: file.id, blob: file.blob, bytes, found }, 'file.blob_missing');
    }
  }

  async function fetchPublic(key: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (refuseMethod(request, response, ['GET', 'HEAD'])) return;
    const file = publicKey.test(key) ? await store.publicFile(key) : null;
    if (!file) return refuse(response, 404, 'not found', 'NOT_FOUND');
    await send(file, { download: false, shared: true }, request, response);
  }

  async function fetchSigned(link: Link, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { file } = await access.requireFile(await viewerOf(link), 'bucket:see', link.fileId);
    if (file.status !== 'ready') return refuse(response, 404, 'not found', 'NOT_FOUND');
    await send(file, { download: link.purpose === 'download', shared: false }, request, response);
  }

  async function upload(link: Link, request: IncomingMessage, response: ServerResponse, caller: Caller) {
    const viewerNow = () => viewerOf(link);
    const viewer = await viewerNow();
    response.setHeader('cache-control', 'no-store');
    if (request.method === 'HEAD') {
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const asked = { caller, signal: gone.signal, viewerNow };
      const { file, offset } = await uploads.progressOf(viewer, link.fileId, asked);
      response.setHeader('upload-offset', offset);
      response.setHeader('upload-length', file.sizeBytes);
      return void response.writeHead(200).end();
    }
    // What is brought for the first time is no version that anybody could know.
    if (request.headers['if-match'] !== undefined) return refuse(response, 412, 'nothing is here to match', 'CONFLICT');
    const range = pieceOf(request);
    using incoming = receiveBody(request, pace);
    const piece: Piece = { ...range, body: incoming.body, stop: incoming.stop };
    const asked = { caller, signal: incoming.signal, viewerNow };
    const { file, offset } = await uploads.receive(viewer, link.fileId, piece, asked);
    response.setHeader('upload-offset', offset);
    if (file.status !== 'ready') return void response.writeHead(202).end();
    response.setHeader('etag', etagOf(file));
    response.writeHead(201).end();
  }

  /** Another page may use it where the configuration says so, as with GraphQL. @returns whether this was only the question */
  function allowOrigin(request: IncomingMessage, response: ServerResponse): boolean {
    const { origin } = request.headers;
    if (origin !== undefined && corsOrigins.includes(origin)) {
      response.setHeader('access-control-allow-origin', origin);
      response.setHeader('access-control-expose-headers', exposedHeaders);
    }
    if (request.method !== 'OPTIONS') return false;
    response.setHeader('access-control-allow-methods', 'GET, HEAD, PUT');
    response.setHeader(
      'access-control-allow-headers',
      'content-type, content-range, range, if-match, if-none-match, if-modified-since, if-unmodified-since, if-range',
    );
    response.writeHead(204).end();
    return true;
  }

  async function answer(request: IncomingMessage, response: ServerResponse, { caller, enter }: Asker): Promise<void> {
    if (allowOrigin(request, response)) return;
    await enter();
    const [, , token = '', key = ''] = (request.url ?? '').split('?')[0]!.split('/');
    if (token === 'public') return fetchPublic(key, request, response);
    const link = links.open(token);
    if (!link) return refuse(response, 403, 'this link is not valid: it was cut off, or changed', 'FORBIDDEN');
    if (link.expiresAt.getTime() <= Date.now()) return refuse(response, 410, 'this link has expired', 'FORBIDDEN');
    const allowed = link.purpose === 'upload' ? ['HEAD', 'PUT'] : ['GET', 'HEAD'];
    if (refuseMethod(request, response, allowed)) return;
    return link.purpose === 'upload' ? upload(link, request, response, caller) : fetchSigned(link, request, response);
  }

  return {
    async handle(request, response, from) {
      try {
        await answer(request, response, from);
      } catch (error) {
        const fault = storeFaultOf(error);
        if (!fault || response.headersSent) return refuseFor(error, response);
        log.error({ err: error, fault }, 'file.store_failed');
        refuseForStore(fault, response);
      } finally {
        if (!request.complete) discardRest(request);
      }
    },
  };
}

/** @throws AppError BAD_USER_INPUT for headers that do not agree */
function pieceOf({ headers }: IncomingMessage): Omit<Piece, 'body' | 'stop'> {
  const length = headers['content-length'] === undefined ? null : Number(headers['content-length']);
  const header = headers['content-range'];
  if (header === undefined) return { start: null, end: length, total: length };
  const range = contentRangeOf(header);
  const fault = (message: string) => new AppError('BAD_USER_INPUT', message);
  if (!range) throw fault('Content-Range is not of the form “bytes 0-999/5000”');
  const { start, end, total } = range;
  if (length !== null && length !== end - start) throw fault('Content-Range and Content-Length do not agree');
  if (total !== null && end > total) throw fault('Content-Range goes beyond its own total');
  return range;
}

/** What of an upload is safe stays, and it can go on when the store serves again. */
function refuseForStore(fault: StoreFault, response: ServerResponse): void {
  response.setHeader('retry-after', storeRetryAfterSeconds);
  if (fault === 'full') refuse(response, 507, 'no room is left where files are kept', 'LIMIT_EXCEEDED');
  else refuse(response, 503, 'where files are kept does not answer as it should', 'CONNECTION_FAILED');
}

/** @throws what is not expected */
function refuseFor(error: unknown, response: ServerResponse): void {
  if (!(error instanceof AppError)) throw error;
  if (error.code === 'CONNECTION_FAILED') return void response.destroy(); // Nobody is there to be told.
  const status = statuses[error.code];
  if (status === undefined || response.headersSent) throw error;
  const { details } = error;
  if (typeof details?.offset === 'number') response.setHeader('upload-offset', details.offset);
  else if (error.code === 'CONFLICT') response.setHeader('retry-after', retryAfterSeconds);
  refuse(response, status, error.message, error.code);
}

function refuse(response: ServerResponse, status: number, error: string, code: ErrorCode): void {
  response.setHeader('cache-control', 'no-store');
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
    .end(JSON.stringify({ error, code }));
}

const refuseLost = (response: ServerResponse) => refuse(response, 410, 'the bytes of this file are lost', 'NOT_FOUND');

/** @returns whether the request is of another method, and answered */
function refuseMethod({ method = '' }: IncomingMessage, response: ServerResponse, allowed: readonly string[]): boolean {
  if (allowed.includes(method)) return false;
  response.setHeader('allow', allowed.join(', '));
  refuse(response, 405, 'method not allowed', 'BAD_USER_INPUT');
  return true;
}

/** So long a client that is still sending has to see the answer. */
const lingerMs = 1_000;

/** What it still sends is thrown away; it may send without end. */
function discardRest(request: IncomingMessage): void {
  request.resume();
  setTimeout(() => request.complete || request.destroy(), lingerMs).unref();
}
