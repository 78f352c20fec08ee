/** One PostgreSQL connection with everything said explicitly: nothing of the process environment reaches a server. */
import { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { StartError } from './start-error.ts';

export interface ConnectionConfig {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Absent or false: no TLS, as on the loopback of the embedded clusters. */
  readonly ssl?: ConnectionOptions | boolean | undefined;
}

const tlsOf: Readonly<Record<string, ConnectionOptions | false>> = {
  disable: false,
  require: { rejectUnauthorized: false },
  'verify-ca': { checkServerIdentity: () => undefined },
  'verify-full': {},
};

/**
 * Takes an operator's URL apart. Nothing but `sslmode` may be added to it: a driver would read files and change hosts
 * for other parameters. Without `sslmode` there is no TLS.
 * @throws StartError that names the variable and repeats nothing of the URL
 */
export function connectionFromUrl(variable: string, url: URL): ConnectionConfig {
  const refuse = (why: string) => new StartError(`${variable} ${why}`);
  const other = [...url.searchParams.keys()].find((name) => name !== 'sslmode');
  if (other !== undefined) throw refuse('may have the parameter sslmode and no other');
  const ssl = tlsOf[url.searchParams.get('sslmode') ?? 'disable'];
  if (ssl === undefined) throw refuse(`needs an sslmode of ${Object.keys(tlsOf).join(', ')}`);
  const [host, user, password, database] = [
    url.hostname.replace(/^\[(.*)\]$/, '$1'),
    url.username,
    url.password,
    url.pathname.slice(1),
  ].map(decoded);
  if (!host || !user || !database || host.startsWith('/')) throw refuse('has to name a host, a user and a database');
  if (password === undefined) throw refuse('has a % in its password that begins no escape: write it %25');
  return { host, port: Number(url.port || 5432), user, password, database, ssl };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // A % that begins no escape: as good as absent.
  }
}

/** What every pg client or pool of the metadata side is made of. A value left out would come from a PG* variable. */
export const explicit = (connection: ConnectionConfig, applicationName = 'quarry') =>
  ({
    host: connection.host,
    port: connection.port,
    user: connection.user,
    // pg takes an empty password for an absent one and falls back to the environment; it never does so for a function.
    password: () => connection.password,
    database: connection.database,
    ssl: connection.ssl ?? false,
    application_name: applicationName,
    options: '-c timezone=UTC',
    client_encoding: 'UTF8',
  }) as const;

export interface Connected extends AsyncDisposable {
  readonly client: pg.Client;
}

export interface ConnectOptions {
  signal?: AbortSignal | undefined;
  connectTimeoutMs?: number | undefined;
}

/** Opens one connection; aborting the signal ends it and whatever waits on it. Closed by its disposal. */
export async function connect(
  connection: ConnectionConfig,
  { signal, connectTimeoutMs = 10_000 }: ConnectOptions = {},
): Promise<Connected> {
  signal?.throwIfAborted();
  const socket = new Socket();
  const client = new pg.Client({
    ...explicit(connection),
    stream: () => socket,
    connectionTimeoutMillis: connectTimeoutMs,
  });
  const abort = () => socket.destroy(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
  signal?.addEventListener('abort', abort, { once: true });
  client.on('error', () => {
    /* Lost while idle: the next query on it rejects with the cause. */
  });
  const close = async () => {
    signal?.removeEventListener('abort', abort);
    if (socket.destroyed) return;
    await client.end().catch(() => {
      /* Gone already. */
    });
  };
  try {
    await client.connect();
  } catch (error) {
    signal?.removeEventListener('abort', abort);
    socket.destroy();
    throw signal?.aborted ? signal.reason : error;
  }
  return { client, [Symbol.asyncDispose]: close };
}
