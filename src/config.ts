/** The only reader of the environment: every variable parsed once, every fault told at once, no value ever printed. */
import { BlockList, isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type RegistrationMode, registrationModes } from './accounts/admission.ts';
import type { AttemptLimits } from './accounts/attempts.ts';
import type { MasterKey } from './lib/keyring.ts';
import type { LogFormat, LogLevel } from './lib/log.ts';
import { Secret } from './lib/secret.ts';
import type { MailPlace } from './mail/open.ts';
import { senderOf, smtpOf } from './mail/place.ts';
import { placeOf, type S3Credentials, type StoragePlace } from './storage/place.ts';

export interface Config {
  readonly port: number;
  readonly host: string;
  /** Absolute. */
  readonly dataDir: string;
  /** In DATA_DIR: modules in their compiled form. Whoever can write there could write here too. */
  readonly moduleCache: string;
  readonly publicUrl: URL;
  /** Null: the embedded cluster. */
  readonly databaseUrl: Secret<URL> | null;
  /** `embedded`, `off`, or an administrator's URL. */
  readonly playground: 'embedded' | 'off' | Secret<URL>;
  /** Null: made and kept in DATA_DIR. */
  readonly masterKeys: readonly [MasterKey, ...MasterKey[]] | null;
  /** Ids of keys that are lost for good: the start goes on without them. */
  readonly lostKeys: readonly string[];
  /** Null: rings between processes go by the metadata database. */
  readonly redisUrl: Secret<URL> | null;
  /** Where results and files are. */
  readonly storage: StoragePlace;
  /** Of one user's files, with what is kept free for his uploads. */
  readonly storageOfUserBytes: number;
  /** How mails leave, and from whom. */
  readonly mail: MailPlace;
  readonly registration: RegistrationMode;
  readonly requireVerifiedEmail: boolean;
  /** Whose access tokens are accepted beside Quarry's own; null: nobody's. */
  readonly oidc: { readonly issuer: string; readonly audience: string } | null;
  readonly corsOrigins: readonly string[];
  /** Whose X-Forwarded-* are believed. */
  readonly trustProxy: BlockList;
  readonly allowPrivateHosts: boolean | readonly string[];
  readonly workerConcurrency: number;
  readonly maxParallelJobs: number;
  /** From the end of a job until its rows are thrown away. */
  readonly resultsRetentionMs: number;
  readonly maxParallelJobsPerDatabase: number;
  /** For how long a catalogue is answered from what was read. */
  readonly catalogTtlMs: number;
  /** Of passwords, account mails and accounts, in 15 minutes. */
  readonly attempts: AttemptLimits;
  /** That one account has written down in the audit in 15 minutes; 0 for no limit. */
  readonly auditedRefusals: number;
  /** Of requests and their cost, in a minute; 0 for no limit. */
  readonly rateLimits: { readonly address: number; readonly user: number; readonly key: number; readonly cost: number };
  readonly graphiql: boolean;
  readonly introspection: boolean;
  /** A file, absolute; null where there is none. */
  readonly persistedDocuments: string | null;
  /** No other document is executed. */
  readonly persistedDocumentsOnly: boolean;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export interface ConfigFault {
  name: string;
  /** What is allowed; never what was given. */
  message: string;
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly ConfigFault[];
  constructor(faults: readonly ConfigFault[]) {
    super(faults.map(({ name, message }) => `${name}: ${message}`).join('\n'));
    this.faults = faults;
  }
}

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((n) => n >= min && n <= max, `a whole number from ${min} to ${max}`);
/** `none`, `off` and 0 are no limit. */
const limit = (max: number) =>
  z
    .enum(['none', 'off'])
    .transform(() => 0)
    .or(integer(0, max));
const oneOf = <const T extends string>(...allowed: [T, ...T[]]) =>
  z.enum(allowed, { error: `one of ${allowed.join(', ')}` });
const flag = z.stringbool({
  truthy: ['true', 'on', '1', 'yes'],
  falsy: ['false', 'off', '0', 'no'],
  error: 'true or false',
});
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
);

function url(...protocols: string[]) {
  const allowed = `a URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`;
  return z.string().transform((text, context) => {
    const parsed = URL.parse(text);
    if (parsed && protocols.includes(parsed.protocol) && parsed.hostname) return parsed;
    context.addIssue({ code: 'custom', message: allowed });
    return z.NEVER;
  });
}

const postgresUrl = url('postgres:', 'postgresql:').transform((parsed) => new Secret(parsed));

function isCidr(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  return (
    family !== 0 &&
    rest.length === 0 &&
    (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)))
  );
}

const cidrs = list.refine(
  (parts) => parts.every(isCidr),
  'addresses or CIDRs with commas between, e.g. 10.0.0.0/8,127.0.0.1/32',
);

const origins = list.refine(
  (parts) => parts.every((part) => URL.parse(part)?.origin === part),
  'origins with commas between, e.g. https://app.example.com',
);

/** By a parser that gives the fault as a string. */
const parsedBy = <T>(parse: (text: string) => T | string) =>
  z.string().transform((text, context) => {
    const parsed = parse(text);
    if (typeof parsed !== 'string') return parsed;
    context.addIssue({ code: 'custom', message: parsed });
    return z.NEVER;
  });

const masterKeys = z.string().transform((text, context): [MasterKey, ...MasterKey[]] => {
  const keys = text.split(',').map((part) => {
    const [, id, encoded] = /^\s*([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]+={0,2})\s*$/.exec(part) ?? [];
    return { id: id ?? '', bytes: Buffer.from(encoded ?? '', 'base64') };
  });
  const [first, ...rest] = keys.map(({ id, bytes }) => ({ id, key: new Secret(bytes) }));
  const sound = keys.every(({ id, bytes }) => id && bytes.length === 32 && new Set(bytes).size > 8);
  const distinct =
    new Set(keys.map(({ id }) => id)).size === keys.length &&
    new Set(keys.map(({ bytes }) => bytes.toString('hex'))).size === keys.length;
  if (first && sound && distinct) return [first, ...rest];
  context.addIssue({
    code: 'custom',
    message: 'id:base64,id:base64 with 32 random bytes each (openssl rand -base64 32), each id and each key once',
  });
  return z.NEVER;
});

const keyIds = list.refine(
  (parts) => parts.every((part) => /^[A-Za-z0-9_-]{1,32}$/.test(part)),
  'ids with commas between',
);

const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Kept as it is: its tokens name it letter for letter. */
const oidcIssuer = z.string().refine((text) => {
  const url = URL.parse(text);
  if (!url || url.search || url.hash || url.username || url.password) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && loopback.has(url.hostname));
}, 'a URL of https, as the issuer’s tokens name it (http on this machine alone)');

const variables = {
  PORT: integer(0, 65_535).default(4000),
  HOST: z
    .string()
    .regex(/^[A-Za-z0-9.:_-]+$/, 'an address or a host name')
    .default('127.0.0.1'),
  DATA_DIR: z.string().min(1, 'a folder').default('./.quarry'),
  PUBLIC_URL: url('http:', 'https:').optional(),
  DATABASE_URL: postgresUrl.optional(),
  PLAYGROUND_URL: z.literal('off').or(postgresUrl).optional(),
  REDIS_URL: url('redis:', 'rediss:').optional(),
  STORAGE_URL: z.string().optional(),
  AWS_ACCESS_KEY_ID: z.string().optional(),
  AWS_SECRET_ACCESS_KEY: z.string().optional(),
  AWS_SESSION_TOKEN: z.string().optional(),
  AWS_REGION: z.string().optional(),
  AWS_DEFAULT_REGION: z.string().optional(),
  STORAGE_PER_USER_GIB: integer(1, 1_000_000).default(10),
  MASTER_KEYS: masterKeys.optional(),
  MASTER_KEYS_LOST: keyIds.default([]),
  SMTP_URL: parsedBy(smtpOf).optional(),
  MAIL_FROM: parsedBy(senderOf).optional(),
  REGISTRATION: oneOf(...registrationModes).default('open'),
  REQUIRE_VERIFIED_EMAIL: flag.default(false),
  OIDC_ISSUER: oidcIssuer.optional(),
  OIDC_AUDIENCE: z.string().optional(),
  CORS_ORIGINS: origins.default([]),
  TRUST_PROXY: cidrs.default([]),
  ALLOW_PRIVATE_HOSTS: z
    .stringbool({ truthy: ['true'], falsy: ['false'], error: 'true or false' })
    .or(cidrs)
    .default(false),
  WORKER_CONCURRENCY: integer(1, 256).default(8),
  MAX_PARALLEL_JOBS: integer(1, 256).default(4),
  RESULTS_RETENTION_HOURS: integer(1, 8_760).default(168),
  MAX_PARALLEL_JOBS_PER_DATABASE: integer(1, 1_000).default(16),
  CATALOG_TTL: integer(1, 86_400).default(60),
  RATE_LIMIT_ADDRESS: limit(100_000_000).default(12_000),
  RATE_LIMIT_USER: limit(100_000_000).default(6_000),
  RATE_LIMIT_KEY: limit(100_000_000).default(12_000),
  RATE_LIMIT_COST: limit(999_999_999).default(10_000_000),
  RATE_LIMIT_LOGIN: limit(1_000_000).default(10),
  RATE_LIMIT_LOGIN_ADDRESS: limit(1_000_000).default(100),
  RATE_LIMIT_REGISTER_ADDRESS: limit(1_000_000).default(50),
  RATE_LIMIT_REFUSALS: limit(1_000_000).default(100),
  GRAPHIQL: flag.optional(),
  INTROSPECTION: flag.optional(),
  PERSISTED_DOCUMENTS: z.string().optional(),
  PERSISTED_DOCUMENTS_ONLY: flag.default(false),
  LOG_LEVEL: oneOf('silent', 'error', 'warn', 'info', 'debug', 'trace').default('info'),
  LOG_FORMAT: oneOf('pretty', 'json').optional(),
  NODE_ENV: z.string().optional(),
};
const environment = z.object(variables);

/** Every variable that this version reads. */
export const variableNames: readonly string[] = Object.keys(variables);

/** Their parts are not built yet: to take a value and ignore it would be a lie. */
const laterNames = ['LLM_BASE_URL', 'LLM_API_KEY', 'LLM_MODEL'];

/** One letter from HOST or PORT, and meant. */
const usualNames = new Set(['POST', 'COST', 'LOST', 'SORT', 'HOSTS', 'PORTS']);

/** Levenshtein's distance, by the two-row method. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    previous = row;
  }
  return previous[b.length]!;
}

/** Of a name of four letters every other word is within two. */
const typos = (name: string) => (name.length <= 5 ? 1 : 2);

/** The same letters, two of them in the other order. */
const isSwapped = (name: string, other: string) =>
  distance(name, other) === 2 && [...name].sort().join('') === [...other].sort().join('');

function nameFaults(names: readonly string[]): ConfigFault[] {
  const known = [...variableNames, ...laterNames];
  return names.flatMap((name) => {
    if (laterNames.includes(name)) return [{ name, message: 'this version of Quarry cannot use it yet; unset it' }];
    if (known.includes(name) || usualNames.has(name) || name !== name.toUpperCase()) return [];
    const meant = known.find(
      (other) =>
        Math.abs(other.length - name.length) <= 2 && (distance(name, other) <= typos(other) || isSwapped(name, other)),
    );
    return meant ? [{ name, message: `unknown; did you mean ${meant}?` }] : [];
  });
}

export interface ReadConfigOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** Decides LOG_FORMAT where it is not given. */
  terminal: boolean;
}

/** @throws ConfigError with all faults at once */
export function readConfig({ env, terminal }: ReadConfigOptions): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const faults = nameFaults(Object.keys(given));
  const result = environment.safeParse(given);
  if (!result.success) {
    for (const issue of result.error.issues) faults.push({ name: String(issue.path[0]), message: faultMessage(issue) });
  }
  const values = result.data;
  if (values?.DATABASE_URL && !values.MASTER_KEYS) {
    faults.push({
      name: 'MASTER_KEYS',
      message: 'required with DATABASE_URL: id:base64 with 32 random bytes (openssl rand -base64 32)',
    });
  }
  if (values?.PERSISTED_DOCUMENTS_ONLY && !values.PERSISTED_DOCUMENTS) {
    faults.push({ name: 'PERSISTED_DOCUMENTS', message: 'required with PERSISTED_DOCUMENTS_ONLY: a file' });
  }
  for (const [name, other] of [
    ['OIDC_AUDIENCE', 'OIDC_ISSUER'],
    ['OIDC_ISSUER', 'OIDC_AUDIENCE'],
  ] as const)
    if (values?.[other] && !values[name]) faults.push({ name, message: `required with ${other}` });
  if (values?.OIDC_ISSUER && URL.parse(values.OIDC_ISSUER)?.origin === values.PUBLIC_URL?.origin)
    faults.push({ name: 'OIDC_ISSUER', message: 'another server than PUBLIC_URL' });
  if (values?.SMTP_URL && !values.MAIL_FROM) faults.push({ name: 'MAIL_FROM', message: 'required with SMTP_URL' });
  const storage = values && storageOf(values);
  if (Array.isArray(storage)) faults.push(...storage);
  if (!values || !storage || Array.isArray(storage) || faults.length > 0) throw new ConfigError(faults);

  const publicUrl =
    values.PUBLIC_URL ??
    new URL(`http://${values.HOST.includes(':') ? `[${values.HOST}]` : values.HOST}:${values.PORT}`);
  const production = values.NODE_ENV === 'production';
  const trustProxy = new BlockList();
  for (const cidr of values.TRUST_PROXY) {
    const [address = '', bits] = cidr.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    trustProxy.addSubnet(address, Number(bits ?? (family === 'ipv4' ? 32 : 128)), family);
  }
  return {
    port: values.PORT,
    host: values.HOST,
    dataDir: resolve(values.DATA_DIR),
    moduleCache: resolve(values.DATA_DIR, 'cache'),
    publicUrl,
    databaseUrl: values.DATABASE_URL ?? null,
    playground: values.PLAYGROUND_URL ?? 'embedded',
    masterKeys: values.MASTER_KEYS ?? null,
    lostKeys: values.MASTER_KEYS_LOST,
    redisUrl: values.REDIS_URL ? new Secret(values.REDIS_URL) : null,
    storage,
    storageOfUserBytes: values.STORAGE_PER_USER_GIB * 2 ** 30,
    mail: {
      smtp: values.SMTP_URL ?? null,
      from: values.MAIL_FROM ?? { name: 'Quarry', address: `quarry@${publicUrl.hostname}` },
    },
    registration: values.REGISTRATION,
    requireVerifiedEmail: values.REQUIRE_VERIFIED_EMAIL,
    oidc:
      values.OIDC_ISSUER && values.OIDC_AUDIENCE
        ? { issuer: values.OIDC_ISSUER, audience: values.OIDC_AUDIENCE }
        : null,
    corsOrigins: values.CORS_ORIGINS,
    trustProxy,
    allowPrivateHosts: values.ALLOW_PRIVATE_HOSTS,
    workerConcurrency: values.WORKER_CONCURRENCY,
    maxParallelJobs: values.MAX_PARALLEL_JOBS,
    resultsRetentionMs: values.RESULTS_RETENTION_HOURS * 3_600_000,
    maxParallelJobsPerDatabase: values.MAX_PARALLEL_JOBS_PER_DATABASE,
    catalogTtlMs: values.CATALOG_TTL * 1_000,
    rateLimits: {
      address: values.RATE_LIMIT_ADDRESS,
      user: values.RATE_LIMIT_USER,
      key: values.RATE_LIMIT_KEY,
      cost: values.RATE_LIMIT_COST,
    },
    attempts: {
      perAccount: values.RATE_LIMIT_LOGIN,
      perAddress: values.RATE_LIMIT_LOGIN_ADDRESS,
      registrations: values.RATE_LIMIT_REGISTER_ADDRESS,
    },
    auditedRefusals: values.RATE_LIMIT_REFUSALS,
    graphiql: values.GRAPHIQL ?? !production,
    introspection: values.INTROSPECTION ?? !production,
    persistedDocuments: values.PERSISTED_DOCUMENTS ? resolve(values.PERSISTED_DOCUMENTS) : null,
    persistedDocumentsOnly: values.PERSISTED_DOCUMENTS_ONLY,
    logLevel: values.LOG_LEVEL,
    logFormat: values.LOG_FORMAT ?? (terminal ? 'pretty' : 'json'),
  };
}

/** What of the environment is Amazon's is read only where the blobs are on S3. */
function storageOf(values: z.infer<typeof environment>): StoragePlace | ConfigFault[] {
  const url = values.STORAGE_URL ?? `file:${join(values.DATA_DIR, 'files')}`;
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = values;
  const credentials: S3Credentials | null =
    accessKeyId && secret
      ? { accessKeyId, secretAccessKey: new Secret(secret), sessionToken: token ? new Secret(token) : null }
      : null;
  const place = placeOf(url, { region: values.AWS_REGION ?? values.AWS_DEFAULT_REGION ?? null, credentials });
  if (typeof place === 'string') return [{ name: 'STORAGE_URL', message: place }];
  if (place.kind === 's3' && !accessKeyId !== !secret) {
    return accessKeyId
      ? [{ name: 'AWS_SECRET_ACCESS_KEY', message: 'required with AWS_ACCESS_KEY_ID' }]
      : [{ name: 'AWS_ACCESS_KEY_ID', message: 'required with AWS_SECRET_ACCESS_KEY' }];
  }
  return place;
}

/** A union tells what each of its members allows. */
function faultMessage(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_union') return issue.message;
  return [
    ...new Set(
      issue.errors
        .flat()
        .map((inner) => (inner.code === 'invalid_value' ? `“${inner.values.join('”, “')}”` : inner.message)),
    ),
  ].join(', or ');
}
