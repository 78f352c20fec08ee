/** The process that writes Parquet, from outside: lines go in, the bytes of the file go to the sink as they come. */
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AppError } from '../lib/errors.ts';
import type { FormatOptions, Sink } from './format.ts';
import type { ParquetReport, ParquetTask } from './parquet-process.ts';

export interface ParquetPipe extends AsyncDisposable {
  /** Resolves when more may come. @throws what broke it: the sink, the process, the signal's reason */
  write(lines: string | Uint8Array): Promise<void>;
  /** The rows of the file, when the sink has all of it. No more lines follow. @throws as write() */
  end(): Promise<number>;
}

export interface ParquetPipeDeps extends Pick<FormatOptions, 'temporaryFolder' | 'signal'> {
  readonly sink: Sink;
}

export interface ParquetPipeOptions {
  /** Of DuckDB: reads lines from the one pipe, writes Parquet to the other. */
  readonly statement: (paths: { input: string; output: string }) => string;
  readonly memoryMiB: number;
}

const program = fileURLToPath(new URL('./parquet-process.ts', import.meta.url));
const run = promisify(execFile);
const { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

export function openParquetPipe(
  { sink, temporaryFolder, signal: caller }: ParquetPipeDeps,
  { statement, memoryMiB }: ParquetPipeOptions,
): ParquetPipe {
  const broken = new AbortController();
  const signal = AbortSignal.any([caller, broken.signal]);
  const opened = Promise.withResolvers<Socket>();
  const rows = inFolder(convert);
  rows.catch((error: unknown) => {
    broken.abort(error);
    opened.reject(error);
  });
  opened.promise.catch(() => undefined);

  async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
    const folder = await mkdtemp(join(temporaryFolder, 'parquet-'));
    try {
      return await use(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async function convert(folder: string): Promise<number> {
    const paths = { input: join(folder, 'in.tsv'), output: join(folder, 'out.parquet') };
    await makePipes(Object.values(paths));
    signal.throwIfAborted();
    const file = readPipe(paths.output);
    const taken = take(file.stream);
    taken.catch((error: unknown) => broken.abort(error));
    let input: Socket | null = null;
    try {
      const task = { folder, input: paths.input, statement: statement(paths), memoryMiB };
      const report = await runProcess(task, signal, () => {
        input = writePipe(paths.input);
        opened.resolve(input);
      });
      signal.throwIfAborted();
      if (report.type !== 'done') throw faultOf(report, folder);
      file.end();
      await taken;
      return report.rows;
    } finally {
      (input as Socket | null)?.destroy();
      file.end();
      file.stream.destroy();
      // A write to the sink that is under way.
      await taken.catch(() => undefined);
    }
  }

  async function take(file: Socket): Promise<void> {
    for await (const bytes of file) {
      signal.throwIfAborted();
      await sink.write(bytes as Buffer);
    }
  }

  /** What went wrong is known when the process is gone; a pipe that broke tells nothing. */
  async function rethrow(error: unknown): Promise<never> {
    await rows;
    throw error;
  }

  return {
    async write(lines) {
      signal.throwIfAborted();
      const input = await opened.promise;
      if (input.destroyed) await rethrow(new Error('the pipe is closed'));
      if (!input.write(lines)) await once(input, 'drain', { signal }).catch(rethrow);
    },
    async end() {
      signal.throwIfAborted();
      const input = await opened.promise;
      const { promise: flushed, resolve } = Promise.withResolvers<unknown>();
      input.write('', resolve);
      await flushed;
      input.destroy();
      return rows;
    },
    async [Symbol.asyncDispose]() {
      broken.abort(new Error('the export was left'));
      await rows.catch(() => undefined);
    },
  };
}

async function makePipes(paths: string[]): Promise<void> {
  try {
    await run('mkfifo', ['-m', '600', ...paths]);
  } catch (cause) {
    throw new AppError('NOT_CONFIGURED', 'PARQUET needs named pipes, which this server cannot make.', { cause });
  }
}

/** Held open for writing until `end`, so that it does not end before the process has begun to write. */
function readPipe(path: string): { stream: Socket; end(): void } {
  let held: number | null = openSync(path, O_RDWR | O_NONBLOCK);
  const stream = new Socket({ fd: openSync(path, O_RDONLY | O_NONBLOCK), readable: true, writable: false });
  return {
    stream,
    end() {
      if (held !== null) closeSync(held);
      held = null;
    },
  };
}

/** Somebody reads it already. */
function writePipe(path: string): Socket {
  const socket = new Socket({ fd: openSync(path, O_WRONLY | O_NONBLOCK), readable: false, writable: true });
  // Broken when the process is gone, and why that is comes from there.
  socket.on('error', () => undefined);
  return socket;
}

/** Resolves with its last word, when it is gone. @throws when it dies without one */
async function runProcess(
  task: ParquetTask,
  signal: AbortSignal,
  onReading: () => void,
): Promise<Exclude<ParquetReport, { type: 'reading' }>> {
  let last: Exclude<ParquetReport, { type: 'reading' }> | null = null;
  // It needs nothing of this process: neither its environment nor its flags.
  const child = fork(program, {
    env: { MALLOC_ARENA_MAX: '2' },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    signal,
    killSignal: 'SIGKILL',
  });
  child.on('message', (report: ParquetReport) => {
    if (report.type !== 'reading') {
      last = report;
      child.kill('SIGKILL');
      return;
    }
    try {
      onReading();
      child.send('writing');
    } catch {
      /* It has stopped reading, and says why. */
    }
  });
  child.send(task);
  await gone(child);
  if (last === null) {
    signal.throwIfAborted();
    throw new Error(`the process that writes Parquet died: ${child.signalCode ?? child.exitCode}`);
  }
  return last;
}

/** All that it said is then heard: what is in its channel may come behind its exit. */
function gone(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let open = 2;
    const closed = () => --open === 0 && resolve();
    child.once('exit', closed);
    child.once('disconnect', closed);
    // Of one that runs it is the signal, and an exit follows.
    child.on('error', (error) => child.pid === undefined && reject(error));
  });
}

/** A statement failed for a value, or for the memory that it needs: LIMIT_EXCEEDED. */
export class ParquetFault extends AppError {
  /** In DuckDB's words. */
  readonly reason: string;

  constructor(reason: string) {
    // Its first line says why, the next show SQL.
    super('LIMIT_EXCEEDED', `PARQUET cannot hold the result: ${reason.split('\n', 1)[0]}`);
    this.reason = reason;
  }
}

function faultOf({ reason, message }: Extract<ParquetReport, { type: 'failed' }>, folder: string): AppError {
  const said = message.replaceAll(folder, '');
  return reason === 'module'
    ? new AppError(
        'NOT_CONFIGURED',
        `PARQUET needs DuckDB's native module, which is not there: ${said.split('\n', 1)[0]}`,
      )
    : new ParquetFault(said);
}
