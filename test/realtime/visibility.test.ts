/** Changes under row-level policies, judged in whatever order their readers come. */
import { expect, test } from 'vitest';
import type { ChangedTable } from '../../src/engines/changes.ts';
import type { RowAccess } from '../../src/engines/row-access.ts';
import type { Change, Piece } from '../../src/realtime/change.ts';
import { createRowRights } from '../../src/realtime/row-rights.ts';
import { createVisibility } from '../../src/realtime/visibility.ts';

const table: ChangedTable = {
  id: '1',
  schema: 'public',
  name: 't',
  columns: ['id', 'v'].map((name) => ({ name, dataType: 'text', decode: null, coding: null })),
  key: [0],
  identity: [0],
  old: 'IDENTITY',
};
const access: RowAccess = {
  id: '1',
  schema: 'public',
  name: 't',
  key: ['id'],
  readable: true,
  rowSecurity: true,
  columns: ['id', 'v'].map((name) => ({
    name,
    dataType: 'text',
    type: { kind: 'text' },
    blankPadded: false,
    readable: true,
  })),
};

/** The rows that may be seen now, by their ids, and pieces as the log numbers them. */
function setUp() {
  const rows = new Map<string, string>();
  const { judge } = createVisibility({
    rowsSeen: async ({ keys }) => keys.map(([id = '']) => (rows.has(id) ? [id, rows.get(id)!] : null)),
  });
  let ordinal = 0;
  const piece = (...changes: Change[]): Piece => {
    const transaction = { id: String(ordinal), committedAt: new Date(0), position: String(ordinal) };
    const made = { transaction, ordinal, place: 1, changes, last: true, bytes: 0, bytesBefore: 0 };
    ordinal += changes.length;
    return made;
  };
  return { rows, piece, judge: (one: Piece) => judge(one, () => access) };
}

const insert = (id: string, v: string): Change => ({ type: 'insert', place: 1, table, new: [id, v] });
const update = (id: string, v: string): Change => ({ type: 'update', place: 1, table, old: null, new: [id, v] });
const gone = (id: string): Change => ({ type: 'delete', place: 1, table, old: [id, undefined] });

test('that a row is gone is told to who saw it, though others come back to it before', async () => {
  const { rows, piece, judge } = setUp();
  const [made, changed, deleted] = [piece(insert('7', 'a')), piece(update('7', 'b')), piece(gone('7'))];
  rows.set('7', 'a');
  expect(await judge(made)).toEqual(['TOLD']);
  rows.set('7', 'b');
  expect(await judge(changed)).toEqual(['TOLD']);
  rows.delete('7');
  expect([await judge(made), await judge(changed)]).toEqual([['HIDDEN'], ['HIDDEN']]);
  expect(await judge(deleted)).toEqual(['TOLD']);
  expect(await judge(deleted)).toEqual(['HIDDEN']);
});

test('that a row is gone is told to who saw it, though others look for the first time at what was before', async () => {
  const { rows, piece, judge } = setUp();
  const [made, emptied, changed, deleted] = [
    piece(insert('7', 'a')),
    piece({ type: 'truncate', place: 1, table }),
    piece(update('7', 'b')),
    piece(gone('7')),
  ];
  rows.set('7', 'b');
  expect(await judge(changed)).toEqual(['TOLD']);
  rows.delete('7');
  expect([await judge(made), await judge(emptied)]).toEqual([['HIDDEN'], ['TOLD']]);
  expect(await judge(deleted)).toEqual(['TOLD']);
});

test('a row that is told of for the first time has come, whatever it was replaced by', async () => {
  const { rows, piece, judge } = setUp();
  rows.set('7', 'c').set('9', 'b');
  expect(await judge(piece(insert('7', 'a'), update('7', 'b')))).toEqual(['HIDDEN', 'HIDDEN']);
  const came = piece(update('7', 'c'));
  expect([await judge(came), await judge(came)]).toEqual([['CAME'], ['TOLD']]);
  expect(await judge(piece(update('7', 'c')))).toEqual(['TOLD']);
  const moved: Change = { type: 'update', place: 1, table, old: ['8', undefined], new: ['9', 'b'] };
  expect(await judge(piece(insert('8', 'a'), moved))).toEqual(['HIDDEN', 'CAME']);
});

test('a row that left has come when it is seen again, and one that was there has not', async () => {
  const { rows, piece, judge } = setUp();
  rows.set('7', 'a');
  expect(await judge(piece(update('7', 'a')))).toEqual(['TOLD']);
  rows.delete('7');
  expect(await judge(piece(update('7', 'b')))).toEqual(['LEFT']);
  rows.set('7', 'c');
  expect(await judge(piece(update('7', 'c')))).toEqual(['CAME']);
  rows.delete('7');
  expect(await judge(piece(gone('7'), insert('7', 'd'), gone('7')))).toEqual(['TOLD', 'HIDDEN', 'HIDDEN']);
});

test('a row that was seen has not come anew for who looks for the first time at what was before', async () => {
  const { rows, piece, judge } = setUp();
  const [made, changed, later] = [piece(insert('7', 'a')), piece(update('7', 'b')), piece(update('7', 'c'))];
  rows.set('7', 'b');
  expect(await judge(changed)).toEqual(['TOLD']);
  rows.set('7', 'c');
  expect([await judge(made), await judge(later)]).toEqual([['HIDDEN'], ['TOLD']]);
});

test('a row that others judge anew under the key that it had is not forgotten', async () => {
  const { rows, piece, judge } = setUp();
  const moved = piece({ type: 'update', place: 1, table, old: ['7', undefined], new: ['8', 'a'] });
  const [again, deleted] = [piece(insert('7', 'b')), piece(gone('7'))];
  rows.set('8', 'a');
  expect(await judge(moved)).toEqual(['TOLD']);
  rows.set('7', 'b');
  expect(await judge(again)).toEqual(['TOLD']);
  expect(await judge(moved)).toEqual(['TOLD']);
  rows.clear();
  expect(await judge(deleted)).toEqual(['TOLD']);
});

test('a change of another shape is told by rights that were read behind it, though others were just being read', async () => {
  const open = { ...access, rowSecurity: false };
  const changed = { ...open, columns: open.columns.map((column) => ({ ...column, dataType: 'integer' })) };
  const reads: PromiseWithResolvers<RowAccess[]>[] = [];
  const asked: (() => void)[] = [];
  const nextRead = () => new Promise<void>((resolve) => asked.push(resolve));
  const begun = nextRead();
  using rights = createRowRights({
    read: () => {
      const reading = Promise.withResolvers<RowAccess[]>();
      reads.push(reading);
      asked.shift()?.();
      return reading.promise;
    },
    rowsSeen: async () => [],
    limits: { refreshMs: 1 },
  });
  using _held = rights.hold(open);
  await begun;
  const reshaped = { ...table, columns: table.columns.map((column) => ({ ...column, dataType: 'integer' })) };
  const transaction = { id: '1', committedAt: new Date(0), position: '1' };
  const change: Change = { type: 'insert', place: 1, table: reshaped, new: ['1', '2'] };
  const piece = { transaction, ordinal: 0, place: 1, changes: [change], last: true, bytes: 0, bytesBefore: 0 };
  const told = rights.of(piece).then(({ accessOf }) => accessOf('1'));
  const again = nextRead();
  // As it was before the change.
  reads[0]!.resolve([open]);
  await again;
  reads[1]!.resolve([changed]);
  expect(await told).toEqual(changed);
});
