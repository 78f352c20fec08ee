/** The log of a database: what is kept, how a place is found again, and who is too slow for it. */
import { describe, expect, test } from 'vitest';
import type { ChangedTable, FeedEvent } from '../../src/engines/changes.ts';
import { type ChangeLogLimits, changeLogLimits, createChangeLog } from '../../src/realtime/change-log.ts';
import { createLogReaders } from '../../src/realtime/log-readers.ts';
import { wholeTransaction } from '../../src/realtime/positions.ts';
import { failure } from '../databases/world.ts';

const table: ChangedTable = {
  id: '1',
  schema: 'public',
  name: 't',
  columns: [{ name: 'id', dataType: 'text', decode: null, coding: null }],
  key: [0],
  identity: [0],
  old: 'IDENTITY',
};
const insert = (id: string, place: number): FeedEvent => ({ type: 'insert', place, table, new: [id] });
const position = (number: number) => String(number).padStart(4, '0');

/** A transaction as the feed tells it. */
const transaction = (number: number, ...ids: string[]): FeedEvent[] => [
  { type: 'begin', transactionId: String(number), committedAt: new Date(0), position: position(number) },
  ...ids.map((id, index) => insert(id, index + 1)),
  { type: 'commit', position: position(number) },
];

const logOf = (limits: Partial<ChangeLogLimits> = {}) =>
  createChangeLog({
    start: { commit: position(0), place: wholeTransaction },
    limits: { ...changeLogLimits, maxBytes: () => 1_000_000, ...limits },
  });

const idsFrom = (log: ReturnType<typeof logOf>, ordinal: number) =>
  [...log.from(ordinal)].flatMap((piece) =>
    piece.changes
      .slice(Math.max(0, ordinal - piece.ordinal))
      .map((change) => (change.type === 'insert' ? change.new[0] : null)),
  );

describe('places', () => {
  test('are those that the feed names, whatever of the transaction nobody followed', () => {
    const log = logOf();
    const [begin, commit] = transaction(1) as [FeedEvent, FeedEvent];
    const more = { type: 'truncate', place: 7, tables: [table, table] } as const;
    log.append([begin, insert('a', 2), insert('b', 3), insert('c', 5), more, commit]);
    expect(idsFrom(log, 0)).toEqual(['a', 'b', 'c', null, null]);
    expect([...log.from(0)].flatMap(({ place, changes }) => changes.map((_, index) => place + index))).toEqual([
      2, 3, 5, 7, 8,
    ]);
    const left = (place: number) => idsFrom(log, log.find({ commit: position(1), place }));
    expect(left(1)).toEqual(['a', 'b', 'c', null, null]);
    expect(left(3)).toEqual(['c', null, null]);
    expect(left(4)).toEqual(['c', null, null]);
    expect(left(6)).toEqual([null, null]);
    expect(left(7)).toEqual([null]);
  });

  test('every change is found again behind the one before it, however the transaction came', () => {
    const log = logOf({ changesOfPiece: 2 });
    const [begin, a, b, c, commit] = transaction(1, 'a', 'b', 'c') as [
      FeedEvent,
      FeedEvent,
      FeedEvent,
      FeedEvent,
      FeedEvent,
    ];
    log.append([begin, a]);
    log.append([b, c]);
    log.append([commit, ...transaction(2, 'd')]);
    expect(idsFrom(log, 0)).toEqual(['a', 'b', 'c', 'd']);
    for (let place = 0; place <= 3; place++)
      expect(idsFrom(log, log.find({ commit: position(1), place }))).toEqual(['a', 'b', 'c', 'd'].slice(place));
    expect(idsFrom(log, log.find({ commit: position(1), place: wholeTransaction }))).toEqual(['d']);
    for (let ordinal = 0; ordinal <= 4; ordinal++) expect(log.find(log.positionBefore(ordinal))).toBe(ordinal);
  });

  test('while nothing comes the end moves on, and never back', () => {
    const log = logOf();
    log.append(transaction(5, 'a'));
    log.alive(position(3));
    expect(log.end.position.commit).toBe(position(5));
    log.alive(position(9));
    expect(log.end).toMatchObject({ ordinal: 1, position: { commit: position(9), place: wholeTransaction } });
    expect(log.find({ commit: position(9), place: wholeTransaction })).toBe(1);
  });

  test('what is before the oldest that is kept is lost', async () => {
    const log = logOf({ maxPieces: 2 });
    for (let number = 1; number <= 5; number++) log.append(transaction(number, `x${number}`));
    expect(idsFrom(log, log.firstOrdinal)).toEqual(['x4', 'x5']);
    expect(idsFrom(log, log.find({ commit: position(3), place: wholeTransaction }))).toEqual(['x4', 'x5']);
    const find = async (commit: string, place: number) => log.find({ commit, place });
    await failure(find(position(3), 0), 'POSITION_LOST');
    await failure(find(position(1), wholeTransaction), 'POSITION_LOST');
  });

  test('a transaction of a million rows takes no more room than there is', () => {
    const log = logOf({ maxBytes: () => 1_000_000 });
    log.append([transaction(1)[0]!]);
    for (let part = 0; part < 1_000; part++) {
      log.append(Array.from({ length: 1_000 }, (_, i) => insert(`${part * 1_000 + i}`, part * 1_000 + i + 1)));
      expect(log.bytes).toBeLessThanOrEqual(1_100_000);
    }
    log.append([transaction(1)[1]!]);
    expect(log.end).toMatchObject({ ordinal: 1_000_000, position: { place: wholeTransaction } });
    expect(idsFrom(log, 999_999)).toEqual(['999999']);
  });
});

describe('readers', () => {
  const large = 'x'.repeat(1_000);
  const room = (readers: ReturnType<typeof createLogReaders>) => {
    let had = false;
    // At once, or not before somebody moves.
    void readers.room(new AbortController().signal).then(() => {
      had = true;
    });
    return Promise.resolve()
      .then(() => Promise.resolve())
      .then(() => had);
  };
  const setUp = (slowMs = 10_000) => {
    const log = logOf({ maxBytes: () => 100_000 });
    const readers = createLogReaders({ log, limits: { slowMs, slowBytes: 10_000 } });
    let number = 0;
    const grow = (count: number) => {
      for (let i = 0; i < count; i++) log.append(transaction(++number, large));
    };
    return { log, readers, grow };
  };

  test('the log goes on as fast as the fastest reader, and never waits where nobody reads', async () => {
    const { readers, grow, log } = setUp();
    grow(90);
    expect(await room(readers)).toBe(true);
    const [fast, slow] = [readers.add(log.firstOrdinal, 'f'), readers.add(log.firstOrdinal, 's')];
    expect(await room(readers)).toBe(false);
    fast.takes(log.end.ordinal - 10, 'f2');
    expect(await room(readers)).toBe(true);
    fast.takes(log.firstOrdinal, 'f3');
    expect(await room(readers)).toBe(false);
    slow.waits();
    expect(await room(readers)).toBe(true);
  });

  test('the log waits for nobody while somebody takes all as it comes', async () => {
    const { readers, grow } = setUp();
    readers.add(0, 'begin');
    grow(90);
    expect(await room(readers)).toBe(false);
    const waiting = readers.room(new AbortController().signal);
    const [one, two] = [readers.hurry(), readers.hurry()];
    await waiting;
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    expect(await room(readers)).toBe(true);
    two[Symbol.dispose]();
    expect(await room(readers)).toBe(false);
  });

  test('a reader who was near and falls far behind is ended with his position while that is still kept', () => {
    const { readers, grow, log } = setUp();
    const reader = readers.add(0, 'begin');
    reader.waits();
    grow(1);
    reader.takes(1, 'taken');
    reader.given();
    grow(50);
    readers.look();
    expect(reader.ended.aborted).toBe(false);
    grow(15);
    readers.look();
    expect(reader.ended.reason).toMatchObject({ code: 'SLOW_CONSUMER', details: { position: 'taken' } });
    expect(log.firstOrdinal).toBe(0);
    expect(readers.size).toBe(0);
  });

  test('one who begins far back may catch up, and one who takes nothing for long is ended', () => {
    const { readers, grow } = setUp(0);
    grow(70);
    const reader = readers.add(0, 'begin');
    readers.look();
    expect(reader.ended.aborted).toBe(false);
    reader.given();
    readers.look();
    expect(reader.ended.reason).toMatchObject({ code: 'SLOW_CONSUMER' });
  });

  test('one who has little to take may take his time', () => {
    const { readers, grow } = setUp(0);
    const reader = readers.add(0, 'begin');
    grow(5);
    reader.given();
    readers.look();
    expect(reader.ended.aborted).toBe(false);
  });

  test('one whose place is gone is told where he was', () => {
    const { readers, grow } = setUp();
    grow(10);
    const reader = readers.add(2, 'there');
    grow(200);
    readers.look();
    expect(reader.ended.reason).toMatchObject({ code: 'SLOW_CONSUMER', details: { position: 'there' } });
  });
});
