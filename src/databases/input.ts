/** What may be said of a database and its connection: parsed here once, every fault told at once and at its field. */
import { X509Certificate } from 'node:crypto';
import type { SslMode } from '../engines/engine.ts';
import type { EngineKind } from '../engines/registry.ts';
import { isHost } from '../lib/egress.ts';
import { badInput, type FieldFault } from '../lib/errors.ts';
import { partsOfUrl } from './url.ts';

export const databaseLimits = {
  nameLength: 200,
  /** Of a database's or a user's name on the target. */
  identifierLength: 255,
  passwordLength: 4_096,
  urlLength: 8_192,
  /** PEM. */
  certificateLength: 65_536,
  /** Databases that one user owns, and how many of them may be hosted. */
  owned: 500,
  ownedHosted: 20,
} as const;

type Given<T> = T | null | undefined;

export interface ConnectionInput {
  engine?: Given<EngineKind>;
  host?: Given<string>;
  port?: Given<number>;
  database?: Given<string>;
  user?: Given<string>;
  password?: Given<string>;
  url?: Given<string>;
  ssl?: Given<SslMode>;
  sslRootCertificate?: Given<string>;
  allowInsecureAuthentication?: Given<boolean>;
}

/** What is absent stays; null clears where there is something to clear. */
export type ConnectionChange = Omit<ConnectionInput, 'engine' | 'url'>;

/** A connection, whole and taken apart. */
export interface ConnectionSettings {
  readonly engine: EngineKind;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly ssl: SslMode;
  readonly sslRootCertificate: string | null;
  readonly allowInsecureAuthentication: boolean;
}

/** Where in the input a connection is kept. */
const storedPath = 'input.connection';

export interface ParseConnectionOptions {
  defaultPort: (engine: EngineKind) => number | null;
  /** Where in the input it is. */
  path?: string;
}

/** @throws AppError BAD_USER_INPUT */
export function parseConnection(
  input: ConnectionInput,
  { defaultPort, path = storedPath }: ParseConnectionOptions,
): ConnectionSettings {
  const engine = input.engine ?? 'postgresql';
  const parts = input.url == null ? input : partsWithUrl(input, input.url, path);
  const settings = {
    engine,
    host: parts.host ?? '',
    port: parts.port ?? defaultPort(engine) ?? 0,
    database: parts.database ?? '',
    user: parts.user ?? '',
    password: parts.password ?? '',
    ssl: parts.ssl ?? 'PREFER',
    sslRootCertificate: parts.sslRootCertificate ?? null,
    allowInsecureAuthentication: parts.allowInsecureAuthentication ?? false,
  };
  return checked(settings, path);
}

const partsOfAddress = ['host', 'port', 'database', 'user', 'password'] as const;

function partsWithUrl(input: ConnectionInput, url: string, at: string): ConnectionInput {
  const fault = (message: string) => badInput({ path: `${at}.url`, message });
  const twice = partsOfAddress.filter((part) => input[part] != null);
  if (twice.length > 0) throw fault(`not together with ${twice.join(', ')}`);
  if (url.length > databaseLimits.urlLength) throw fault(`at most ${databaseLimits.urlLength} characters`);
  const parts = partsOfUrl(url);
  if (typeof parts === 'string') throw fault(parts);
  // PREFER is what the schema fills in where nothing was said.
  const said = input.ssl == null || input.ssl === 'PREFER' ? null : input.ssl;
  if (said && parts.ssl && said !== parts.ssl) throw fault(`its sslmode is not the same as ssl`);
  return { ...input, ...parts, ssl: said ?? parts.ssl };
}

/** What makes up where a secret goes, and how safely: none of it changes unless the secret is typed again. */
const boundParts = ['host', 'port', 'database', 'user', 'ssl', 'sslRootCertificate'] as const;

export type StoredConnection = Omit<ConnectionSettings, 'password'>;

export interface ChangedConnection extends StoredConnection {
  /** Null: the one that is stored. */
  readonly password: string | null;
}

/**
 * The connection after a change. Whoever changes where it leads must know the password: else an editor could have it
 * sent to a server of his own. @throws AppError BAD_USER_INPUT
 */
export function changeConnection(
  { engine, host, port, database, user, ssl, sslRootCertificate, allowInsecureAuthentication }: StoredConnection,
  change: ConnectionChange,
): ChangedConnection {
  const now = { engine, host, port, database, user, ssl, sslRootCertificate, allowInsecureAuthentication };
  const cleared = Object.entries(change).filter(([name, value]) => value === null && name !== 'sslRootCertificate');
  if (cleared.length > 0) throw badInput(...nonEmpty(cleared.map(([name]) => fault(name, 'cannot be cleared'))));
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  const { password, ...next } = checked({ ...now, password: '', ...given }, storedPath);
  if (change.password != null) return { ...next, password };

  const moved: string[] = boundParts.filter((part) => next[part] !== now[part]);
  // With it a password goes out as it is.
  if (next.allowInsecureAuthentication && !now.allowInsecureAuthentication) moved.push('allowInsecureAuthentication');
  if (moved.length > 0) {
    throw badInput(...nonEmpty(moved.map((part) => fault(part, 'changes only together with the password'))));
  }
  return { ...next, password: null };
}

const fault = (name: string, message: string): FieldFault => ({ path: `${storedPath}.${name}`, message });
const nonEmpty = (faults: readonly FieldFault[]) => faults as [FieldFault, ...FieldFault[]];

function checked(settings: ConnectionSettings, at: string): ConnectionSettings {
  const { host, port, database, user, password, sslRootCertificate } = settings;
  const faults: FieldFault[] = [];
  const check = (sound: boolean, name: string, message: string) => {
    if (!sound) faults.push({ path: `${at}.${name}`, message });
  };
  check(isHost(host), 'host', 'a host name or an address alone: no URL, no path, no port, no spaces');
  check(Number.isInteger(port) && port >= 1 && port <= 65_535, 'port', 'from 1 to 65535');
  const { identifierLength, passwordLength } = databaseLimits;
  const isIdentifier = (text: string) => text !== '' && text.length <= identifierLength && isPrintable(text);
  check(isIdentifier(database), 'database', `required, at most ${identifierLength} characters`);
  check(isIdentifier(user), 'user', `required, at most ${identifierLength} characters`);
  check(
    password.length <= passwordLength && !password.includes('\0'),
    'password',
    `at most ${passwordLength} characters, without NUL`,
  );
  check(
    sslRootCertificate === null || isCertificate(sslRootCertificate),
    'sslRootCertificate',
    'a certificate as PEM, or several',
  );
  if (faults.length > 0) throw badInput(...nonEmpty(faults));
  return settings;
}

const isPrintable = (text: string): boolean => !/\p{Cc}/u.test(text) && text.isWellFormed();

function isCertificate(pem: string): boolean {
  if (pem.length > databaseLimits.certificateLength || !/^-----BEGIN CERTIFICATE-----/m.test(pem)) return false;
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false; // Not one; what is wrong inside it says nothing to a user.
  }
}

/** @throws AppError BAD_USER_INPUT */
export function parseName(name: string | null): string {
  const trimmed = (name ?? '').trim();
  const { nameLength } = databaseLimits;
  if (trimmed === '' || [...trimmed].length > nameLength || !isPrintable(trimmed)) {
    throw badInput({ path: 'input.name', message: `1 to ${nameLength} characters, on one line` });
  }
  return trimmed;
}

/** @throws AppError BAD_USER_INPUT */
export function parseSearch(search: string | null | undefined): string | undefined {
  if (search == null || search === '') return undefined;
  const { nameLength } = databaseLimits;
  if (search.length > nameLength || !isPrintable(search)) {
    throw badInput({ path: 'search', message: `at most ${nameLength} characters, on one line` });
  }
  return search;
}
