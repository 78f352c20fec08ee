/** Runs the SQL of a job in its target: the right asked again, the session named, limits held from outside, rows stored. */
import { requireCan } from '../accounts/policy.ts';
import type { SnapshotStore } from '../catalog/snapshots/store.ts';
import type { Databases } from '../databases/databases.ts';
import type { TypedConnections } from '../databases/typed-connections.ts';
import type { Engine, SessionIdentity, Target } from '../engines/engine.ts';
import { RunError } from '../engines/engine.ts';
import { ExportFailed } from '../exports/export-failed.ts';
import { rescueExport } from '../exports/rescue.ts';
import type { Job } from '../jobs/job.ts';
import { LostHold } from '../jobs/lost-hold.ts';
import { ownerOf } from '../jobs/owner.ts';
import type { JobError } from '../jobs/states.ts';
import type { JobStore } from '../jobs/store.ts';
import type { Outcome, StopReason, Task, TaskContext } from '../jobs/task.ts';
import { AppError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Reservations } from '../storage/files/reservations.ts';
import { StorageFailed } from '../storage/storage-failed.ts';
import { type CatalogMark, createCatalogMark } from './catalog-mark.ts';
import { createNoticeLog, type NoticeLog } from './notices.ts';
import { createRunProgress } from './progress.ts';
import { isReadOnly } from './queries.ts';
import { openRunner, type Runner, type RunnerDeps, type TakenEvent } from './runner.ts';
import type { ResultStore } from './store.ts';

interface RunTarget {
  engine: Engine;
  target: Target;
  readOnly: boolean;
}

export interface RunQueryDeps extends RunnerDeps {
  jobStore: JobStore;
  resultStore: ResultStore;
  snapshotStore: Pick<SnapshotStore, 'changed'>;
  reservations: Reservations;
  databases: Pick<Databases, 'requireDatabase' | 'targetOf' | 'endSession'>;
  connections: Pick<TypedConnections, 'open'>;
  log: Log;
}

/** Asks whether the owner may still run this, and opens the credentials. @throws AppError NOT_FOUND, FORBIDDEN, CONNECTION_FAILED */
async function resolveTarget(
  { jobStore, databases, connections }: RunQueryDeps,
  job: Job,
  signal: AbortSignal,
): Promise<RunTarget> {
  const viewer = await ownerOf(jobStore, job);
  if (job.sealedConnection !== null) {
    requireCan(viewer, 'server:use', { kind: 'server' });
    return { ...connections.open(job.id, job.sealedConnection), readOnly: false };
  }
  const database = await databases.requireDatabase(viewer, 'database:query', job.databaseId ?? '');
  const { engine, target } = await databases.targetOf(database, { userId: job.ownerId }, { signal });
  return { engine, target, readOnly: isReadOnly(viewer, database) };
}

/** Each has a result set of its own. */
const maxStatements = 10_000;
const endTimeoutMs = 10_000;

/** Why the run was stopped from here; decides what its error means. */
type Stop = StopReason | 'timeout' | ExportFailed;

export function createRunQueryTask(deps: RunQueryDeps): Task {
  return {
    kind: 'query',
    run: (context) => run(deps, context),
    async rescue(job) {
      if (job.backend) await endSession(deps, job, job.backend);
      // Whether it had changed the catalogue nobody knows.
      if (job.databaseId !== null && !job.readOnly) await deps.snapshotStore.changed(job.databaseId);
      return await rescueExport(deps, job);
    },
    discard: (client, job) => deps.resultStore.dropAttempt(client, job),
  };
}

async function run(deps: RunQueryDeps, { job, signal, patience, progress }: TaskContext): Promise<Outcome> {
  const stopped = new AbortController();
  const timer = setTimeout(() => stopped.abort('timeout' satisfies Stop), job.timeoutMs);
  const onStop = () => stopped.abort(signal.reason as Stop);
  signal.addEventListener('abort', onStop);
  if (signal.aborted) onStop();
  /** Before that nothing of it has run, whatever it waited for. */
  let open = false;
  try {
    const { engine, target, readOnly } = await resolveTarget(deps, job, stopped.signal);
    await using runner = await openRunner(deps, {
      job,
      engine,
      target,
      patience,
      signal: stopped.signal,
      stop: (lost) => stopped.abort(lost satisfies Stop),
    });
    open = true;
    const { output } = runner;
    if (!(await patience(() => deps.jobStore.setBackend(job, runner.identity)))) throw new LostHold();
    const notices = createNoticeLog({ store: deps.jobStore, hold: job, patience });
    await using mark = createCatalogMark({ store: deps.snapshotStore, databaseId: job.databaseId, patience });
    try {
      await output.start();
      await stream({
        job,
        runner,
        notices,
        mark,
        progress,
        readOnly: readOnly || job.readOnly,
      });
      await notices.flush('NOW');
      await output.finish();
    } catch (error) {
      await Promise.allSettled([output.breakOff(), notices.flush('NOW')]);
      // Cut off rather than cancelled: what runs there must not go on behind a job that has ended.
      if (runner.closed.aborted) await endSession(deps, job, runner.identity);
      throw error;
    }
    return { status: 'succeeded' };
  } catch (error) {
    const stop = stopped.signal.aborted ? (stopped.signal.reason as Stop) : null;
    return outcomeOf(open || stop === null ? error : stop, job, stop);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onStop);
  }
}

/** Best effort: a target that is away ends its sessions itself. */
async function endSession(
  { databases, connections, log }: RunQueryDeps,
  job: Job,
  identity: SessionIdentity,
): Promise<void> {
  const options = { signal: AbortSignal.timeout(endTimeoutMs) };
  try {
    if (job.sealedConnection !== null) {
      const { engine, target } = connections.open(job.id, job.sealedConnection);
      await engine.terminate(target, identity, options);
    } else if (job.databaseId !== null) {
      await databases.endSession(job.databaseId, { userId: job.ownerId }, identity, options);
    }
  } catch (error) {
    log.warn({ jobId: job.id, error: String(error) }, 'job.session_not_ended');
  }
}

interface StreamInput {
  job: Job;
  runner: Runner;
  notices: NoticeLog;
  mark: CatalogMark;
  progress: TaskContext['progress'];
  readOnly: boolean;
}

async function stream({ job, runner, notices, mark, progress, readOnly }: StreamInput): Promise<void> {
  const maxRows = job.maxRows ?? Number.POSITIVE_INFINITY;
  const { output } = runner;
  const run = createRunProgress({ maxRows });
  let statement = { index: 0, sql: '' };
  let writtenBytes: number | null = job.export === null ? null : 0;

  async function take(event: TakenEvent): Promise<void> {
    const done = run.after(event);
    switch (event.type) {
      case 'statement':
        // At the first one, before it runs.
        if (event.count > maxStatements)
          throw limit(`A script of more than ${maxStatements} statements`, maxStatements);
        statement = event;
        if (event.alters && !readOnly) mark.begin();
        break;
      case 'columns':
        await output.begin(event.index, statement.sql, event.columns);
        break;
      case 'rows':
        await output.rows(event.rows);
        if (done.bytes > output.maxBytes) throw limit(`Results of more than ${output.maxBytes} bytes`, statement.index);
        break;
      case 'written':
        ({ writtenBytes } = event);
        break;
      case 'notice':
        notices.add(event.message);
        await notices.flush('DUE');
        break;
      case 'end':
        await output.end(event, statement.sql);
        await mark.end();
        break;
    }
    if (event.type !== 'notice') progress({ ...done, writtenBytes });
  }

  const { sql, parameters } = job;
  const transaction = job.transaction === 'whole' ? 'WHOLE' : 'PER_STATEMENT';
  await runner.run({ sql, parameters: parameters ?? undefined, readOnly, transaction, maxRows }, take);
}

const limit = (message: string, statement: number) => new RunError({ code: 'LIMIT_EXCEEDED', message, statement });

function outcomeOf(error: unknown, job: Job, stop: Stop | null): Outcome {
  const failed = (fault: JobError): Outcome => ({ status: 'failed', error: fault });
  if (error instanceof LostHold || stop === 'lost') throw error;
  if (stop instanceof ExportFailed) return failed(stop.fault);
  // Stopped while it waited for something else than the target.
  const fault =
    stop !== null && error === stop ? { code: 'CONNECTION_FAILED' as const, message: String(stop) } : faultOf(error);
  if (error instanceof ExportFailed) return failed(error.fault);
  if (error instanceof StorageFailed) return failed({ code: 'STORAGE_FAILED', message: error.message });
  if (!fault) throw error;
  if (stop === 'cancel') return { status: 'cancelled' };
  const where = { statement: fault.statement };
  if (stop === 'timeout') return failed({ code: 'TIMEOUT', message: `Stopped after ${job.timeoutMs} ms`, ...where });
  if (stop === 'shutdown')
    return failed({ code: 'INTERRUPTED', message: 'The worker was stopped while the SQL ran', ...where });
  return failed({ ...fault, message: cut(fault.message), detail: cut(fault.detail), hint: cut(fault.hint) });
}

/** A target may put a whole cell into its error. */
const maxTextCharacters = 8_192;

function cut<Text extends string | undefined>(text: Text): Text {
  return text !== undefined && text.length > maxTextCharacters
    ? // What is cut in the middle of a pair could not be stored.
      (`${text.slice(0, maxTextCharacters).toWellFormed()}…` as Text)
    : text;
}

/** Null for what is our own fault. */
function faultOf(error: unknown): JobError | null {
  // Cancelled, and not by us: somebody else's word in the target.
  if (error instanceof RunError)
    return { ...error.fault, code: error.fault.code === 'CANCELLED' ? 'SQL_ERROR' : error.fault.code };
  if (!(error instanceof AppError)) return null;
  const hint = typeof error.details?.hint === 'string' ? error.details.hint : undefined;
  // A hosted database whose playground is switched off.
  if (error.code === 'NOT_CONFIGURED') return { code: 'CONNECTION_FAILED', message: error.message, hint };
  if (error.code === 'CONNECTION_FAILED' || error.code === 'LIMIT_EXCEEDED')
    return { code: error.code, message: error.message, hint };
  return error.code === 'FORBIDDEN' || error.code === 'NOT_FOUND' || error.code === 'UNAUTHENTICATED'
    ? { code: 'FORBIDDEN', message: 'The right to run this was gone when it started' }
    : null;
}
