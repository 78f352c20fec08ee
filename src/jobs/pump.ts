/**
 * The hot path of the queue: what is submitted, what has ended and what may start next travel together, in one round and
 * one commit. While a round is under way the next one gathers, so that a busy queue pays for few commits and an idle one
 * waits for nobody.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type pg from 'pg';
import { notification } from '../db/notify.ts';
import { byKey, type Prepared, runRound, type Step, type Value } from '../db/round.ts';
import type { Bus } from '../lib/bus.ts';
import { AppError } from '../lib/errors.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Log } from '../lib/log.ts';
import type { Topic } from '../lib/topics.ts';
import {
  type AcceptedRow,
  acceptAndGive,
  acceptAndStart,
  acceptedJob,
  acceptJobs,
  acceptOneAndGive,
  acceptOneAndStart,
  givenValues,
  lockKeys,
  oneGiven,
  type Submission,
  textBytesOf,
} from './accept.ts';
import {
  type ClaimRow,
  claimJobs,
  claimLock,
  claimLockBriefly,
  claimLockIfFree,
  claimOnly,
  firstCursor,
  keyIsLive,
  type OnlyRow,
  patientAgain,
  type TakenRow,
  windowOf,
} from './claim.ts';
import { type Ended, endedValues, finishJobs, type Hold, type JobEnd } from './finish.ts';
import type { Job, NewJob } from './job.ts';
import type { JobReads } from './reads.ts';
import { type JobRow, jobOf } from './row.ts';

export interface Limits {
  /** Parallel jobs of a user for whom no administrator set a ceiling. */
  readonly maxParallelJobs: number;
  /** Parallel jobs on one database, whoever they are of. */
  readonly maxParallelJobsPerDatabase: number;
}

export interface PumpDeps {
  pool: pg.Pool;
  bus: Bus<Topic>;
  log: Log;
  limits: Limits;
  /** How long the rows of a job are kept behind its end. */
  resultsRetentionMs: number;
  findByKey: JobReads['findByKey'];
  /** Writes into the audit what is submitted, in the round that inserts it. */
  noteStep?: (submissions: readonly Submission[]) => Step;
}

/** Whoever runs jobs in this process. */
export interface Claimant {
  readonly workerId: string;
  /** Jobs at once. */
  readonly concurrency: number;
  /** Those that it runs now. */
  busy(): number;
  /** A claim begins: what `start` is then given was taken after this. */
  claiming(): void;
  start(jobs: readonly Job[]): void;
  /** The metadata did not answer; it is asked again at the next wake. */
  failed(error: unknown): void;
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

interface Arrival extends Waiting<Submission, Submitted> {
  readonly textBytes: number;
}
type Finish = Waiting<Ended, boolean>;
type EndedRow = Pick<JobRow, 'id' | 'fence' | 'owner_id'>;

/** A statement of a round, and what to make of its rows. */
interface Part {
  readonly step: Step;
  readonly settle: (rows: Record<string, unknown>[]) => void;
}

/** Of one round. */
const maxBatch = 256;
/** Of the SQL and parameters of one round: a submission may be 9 MiB by itself. */
const maxBatchBytes = 4 * 2 ** 20;

/** SQLSTATEs of a row that is held by somebody, or gone. */
const ofSubmissions: ReadonlySet<string> = new Set(['55P03', '23503']);

/** How a round opens that does not begin with the lock of the claims. */
const withoutLock: Prepared = { name: 'without_lock', text: byKey() };
/** A submission that waits for a row that somebody holds is soon taken out of everybody's way. */
const briefly: Prepared = { name: 'briefly', text: byKey([`set_config('lock_timeout', '200ms', true)`]) };

export function createPump({ pool, bus, log, limits, resultsRetentionMs, findByKey, noteStep }: PumpDeps): Pump {
  const { channel, payload } = notification('jobs.queued', '*');
  const ofLimits = [limits.maxParallelJobs, limits.maxParallelJobsPerDatabase] as const;
  const submissions: Arrival[] = [];
  const finishes: Finish[] = [];
  let claimant: Claimant | null = null;
  /** Somebody rang since the last claim that came back with less than there was room for. */
  let wanted = false;
  /** Places or jobs have come of which the other workers were not told: this one may still take all. */
  let owed = false;
  /** The owner behind whom the next claim looks first. */
  let cursor = firstCursor;
  /** Where the claims in a row began that found nothing to take; null: the last one did. */
  let emptySince: string | null = null;
  /** More than one job is ready, or none of them may start. */
  let crowded = true;
  /** What is submitted where no jobs run may start at others; until a round of a row that could start none: claims need the lock. */
  let giving = true;
  /** What nobody was told of yet: what starts goes first. */
  const changes: Pick<JobRow, 'id' | 'owner_id'>[] = [];
  /** What this worker has claimed, and has not yet begun. */
  let brought: { readonly to: Claimant; readonly jobs: readonly Job[] } | null = null;
  let pumping: Promise<void> | null = null;

  function pump(): Promise<void> {
    pumping ??= run();
    return pumping;
  }

  async function run(): Promise<void> {
    // What arrives in the same turn of the loop travels together.
    await Promise.resolve();
    giving = true;
    try {
      while (submissions.length > 0 || finishes.length > 0 || roomToFill() > 0) {
        const taken = takeSubmissions();
        const ended = finishes.splice(0, maxBatch);
        const done = round(taken, ended).catch((error) => apart(taken, ended, error));
        if (brought) {
          // Behind what goes out now: the server works on it while these begin.
          await nextTurn();
          begin();
        }
        await done;
        if (finishes.length === 0) begin();
      }
    } finally {
      // In the same turn as the last look: what comes a moment later begins anew.
      pumping = null;
    }
  }

  /** Runs them in one round, and lets each have its rows. */
  async function settled(parts: readonly Part[]): Promise<void> {
    const results = await runRound(
      pool,
      parts.map(({ step }) => step),
    );
    for (const [i, { settle }] of parts.entries()) settle(results[i]!);
  }

  /** Starts what was brought, and then tells of it. */
  function begin(): void {
    brought?.to.start(brought.jobs);
    brought = null;
    ringChanges();
  }

  const placesOf = ({ concurrency, busy }: Claimant): number => concurrency - busy() - (brought?.jobs.length ?? 0);
  const roomToFill = (): number => (wanted && claimant ? placesOf(claimant) : 0);

  function takeSubmissions(): Arrival[] {
    let bytes = 0;
    let count = 0;
    for (const { textBytes } of submissions.slice(0, maxBatch)) {
      bytes += textBytes;
      if (count > 0 && bytes > maxBatchBytes) break;
      count += 1;
    }
    return submissions.splice(0, count);
  }

  async function round(taken: readonly Arrival[], ended: readonly Finish[]): Promise<void> {
    const serving = claimant;
    // The places of those that end are free in this transaction, before their worker hears of it.
    const room = serving ? placesOf(serving) + ended.length : 0;
    const claims = room > 0 && (wanted || ended.length > 0);
    const parts: Part[] = [];
    let mayClaim = true;
    let settleClaimed = async (): Promise<Job[]> => [];
    let started: Job[] = [];
    const keys = keyPart(taken.map(({ input }) => input));
    if (keys.length > 0) parts.push(opening(briefly), ...keys);
    if (ended.length > 0) parts.push(opening(withoutLock), finishPart(ended));
    if (serving && (claims || taken.length > 0)) {
      serving.claiming();
      const statement = ended.length > 0 ? claimLockIfFree : claimLock;
      parts.push({
        step: { statement, values: [] },
        settle: ([row]) => {
          mayClaim = row?.may_claim === 'true';
        },
      });
    }
    if (serving && claims) {
      wanted = false;
      const settle = crowded ? settleClaim : settleOnly;
      parts.push({
        step: crowded ? claimStep(serving, room) : onlyStep(serving),
        settle: (rows) => {
          settleClaimed = () => settle(rows);
        },
      });
    }
    const gives = !serving && giving;
    if (taken.length > 0) {
      if (!serving) parts.push(opening(gives ? claimLockBriefly : briefly));
      parts.push({
        step: serving ? startStep(serving, taken) : gives ? giveStep(taken) : queueStep(taken),
        settle: (rows) => {
          started = settleArrivals(taken, rows as unknown as AcceptedRow[]);
        },
      });
      if (gives) parts.push(opening(patientAgain));
      parts.push(...notePart(taken.map(({ input }) => input)));
    }
    if (parts.length === 0) return;

    await settled(parts);
    if (!serving) {
      giving = started.length > 0;
      return;
    }
    if (started.length > 0) serving.start(started);
    // Somebody else claims at this moment: what waits is looked at once he is done.
    if (!mayClaim) wanted = true;
    else if (claims) {
      const claimed = await settleClaimed();
      if (claimed.length > 0) brought = { to: serving, jobs: claimed };
      started = [...claimed, ...started];
    }
    // What this worker has no room for is another's; while it looks on, it may have.
    owed ||= taken.length + ended.length > 0;
    if (owed && started.length >= room) bus.ringElsewhere('jobs.queued', '*');
    if (started.length >= room || !wanted) owed = false;
  }

  const opening = (statement: Prepared): Part => ({ step: { statement, values: [] }, settle: () => undefined });

  const notePart = (submissions: readonly Submission[]): Part[] =>
    noteStep ? [{ step: noteStep(submissions), settle: () => undefined }] : [];

  /** None where no API key submits. */
  function keyPart(submissions: readonly Submission[]): Part[] {
    const owners = new Map(
      submissions.flatMap(({ ownerId, caller }) => (caller?.keyId ? [[caller.keyId, ownerId]] : [])),
    );
    if (owners.size === 0) return [];
    return [
      { step: { statement: lockKeys, values: [[...owners.values()], [...owners.keys()]] }, settle: () => undefined },
    ];
  }

  const finishPart = (ended: readonly Finish[]): Part => ({
    step: {
      statement: finishJobs,
      values: [resultsRetentionMs, ...endedValues(ended.map(({ input }) => input))],
    },
    settle: (rows) => settleFinishes(ended, rows as unknown as EndedRow[]),
  });

  const claimStep = ({ workerId, concurrency }: Claimant, room: number): Step => ({
    statement: claimJobs,
    values: [workerId, room, ...ofLimits, cursor, windowOf(room), concurrency],
  });

  const onlyStep = ({ workerId, concurrency }: Claimant): Step => ({
    statement: claimOnly,
    values: [workerId, ...ofLimits, concurrency],
  });

  /** All of them wait. */
  const queueStep = (taken: readonly Arrival[]): Step => ({
    statement: acceptJobs,
    values: [channel, payload, ...givenValues(taken.map(({ input }) => input))],
  });

  const startStep = ({ workerId, concurrency }: Claimant, taken: readonly Arrival[]): Step =>
    placeStep(acceptOneAndStart, acceptAndStart, [workerId, concurrency], taken);

  const giveStep = (taken: readonly Arrival[]): Step =>
    placeStep(acceptOneAndGive, acceptAndGive, [channel, payload], taken);

  const placeStep = (one: Prepared, many: Prepared, first: readonly Value[], taken: readonly Arrival[]): Step => {
    const inputs = taken.map(({ input }) => input);
    return inputs.length === 1
      ? { statement: one, values: [...first, ...ofLimits, ...oneGiven(inputs[0]!)] }
      : { statement: many, values: [...first, ...ofLimits, ...givenValues(inputs)] };
  };

  /** Remembers where it looked, and whether to look on. @returns what was taken, with its texts */
  async function settleClaim(claimed: readonly object[]): Promise<Job[]> {
    const rows = claimed as readonly ClaimRow[];
    const [first] = rows;
    if (!first?.last_owner) {
      emptySince = null;
      crowded = false;
      return [];
    }
    const before = cursor;
    cursor = first.last_owner;
    const taken = rows.filter(({ id }) => id !== null);
    if (taken.length > 0) {
      // What one claim left out, by its share or by two limits at once, is in the next.
      wanted = true;
      emptySince = null;
      return startedOf(taken);
    }
    emptySince ??= before;
    const [behind, upTo] = [before < emptySince, emptySince <= cursor];
    // It has come round to where the first of them began: all who wait are held up by their limits.
    if (first.whole || (first.around ? behind || upTo : behind && upTo)) emptySince = null;
    else wanted = true;
    return [];
  }

  /** Where it takes nothing although something waits, the next claim looks at all of it. */
  async function settleOnly(claimed: readonly object[]): Promise<Job[]> {
    const [row] = claimed as readonly OnlyRow[];
    if (row && row.id !== null) return startedOf([row]);
    if (row && row.waiting > 0) {
      crowded = true;
      wanted = true;
    }
    return [];
  }

  function startedOf(taken: readonly TakenRow[]): Promise<Job[]> {
    changes.push(...taken);
    // The others ended with their keys.
    return withTexts(taken.filter(({ status }) => status === 'running'));
  }

  type Texts = Pick<JobRow, 'id' | 'sql' | 'parameters' | 'sealed_connection'>;
  async function readTexts(ids: readonly string[]): Promise<Texts[]> {
    const query = 'SELECT id, sql, parameters, sealed_connection FROM jobs WHERE id = ANY($1::uuid[])';
    try {
      return (await pool.query<Texts>(query, [ids])).rows;
    } catch (error) {
      // Nobody renews them: when their lease is over they go back, and nothing of them has run.
      claimant?.failed(error);
      return [];
    }
  }

  /** Those whose texts are too long to travel under the lock are read behind it. */
  async function withTexts(rows: readonly TakenRow[]): Promise<Job[]> {
    const long = rows.filter(({ sql }) => sql === null).map(({ id }) => id);
    const texts = long.length === 0 ? [] : await readTexts(long);
    const byJob = new Map(texts.map((row) => [row.id, row]));
    return rows.flatMap((row) => {
      const { sql, parameters, sealed_connection } = byJob.get(row.id) ?? row;
      // Without a text it could not be read, or was deleted with its account.
      return sql === null ? [] : [jobOf({ ...row, sql, parameters, sealed_connection })];
    });
  }

  function ringChanges(): void {
    for (const { id, owner_id } of changes.splice(0)) {
      bus.ring('job.changed', id);
      bus.ring('jobs.of_user', owner_id);
    }
  }

  function settleFinishes(ended: readonly Finish[], rows: readonly EndedRow[]): void {
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const { input, resolve } of ended) {
      const row = byId.get(input.hold.id);
      const held = row?.fence === input.hold.fence;
      if (held) changes.push(row);
      resolve(held);
    }
  }

  /** @returns those that started at once */
  function settleArrivals(taken: readonly Arrival[], rows: readonly AcceptedRow[]): Job[] {
    const accepted = new Map(rows.map((row) => [row.id, row]));
    const started: Job[] = [];
    for (const waiting of taken) {
      const row = accepted.get(waiting.input.id);
      if (!row) {
        void resolveAbsent(waiting);
        continue;
      }
      const job = acceptedJob(waiting.input, row);
      if (job.status === 'running') started.push(job);
      else wanted = true;
      changes.push({ id: job.id, owner_id: job.ownerId });
      waiting.resolve({ job, created: true });
    }
    return started;
  }

  /** Its key was used before, or the API key that it came with has ended. */
  async function resolveAbsent(waiting: Arrival): Promise<void> {
    const { input, resolve, reject } = waiting;
    const keyId = input.caller?.keyId ?? null;
    try {
      const job = input.idempotencyKey === null ? null : await findByKey(input.ownerId, input.idempotencyKey);
      if (job) resolve({ job, created: false });
      else if (!(await isLive(keyId)))
        reject(new AppError('UNAUTHENTICATED', 'The API key has ended meanwhile: nothing was submitted'));
      else if (input.idempotencyKey === null) throw new Error('a submission without a key was not inserted');
      else {
        // It was deleted meanwhile: the key is free.
        submissions.push(waiting);
        void pump();
      }
    } catch (error) {
      reject(error);
    }
  }

  async function isLive(keyId: string | null): Promise<boolean> {
    if (keyId === null) return true;
    const { rows } = await pool.query<{ live: boolean }>(
      `SELECT ${keyIsLive} AS live FROM (SELECT $1::uuid AS key_id) _`,
      [keyId],
    );
    return rows[0]!.live;
  }

  /**
   * What one of them did wrong, or whom it waits for, is not the others' fault, and a claim that fails is nobody's: each
   * goes alone, and nothing is claimed with it.
   */
  async function apart(taken: readonly Arrival[], ended: readonly Finish[], error: unknown): Promise<void> {
    if (claimant) {
      claimant.failed(error);
      wanted = false;
    } else if (!ofSubmissions.has(String((error as { code?: unknown }).code))) {
      // Where each succeeds alone nobody else would hear of it.
      log.warn({ error: String(error) }, 'queue.round_failed');
    }
    const alone = async (parts: readonly Part[], { reject }: { reject: (error: unknown) => void }) => {
      try {
        await settled([opening(withoutLock), ...parts]);
        ringChanges();
      } catch (fault) {
        reject(fault);
      }
    };
    const accept = (one: Arrival): Part => ({
      step: queueStep([one]),
      settle: (rows) => void settleArrivals([one], rows as unknown as AcceptedRow[]),
    });
    // A submission may wait long for a row that somebody else holds: the pump does not wait with it.
    for (const one of taken) void alone([...keyPart([one.input]), accept(one), ...notePart([one.input])], one);
    await Promise.all(ended.map((one) => alone([finishPart([one])], one)));
  }

  return {
    insert(job) {
      const input = { ...job, id: job.id ?? uuidv7() };
      const textBytes = textBytesOf(job);
      return new Promise((resolve, reject) => {
        submissions.push({ input, textBytes, resolve, reject });
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
