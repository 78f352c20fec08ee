/** One reader of a group: from batch to batch, until he leaves, is too slow, loses his right, or nothing is told any more. */
import { AppError } from '../lib/errors.ts';
import { onAborted } from '../lib/on-aborted.ts';
import { type FeedRun, RunIdle } from './feed-run.ts';
import type { Waiting } from './lane.ts';
import type { LogReader } from './log-readers.ts';
import { comparePositions, laterOf, type Position } from './positions.ts';
import type { GroupBatch, ReaderGroup } from './reader-group.ts';

export interface ReadOn {
  readonly run: Pick<FeedRun, 'log' | 'readers' | 'ended'>;
  readonly group: Pick<ReaderGroup, 'read' | 'quiet' | 'wait' | 'waitInLane'>;
  readonly begin: Position;
  readonly batchSize: number;
  /** An empty batch comes after so long without a change. */
  readonly quietMs: number;
  readonly write: (position: Position) => string;
  /** Each aborts with the reason when the reader may not go on. */
  readonly lost: readonly AbortSignal[];
  /** Asked before each batch. @throws AppError */
  readonly mayGoOn: () => Promise<void> | void;
  /** Gives him a batch while he waits for it; false: he comes for it. */
  readonly give?: ((batch: GroupBatch) => boolean) | undefined;
  /** He has left. */
  readonly signal: AbortSignal;
}

/**
 * The first batch comes at once, and may be empty. What all of a group are given is the same object.
 * @throws the reason of `lost`; AppError SLOW_CONSUMER, POSITION_LOST; whatever `mayGoOn` and the group throw
 */
export async function* readOn(options: ReadOn): AsyncGenerator<GroupBatch, void> {
  const { run, group, begin, batchSize, quietMs, write, lost, mayGoOn, give, signal } = options;
  const { log } = run;
  // One table may begin further ahead than the log has come: until then what is told of the others is older than `begin`.
  let floor = comparePositions(begin, log.end.position) > 0 ? begin : null;
  let next = floor ? log.end.ordinal : log.find(begin);
  using reader = run.readers.add(next, write(begin));
  const ends = [signal, run.ended, reader.ended, ...lost];
  let batch: GroupBatch | null = null;
  let interrupt = () => {};
  using listening = new DisposableStack();
  for (const one of ends) listening.defer(onAborted(one, () => interrupt()));
  for (let due = true; ; ) {
    throwEnd(run, reader, lost, signal);
    await mayGoOn();
    if (signal.aborted) return;
    const { isEmpty, next: after, position } = await readBatch();
    if (due || !isEmpty) {
      reader.given();
      yield handOver();
    }
    next = after;
    reader.takes(next, position);
    due = false;
    if (next < log.end.ordinal) continue;
    reader.waits();
    const woken = await wait();
    if (signal.aborted) return;
    next = woken.ordinal;
    due = woken.quiet;
    reader.takes(next, write(reached(next)));
  }

  /** Nothing before it is missed: from his last batch on it may be gone long since. */
  function reached(ordinal: number): Position {
    const before = log.positionBefore(ordinal);
    return floor ? laterOf(floor, before) : before;
  }

  /** For handOver(). */
  async function readBatch(): Promise<{ isEmpty: boolean; next: number; position: string }> {
    try {
      const read = await group.read(next, batchSize);
      batch = floor ? behind(floor, read, write) : read;
      if (floor && comparePositions(read.at, floor) >= 0) floor = null;
      return { isEmpty: batch.changes.length === 0, next: batch.next, position: batch.position };
    } catch (error) {
      // Who was too slow is told so, and not that what he did not take is gone.
      throwEnd(run, reader, lost, signal);
      throw error;
    }
  }

  /** He may come back late, or never: what he was given is not held here for so long. */
  function handOver(): GroupBatch {
    const given = batch!;
    batch = null;
    return given;
  }

  /** Up to where he is woken he has all that there is for the group. */
  function wait(): Promise<{ ordinal: number; quiet: boolean }> {
    return new Promise((resolve) => {
      let beingGiven = false;
      let givenAt = Number.NEGATIVE_INFINITY;
      const settle = (ordinal: number, quiet: boolean) => {
        clearTimeout(timer);
        place.leave();
        interrupt = () => {};
        resolve({ ordinal, quiet });
      };
      // A timer is not set back for each of thousands: what it is due is looked at when it rings.
      const ring = () => {
        const leftMs = givenAt + quietMs - performance.now();
        // What he is being given is not passed over.
        if (beingGiven || leftMs > 0) timer = setTimeout(ring, beingGiven ? quietMs / 10 : leftMs);
        else if (giveQuiet()) timer = setTimeout(ring, quietMs);
        else settle(place.reached(), true);
      };
      /** Where he is, without his coming for it: of thousands most are quiet most of the time. */
      const giveQuiet = () => {
        const { ordinal } = log.end;
        if (!give || floor || place.reached() < ordinal || !mayGoOnNow()) return false;
        const batch = group.quiet();
        if (!give(batch)) return false;
        reader.takes(ordinal, batch.position);
        reader.waits();
        return true;
      };
      let timer = setTimeout(ring, quietMs);
      const comes = (ordinal: number) => settle(ordinal, false);
      const waiting: Waiting = {
        begins(ordinal, position) {
          beingGiven = true;
          reader.takes(ordinal, position);
        },
        take(batch) {
          if (!mayGoOnNow()) return false;
          if (batch.changes.length === 0) return true;
          if (!give!(batch)) return false;
          givenAt = performance.now();
          return true;
        },
        ends() {
          beingGiven = false;
          reader.waits();
        },
        comes,
      };
      const place =
        give && !floor
          ? group.waitInLane(waiting, next, batchSize)
          : { leave: group.wait(comes), reached: () => log.end.ordinal };
      interrupt = () => comes(next);
      if (ends.some(({ aborted }) => aborted)) interrupt();
    });
  }

  /** Where it is not known, or he may not, he comes and meets it. */
  function mayGoOnNow(): boolean {
    try {
      const asked = mayGoOn();
      if (asked === undefined) return true;
      asked.catch(() => undefined); // He comes and asks anew.
      return false;
    } catch {
      return false;
    }
  }
}

function behind(floor: Position, { changes, next, at: end }: GroupBatch, write: ReadOn['write']): GroupBatch {
  const at = laterOf(floor, end);
  const later = changes.filter((change) => comparePositions(change.at, floor) > 0);
  return { changes: later, next, at, position: write(at) };
}

function throwEnd(
  run: Pick<FeedRun, 'ended'>,
  reader: LogReader,
  lost: readonly AbortSignal[],
  signal: AbortSignal,
): void {
  if (signal.aborted) return;
  for (const end of lost) end.throwIfAborted();
  reader.ended.throwIfAborted();
  if (!run.ended.aborted) return;
  if (!(run.ended.reason instanceof RunIdle)) throw run.ended.reason;
  throw new AppError(
    'POSITION_LOST',
    'The database is listened to no longer: read the rows again, then subscribe without `after`',
  );
}
