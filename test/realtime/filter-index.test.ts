/** Who is asked about a change: counted, since that is what ten thousand filters cost. */
import { expect, test } from 'vitest';
import type { ChangedTable } from '../../src/engines/changes.ts';
import type { RowEvent } from '../../src/realtime/change.ts';
import { createFilterIndex, type FilterIndex, indexKeyOf } from '../../src/realtime/filter-index.ts';
import type { RowFilter } from '../../src/rows/row-filter.ts';

const column = (name: string) => ({ name, dataType: 'text', decode: null, coding: null });
const table: ChangedTable = {
  id: '1',
  schema: 'public',
  name: 'guests',
  columns: [column('id'), column('room')],
  key: [0],
  identity: [0],
  old: 'IDENTITY',
};

let ranked = 0;
const rank = (text: string) => {
  ranked += 1;
  return text;
};

function indexOf(subscribers: Record<string, readonly string[]>, name = 'room') {
  const index = createFilterIndex<string>();
  for (const [subscriber, ranks] of Object.entries(subscribers)) index.add(subscriber, { column: name, ranks }, rank);
  return index;
}

function found(index: FilterIndex<string>, change: RowEvent): string[] {
  const subscribers: string[] = [];
  index.forCandidates(change, (subscriber) => subscribers.push(subscriber));
  return subscribers.sort();
}

const insert = (id: string, room: string | null): RowEvent => ({ type: 'insert', place: 1, table, new: [id, room] });

test('one of ten thousand values is found by one look-up', () => {
  const index = indexOf(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`s${i}`, [String(i)]])));
  ranked = 0;
  expect(found(index, insert('1', '7421'))).toEqual(['s7421']);
  expect(found(index, insert('2', 'nobody’s'))).toEqual([]);
  expect(found(index, insert('3', null))).toEqual([]);
  expect(ranked).toBe(2);
});

test('an update concerns those of its value before and of its value now', () => {
  const index = indexOf({ a: ['1'], b: ['2'], both: ['1', '2'], c: ['3'] });
  const whole = { ...table, old: 'WHOLE' as const };
  expect(found(index, { type: 'update', place: 1, table: whole, old: ['1', '1'], new: ['1', '2'] })).toEqual([
    'a',
    'b',
    'both',
    'both',
  ]);
  expect(found(index, { type: 'update', place: 1, table: whole, old: ['1', '3'], new: ['1', '3'] })).toEqual(['c']);
});

test('what is not told concerns all, unless it cannot have changed', () => {
  const byRoom = indexOf({ a: ['1'], b: ['2'] });
  expect(found(byRoom, { type: 'update', place: 1, table, old: null, new: ['1', '9'] })).toEqual(['a', 'b']);
  expect(found(byRoom, { type: 'delete', place: 1, table, old: ['1', undefined] })).toEqual(['a', 'b']);
  const byId = indexOf({ a: ['1'], b: ['2'] }, 'id');
  expect(found(byId, { type: 'update', place: 1, table, old: null, new: ['1', '9'] })).toEqual(['a']);
  expect(found(byId, { type: 'update', place: 1, table, old: ['2', undefined], new: ['1', '9'] })).toEqual(['a', 'b']);
});

test('who has left is not found, and leaves nothing', () => {
  const index = indexOf({ a: ['1', '2'], b: ['1'] });
  index.remove('a', { column: 'room', ranks: ['1', '2'] }, rank);
  expect(found(index, insert('1', '1'))).toEqual(['b']);
  expect(found(index, insert('1', '2'))).toEqual([]);
  index.remove('b', { column: 'room', ranks: ['1'] }, rank);
  ranked = 0;
  expect(found(index, insert('1', '1'))).toEqual([]);
  expect(ranked).toBe(0);
});

test('who asks for a column of another type than those before is found by his own', () => {
  const index = indexOf({ before: ['1'] });
  const byNumber = (text: string) => Number(text);
  index.add('after', { column: 'room', ranks: [7] }, byNumber);
  expect(found(index, insert('1', '07'))).toEqual(['after']);
  expect(found(index, insert('1', '1'))).toEqual(['before']);
  index.remove('before', { column: 'room', ranks: ['1'] }, rank);
  expect(found(index, insert('1', '7'))).toEqual(['after']);
  index.remove('after', { column: 'room', ranks: [7] }, byNumber);
  expect(found(index, insert('1', '7'))).toEqual([]);
});

test('of a filter the part with the fewest values is looked up, and one that names none has none', () => {
  const isIn = (name: string, ...ranks: string[]): RowFilter => ({ kind: 'in', column: name, ranks });
  const or: RowFilter = { kind: 'or', of: [isIn('room', '1'), isIn('id', '1')] };
  expect(indexKeyOf({ kind: 'and', of: [isIn('room', '1', '2'), or, isIn('id', '3')] })).toMatchObject({
    column: 'id',
  });
  expect(indexKeyOf(or)).toBeNull();
  expect(indexKeyOf({ kind: 'not', of: isIn('id', '1') })).toBeNull();
  expect(indexKeyOf(null)).toBeNull();
});
