/** What readers of a group are given: made once for all who come at about the same time, and kept for nobody after that. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { RowAccess } from '../../src/engines/row-access.ts';
import { changeLogLimits, createChangeLog } from '../../src/realtime/change-log.ts';
import { createPositions, wholeTransaction } from '../../src/realtime/positions.ts';
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

function setUp() {
  const log = createChangeLog({
    start: { commit: '0', place: wholeTransaction },
    limits: { ...changeLogLimits, maxBytes: () => 1_000_000 },
  });
  const source = { tableId: '1', filter: null, filtered: new Map(), events: new Set(changeEvents), columns: null };
  const group = createReaderGroup({
    databaseId: 'd',
    sources: [source],
    log,
    positions: createPositions('d', '0'),
    rights: { of: async () => ({ accessOf: () => access, verdicts: null }) },
    indexed: false,
  });
  const columns = [{ name: 'id', dataType: 'text', decode: null, coding: null }];
  const table = { id: '1', schema: 'public', name: 't', columns, key: [0], identity: [0], old: 'IDENTITY' as const };
  log.append([
    { type: 'begin', transactionId: '1', committedAt: new Date(0), position: '1' },
    { type: 'insert', place: 1, table, new: ['a'] },
    { type: 'commit', position: '1' },
  ]);
  return group;
}

test('readers who come together are given the same', async () => {
  const group = setUp();
  const [one, other] = await Promise.all([group.read(0, 10), group.read(0, 10)]);
  expect(other).toBe(one);
  expect(await group.read(0, 10)).toBe(one);
});

test('a group that is quiet keeps nothing of what it gave', async ({ signal }) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const group = setUp();
  const given = async (): Promise<WeakRef<GroupBatch>> => new WeakRef(await group.read(0, 10));
  const batch = await given();
  // As long as it takes: what is looked at is not collected before the next turn.
  while (batch.deref() !== undefined) {
    await sleep(20, undefined, { signal });
    collect();
  }
  expect((await group.read(0, 10)).changes).toHaveLength(1);
});
