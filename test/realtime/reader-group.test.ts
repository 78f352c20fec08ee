/** What readers of a group are given: made once for all who come at about the same time, and kept for nobody after that. */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RowAccess } from '../../src/engines/row-access.ts';
import { changeLogLimits, createChangeLog } from '../../src/realtime/change-log.ts';
import type { Waiting } from '../../src/realtime/lane.ts';
import { createLogReaders } from '../../src/realtime/log-readers.ts';
import { createPositions, wholeTransaction } from '../../src/realtime/positions.ts';
import { type ReadOn, readOn } from '../../src/realtime/read-on.ts';
import { createReaderGroup, type GroupBatch } from '../../src/realtime/reader-group.ts';
import { changeEvents } from '../../src/realtime/row-change.ts';

const access: RowAccess = {
  id: '1',
  schema: 'public',
  name: 't',
  key: ['id'],
  readable: true,
  rowSecurity: false,
  columns: [{ name: 'id', dataType: 'text', type: { kind: 'text' }, blankPadded: false, readable: true }],
};

/** @param rights how they are found; waited for before a batch is made */
function setUp(rights: () => Promise<unknown> = async () => undefined) {
  const log = createChangeLog({
    start: { commit: '0', place: wholeTransaction },
    limits: { ...changeLogLimits, maxBytes: () => 1_000_000 },
  });
  const source = { tableId: '1', filter: null, filtered: new Map(), events: new Set(changeEvents), columns: null };
  const positions = createPositions('d', '0');
  const group = createReaderGroup({
    databaseId: 'd',
    sources: [source],
    log,
    positions,
    rights: {
      async of() {
        await rights();
        return { accessOf: () => access, verdicts: null };
      },
    },
    indexed: false,
  });
  const columns = [{ name: 'id', dataType: 'text', decode: null, coding: null }];
  const table = { id: '1', schema: 'public', name: 't', columns, key: [0], identity: [0], old: 'IDENTITY' as const };
  let commits = 0;
  /** One transaction of rows with these ids. */
  function commit(...ids: string[]): void {
    const { ordinal } = log.end;
    commits += 1;
    const position = String(commits);
    log.append([
      { type: 'begin', transactionId: position, committedAt: new Date(0), position },
      ...ids.map((id, place) => ({ type: 'insert' as const, place: place + 1, table, new: [id] })),
      { type: 'commit', position },
    ]);
    group.wake(ordinal);
  }
  commit('a');
  const readers = createLogReaders({ log, limits: { slowMs: 60_000, slowBytes: 1_000_000 } });
  /** Who follows the group from now on. */
  const follow = (more: Pick<ReadOn, 'quietMs' | 'mayGoOn' | 'give' | 'signal'>) =>
    readOn({
      run: { log, readers, ended: new AbortController().signal },
      group,
      begin: log.end.position,
      batchSize: 10,
      write: positions.write,
      lost: [],
      ...more,
    });
  return { group, log, commit, follow };
}

const idsOf = ({ changes }: GroupBatch) => changes.map((change) => change.new!.id).join('');

test('readers who come together are given the same', async () => {
  const { group } = setUp();
  const [one, other] = await Promise.all([group.read(0, 10), group.read(0, 10)]);
  expect(other).toBe(one);
  expect(await group.read(0, 10)).toBe(one);
});

test('a group that is quiet keeps nothing of what it gave', async ({ signal }) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { group } = setUp();
  const given = async (): Promise<WeakRef<GroupBatch>> => new WeakRef(await group.read(0, 10));
  const batch = await given();
  // As long as it takes: what is looked at is not collected before the next turn.
  while (batch.deref() !== undefined) {
    await sleep(20, undefined, { signal });
    collect();
  }
  expect((await group.read(0, 10)).changes).toHaveLength(1);
});

test('of what a reader takes late nothing is held but by himself', async ({ signal }) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { commit, follow } = setUp();
  const reader = follow({ quietMs: 60_000, mayGoOn: () => undefined, signal });
  await reader.next();
  const given = async (): Promise<WeakRef<object>> => {
    const next = reader.next();
    commit('b');
    return new WeakRef((await next).value!);
  };
  const batch = await given();
  while (batch.deref() !== undefined) {
    await sleep(20, undefined, { signal });
    collect();
  }
  await reader.return();
});

describe('readers who wait in a lane', () => {
  /** What happens to one, in its order: `+` begun, `-` ended, a batch by its ids, `>` and where he has to come from. */
  function waiter(takes: (batch: GroupBatch) => boolean = () => true) {
    const story: string[] = [];
    const given: GroupBatch[] = [];
    let wake = () => {};
    const tell = (what: string) => {
      story.push(what);
      wake();
    };
    const waiting: Waiting = {
      begins: (ordinal) => tell(`+${ordinal}`),
      take(batch) {
        if (!takes(batch)) return false;
        given.push(batch);
        tell(idsOf(batch));
        return true;
      },
      ends: () => tell('-'),
      comes: (ordinal) => tell(`>${ordinal}`),
    };
    /** When so much has happened to him. */
    async function heard(count: number): Promise<string> {
      while (story.length < count)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return story.join(' ');
    }
    return { waiting, given, heard };
  }

  test('are given the same, read once, in the order of the commits', async () => {
    const { group, log, commit } = setUp();
    const [one, other] = [waiter(), waiter()];
    for (const { waiting } of [one, other]) group.waitInLane(waiting, log.end.ordinal, 10);
    commit('b', 'c');
    expect(await one.heard(1)).toBe('bc');
    commit('d');
    expect([await one.heard(2), await other.heard(2)]).toEqual(['bc d', 'bc d']);
    expect(other.given).toEqual(one.given);
    expect(other.given[0]).toBe(one.given[0]);
  });

  test('have all of a large transaction, each in batches of the size that he asked for', async () => {
    const { group, log, commit } = setUp();
    const [one, other] = [waiter(), waiter()];
    group.waitInLane(one.waiting, log.end.ordinal, 2);
    group.waitInLane(other.waiting, log.end.ordinal, 3);
    commit('b', 'c', 'd', 'e', 'f');
    expect(await one.heard(6)).toBe('bc +3 de +5 f -');
    expect(await other.heard(4)).toBe('bcd +4 ef -');
  });

  test('come themselves where they cannot take it, for all from there on, while others go on', async () => {
    const { group, log, commit } = setUp();
    const [full, other] = [waiter(({ changes }) => changes.length < 2), waiter()];
    for (const { waiting } of [full, other]) group.waitInLane(waiting, log.end.ordinal, 10);
    commit('b');
    await other.heard(1);
    commit('c', 'd');
    await other.heard(2);
    commit('e');
    expect(await other.heard(3)).toBe('b cd e');
    expect(await full.heard(2)).toBe('b >2');
  });

  test('are given nothing twice that they have when they come', async () => {
    const held = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let asked = 0;
    const { group, log, commit } = setUp(async () => held[asked++]?.promise);
    const [before, between, after] = [waiter(), waiter(), waiter()];
    group.waitInLane(before.waiting, log.end.ordinal, 10);
    commit('b');
    group.waitInLane(between.waiting, log.end.ordinal, 10);
    commit('c');
    group.waitInLane(after.waiting, log.end.ordinal, 10);
    for (const { resolve } of held) resolve();
    expect(await before.heard(4)).toBe('b +2 c -');
    expect(await between.heard(1)).toBe('c');
    commit('d');
    expect([await before.heard(5), await between.heard(2), await after.heard(1)]).toEqual(['b +2 c - d', 'c d', 'd']);
  });

  test('are said to be behind while it takes long to read, and meet themselves what prevents it', async () => {
    const held = Promise.withResolvers<void>();
    const { group, log, commit } = setUp(() => held.promise);
    const one = waiter();
    group.waitInLane(one.waiting, log.end.ordinal, 10);
    commit('b');
    expect(await one.heard(1)).toBe('+1');
    held.reject(new Error('the database does not answer'));
    expect(await one.heard(2)).toBe('+1 >1');
    await expect(group.read(1, 10)).rejects.toThrow('the database does not answer');
  });

  test('are given nothing after they have left, however many wait', async () => {
    const { group, log, commit } = setUp();
    const waiters = Array.from({ length: 1_200 }, () => waiter());
    const places = waiters.map(({ waiting }) => group.waitInLane(waiting, log.end.ordinal, 10));
    commit('b');
    await waiters[0]!.heard(1);
    // Others have their turn while so many are given something.
    const stayed = waiters.slice(0, 1_100);
    for (const { leave } of places.slice(1_100)) leave();
    for (const { heard } of stayed) await heard(1);
    commit('c');
    for (const { heard } of stayed) await heard(2);
    for (const { given } of stayed) expect(given.map(idsOf)).toEqual(['b', 'c']);
    for (const { given } of waiters.slice(1_100)) expect(given).toEqual([]);
  });

  test('have all before what is given just now, and have all that there is while nothing is', async () => {
    const { group, log, commit } = setUp();
    const waiters = Array.from({ length: 600 }, () => waiter());
    const places = waiters.map(({ waiting }) => group.waitInLane(waiting, log.end.ordinal, 10));
    const reached = () => [places[0]!.reached(), places.at(-1)!.reached()];
    expect(reached()).toEqual([1, 1]);
    commit('b');
    expect(reached()).toEqual([1, 1]);
    await waiters[0]!.heard(1);
    expect(reached()).toEqual([2, 1]);
    await waiters.at(-1)!.heard(1);
    await setImmediate();
    log.append([
      { type: 'begin', transactionId: '9', committedAt: new Date(0), position: '9' },
      {
        type: 'truncate',
        place: 1,
        tables: [{ id: '2', schema: 'public', name: 'other', columns: [], key: [], identity: [], old: 'NOTHING' }],
      },
      { type: 'commit', position: '9' },
    ]);
    expect(reached()).toEqual([3, 3]);
  });

  test('miss nothing where they have had nothing for long while others are given something', async () => {
    const { log, commit, follow } = setUp();
    const over = new AbortController();
    onTestFinished(() => over.abort());
    const quietMs = 1;
    /** What he is told until he is behind the next commit. */
    async function told(): Promise<string> {
      const behind = Promise.withResolvers<string>();
      let ids = '';
      const take = (batch: GroupBatch) => {
        ids += idsOf(batch);
        if (batch.next > 1) behind.resolve(ids);
        return true;
      };
      const reader = follow({ quietMs, mayGoOn: () => undefined, give: take, signal: over.signal });
      void (async () => {
        for await (const batch of reader) take(batch);
      })().catch(behind.reject);
      return await behind.promise;
    }
    const all = Array.from({ length: 1_200 }, told);
    // All wait. Behind this turn are first those who have had nothing for long, and then the rest of those who are given it.
    await setImmediate();
    for (const dueAt = performance.now() + quietMs * 3; performance.now() < dueAt; );
    commit('b');
    expect(log.end.ordinal).toBe(2);
    expect(new Set(await Promise.all(all))).toEqual(new Set(['b']));
  });

  test('who has had nothing for long is told where he is while he waits: all of them the same', async () => {
    const { log, follow } = setUp();
    const over = new AbortController();
    onTestFinished(() => over.abort());
    const quiet = () =>
      new Promise<GroupBatch>((resolve) => {
        const give = (batch: GroupBatch) => {
          resolve(batch);
          return true;
        };
        const reader = follow({ quietMs: 1, mayGoOn: () => undefined, give, signal: over.signal });
        void reader.next().then(() => reader.next());
      });
    const [one, other] = await Promise.all([quiet(), quiet()]);
    expect(one).toMatchObject({ changes: [], next: log.end.ordinal, at: log.end.position });
    expect(other).toBe(one);
    log.alive('5');
    expect(await quiet()).toMatchObject({ at: { commit: '5' } });
  });

  test('who may not go on any more meets it when something is to be given, and nothing else does', async ({
    signal,
  }) => {
    const { commit, follow } = setUp();
    let gone = false;
    const mayGoOn = () => (gone ? Promise.reject(new Error('the right is gone')) : undefined);
    const reader = follow({ quietMs: 60_000, mayGoOn, give: () => true, signal });
    await reader.next();
    const next = reader.next();
    await setImmediate();
    gone = true;
    commit('b');
    // A rejection that nobody meets would end the process, and fails the run of these tests.
    await expect(next).rejects.toThrow('the right is gone');
    await setImmediate();
  });
});
