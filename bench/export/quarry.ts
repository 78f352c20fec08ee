/** A whole Quarry that exports, reached as its users reach it: submitted over HTTP, its end told over a WebSocket. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Compression, ExportFormat } from '../../test/generated/graphql.ts';
import { ConnectDocument, JobUpdatedDocument, SubmitDocument } from '../../test/support/operations.ts';
import { startQuarry } from '../../test/support/server.ts';

export interface ExportTask {
  readonly sql: string;
  readonly format: ExportFormat;
  readonly compression: Compression;
}

export interface ExportResult {
  readonly rows: number;
  readonly bytes: number;
  /** From the submission to the file that is there. */
  readonly elapsedMs: number;
  /** Resident, of the process that exports when all is loaded and nothing runs, and at the most. */
  readonly idleBytes: number;
  readonly peakBytes: number;
  /** Of the worker, whose child it is. */
  readonly workerPeakBytes: number;
  /** Of the processes that it started, as PARQUET's; 0 where there were none. */
  readonly childPeakBytes: number;
}

const exportOfJob = `query ($id: ID!) {
  job(id: $id) { status error { message } export { rows sizeBytes truncated } }
}`;

interface ExportedJob {
  status: string;
  error: { message: string } | null;
  export: { rows: string; sizeBytes: string; truncated: boolean } | null;
}

export interface Exporter extends AsyncDisposable {
  export(task: ExportTask): Promise<ExportResult>;
}

export interface BenchTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** @param target a database that it may reach */
export async function startExporter(target: BenchTarget): Promise<Exporter> {
  const quarry = await startQuarry();
  try {
    // A first start compiles its modules; what is measured is a server as it is from its second on.
    await quarry.restart();
    const account = await quarry.register();
    const input = { name: 'bench', connection: target };
    const { connectDatabase } = await quarry.ask(ConnectDocument, { input }, account);
    const databaseId = connectDatabase.database.id;

    async function exportOne({ sql, format, compression }: ExportTask): Promise<{ rows: number; bytes: number }> {
      const written = { format, compression, path: 'bench', overwrite: true };
      const submitted = { sql, readOnly: true, target: { databaseId }, export: written };
      const { submitQuery } = await quarry.ask(SubmitDocument, { input: submitted }, account);
      const { id } = submitQuery.job;
      for await (const { jobUpdated } of quarry.subscribe(JobUpdatedDocument, { id }, account)) {
        if (!['QUEUED', 'RUNNING'].includes(jobUpdated.status)) break;
      }
      const { data } = await quarry.execute<{ job: ExportedJob }, { id: string }>(exportOfJob, { id }, account);
      const job = data?.job;
      if (job?.status !== 'SUCCEEDED' || !job.export || job.export.truncated) {
        throw new Error(`the export as ${format} ended ${job?.status}: ${job?.error?.message}`);
      }
      return { rows: Number(job.export.rows), bytes: Number(job.export.sizeBytes) };
    }

    // Nor is it the first process that exports: that one compiles its modules, too.
    await exportOne({ sql: 'SELECT 1 AS a', format: 'CSV', compression: 'NONE' });
    return {
      async export(task) {
        // A process of its own, which has loaded what its first job loads, and waits for the next.
        await quarry.restart();
        await exportOne({ ...task, sql: 'SELECT 1 AS a' });
        const worker = `/proc/${quarry.workerPid}`;
        const [pid, ...others] = await childrenOf(worker);
        if (pid === undefined || others.length > 0) throw new Error('not one process exports');
        const process = `/proc/${pid}`;
        for (const each of [worker, process]) await writeFile(`${each}/clear_refs`, '5');
        const { VmRSS: idleBytes } = await memoryOf(process);
        using children = watchChildren(process);
        const startedAt = performance.now();
        const { rows, bytes } = await exportOne(task);
        const elapsedMs = performance.now() - startedAt;
        const { VmHWM: peakBytes } = await memoryOf(process);
        const { VmHWM: workerPeakBytes } = await memoryOf(worker);
        return { rows, bytes, elapsedMs, idleBytes, peakBytes, workerPeakBytes, childPeakBytes: children.peakBytes() };
      },
      [Symbol.asyncDispose]: () => quarry[Symbol.asyncDispose](),
    };
  } catch (error) {
    await quarry[Symbol.asyncDispose]();
    throw error;
  }
}

/** So often it is looked for them: what one takes in its last moment may be missed. */
const childrenEveryMs = 20;

/** The most that children of this process have had, those that lived at one time together. */
function watchChildren(process: string): Disposable & { peakBytes(): number } {
  let peakBytes = 0;
  let looking = false;
  async function look(): Promise<void> {
    const pids = await childrenOf(process);
    // One that is gone by now has been looked at before.
    const all = await Promise.all(pids.map((pid) => memoryOf(`/proc/${pid}`).catch(() => ({ VmHWM: 0 }))));
    const bytes = all.reduce((sum, { VmHWM }) => sum + (VmHWM || 0), 0);
    peakBytes = Math.max(peakBytes, bytes);
  }
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look()
      // Nor is this process there for ever.
      .catch(() => undefined)
      .finally(() => {
        looking = false;
      });
  }, childrenEveryMs);
  return { peakBytes: () => peakBytes, [Symbol.dispose]: () => clearInterval(timer) };
}

const childrenOf = async (process: string): Promise<string[]> =>
  (await readFile(`${process}/task/${basename(process)}/children`, 'utf8')).split(' ').filter(Boolean);

/** See proc(5): 5 in clear_refs sets the peak back to what is resident now. */
async function memoryOf(process: string): Promise<{ VmRSS: number; VmHWM: number }> {
  const status = await readFile(`${process}/status`, 'utf8');
  const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1_024;
  return { VmRSS: bytes('VmRSS'), VmHWM: bytes('VmHWM') };
}
