/** A whole Quarry as its users meet it: a process of its own with data of its own, reached over HTTP and WebSocket alone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { type FormattedExecutionResult, print } from 'graphql';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { processStart } from '../../src/db/processes.ts';
import type { RegisterMutation } from '../generated/graphql.ts';
import { RegisterDocument } from './operations.ts';

export interface LogEntry {
  /** The event's name. */
  msg: string;
  pid: number;
  [field: string]: unknown;
}

export interface AnswerError {
  message: string;
  path?: (string | number)[];
  extensions: { code: string; details?: Record<string, unknown> };
}

export interface Answer<Data> {
  status: number;
  headers: Headers;
  data: Data | null | undefined;
  errors: AnswerError[] | undefined;
  /** `extensions.code` of the first error. */
  code: string | undefined;
}

export interface Asker {
  /** Of the access token; absent: anonymous. */
  token?: string | undefined;
  headers?: Record<string, string>;
}

export type Account = NonNullable<RegisterMutation['register']['auth']> & { token: string; email: string };

const main = join(import.meta.dirname, '../../src/main.ts');
/** As `npm start` has it: what is garbage at once does not lie about, and a catalogue of 10,000 tables is read in 100 MB less. */
const memoryFlags = ['--max-semi-space-size=16'];
/** As a client that knows the newer media type sends it. */
const json = { 'content-type': 'application/json', accept: 'application/graphql-response+json' };
/** Of every account that is registered here. */
export const accountPassword = 'correct horse battery';
/** Longer than a worker drains. */
const goneWithinMs = 40_000;
let accounts = 0;

/** What a Quarry gets of this process's environment; NODE_ENV and VITEST are not a user's. */
export function inherited(): Record<string, string | undefined> {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  return { PATH, HOME, NODE_COMPILE_CACHE };
}

/** @param env overrides what every test server gets */
export async function startQuarry({ env = {} }: { env?: Record<string, string> } = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'quarry-test-'));
  // As root the clusters run as another user, who has to get in.
  await chmod(dataDir, 0o711);
  const log: LogEntry[] = [];
  const written = new EventEmitter().setMaxListeners(0);
  const clients = new Map<string, Client>();
  let child: ChildProcess;
  let url: URL;

  async function start(): Promise<void> {
    const seen = log.length;
    const started = spawn(process.execPath, [...memoryFlags, main], {
      env: {
        ...inherited(),
        DATA_DIR: dataDir,
        PORT: '0',
        ALLOW_PRIVATE_HOSTS: '127.0.0.1/32',
        LOG_FORMAT: 'json',
        // All that a test asks comes from one address, and as fast as it can.
        RATE_LIMIT_ADDRESS: 'off',
        RATE_LIMIT_USER: 'off',
        RATE_LIMIT_KEY: 'off',
        RATE_LIMIT_COST: 'off',
        RATE_LIMIT_REGISTER_ADDRESS: 'off',
        RATE_LIMIT_REFUSALS: 'off',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        log.push(entryOf(line));
        written.emit('entry');
      });
    }
    // Whoever waits for more of it learns that no more comes.
    started.on('close', () => written.emit('entry'));
    const ready = await until('quarry.ready', { from: seen });
    // Where it is, whatever PUBLIC_URL says.
    url = new URL(`http://127.0.0.1:${String(ready.port)}/graphql`);
  }

  /** The first entry of this event, also one that is already there. @throws Error when it cannot come any more */
  async function until(event: string, { from = 0, of = () => true }: UntilOptions = {}): Promise<LogEntry> {
    const by = child;
    for (let next = from; ; next += 1) {
      while (next >= log.length) {
        if (by.exitCode !== null || by.signalCode !== null) {
          throw new Error(`the process ended before ${event}: ${JSON.stringify(log.slice(-5))}`);
        }
        await new Promise<void>((resolve) => written.once('entry', resolve));
      }
      const entry = log[next]!;
      if (entry.msg === event && of(entry)) return entry;
    }
  }

  /** Every process that ever wrote here, and the servers that it named. */
  const pids = () => [...new Set(log.map(({ pid }) => pid).filter(Boolean))];

  async function end(signal: NodeJS.Signals): Promise<void> {
    await Promise.all([...clients.values()].map((client) => client.dispose()));
    clients.clear();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  function clientOf({ token, headers }: Asker): Client {
    const key = JSON.stringify([token, headers]);
    const known = clients.get(key);
    if (known) return known;
    const client = createClient({
      url: url.href.replace('http', 'ws'),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      ...(token !== undefined && { connectionParams: { authorization: `Bearer ${token}` } }),
      onNonLazyError: () => undefined,
    });
    clients.set(key, client);
    return client;
  }

  async function post(body: string | FormData, headers: Record<string, string>): Promise<Answer<unknown>> {
    return answerOf(await fetch(url, { method: 'POST', body, headers }));
  }

  function execute<Data, Variables>(
    document: TypedDocumentNode<Data, Variables> | string,
    variables?: Variables,
    { token, headers }: Asker = {},
  ): Promise<Answer<Data>> {
    const query = typeof document === 'string' ? document : print(document);
    const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return post(JSON.stringify({ query, variables }), { ...json, ...authorization, ...headers }) as Promise<
      Answer<Data>
    >;
  }

  /** What was asked for. @throws Error for an answer with errors */
  async function ask<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    asker: Asker = {},
  ): Promise<Data> {
    const { data, errors } = await execute(document, variables, asker);
    if (errors || !data) throw new Error(JSON.stringify(errors));
    return data;
  }

  await start();
  return {
    dataDir,
    log,
    until,
    execute,
    ask,
    post,
    /** Of `/graphql`; another one after each start. */
    get url() {
      return url.href;
    },
    get wsUrl() {
      return url.href.replace('http', 'ws');
    },
    get pid() {
      return child.pid!;
    },
    /** Of the child that serves jobs, the newest. */
    get workerPid() {
      return log.findLast(({ msg }) => msg === 'worker.started')!.pid;
    },

    /** Over one socket a token, from now on; every event is kept until it is asked for. What fails is thrown. */
    subscribe<Data, Variables extends Record<string, unknown>>(
      document: TypedDocumentNode<Data, Variables>,
      variables: Variables,
      asker: Asker = {},
    ): AsyncGenerator<Data> {
      return dataOf(clientOf(asker).iterate<Data>({ query: print(document), variables }));
    },

    /** A new account; the first of all is the administrator. */
    async register(email = `user${++accounts}.${process.pid}@example.com`): Promise<Account> {
      const { register } = await ask(RegisterDocument, {
        input: { email, password: accountPassword, name: 'Somebody' },
      });
      const auth = register.auth!;
      return { ...auth, token: auth.accessToken, email };
    },

    /** Sends SIGTERM. @throws Error for processes that are left */
    async stop(): Promise<void> {
      await end('SIGTERM');
      await allGone(pids());
    },

    /** Sends SIGKILL; what the process had started is on its own. */
    kill: () => end('SIGKILL'),

    /** Stops it where it still runs, and starts it on the same data. */
    async restart(): Promise<void> {
      await end('SIGTERM');
      await start();
    },

    async [Symbol.asyncDispose]() {
      await end('SIGTERM');
      await allGone(pids());
      const outside = await readFile(join(dataDir, 'postgres', 'location'), 'utf8').catch(() => undefined);
      if (outside) await rm(outside, { recursive: true, force: true });
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export type Quarry = Awaited<ReturnType<typeof startQuarry>>;

interface UntilOptions {
  /** Entries before this one do not count. */
  from?: number;
  of?: (entry: LogEntry) => boolean;
}

async function* dataOf<Data>(events: AsyncIterable<FormattedExecutionResult<Data, unknown>>): AsyncGenerator<Data> {
  for await (const { data, errors } of events) {
    if (errors || !data) throw new Error(JSON.stringify(errors));
    yield data;
  }
}

/** A line that is no entry is what a process printed as it fell over. */
function entryOf(line: string): LogEntry {
  try {
    return JSON.parse(line) as LogEntry;
  } catch {
    return { msg: line, pid: 0 };
  }
}

export async function answerOf(response: Response): Promise<Answer<unknown>> {
  const text = await response.text();
  const { data, errors } = (response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : {}) as Pick<
    Answer<unknown>,
    'data' | 'errors'
  >;
  return { status: response.status, headers: response.headers, data, errors, code: errors?.[0]?.extensions?.code };
}

/** Processes that are no children of ours report nothing: looked at until they are gone. @throws Error for those that stay */
export async function allGone(pids: readonly number[]): Promise<void> {
  for (const deadline = Date.now() + goneWithinMs; ; ) {
    const starts = await Promise.all(pids.map(processStart));
    const left = pids.filter((_, i) => starts[i] !== undefined);
    if (left.length === 0) return;
    if (Date.now() > deadline) throw new Error(`still there: ${left.join(', ')}`);
    await setTimeout(50);
  }
}
