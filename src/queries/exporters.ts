/**
 * Processes that write exports, a process for each that runs (exporter-process.ts). One that has come to its end well
 * waits a while for the next; one that did not is gone with all that it had.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SessionIdentity } from '../engines/engine.ts';
import type { ExportBooks, Written } from '../exports/export-books.ts';
import { ExportFailed } from '../exports/export-failed.ts';
import { type Call, createCalls } from '../lib/calls.ts';
import type { Service } from '../lib/lifecycle.ts';
import { plainPlace, type StoragePlace } from '../storage/place.ts';
import type { RunScript, ToldEvent } from './export-run.ts';
import { decodeFault, encodeFault, Stopped, wasCutOff } from './exporter-faults.ts';
import type { ExporterApi, ExporterPlace, ExportTask, WorkerApi } from './exporter-process.ts';

export interface ExportersDeps extends Omit<ExporterPlace, 'storage'> {
  readonly storage: StoragePlace;
  /** Where modules keep their compiled form; absent: as the environment says. */
  readonly moduleCache?: string;
  /** How long one waits for the next export. */
  readonly idleMs?: number;
}

export interface Exporters extends Service {
  /**
   * Opens a session in the target. @throws AppError CONNECTION_FAILED; ExportFailed INTERRUPTED when its process dies, as
   * all that follows
   */
  open(task: ExportTask, options: ExporterOptions): Promise<Exporter>;
}

export interface ExporterOptions {
  readonly books: Pick<ExportBooks, 'reserve' | 'claim'>;
  /** Stops whatever it does; its reason is what that throws then, where nobody has more to say. */
  readonly signal: AbortSignal;
}

/** In order: `run`, then `finish` or `abandon`. Disposing it closes the session. */
export interface Exporter extends AsyncDisposable {
  readonly identity: SessionIdentity;
  /** Aborts when the session is gone without a goodbye. */
  readonly closed: AbortSignal;
  /** @param told waited for. @throws RunError, ExportFailed, StorageFailed, what `told` and the books throw */
  run(script: RunScript, told: (event: ToldEvent) => Promise<void>): Promise<void>;
  /** @throws as `run` */
  finish(): Promise<Written>;
  /** Nothing of what it has written and not finished is left. Never throws. */
  abandon(): Promise<void>;
}

const program = fileURLToPath(new URL('./exporter-process.ts', import.meta.url));
const idleMs = 30_000;
/** That wait. */
const maxIdle = 2;
/** A target that does not answer a cancel has so long; a run that is stopped ends sooner. */
const stopMs = 20_000;

/**
 * Rows that become text are garbage at once, of which a young generation (MB) goes over little; and what is freed is given
 * back by glibc (mallopt(3)), which else keeps buffers of hundreds of kilobytes.
 */
const memoryFlags = ['--max-semi-space-size=16'];
const mallocSettings = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: String(2 ** 17) };
/** What a process needs of this one's environment; secrets are not among it, but for those of the machine's role. */
const passed =
  /^(PATH|HOME|TMPDIR|TZ|LD_LIBRARY_PATH|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS|NODE_COMPILE_CACHE|AWS_\w+)$/;

interface Process {
  readonly child: ChildProcess;
  readonly call: Call<ExporterApi>;
  readonly gone: Promise<void>;
  /** Whom it works for. */
  now: { readonly api: WorkerApi } | null;
  timer: NodeJS.Timeout | undefined;
}

class ExporterDied extends ExportFailed {
  constructor() {
    super({ code: 'INTERRUPTED', message: 'The process that wrote the files died' });
  }
}

export function createExporters({ storage, moduleCache, idleMs: waitMs = idleMs, ...place }: ExportersDeps): Exporters {
  const idle: Process[] = [];
  const all = new Set<Process>();

  function start(): Process {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => passed.test(name)));
    const child = fork(program, {
      execArgv: memoryFlags,
      env: { ...mallocSettings, ...(moduleCache && { NODE_COMPILE_CACHE: moduleCache }), ...env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // What JSON has no form for is sent, too: no limit of rows is Infinity.
      serialization: 'advanced',
    });
    const api = () => {
      if (started.now === null) throw new Error('nothing is exported');
      return started.now.api;
    };
    const started: Process = {
      child,
      call: createCalls<WorkerApi, ExporterApi>({
        channel: child,
        ours: {
          reserve: async (given) => api().reserve(given),
          claim: async (claimed) => api().claim(claimed),
          told: async (event) => api().told(event),
        },
        encode: (error) => encodeFault(error, { closed: false, stop: undefined }),
        decode: decodeFault,
        gone: () => new ExporterDied(),
      }),
      gone: new Promise((resolve) => {
        child.once('exit', () => resolve()).once('error', () => child.pid === undefined && resolve());
      }),
      now: null,
      timer: undefined,
    };
    all.add(started);
    void started.gone.then(() => {
      all.delete(started);
      drop(started);
    });
    // Whoever opens the first export waits for it, and is told of its failure.
    started.call('settle', { ...place, storage: plainPlace(storage) }).catch(() => undefined);
    return started;
  }

  function drop(process: Process): void {
    clearTimeout(process.timer);
    const at = idle.indexOf(process);
    if (at >= 0) idle.splice(at, 1);
  }

  function take(): Process {
    const known = idle.pop();
    if (!known) return start();
    clearTimeout(known.timer);
    known.child.ref();
    known.child.channel?.ref();
    return known;
  }

  async function end(process: Process): Promise<void> {
    drop(process);
    process.child.kill('SIGKILL');
    await process.gone;
  }

  /** Its last task has left nothing behind. */
  function giveBack(process: Process): void {
    process.now = null;
    if (idle.length >= maxIdle || !all.has(process)) return void end(process);
    idle.push(process);
    process.timer = setTimeout(() => void end(process), waitMs);
    process.timer.unref();
    // Nor does it keep this process from ending.
    process.child.unref();
    process.child.channel?.unref();
  }

  return {
    async open(task, { books, signal }) {
      signal.throwIfAborted();
      const process = take();
      const closed = new AbortController();
      void process.gone.then(() => closed.abort());
      /** What went wrong here is not what the other side makes of it. */
      let failure: { readonly error: unknown } | null = null;
      let taker: ((event: ToldEvent) => Promise<void>) | null = null;
      let force: NodeJS.Timeout | undefined;

      const noted = async <T>(work: () => Promise<T>): Promise<T> => {
        try {
          return await work();
        } catch (error) {
          failure ??= { error };
          throw error;
        }
      };
      process.now = {
        api: {
          reserve: () => noted(() => books.reserve()),
          claim: (claimed) => noted(() => books.claim(claimed)),
          told: (event) => noted(async () => await taker?.(event)),
        },
      };

      const stop = () => {
        const isTimeout = signal.reason === 'timeout';
        process.call('stop', isTimeout ? 'timeout' : 'other').catch(() => undefined);
        force ??= setTimeout(() => process.child.kill('SIGKILL'), stopMs);
      };
      signal.addEventListener('abort', stop, { once: true });

      const asked = async <T>(work: Promise<T>): Promise<T> => {
        try {
          return await work;
        } catch (error) {
          if (wasCutOff(error)) closed.abort();
          if (failure !== null) throw failure.error;
          throw signal.aborted && (error instanceof Stopped || error instanceof ExporterDied) ? signal.reason : error;
        }
      };
      const leave = () => {
        clearTimeout(force);
        signal.removeEventListener('abort', stop);
      };

      let identity: SessionIdentity;
      try {
        identity = await asked(process.call('open', task));
      } catch (error) {
        leave();
        giveBack(process);
        signal.throwIfAborted();
        throw error;
      }
      return {
        identity,
        closed: closed.signal,
        async run(script, told) {
          taker = told;
          await asked(process.call('run', script));
        },
        finish: () => asked(process.call('finish', null)),
        abandon: () => process.call('abandon', null).catch(() => undefined),
        async [Symbol.asyncDispose]() {
          const left = await process.call('close', null).then(
            () => true,
            () => false,
          );
          leave();
          if (left) giveBack(process);
          else await end(process);
        },
      };
    },

    async stop() {
      await Promise.all([...all].map(end));
    },
  };
}
