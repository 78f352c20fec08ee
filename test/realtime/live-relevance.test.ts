/** Which changes may change an answer that leaves rows out. */
import { describe, expect, test } from 'vitest';
import type { ChangedRow, ChangedTable } from '../../src/engines/changes.ts';
import { mayMatter } from '../../src/realtime/live/relevance.ts';

const columns = ['id', 'room', 'body'].map((name) => ({ name, dataType: 'text', decode: null, coding: null }));
const table: ChangedTable = {
  id: '1',
  schema: 'public',
  name: 'msg',
  columns,
  key: [0],
  identity: [0],
  old: 'IDENTITY',
};
const inRoom = [{ tableId: '1', column: 'room', equals: '3' }];
const ofId = [{ tableId: '1', column: 'id', equals: '7' }];

const insert = (row: ChangedRow) => ({ type: 'insert', place: 1, table, new: row }) as const;
const remove = (row: ChangedRow) => ({ type: 'delete', place: 1, table, old: row }) as const;
const update = (old: ChangedRow | null, row: ChangedRow) =>
  ({ type: 'update', place: 1, table, old, new: row }) as const;

describe('a change matters', () => {
  test('when a row is added that is not left out', () => {
    expect(mayMatter(insert(['1', '3', 'x']), inRoom)).toBe(true);
    expect(mayMatter(insert(['1', '4', 'x']), inRoom)).toBe(false);
    expect(mayMatter(insert(['1', null, 'x']), inRoom)).toBe(false);
    expect(mayMatter(insert(['1', '3', 'x']), [...inRoom, ...ofId])).toBe(false);
  });

  test('when a row is gone that may have been in it', () => {
    expect(mayMatter(remove(['7', undefined, undefined]), inRoom)).toBe(true);
    expect(mayMatter(remove(['7', '4', 'x']), inRoom)).toBe(false);
    expect(mayMatter(remove(['8', undefined, undefined]), ofId)).toBe(false);
  });

  test('when a row was in it before, or is now', () => {
    expect(mayMatter(update(['1', '3', 'x'], ['1', '4', 'x']), inRoom)).toBe(true);
    expect(mayMatter(update(['1', '4', 'x'], ['1', '3', 'x']), inRoom)).toBe(true);
    expect(mayMatter(update(['1', '4', 'x'], ['1', '5', 'x']), inRoom)).toBe(false);
  });

  test('when it is not told what the row was, unless its identity says so', () => {
    expect(mayMatter(update(null, ['1', '4', 'x']), inRoom)).toBe(true);
    expect(mayMatter(update(null, ['1', '4', 'x']), ofId)).toBe(false);
    expect(mayMatter(update(null, ['7', '4', 'x']), ofId)).toBe(true);
    expect(mayMatter(update(['8', undefined, undefined], ['9', '3', 'x']), ofId)).toBe(false);
  });

  test('when a large value is not told, or the table is emptied, or is another', () => {
    const body = [{ tableId: '1', column: 'body', equals: 'x' }];
    expect(mayMatter(update(null, ['1', '4', undefined]), body)).toBe(true);
    expect(mayMatter({ type: 'truncate', table }, inRoom)).toBe(true);
    expect(mayMatter(insert(['1', '4', 'x']), [{ ...inRoom[0]!, tableId: '2' }])).toBe(true);
    expect(mayMatter(insert(['1', '4', 'x']), [{ ...inRoom[0]!, column: 'renamed' }])).toBe(true);
  });
});
