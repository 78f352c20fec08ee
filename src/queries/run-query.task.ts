/** Runs the SQL of a job in its target: the right asked again, the session named, limits held from outside, rows stored. */
import type { Viewer } from '../accounts/viewer.ts';
import type { Databases } from '../databases/databases.ts';
import type { Engine, Session, Target } from '../engines/engine.ts';
import { RunError } from '../engines/engine.ts';
import type { Job } from '../jobs/job.ts';
import type { JobError } from '../jobs/states.ts';
import type { JobStore } from '../jobs/store.ts';
import type { Outcome, StopReason, Task, TaskContext } from '../jobs/task.ts';
import { AppError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { isReadOnly } from './queries.ts';
import { createResultWriter, LostHold, type ResultWriter, StorageFailed } from './results.ts';
import type { ResultStore } from './store.ts';

export interface RunTarget {
  engine: Engine;
  target: Target;
  readOnly: boolean;
}

export interface RunQueryDeps {
  jobStore: JobStore;
  resultStore: ResultStore;
  blobs: BlobStore;
  databases: Pick<Databases, 'requireDatabase' | 'targetOf'>;
  log: Log;
}

/** Asks whether the owner may still run this, and opens the credentials. @throws AppError NOT_FOUND, FORBIDDEN, CONNECTION_FAILED */
async function resolveTarget({ jobStore, databases }: RunQueryDeps, job: Job, signal: AbortSignal): Promise<RunTarget> {
  const role = await jobStore.roleOfOwner(job.ownerId);
  const viewer: Viewer | null = role && { userId: job.ownerId, role, sessionId: '', expiresAt: new Date(0) };
  const database = await databases.requireDatabase(viewer, 'database:query', job.databaseId ?? '');
  const { engine, target } = await databases.targetOf(database, { userId: job.ownerId }, { signal });
  return { engine, target, readOnly: isReadOnly(viewer, database) };
}

/** A cancelled session that still runs after this is ended by force. */
const terminateAfterMs = 1_500;
const maxNotices = 1_000;
const terminateTimeoutMs = 10_000;

/** Why the run was stopped from here; decides what its error means. */
type Stop = StopReason | 'timeout';

export function createRunQueryTask(deps: RunQueryDeps): Task {
  return {
    kind: 'query',
    run: (context) => run(deps, context),
    async rescue(job) {
      if (!job.backend) return;
      const signal = AbortSignal.timeout(terminateTimeoutMs);
      try {
        const { engine, target } = await resolveTarget(deps, job, signal);
        await engine.terminate(target, job.backend, { signal });
      } catch (error) {
        // Disconnected, or out of reach: nobody can end that session from here.
        deps.log.warn({ jobId: job.id, error: String(error) }, 'job.orphan_not_ended');
      }
    },
  };
}

async function run(deps: RunQueryDeps, { job, signal, log, progress }: TaskContext): Promise<Outcome> {
  const stopped = new AbortController();
  const timer = setTimeout(() => stopped.abort('timeout' satisfies Stop), job.timeoutMs);
  const onStop = () => stopped.abort(signal.reason as Stop);
  signal.addEventListener('abort', onStop);
  if (signal.aborted) onStop();
  try {
    const { engine, target, readOnly } = await resolveTarget(deps, job, stopped.signal);
    await using session = await engine.open(target, { signal: stopped.signal, label: `quarry job:${job.id}` });
    if (!(await deps.jobStore.setBackend(job, session.identity))) throw new LostHold();
    using _guard = guard({ session, engine, target, signal: stopped.signal, log });
    const writer = createResultWriter({ store: deps.resultStore, blobs: deps.blobs, hold: job });
    try {
      await stream({
        deps,
        job,
        session,
        writer,
        progress,
        readOnly: readOnly || job.readOnly,
        signal: stopped.signal,
      });
    } catch (error) {
      await writer.flush().catch(() => undefined);
      throw error;
    }
    return { status: 'succeeded' };
  } catch (error) {
    return outcomeOf(error, job, stopped.signal.aborted ? (stopped.signal.reason as Stop) : null);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onStop);
  }
}

/** From the stop on: asks the target to cancel, and ends the session by force where that is not enough. */
function guard({
  session,
  engine,
  target,
  signal,
  log,
}: {
  session: Session;
  engine: Engine;
  target: Target;
  signal: AbortSignal;
  log: Log;
}): Disposable {
  let force: NodeJS.Timeout | undefined;
  const onStop = () => {
    session.cancel().catch((error) => log.warn({ error: String(error) }, 'job.cancel_failed'));
    force = setTimeout(() => {
      engine
        .terminate(target, session.identity, { signal: AbortSignal.timeout(terminateTimeoutMs) })
        .catch((error) => log.warn({ error: String(error) }, 'job.terminate_failed'));
    }, terminateAfterMs);
  };
  if (signal.aborted) onStop();
  else signal.addEventListener('abort', onStop);
  return {
    [Symbol.dispose]() {
      clearTimeout(force);
      signal.removeEventListener('abort', onStop);
    },
  };
}

interface StreamInput {
  deps: RunQueryDeps;
  job: Job;
  session: Session;
  writer: ResultWriter;
  progress: TaskContext['progress'];
  readOnly: boolean;
  signal: AbortSignal;
}

async function stream({ deps, job, session, writer, progress, readOnly, signal }: StreamInput): Promise<void> {
  const done = { rows: 0, bytes: 0 };
  let notices = 0;
  let statement = { index: 0, sql: '' };
  let begun = false;
  const events = session.run(job.sql, {
    parameters: job.parameters ?? undefined,
    readOnly,
    transaction: job.transaction === 'whole' ? 'WHOLE' : 'PER_STATEMENT',
    maxRows: job.maxRows,
    signal,
  });
  for await (const event of events) {
    switch (event.type) {
      case 'statement':
        statement = event;
        begun = false;
        break;
      case 'columns':
        await writer.begin(event.index, statement.sql, event.columns);
        begun = true;
        break;
      case 'rows':
        await writer.rows(event.rows);
        done.rows += event.rows.length;
        done.bytes += event.bytes;
        progress({ ...done });
        break;
      case 'notice':
        notices += 1;
        if (notices <= maxNotices) await deps.jobStore.addNotices(job, [{ index: notices, message: event.message }]);
        break;
      case 'end':
        // A statement without columns has a result set too: its command and what it affected.
        if (!begun) await writer.begin(event.index, statement.sql, []);
        await writer.end(event);
        break;
    }
  }
}

function outcomeOf(error: unknown, job: Job, stop: Stop | null): Outcome {
  const failed = (fault: JobError): Outcome => ({ status: 'failed', error: fault });
  if (error instanceof LostHold || stop === 'lost') throw error;
  if (error instanceof StorageFailed) return failed({ code: 'STORAGE_FAILED', message: error.message });
  const fault = faultOf(error);
  if (!fault) throw error;
  if (stop === 'cancel') return { status: 'cancelled' };
  const where = { statement: fault.statement };
  if (stop === 'timeout') return failed({ code: 'TIMEOUT', message: `Stopped after ${job.timeoutMs} ms`, ...where });
  if (stop === 'shutdown')
    return failed({ code: 'INTERRUPTED', message: 'The worker was stopped while the SQL ran', ...where });
  return failed(fault);
}

/** Null for what is our own fault. */
function faultOf(error: unknown): JobError | null {
  // Cancelled, and not by us: somebody else's word in the target.
  if (error instanceof RunError)
    return { ...error.fault, code: error.fault.code === 'CANCELLED' ? 'SQL_ERROR' : error.fault.code };
  if (!(error instanceof AppError)) return null;
  const hint = typeof error.details?.hint === 'string' ? error.details.hint : undefined;
  if (error.code === 'CONNECTION_FAILED' || error.code === 'LIMIT_EXCEEDED')
    return { code: error.code, message: error.message, hint };
  return error.code === 'FORBIDDEN' || error.code === 'NOT_FOUND' || error.code === 'UNAUTHENTICATED'
    ? { code: 'FORBIDDEN', message: 'The right to run this was gone when it started' }
    : null;
}
