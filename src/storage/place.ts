/** Where blobs are, as STORAGE_URL says it: `file:PATH` or `s3://BUCKET?endpoint=…&region=…`. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Secret } from '../lib/secret.ts';

export type StoragePlace = FilePlace | S3Place;

export interface FilePlace {
  readonly kind: 'file';
  /** Absolute. */
  readonly directory: string;
}

export interface S3Place {
  readonly kind: 's3';
  readonly bucket: string;
  /** Null: Amazon's own. Any other is spoken to with the bucket in the path. */
  readonly endpoint: URL | null;
  readonly region: string;
  /** Null: what the machine has, e.g. the role of its instance. */
  readonly credentials: S3Credentials | null;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly sessionToken: Secret | null;
}

/** As a child of this process is told of it, over a channel that nobody else reads. */
export type PlainPlace =
  | FilePlace
  | (Omit<S3Place, 'endpoint' | 'credentials'> & {
      readonly endpoint: string | null;
      readonly credentials: {
        readonly accessKeyId: string;
        readonly secretAccessKey: string;
        readonly sessionToken: string | null;
      } | null;
    });

export function plainPlace(place: StoragePlace): PlainPlace {
  if (place.kind === 'file') return place;
  const { endpoint, credentials, ...plain } = place;
  return {
    ...plain,
    endpoint: endpoint?.href ?? null,
    credentials: credentials && {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey.reveal(),
      sessionToken: credentials.sessionToken?.reveal() ?? null,
    },
  };
}

export function sealPlace(plain: PlainPlace): StoragePlace {
  if (plain.kind === 'file') return plain;
  const { endpoint, credentials, ...place } = plain;
  return {
    ...place,
    endpoint: endpoint === null ? null : new URL(endpoint),
    credentials: credentials && {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: new Secret(credentials.secretAccessKey),
      sessionToken: credentials.sessionToken === null ? null : new Secret(credentials.sessionToken),
    },
  };
}

const allowed =
  'file:PATH, or s3://BUCKET?endpoint=https://HOST&region=REGION (endpoint only where it is not Amazon’s)';

export interface PlaceOptions {
  /** What s3 is without a region of its own; null where nothing says. */
  region: string | null;
  credentials: S3Credentials | null;
}

/** @returns the fault as a string: what is allowed, never what was given */
export function placeOf(url: string, options: PlaceOptions): StoragePlace | string {
  if (url.startsWith('file:')) return filePlace(url);
  if (url.startsWith('s3:')) return s3Place(url, options);
  return allowed;
}

function filePlace(url: string): FilePlace | string {
  if (!url.startsWith('file://')) {
    const path = url.slice('file:'.length);
    return path && !path.includes('\0') ? { kind: 'file', directory: resolve(path) } : allowed;
  }
  try {
    return { kind: 'file', directory: fileURLToPath(url) };
  } catch {
    // Another machine's, or a path with an encoded slash.
    return allowed;
  }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const regionName = /^[A-Za-z0-9-]{1,40}$/;

function s3Place(url: string, { region, credentials }: PlaceOptions): S3Place | string {
  const parsed = URL.parse(url);
  if (!parsed || !bucketName.test(parsed.hostname) || parsed.port || !['', '/'].includes(parsed.pathname))
    return allowed;
  if (parsed.username || parsed.password) return `${allowed}; the keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`;
  if (parsed.hash || [...parsed.searchParams.keys()].some((name) => !['endpoint', 'region'].includes(name)))
    return allowed;
  const at = parsed.searchParams.get('endpoint');
  const endpoint = at === null ? null : URL.parse(at);
  if (at !== null && !isOrigin(endpoint)) return `${allowed}; the endpoint is http:// or https:// with a host alone`;
  // What is not Amazon’s takes any region, and this one by custom.
  const named = parsed.searchParams.get('region') ?? region ?? (endpoint ? 'us-east-1' : null);
  if (named === null) return `${allowed}; the region is required here or as AWS_REGION`;
  if (!regionName.test(named)) return `${allowed}; a region has letters, digits and -`;
  return { kind: 's3', bucket: parsed.hostname, endpoint, region: named, credentials };
}

/** Servers of this place that are the operator's own, and so nobody's target; Amazon's are everybody's. */
export function addressesOf(place: StoragePlace): { host: string; port: number }[] {
  if (place.kind !== 's3' || !place.endpoint) return [];
  const { hostname, port, protocol } = place.endpoint;
  // An IPv6 address has brackets in a URL alone.
  return [{ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (protocol === 'https:' ? 443 : 80)) }];
}

const isOrigin = (url: URL | null) =>
  url !== null && ['http:', 'https:'].includes(url.protocol) && url.href === `${url.origin}/`;
