/**
 * An S3 server in this process: fauxqs, behind a door that knows whose keys are right, answers the two lists of unfinished
 * uploads and the conditions of writes that fauxqs does not have (lists in pages of two), and can be told to fail.
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { startFauxqs } from 'fauxqs';

export interface S3Server {
  readonly endpoint: URL;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** What was asked, e.g. `PUT /bucket/key?partNumber=1`. */
  readonly requests: readonly string[];
  /** Asked for each request, until it is given null. */
  failWith(fault: ((asked: string) => Fault | null) | null): void;
  stop(): Promise<void>;
}

export type Fault =
  /** An error answer of S3. */
  | { status: number; code: string }
  /** The answer breaks off behind so many bytes of its body. */
  | { breakAt: number }
  /** It is done, and nobody hears of it. */
  | { loseAnswer: true }
  /** Nothing comes. */
  | { hang: true };

const pageSize = 2;

interface Upload {
  id: string;
  key: string;
  begunAt: Date;
  parts: Map<number, { bytes: number; etag: string }>;
}

export async function startS3(): Promise<S3Server> {
  const accessKeyId = 'AKIAQUARRYTESTS';
  const bucket = 'quarry-test';
  const s3 = await startFauxqs({ port: 0, logger: false });
  s3.createBucket(bucket);
  const uploads = new Map<string, Upload>();
  const requests: string[] = [];
  let faultOf: ((asked: string) => Fault | null) | null = null;

  const server = createServer((incoming, outgoing) => {
    answer(incoming, outgoing).catch(() => outgoing.destroy());
  });

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const asked = `${incoming.method} ${incoming.url}`;
    requests.push(asked);
    if (!incoming.headers.authorization?.includes(`Credential=${accessKeyId}/`)) return refuse(incoming, outgoing);
    const fault = faultOf?.(asked) ?? null;
    if (fault && 'status' in fault) return send(outgoing, fault.status, error(fault.code));
    if (fault && 'hang' in fault) return;
    const { pathname, searchParams: query } = new URL(incoming.url ?? '/', 'http://s3');
    const key = decodeURIComponent(pathname.split('/').slice(2).join('/'));
    if (incoming.method === 'GET' && query.has('uploads')) return send(outgoing, 200, uploadsPage(query));
    const upload = uploads.get(query.get('uploadId') ?? '');
    if (incoming.method === 'GET' && query.has('uploadId')) {
      return upload ? send(outgoing, 200, partsPage(upload, query)) : send(outgoing, 404, error('NoSuchUpload'));
    }
    if (incoming.method === 'PUT' && !(await holds(incoming, pathname)))
      return send(outgoing, 412, error('PreconditionFailed'));
    const answered = await forward(incoming);
    const { statusCode = 0, headers } = answered;
    if (query.has('uploads') || query.has('uploadId')) {
      const body = await buffer(answered);
      if (statusCode < 300) note(incoming, query, key, { body, etag: headers.etag ?? '' });
      if (fault && 'loseAnswer' in fault) return void outgoing.destroy();
      outgoing.writeHead(statusCode, headers).end(body);
      return;
    }
    if (fault && 'loseAnswer' in fault) return void outgoing.destroy();
    outgoing.writeHead(statusCode, headers);
    await pipeline(fault && 'breakAt' in fault ? broken(answered, fault.breakAt) : answered, outgoing);
  }

  function forward(incoming: IncomingMessage): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { method, url, headers } = incoming;
      const asking = request({ host: '127.0.0.1', port: s3.port, method, path: url, headers }, resolve);
      asking.on('error', reject);
      incoming.on('error', reject).on('close', () => incoming.complete || asking.destroy());
      incoming.pipe(asking);
    });
  }

  /** https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
  async function holds({ headers }: IncomingMessage, pathname: string): Promise<boolean> {
    const [wanted, none] = [headers['if-match'], headers['if-none-match']];
    if (wanted === undefined && none === undefined) return true;
    const etag = (await fetch(`http://127.0.0.1:${s3.port}${pathname}`, { method: 'HEAD' })).headers.get('etag');
    return none === '*' ? etag === null : etag === wanted;
  }

  function note(incoming: IncomingMessage, query: URLSearchParams, key: string, did: { body: Buffer; etag: string }) {
    const id = query.get('uploadId') ?? '';
    if (query.has('uploads')) {
      const begun = /<UploadId>(.*?)<\/UploadId>/.exec(String(did.body))?.[1] ?? '';
      uploads.set(begun, { id: begun, key, begunAt: new Date(), parts: new Map() });
    } else if (query.has('partNumber')) {
      const bytes = Number(incoming.headers['content-length']);
      uploads.get(id)?.parts.set(Number(query.get('partNumber')), { bytes, etag: did.etag });
    } else uploads.delete(id);
  }

  /** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html */
  function uploadsPage(query: URLSearchParams): string {
    const prefix = query.get('prefix') ?? '';
    const after = [query.get('key-marker') ?? '', query.get('upload-id-marker') ?? ''].join('\n');
    const found = [...uploads.values()]
      .filter(({ key, id }) => key.startsWith(prefix) && `${key}\n${id}` > after)
      .sort((a, b) => (`${a.key}\n${a.id}` < `${b.key}\n${b.id}` ? -1 : 1));
    const page = found.slice(0, pageSize);
    const last = page.at(-1);
    return xml('ListMultipartUploadsResult', [
      xml('IsTruncated', String(found.length > page.length)),
      xml('NextKeyMarker', last?.key ?? ''),
      xml('NextUploadIdMarker', last?.id ?? ''),
      ...page.map(({ key, id, begunAt }) =>
        xml('Upload', [xml('Key', key), xml('UploadId', id), xml('Initiated', begunAt.toISOString())]),
      ),
    ]);
  }

  /** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html */
  function partsPage({ parts }: Upload, query: URLSearchParams): string {
    const after = Number(query.get('part-number-marker') ?? 0);
    const found = [...parts].filter(([number]) => number > after).sort(([a], [b]) => a - b);
    const page = found.slice(0, pageSize);
    return xml('ListPartsResult', [
      xml('IsTruncated', String(found.length > page.length)),
      xml('NextPartNumberMarker', String(page.at(-1)?.[0] ?? 0)),
      ...page.map(([number, { bytes, etag }]) =>
        xml('Part', [xml('PartNumber', String(number)), xml('ETag', etag), xml('Size', String(bytes))]),
      ),
    ]);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    bucket,
    accessKeyId,
    secretAccessKey: 'what-nobody-may-read',
    requests,
    failWith: (fault) => {
      faultOf = fault;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await s3.stop();
    },
  };
}

async function* broken(body: AsyncIterable<Buffer>, breakAt: number): AsyncGenerator<Buffer> {
  let left = breakAt;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) throw new Error('broken off');
  }
}

const xml = (name: string, content: string | string[]) => `<${name}>${[content].flat().join('')}</${name}>`;

const error = (code: string, more = '') => xml('Error', [xml('Code', code), xml('Message', 'no'), more]);

/** As Amazon does it, with all that was signed. */
function refuse({ headers }: IncomingMessage, outgoing: ServerResponse): void {
  const signed = [
    xml('StringToSign', `what ${headers.host} signed`),
    xml('AWSAccessKeyId', headers.authorization ?? ''),
  ];
  send(outgoing, 403, error('SignatureDoesNotMatch', signed.join('')));
}

function send(outgoing: ServerResponse, status: number, body: string): void {
  outgoing
    .writeHead(status, { 'content-type': 'application/xml' })
    .end(`<?xml version="1.0" encoding="UTF-8"?>${body}`);
}
