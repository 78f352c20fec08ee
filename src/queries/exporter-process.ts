/**
 * The process that writes an export: runs its SQL in the target, and what comes goes through a format into the blob
 * store. It knows one target and no metadata: what those hold is asked of the worker that started it, and it takes nobody
 * else's work down when it dies. It loads little on purpose, so that an export takes little more memory than Node itself.
 */
import { flushCompileCache } from 'node:module';
import type { Session, SessionIdentity, Target } from '../engines/engine.ts';
import { openerOf } from '../engines/openers.ts';
import type { EngineKind } from '../engines/registry.ts';
import type { CompressionName } from '../exports/compression.ts';
import type { ExportBooks, FileRoom, RoomClaim, Written } from '../exports/export-books.ts';
import { createExportWriter, type ExportWriter } from '../exports/export-writer.ts';
import { type FormatName, formats } from '../exports/registry.ts';
import { type Call, createCalls } from '../lib/calls.ts';
import { createEgress } from '../lib/egress.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { type PlainPlace, sealPlace } from '../storage/place.ts';
import { openStorage } from '../storage/registry.ts';
import { type RunScript, runInto, type ToldEvent } from './export-run.ts';
import { decodeFault, encodeFault } from './exporter-faults.ts';

/** For as long as the process lives. */
export interface ExporterPlace {
  readonly storage: PlainPlace;
  readonly allowPrivateHosts: boolean | readonly string[];
  readonly denied: readonly { readonly host: string; readonly port: number }[];
}

export interface ExportTask {
  readonly engine: EngineKind;
  readonly target: Target;
  readonly label: string;
  readonly format: FormatName;
  readonly compression: CompressionName | 'none';
  readonly safe: boolean;
  readonly name: string | null;
  readonly temporaryFolder: string;
}

/** What the worker may call: `settle` once, then `open`, `run`, `finish` or `abandon`, and `close`; `stop` at any time. */
export type ExporterApi = {
  settle(place: ExporterPlace): Promise<void>;
  open(task: ExportTask): Promise<SessionIdentity>;
  run(script: RunScript): Promise<void>;
  finish(given: null): Promise<Written>;
  abandon(given: null): Promise<void>;
  close(given: null): Promise<void>;
  stop(reason: 'timeout' | 'other'): Promise<void>;
};

/** What it calls. */
export type WorkerApi = {
  reserve(given: null): Promise<FileRoom>;
  claim(claimed: RoomClaim): Promise<number>;
  /** Resolves when the worker has done what it does about it. */
  told(event: ToldEvent): Promise<void>;
};

interface Exporting {
  readonly session: Session;
  readonly writer: ExportWriter;
  readonly task: ExportTask;
}

/** Calls are answered as they come: one that follows waits for it. */
let settled: Promise<{ readonly blobs: BlobStore; readonly place: ExporterPlace }> | null = null;
let current: Exporting | null = null;
let stopped = new AbortController();

const worker: Call<WorkerApi> = createCalls<ExporterApi, WorkerApi>({
  channel: process,
  ours: {
    async settle(place) {
      settled = openStorage(sealPlace(place.storage), { small: true }).then((blobs) => ({ blobs, place }));
      await settled;
    },
    async open(task) {
      stopped = new AbortController();
      if (settled === null) throw new Error('nobody has said where files go');
      const { blobs, place } = await settled;
      const dial = createEgress({ allowPrivateHosts: place.allowPrivateHosts, denied: () => place.denied });
      const openSession = await openerOf(task.engine, { dial });
      const { signal } = stopped;
      const session = await openSession(task.target, { signal, label: task.label });
      const { compression, safe, name, temporaryFolder } = task;
      const books: Pick<ExportBooks, 'reserve' | 'claim'> = {
        reserve: () => worker('reserve', null),
        claim: (claimed) => worker('claim', claimed),
      };
      const writer = createExportWriter(
        { books, blobs, format: formats[task.format], temporaryFolder },
        { compression, safe, name, signal },
      );
      current = { session, writer, task };
      return session.identity;
    },
    run(script) {
      const { session, writer, task } = exporting();
      const told = (event: ToldEvent) => worker('told', event);
      return runInto({ session, writer, told }, { ...script, format: task.format, safe: task.safe }, stopped.signal);
    },
    finish: () => exporting().writer.finish(),
    abandon: () => exporting().writer.abandon(),
    async close() {
      const { session } = exporting();
      current = null;
      await session[Symbol.asyncDispose]();
      // For the next process: it is killed in the end, and Node keeps what it compiled only when it ends by itself. Whoever
      // finds a module that is not there loads what takes its types away, of 15 MB.
      setImmediate(flushCompileCache);
    },
    async stop(reason) {
      // A run tells a timeout from other ends.
      stopped.abort(reason === 'timeout' ? new DOMException('stopped', 'TimeoutError') : new Error('stopped'));
    },
  },
  encode: (error) =>
    encodeFault(error, { closed: current?.session.closed.aborted === true, stop: stopped.signal.reason }),
  decode: decodeFault,
  gone: () => new Error('the worker is gone'),
});

function exporting(): Exporting {
  if (current === null) throw new Error('nothing is exported here');
  return current;
}

// Whoever would make its files visible is gone: nothing that it still did would be of use.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// A terminal's Ctrl-C reaches it too: the worker decides what is finished.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
