/**
 * One query that is kept live for all who may share it: described, run, and run again when what it reads has changed. At
 * the first change at once, then at most once in a while for all that has come meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LiveAnswer, LiveQuery, LiveSession, QueryReads } from '../../engines/live.ts';
import { badInput } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { type Following, follow, type Watch } from './following.ts';
import { isPassing, refusalOf } from './refusal.ts';
import { type LiveState, stateOf } from './rows.ts';
import type { LivePlace, LiveSessions } from './sessions.ts';
import { createTrigger } from './trigger.ts';

export interface SharedQueryLimits {
  /** From the beginning of one run to that of the next. A query that takes longer rests for as long as it ran. */
  readonly windowMs: number;
  /** Between two runs of one whose answer changes by itself. */
  readonly pollMs: number;
  /** Between two looks whether it still reads the same. */
  readonly checkMs: number;
  /** Before a run that was too early for a transaction is tried again; longer each time, up to `maxEarlyMs`. */
  readonly earlyMs: number;
  readonly maxEarlyMs: number;
  /** What was under way when tables began to be followed is waited for, for so long. */
  readonly settleMs: number;
  /** A target that is away is tried again for so long. */
  readonly awayMs: number;
  /** Of one result. */
  readonly bytes: number;
}

export const sharedQueryLimits: SharedQueryLimits = {
  windowMs: 50,
  pollMs: 5_000,
  checkMs: 30_000,
  earlyMs: 2,
  maxEarlyMs: 500,
  settleMs: 3_000,
  awayMs: 30_000,
  bytes: 4 * 2 ** 20,
};

export interface SharedInput extends LiveQuery {
  readonly databaseId: string;
  /** Names of columns; null: as the catalogue tells. */
  readonly key: readonly string[] | null;
  readonly maxRows: number;
  readonly timeoutMs: number;
}

export interface SharedQueryDeps {
  readonly sessions: LiveSessions;
  readonly watch: Watch;
  readonly log: Log;
  readonly limits: SharedQueryLimits;
  /** Each time the query is run. */
  readonly onRun: () => void;
  /** Each time that was too early for a transaction. */
  readonly onEarly: () => void;
}

export interface SharedReader {
  /** Under whose rights the query may run. All readers of one have the same. */
  readonly place: LivePlace;
  /** There is another state, or an end. @param tables whose change caused it */
  told(tables: ReadonlySet<string>): void;
}

export interface SharedQuery {
  /** Until it is disposed; without readers the query ends. */
  join(reader: SharedReader): Disposable;
  /** The newest; null while there is none. */
  readonly state: LiveState | null;
  /** Why it is run from time to time as well. */
  readonly polled: readonly string[];
  /** Why nothing more comes; null while more may. */
  readonly failure: { readonly error: unknown } | null;
}

/** @param onEnd it has no readers any more, or has failed: whoever comes now begins another one */
export function createSharedQuery(
  { sessions, watch, log, limits, onRun, onEarly }: SharedQueryDeps,
  input: SharedInput,
  onEnd: () => void,
): SharedQuery {
  const readers = new Map<SharedReader, Disposable>();
  const over = new AbortController();
  const { signal } = over;
  const trigger = createTrigger(signal);
  const { databaseId } = input;
  let state: LiveState | null = null;
  let following: Following | null = null;
  let polled: readonly string[] = [];
  let failure: SharedQuery['failure'] = null;
  let begun = false;
  let unsettled = 0;

  function tell(tables: ReadonlySet<string>): void {
    for (const reader of [...readers.keys()]) reader.told(tables);
  }

  /** In a session of one of the readers. A target that is away is tried again, once there has been an answer. */
  async function inSession<Value>(work: (session: LiveSession, signal: AbortSignal) => Promise<Value>): Promise<Value> {
    const since = performance.now();
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      const [reader] = readers.keys();
      if (!reader) throw new Error('nobody reads it');
      try {
        return await sessions.use(
          reader.place,
          (session) => work(session, AbortSignal.any([signal, AbortSignal.timeout(input.timeoutMs)])),
          signal,
        );
      } catch (error) {
        const isAway = state !== null && performance.now() - since < limits.awayMs;
        if (!isPassing(error) || !isAway) throw error;
        await sleep(Math.min(50 * 2 ** attempt, 2_000), undefined, { signal });
      }
    }
  }

  async function look(): Promise<QueryReads> {
    const reads = await inSession((session, within) => session.describe(input, { signal: within }));
    placesOf(reads, input.key);
    return reads;
  }

  const isCurrent = (reads: QueryReads) => inSession((session, within) => session.isCurrent(reads, { signal: within }));

  function run({ revision }: QueryReads, transactions: Iterable<string>): Promise<LiveAnswer> {
    onRun();
    return inSession((session, within) =>
      session.run(input, {
        signal: within,
        transactions,
        maxRows: input.maxRows,
        maxBytes: limits.bytes,
        revision,
      }),
    );
  }

  /**
   * An answer that is too old for some of the transactions is asked for again: they would never be told otherwise.
   * @returns what it reads, which is another thing where its columns are others; and what it could not hold
   */
  async function answer(known: QueryReads, transactions: ReadonlySet<string>, tables: ReadonlySet<string>) {
    let reads = known;
    let missing: Iterable<string> = transactions;
    for (let waitMs = limits.earlyMs; ; waitMs = Math.min(waitMs * 2, limits.maxEarlyMs)) {
      const found = await run(reads, missing);
      if (!hasColumns(reads, found)) reads = await look();
      // Long is only what waits for a standby that has to confirm it: what else there is is told meanwhile.
      const isTold = found.missing.length === 0 || waitMs >= limits.maxEarlyMs;
      if (isTold && hasColumns(reads, found)) publish(reads, stateOf(found, placesOf(reads, input.key), state), tables);
      if (found.missing.length === 0 && hasColumns(reads, found)) return { reads, underWay: found.underWay };
      if (found.missing.length > 0) onEarly();
      missing = found.missing;
      await sleep(waitMs, undefined, { signal });
    }
  }

  /**
   * What was told just before tables were followed may not have been visible behind it: when all that was under way has
   * ended, or has taken too long to have been told, the query is run once more.
   */
  async function settle(underWay: readonly string[]): Promise<void> {
    unsettled += 1;
    const question = { sql: 'SELECT', parameters: [] };
    const options = { maxRows: 1, maxBytes: limits.bytes, revision: '' };
    const until = performance.now() + limits.settleMs;
    try {
      let left = underWay;
      for (let waitMs = limits.windowMs; left.length > 0 && performance.now() + waitMs < until; waitMs *= 2) {
        await sleep(waitMs, undefined, { signal });
        const transactions = left;
        const now = await inSession((session, within) =>
          session.run(question, { ...options, transactions, signal: within }),
        );
        left = now.missing;
      }
    } catch {
      // What keeps it from asking keeps the query from running, and is told then.
    } finally {
      unsettled -= 1;
      trigger.again();
    }
  }

  function publish(reads: QueryReads, next: LiveState, tables: ReadonlySet<string>): void {
    polled = [...new Set([...reads.polled, ...(following?.reasons ?? [])])];
    if (next === state) return;
    state = next;
    tell(tables);
  }

  async function live(): Promise<void> {
    let startedMs = performance.now();
    let checkedMs = startedMs;
    let restMs = limits.windowMs;
    let { reads } = await answer(await look(), new Set(), new Set());
    following = follow(watch, reads, trigger);
    let isFollowed = false;
    while (!signal.aborted) {
      const isPolled = reads.polled.length > 0 || !following.complete;
      const pollMs = isPolled ? startedMs + limits.pollMs : Number.POSITIVE_INFINITY;
      await trigger.wait(Math.max(0, Math.min(pollMs, checkedMs + limits.checkMs) - performance.now()));
      signal.throwIfAborted();
      const stillMs = startedMs + restMs - performance.now();
      if (stillMs > 0) await sleep(stillMs, undefined, { signal });

      const nowMs = performance.now();
      const { transactions, tables, again, attached, reshaped } = trigger.take();
      const isCheck = nowMs >= checkedMs + limits.checkMs;
      const known = reads;
      if (isCheck) {
        checkedMs = nowMs;
        following.retry();
      }
      if ((isCheck || reshaped) && !(await isCurrent(known))) reads = await look();
      if (reads === known && nowMs < pollMs && !again && transactions.size === 0) continue;

      startedMs = nowMs;
      const isComplete = following.complete && unsettled === 0;
      const answered = await answer(reads, transactions, tables);
      reads = answered.reads;
      if (attached && answered.underWay.length > 0) void settle(answered.underWay);
      else if (isComplete && !isFollowed) {
        // What was committed before it was followed is in the answer.
        log.debug({ databaseId, tables: reads.tables.length }, 'live_query.followed');
        isFollowed = true;
      }
      restMs = Math.max(limits.windowMs, 2 * (performance.now() - startedMs));
      if (!isFollowedBy(reads, known)) {
        following[Symbol.dispose]();
        following = follow(watch, reads, trigger);
        isFollowed = false;
      }
    }
  }

  function end(): void {
    over.abort();
    following?.[Symbol.dispose]();
    onEnd();
  }

  async function begin(): Promise<void> {
    try {
      await live();
    } catch (error) {
      if (signal.aborted) return;
      failure = { error: refusalOf(error, input) };
      log.debug({ databaseId, error: String(error) }, 'live_query.failed');
      end();
      tell(new Set());
    }
  }

  return {
    get state() {
      return state;
    },
    get polled() {
      return polled;
    },
    get failure() {
      return failure;
    },
    join(reader) {
      readers.set(reader, sessions.hold(reader.place));
      if (!begun) {
        begun = true;
        void begin();
      }
      return {
        [Symbol.dispose]() {
          readers.get(reader)?.[Symbol.dispose]();
          readers.delete(reader);
          if (readers.size === 0 && !over.signal.aborted) end();
        },
      };
    },
  };
}

/** @throws AppError BAD_USER_INPUT for a key that is none of the columns, or of which there are two */
function placesOf({ columns, key }: QueryReads, wanted: readonly string[] | null): readonly number[] | null {
  if (wanted === null) return key;
  return wanted.map((name) => {
    const place = columns.indexOf(name);
    if (place >= 0 && columns.lastIndexOf(name) === place) return place;
    throw badInput({
      path: 'key',
      message: place < 0 ? `no column is called ${name}` : `two columns are called ${name}`,
    });
  });
}

const isFollowedBy = (a: QueryReads, b: QueryReads): boolean =>
  a === b || JSON.stringify([a.tables, a.filters]) === JSON.stringify([b.tables, b.filters]);

const hasColumns = ({ columns }: QueryReads, answer: LiveAnswer): boolean =>
  columns.length === answer.columns.length && columns.every((name, i) => name === answer.columns[i]!.name);
