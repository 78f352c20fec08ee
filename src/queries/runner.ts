/** Where the SQL of a job runs: here, where its rows are kept, or in a process of its own, where they become files. */
import type { Engine, RunEvent, SessionIdentity, Target } from '../engines/engine.ts';
import { engineKinds } from '../engines/registry.ts';
import type { CompressionName } from '../exports/compression.ts';
import { createExportBooks, type ExportBooksDeps, type ExportBooksOptions } from '../exports/export-books.ts';
import type { FormatName } from '../exports/registry.ts';
import { temporaryFolderOf } from '../exports/temporary-folder.ts';
import type { Job } from '../jobs/job.ts';
import type { TaskContext } from '../jobs/task.ts';
import type { Bus } from '../lib/bus.ts';
import type { Topic } from '../lib/topics.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { outputOfExporter } from './export-output.ts';
import type { RunScript, ToldEvent } from './export-run.ts';
import type { Exporters } from './exporters.ts';
import { createResultWriter } from './result-writer.ts';
import { keepResults, type RunOutput } from './run-output.ts';
import type { ResultStore } from './store.ts';

export type TakenEvent = RunEvent | ToldEvent;

/** A session in the target, and where what it returns goes. Disposing it closes the session. */
export interface Runner extends AsyncDisposable {
  readonly identity: SessionIdentity;
  /** Aborts when the session is gone without a goodbye. */
  readonly closed: AbortSignal;
  readonly output: RunOutput;
  /** @param take waited for. @throws RunError, at the first failure; whatever `take` throws */
  run(script: RunScript, take: (event: TakenEvent) => Promise<void>): Promise<void>;
}

export interface RunnerDeps extends Omit<ExportBooksDeps, 'patience'> {
  readonly resultStore: ResultStore;
  readonly blobs: BlobStore;
  readonly bus: Bus<Topic>;
  readonly exporters: Pick<Exporters, 'open'>;
  /** Where formats put what they cannot stream. */
  readonly exportFolder: string;
}

interface RunnerOptions extends Pick<TaskContext, 'patience'>, Pick<ExportBooksOptions, 'signal' | 'stop'> {
  readonly job: Job;
  readonly engine: Engine;
  readonly target: Target;
}

/** @throws AppError CONNECTION_FAILED, ExportFailed; the signal's reason */
export const openRunner = (deps: RunnerDeps, options: RunnerOptions): Promise<Runner> =>
  options.job.export === null ? runHere(deps, options) : runApart(deps, options);

const labelOf = ({ id }: Job) => `quarry job:${id}`;

async function runHere(
  { resultStore: store, blobs, bus }: RunnerDeps,
  { job, engine, target, patience, signal }: RunnerOptions,
): Promise<Runner> {
  const session = await engine.open(target, { signal, label: labelOf(job) });
  return {
    identity: session.identity,
    closed: session.closed,
    output: keepResults(createResultWriter({ store, blobs, bus, hold: job, patience })),
    async run({ sql, ...options }, take) {
      for await (const event of session.run(sql, { ...options, signal })) await take(event);
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

async function runApart(
  { exporters, exportFolder, ...deps }: RunnerDeps,
  { job, engine, target, patience, signal, stop }: RunnerOptions,
): Promise<Runner> {
  if (job.export === null) throw new TypeError('a job without an export');
  const books = createExportBooks({ ...deps, patience }, { job: { ...job, export: job.export }, signal, stop });
  const kind = engineKinds.find((known) => known === engine.kind);
  if (kind === undefined) throw new TypeError(`no engine is called ${engine.kind}`);
  const temporaryFolder = temporaryFolderOf(exportFolder, job);
  const exporter = await exporters.open(
    {
      engine: kind,
      target: plainTarget(target),
      label: labelOf(job),
      format: job.export.format as FormatName,
      compression: job.export.compression as CompressionName | 'none',
      safe: job.export.safe,
      name: job.name,
      temporaryFolder,
    },
    { books, signal },
  );
  return {
    identity: exporter.identity,
    closed: exporter.closed,
    output: outputOfExporter({ exporter, books, temporaryFolder }),
    run: (script, take) => exporter.run(script, take),
    [Symbol.asyncDispose]: () => exporter[Symbol.asyncDispose](),
  };
}

/** That alone: a channel takes no functions. */
const plainTarget = ({ host, port, hosted, database, user, password, ssl, ...rest }: Target): Target => ({
  host,
  port,
  hosted,
  database,
  user,
  password,
  ssl,
  sslRootCertificate: rest.sslRootCertificate,
  allowInsecureAuthentication: rest.allowInsecureAuthentication,
});
