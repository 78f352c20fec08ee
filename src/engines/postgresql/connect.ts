/** Starts a session on a server: a `pg` client on the dialled socket, that sends nothing but what the target says. */
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import pg from 'pg';
import { type Dial, type OpenOptions, RunError, type SessionIdentity, type Target } from '../engine.ts';
import { connectFailure, type Stage, toConnectFailure } from './errors.ts';
import { type GuardedStream, guard } from './guard.ts';
import { openTransport } from './transport.ts';

export interface ConnectDeps {
  readonly dial: Dial;
  readonly limits?: Partial<ConnectLimits> | undefined;
}

export interface ConnectLimits {
  /** From the look-up of the name to a session that is ready. */
  readonly connectTimeoutMs: number;
  /** The longest message a session takes, hence the longest row. */
  readonly maxMessageBytes: number;
}

const defaultLimits: ConnectLimits = { connectTimeoutMs: 10_000, maxMessageBytes: 64 * 2 ** 20 };

/** Before a session is ready a server has little to say. */
const maxStartMessageBytes = 2 ** 20;
/** Of one read of a session that expects large answers: several are one of these, and a system call is a wakeup, too. */
const readBytes = 2 ** 17;
/** How long a goodbye may take before the socket is simply closed. */
const endTimeoutMs = 1_000;

export interface ConnectOptions extends OpenOptions {
  /** A session that can also send the log of its database; it takes no extended queries. */
  readonly replication?: boolean | undefined;
  /** Large answers are expected: what comes is read into one buffer, where TLS does not bring it in many. */
  readonly bulk?: boolean | undefined;
}

/** The messages of the extended query protocol, as `pg` writes them. */
export interface Wire extends EventEmitter {
  readonly stream: GuardedStream;
  /** `types`: oids of the parameters, where they are known. */
  parse(message: { text: string; types?: readonly number[] }): void;
  bind(message: { portal: string; values: readonly (string | null)[] }): void;
  describe(message: { type: 'S' | 'P'; name: string }): void;
  /** Zero rows: all of them. */
  execute(message: { portal: string; rows: number }): void;
  close(message: { type: 'P'; name: string }): void;
  /** The server sends what it has answered so far, and does not wait for more to send. */
  flush(): void;
  sync(): void;
  /** Of a COPY, or of a replication. */
  sendCopyFromChunk(data: Uint8Array): void;
}

/** One physical connection, ready for queries. Disposing it says goodbye; `destroy` does not. */
export interface Connection extends AsyncDisposable {
  readonly client: pg.Client;
  readonly wire: Wire;
  readonly encrypted: boolean;
  readonly identity: SessionIdentity;
  readonly serverVersion: string;
  readonly superuser: boolean;
  /** A backslash in a plain string is one, as in our parser; a session may be told otherwise. */
  readonly standardStrings: boolean;
  /** What an answer takes that costs the server nothing, as seen at the start. */
  readonly latencyMs: number;
  /** What a CancelRequest must show. */
  readonly cancelKey: { readonly processId: number; readonly secretKey: number };
  /** Aborts when the connection is gone, with the cause as its reason. */
  readonly closed: AbortSignal;
  destroy(cause: Error): void;
}

/**
 * Values then print the same on every server, whatever its configuration and the user's; and a backend whose client
 * is gone ends itself also while it computes. Set by name, since 13 does not know the last one and Windows refuses it.
 */
export const sessionSettings = `
  SELECT pg_catalog.set_config(name, value, false)
    FROM (VALUES ('datestyle', 'ISO, YMD'), ('intervalstyle', 'iso_8601'), ('bytea_output', 'hex'),
                 ('extra_float_digits', '1'), ('timezone', 'UTC'),
                 ('client_connection_check_interval', '2s')) AS setting (name, value)
   WHERE pg_catalog.current_setting(name, true) IS NOT NULL
     AND (name <> 'client_connection_check_interval' OR pg_catalog.version() !~* 'windows|visual c|mingw')`;
/**
 * What of them the values of a file rely on, put back without a change to how a script's own text is read: the order of
 * days and months stays as it was set. So does the time zone, whose offset is printed.
 */
export const printSettings = [
  `SET datestyle = 'ISO'`,
  `SET intervalstyle = 'iso_8601'`,
  `SET bytea_output = 'hex'`,
  'SET extra_float_digits = 1',
] as const;

const identity = `
  SELECT pid::text, backend_start::text FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())`;

/** @throws AppError CONNECTION_FAILED, details `{ host, port, reason, hint, sqlState? }`; the signal's reason when it aborts */
export async function connect(
  deps: ConnectDeps,
  target: Target,
  { signal, label, replication = false, bulk = false }: ConnectOptions,
): Promise<Connection> {
  const { connectTimeoutMs, maxMessageBytes } = { ...defaultLimits, ...deps.limits };
  signal.throwIfAborted();
  checkNames(target);
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMs)]);
  let stage: Stage = 'TCP';
  let stream: GuardedStream | undefined;
  const onAbort = () => stream?.destroy(new Error('The deadline of the connect has passed'));
  deadline.addEventListener('abort', onAbort, { once: true });
  try {
    const readInto = bulk ? Buffer.allocUnsafeSlow(readBytes) : undefined;
    const { socket, encrypted } = await openTransport(deps, target, { signal: deadline, readInto });
    stream = guard(socket, { maxMessageBytes: maxStartMessageBytes, reused: bulk && !encrypted });
    if (deadline.aborted) onAbort();
    const { client, wire } = createClient(target, stream, { label, replication });
    // A server that answered the request for TLS is one; of the others nothing is known before their first message.
    if (target.ssl !== 'DISABLE') stage = 'AUTHENTICATION';
    for (const event of authenticationRequests) wire.on(event, () => (stage = 'AUTHENTICATION'));
    wire.on('authenticationOk', () => (stage = 'DATABASE'));
    if (!encrypted && !target.allowInsecureAuthentication) refuseInsecureAuthentication(target, wire);
    const parameters = watchParameters(wire);
    const closed = watchEnd(client);

    await client.connect();
    stream.maxMessageBytes = maxMessageBytes;
    const since = performance.now();
    const [pid, backendStart] = await startSession(client);
    const latencyMs = performance.now() - since;
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    return {
      client,
      wire,
      encrypted,
      identity: { sessionId: pid, startedAt: backendStart },
      serverVersion: parameters.get('server_version') ?? '',
      superuser: parameters.get('is_superuser') === 'on',
      get standardStrings() {
        return parameters.get('standard_conforming_strings') === 'on';
      },
      latencyMs,
      cancelKey: { processId: processID, secretKey },
      closed,
      destroy: (cause) => wire.stream.destroy(cause),
      [Symbol.asyncDispose]: () => end(client, wire),
    };
  } catch (cause) {
    stream?.destroy();
    signal.throwIfAborted();
    if (deadline.aborted) throw toConnectFailure(target, stage, new Error('timed out', { cause }));
    throw toConnectFailure(target, stage, cause);
  } finally {
    deadline.removeEventListener('abort', onAbort);
  }
}

/** `pg` fills what is empty from the environment, and a NUL would end a name and begin the next parameter. */
function checkNames({ host, port, user, database, password }: Target): void {
  if (user !== '' && database !== '' && ![user, database, password].some((text) => text.includes('\0'))) return;
  throw connectFailure({ host, port }, 'AUTHENTICATION', 'The user or the database is not named', {
    hint: 'Give both; neither they nor the password may hold a NUL character.',
  });
}

function createClient(
  target: Target,
  stream: GuardedStream,
  { label, replication }: { label: string; replication: boolean },
): { client: pg.Client; wire: Wire } {
  const { host, port, user, database } = target;
  const client = new pg.Client({
    host,
    port,
    user,
    database,
    // A function: an empty password as text would be looked up in PGPASSWORD and ~/.pgpass.
    password: () => target.password,
    ssl: false, // transport.ts has done it
    sslnegotiation: 'postgres',
    stream: () => stream as unknown as Duplex,
  });
  // All that the server is told at the start, whatever PG* variables this process has.
  const internals = client as unknown as { connection: Wire; getStartupConf: () => Record<string, string> };
  internals.getStartupConf = () => ({
    user,
    database,
    application_name: label.replaceAll('\0', ''),
    ...(replication ? { replication: 'database' } : {}),
  });
  // Errors reach whoever runs a query; those of an idle client end in `closed`, and must not end the process.
  client.on('error', () => {});
  return { client, wire: internals.connection };
}

const insecureRequests = ['authenticationCleartextPassword', 'authenticationMD5Password'] as const;
const authenticationRequests = [...insecureRequests, 'authenticationSASL'] as const;

/** Heard before `pg` answers: closing the socket keeps the password here, whatever was asked before it. */
function refuseInsecureAuthentication(target: Target, wire: Wire): void {
  for (const event of insecureRequests) {
    wire.on(event, () => {
      const how = event === 'authenticationMD5Password' ? 'as an MD5 hash' : 'in clear';
      wire.stream.destroy(
        connectFailure(target, 'AUTHENTICATION', `The server asks for the password ${how} without TLS`, {
          hint: 'Use TLS or SCRAM; or set allowInsecureAuthentication where the network is trusted.',
        }),
      );
    });
  }
}

const usedParameters: ReadonlySet<string> = new Set(['server_version', 'is_superuser', 'standard_conforming_strings']);

/** What the server reports of itself. Ends the session when it would no longer speak UTF-8: text could not be read. */
function watchParameters(wire: Wire): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  wire.on('parameterStatus', ({ parameterName, parameterValue }: { parameterName: string; parameterValue: string }) => {
    // These alone: a server that means ill would fill the memory with names.
    if (usedParameters.has(parameterName)) parameters.set(parameterName, parameterValue);
    if (parameterName === 'client_encoding' && parameterValue !== 'UTF8') {
      const hint = 'Leave the setting alone: text is always UTF-8 here.';
      wire.stream.destroy(new RunError({ code: 'SQL_ERROR', message: 'client_encoding stays UTF8', hint }));
    }
  });
  return parameters;
}

function watchEnd(client: pg.Client): AbortSignal {
  const closed = new AbortController();
  client.on('error', (error) => closed.abort(error));
  client.on('end', () => closed.abort(new Error('The connection has ended')));
  return closed.signal;
}

async function startSession(client: pg.Client): Promise<[pid: string, backendStart: string]> {
  // A list: one result for each of the two statements.
  const results = (await client.query({
    text: `${sessionSettings}; ${identity}`,
    rowMode: 'array',
  })) as unknown as pg.QueryArrayResult[];
  const [pid, backendStart] = results.at(-1)?.rows[0] ?? [];
  return [String(pid), String(backendStart)];
}

async function end(client: pg.Client, wire: Wire): Promise<void> {
  const timer = setTimeout(() => wire.stream.destroy(), endTimeoutMs);
  await client.end().catch(() => {
    // It is gone already.
  });
  clearTimeout(timer);
}
