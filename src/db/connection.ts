/** One PostgreSQL connection with everything said explicitly: nothing of the process environment reaches a server. */
import { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';

export interface ConnectionConfig {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Absent or false: no TLS, as on the loopback of the embedded clusters. */
  readonly ssl?: ConnectionOptions | boolean | undefined;
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
