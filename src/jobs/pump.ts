/**
 * The hot path of the queue: what is submitted, what has ended and what may start next travel together, in one round and
 * one commit. While a round is under way the next one gathers, so that a busy queue pays for few commits and an idle one
 * waits for nobody.
 */
import type pg from 'pg';
import { notification } from '../db/notify.ts';
import { isPassing } from '../db/patience.ts';
import { type Prepared, runRound, type Step } from '../db/round.ts';
import type { Bus } from '../lib/bus.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Topic } from '../lib/topics.ts';
import { type ClaimRow, type Cursor, claimJobs, claimLock, firstCursor, windowOf } from './claim.ts';
import { type Job, type NewJob, priorityLevelMs } from './job.ts';
import { changed, changePosition, type JobRow, jobOf } from './row.ts';
import type { JobError, JobStatus } from './states.ts';

export interface Limits {
  /** Parallel jobs of a user for whom no administrator set a ceiling. */
  readonly maxParallelJobs: number;
  /** Parallel jobs on one database, whoever they are of. */
  readonly maxParallelJobsPerDatabase: number;
}

export interface PumpDeps {
  pool: pg.Pool;
  bus: Bus<Topic>;
  limits: Limits;
  /** How long the rows of a job are kept behind its end. */
  resultsRetentionMs: number;
}

/** Whoever runs jobs in this process. */
export interface Claimant {
  readonly workerId: string;
  /** How many more it would run now. */
  room(): number;
  /** A claim begins: what `start` is then given was taken after this. */
  claiming(): void;
  start(jobs: readonly Job[]): void;
  /** The metadata did not answer; it is asked again at the next wake. */
  failed(error: unknown): void;
}

/** A worker's hold on a job; a write with an old fence is lost, and says so. */
export interface Hold {
  readonly id: string;
  readonly fence: number;
}

export interface JobEnd {
  readonly status: Extract<JobStatus, 'succeeded' | 'failed' | 'cancelled'>;
  readonly error: JobError | null;
  readonly rows: number;
  readonly bytes: number;
  /** Absent: as last reported. */
  readonly estimatedRows?: number | null;
  readonly percent?: number | null;
}

export interface Submitted {
  readonly job: Job;
  /** False where the owner has used the key before: it is the job of then. */
  readonly created: boolean;
}

export interface Pump {
  insert(job: NewJob): Promise<Submitted>;
  /** False when the job is another worker's by now, or has ended. */
  finish(hold: Hold, end: JobEnd): Promise<boolean>;
  /** Claims for it whenever it has room and there may be work. */
  serve(claimant: Claimant): ClaimantHandle;
}

export interface ClaimantHandle {
  /** There may be something to claim. Resolves when nothing more can be claimed now; never throws. */
  wake(): Promise<void>;
  /** Nothing is claimed for it any more once this has resolved. */
  stop(): Promise<void>;
}

interface Waiting<Input, Output> {
  readonly input: Input;
  readonly resolve: (output: Output) => void;
  readonly reject: (error: unknown) => void;
}

type Submission = Waiting<NewJob & { readonly id: string }, Submitted>;
type Finish = Waiting<{ hold: Hold; end: JobEnd }, boolean>;

/** Of one round. */
const maxBatch = 256;
/** Where so many parts of the queues were all held up by their limits, the rest is for the next wake. */
const maxEmpty = 64;
/** Of the SQL and parameters of one round: a submission may be 9 MiB by itself. */
const maxBatchCharacters = 4 * 2 ** 20;

const insertJobs = {
  name: 'insert_jobs',
  text: `
    WITH inserted AS (
      INSERT INTO jobs (id, kind, status, owner_id, database_id, target_key, target_label, sealed_connection, name, sql, parameters,
                        read_only, transaction, timeout_ms, max_rows, idempotency_key, priority, rank_ms, run_at, held_until,
                        max_attempts, source_id, saved_query_id, change_xid, change_seq)
      SELECT id, kind, 'queued', owner_id, database_id, target_key, target_label, sealed_connection, name, sql, parameters,
             read_only, transaction, timeout_ms, max_rows, idempotency_key, priority,
             extract(epoch FROM greatest(run_at, now())) * 1000 - priority * ${priorityLevelMs}, run_at, CASE WHEN run_at > now() THEN run_at END,
             max_attempts, source_id, saved_query_id, ${changePosition}
      FROM json_to_recordset($1::json) AS new (
        id uuid, kind text, owner_id uuid, database_id uuid, target_key uuid, target_label text, sealed_connection text, name text,
        sql text, parameters jsonb, read_only boolean, transaction text, timeout_ms int, max_rows int, idempotency_key text,
        priority int, run_at_ms float8, max_attempts int, source_id uuid, saved_query_id uuid)
      CROSS JOIN LATERAL to_timestamp(run_at_ms / 1000) AS run_at
      ON CONFLICT (owner_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
      RETURNING id, held_until, submitted_at, change_xid, change_seq
    )
    SELECT inserted.*, (SELECT pg_notify($2, $3) WHERE $2 <> '') FROM inserted`,
} satisfies Prepared;

const finishJobs = {
  name: 'finish_jobs',
  text: `
    UPDATE jobs SET status = ended.status, error = ended.error, progress_rows = ended.rows, progress_bytes = ended.bytes,
           estimated_rows = coalesce(ended.estimated_rows, jobs.estimated_rows),
           percent = CASE WHEN ended.status = 'succeeded' THEN 100 ELSE coalesce(ended.percent, jobs.percent) END,
           finished_at = now(), results_expire_at = now() + $2::bigint * interval '1 millisecond',
           lease_until = NULL, worker_id = NULL, sealed_connection = NULL, ${changed}
    FROM json_to_recordset($1::json) AS ended (
      id uuid, fence int, status text, error jsonb, rows bigint, bytes bigint, estimated_rows bigint, percent real)
    WHERE jobs.id = ended.id AND jobs.fence = ended.fence AND jobs.status = 'running'
    RETURNING jobs.id, jobs.owner_id`,
} satisfies Prepared;

interface InsertedRow extends Pick<JobRow, 'id' | 'held_until' | 'submitted_at' | 'change_xid' | 'change_seq'> {}

export function createPump({ pool, bus, limits, resultsRetentionMs }: PumpDeps): Pump {
  const { channel, payload } = notification('jobs.queued', '*');
  const submissions: Submission[] = [];
  const finishes: Finish[] = [];
  let claimant: Claimant | null = null;
  /** Somebody rang since the last claim that came back with less than there was room for. */
  let wanted = false;
  let cursor: Cursor = firstCursor;
  /** Claims in a row that found nothing to take in their part of the queues. */
  let empty = 0;
  let pumping: Promise<void> | null = null;

  function pump(): Promise<void> {
    pumping ??= run();
    return pumping;
  }

  async function run(): Promise<void> {
    // What arrives in the same turn of the loop travels together.
    await Promise.resolve();
    try {
      while (submissions.length > 0 || finishes.length > 0 || roomToFill() > 0) {
        const taken = takeSubmissions();
        const ended = finishes.splice(0, maxBatch);
        await round(taken, ended).catch((error) => oneByOne(taken, ended, error));
      }
    } finally {
      // In the same turn as the last look: what comes a moment later begins anew.
      pumping = null;
    }
  }

  const roomToFill = (): number => (wanted && claimant ? claimant.room() : 0);

  function takeSubmissions(): Submission[] {
    let characters = 0;
    let count = 0;
    for (const { input } of submissions.slice(0, maxBatch)) {
      characters += input.sql.length + (input.parameters ? JSON.stringify(input.parameters).length : 0);
      if (count > 0 && characters > maxBatchCharacters) break;
      count += 1;
    }
    return submissions.splice(0, count);
  }

  async function round(taken: readonly Submission[], ended: readonly Finish[]): Promise<void> {
    const serving = claimant;
    const stirred = wanted || taken.length > 0 || ended.length > 0;
    // The places of those that end are free in this transaction, before their worker hears of it.
    const room = serving && stirred ? serving.room() + ended.length : 0;
    const steps: Step[] = [];
    if (ended.length > 0)
      steps.push({ statement: finishJobs, values: [JSON.stringify(ended.map(endedRow)), resultsRetentionMs] });
    if (taken.length > 0)
      steps.push({
        statement: insertJobs,
        // A claimant of this process takes them in the same round, and tells others where it cannot.
        values: [JSON.stringify(taken.map(({ input }) => newRow(input))), ...(serving ? ['', ''] : [channel, payload])],
      });
    if (serving && room > 0) {
      serving.claiming();
      wanted = false;
      steps.push(
        { statement: claimLock, values: [] },
        {
          statement: claimJobs,
          values: [
            serving.workerId,
            room,
            limits.maxParallelJobs,
            limits.maxParallelJobsPerDatabase,
            cursor.ownerId,
            cursor.targetKey,
            windowOf(room),
          ],
        },
      );
    }
    if (steps.length === 0) return;
    const results = await runRound(pool, steps);
    if (ended.length > 0) settleFinishes(ended, results.shift() as Pick<JobRow, 'id' | 'owner_id'>[]);
    if (taken.length > 0) settleSubmissions(taken, results.shift() as unknown as InsertedRow[]);
    const claimed = settleClaim((results[1] ?? []) as unknown as (JobRow & ClaimRow)[]);
    if (claimed.length > 0) {
      for (const row of claimed) ringFor(row.id, row.owner_id);
      serving?.start(claimed.map(jobOf));
    }
    // What this worker has no room for is another's.
    if (serving && taken.length + ended.length > 0 && claimed.length >= room) bus.ringElsewhere('jobs.queued', '*');
  }

  /** Remembers where it looked, and whether to look on. */
  function settleClaim(rows: readonly (JobRow & ClaimRow)[]): JobRow[] {
    const last = rows.at(-1);
    if (!last) return [];
    cursor = { ownerId: last.last_owner, targetKey: last.last_target };
    const claimed = rows.filter(({ id }) => id !== null);
    empty = claimed.length > 0 ? 0 : empty + 1;
    // What was left out of one claim, also by two limits at once, is in the next.
    if (claimed.length > 0 || (!last.whole && empty < maxEmpty)) wanted = true;
    else empty = 0;
    return claimed;
  }

  function ringFor(id: string, ownerId: string): void {
    bus.ring('job.changed', id);
    bus.ring('jobs.of_user', ownerId);
  }

  function settleFinishes(ended: readonly Finish[], rows: readonly Pick<JobRow, 'id' | 'owner_id'>[]): void {
    const owners = new Map(rows.map((row) => [row.id, row.owner_id]));
    for (const { input, resolve } of ended) {
      const ownerId = owners.get(input.hold.id);
      if (ownerId !== undefined) ringFor(input.hold.id, ownerId);
      resolve(ownerId !== undefined);
    }
  }

  function settleSubmissions(taken: readonly Submission[], rows: readonly InsertedRow[]): void {
    const inserted = new Map(rows.map((row) => [row.id, row]));
    for (const waiting of taken) {
      const row = inserted.get(waiting.input.id);
      if (row) {
        ringFor(row.id, waiting.input.ownerId);
        waiting.resolve({ job: jobOf({ ...rowOf(waiting.input), ...row }), created: true });
      } else void resolveKnown(waiting);
    }
  }

  /** Its key was used before. */
  async function resolveKnown(waiting: Submission): Promise<void> {
    const { input, resolve, reject } = waiting;
    try {
      const { rows } = await pool.query<JobRow>('SELECT * FROM jobs WHERE owner_id = $1 AND idempotency_key = $2', [
        input.ownerId,
        input.idempotencyKey,
      ]);
      if (rows[0]) resolve({ job: jobOf(rows[0]), created: false });
      else {
        // It was deleted meanwhile: the key is free.
        submissions.push(waiting);
        void pump();
      }
    } catch (error) {
      reject(error);
    }
  }

  /** What one of them did wrong is not the others' fault; a database that is away is nobody's. */
  async function oneByOne(taken: readonly Submission[], ended: readonly Finish[], error: unknown): Promise<void> {
    const entries = taken.length + ended.length;
    if (entries === 0) claimant?.failed(error);
    if (entries <= 1 || isPassing(error)) {
      for (const { reject } of [...taken, ...ended]) reject(error);
      return;
    }
    for (const one of taken) await round([one], []).catch(one.reject);
    for (const one of ended) await round([], [one]).catch(one.reject);
  }

  return {
    insert(job) {
      const input = { ...job, id: job.id ?? uuidv7() };
      return new Promise((resolve, reject) => {
        submissions.push({ input, resolve, reject });
        void pump();
      });
    },
    finish: (hold, end) =>
      new Promise((resolve, reject) => {
        finishes.push({ input: { hold, end }, resolve, reject });
        void pump();
      }),
    serve(next) {
      if (claimant) throw new TypeError('A process has one worker');
      claimant = next;
      return {
        wake() {
          wanted = true;
          return pump();
        },
        async stop() {
          claimant = null;
          await pumping;
        },
      };
    },
  };
}

const rowOf = (job: NewJob & { id: string }): JobRow => ({
  id: job.id,
  kind: job.kind,
  status: 'queued',
  owner_id: job.ownerId,
  database_id: job.databaseId,
  target_key: job.targetKey,
  target_label: job.targetLabel,
  sealed_connection: job.sealedConnection ?? null,
  name: job.name,
  sql: job.sql,
  parameters: job.parameters === null ? null : [...job.parameters],
  read_only: job.readOnly,
  transaction: job.transaction,
  timeout_ms: job.timeoutMs,
  max_rows: job.maxRows,
  priority: job.priority ?? 0,
  run_at: job.runAt ?? null,
  max_attempts: job.maxAttempts ?? 1,
  source_id: job.sourceId ?? null,
  saved_query_id: job.savedQueryId ?? null,
  ...untouched,
});

/** Of a job that nobody has begun; what the database knows better is put over it. */
const untouched = {
  held_until: null,
  submitted_at: new Date(0),
  started_at: null,
  finished_at: null,
  cancel_requested_at: null,
  attempt: 0,
  error: null,
  progress_rows: '0',
  progress_bytes: '0',
  estimated_rows: null,
  percent: null,
  revision: 1,
  change_xid: '0',
  change_seq: '0',
  fence: 0,
  backend_id: null,
  backend_started_at: null,
  results_expire_at: null,
  results_dropped: false,
} as const;

/** What `insertJobs` reads of a row. */
function newRow(job: NewJob & { id: string }): object {
  return { ...rowOf(job), run_at_ms: job.runAt?.getTime() ?? null, idempotency_key: job.idempotencyKey };
}

const endedRow = ({ input: { hold, end } }: Finish): object => ({
  id: hold.id,
  fence: hold.fence,
  status: end.status,
  error: end.error,
  rows: end.rows,
  bytes: end.bytes,
  estimated_rows: end.estimatedRows ?? null,
  percent: end.percent ?? null,
});
