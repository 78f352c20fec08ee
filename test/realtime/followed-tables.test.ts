/** What is known of the tables of a feed where an answer to who follows them is ahead of what the feed has told. */
import { expect, test } from 'vitest';
import type { ChangeFeed } from '../../src/engines/changes.ts';
import { createLog } from '../../src/lib/log.ts';
import { createFollowedTables } from '../../src/realtime/followed-tables.ts';
import { wholeTransaction } from '../../src/realtime/positions.ts';

const table = (id: string) => ({ id, schema: 'public', name: `t${id}` });
const at = (commit: string) => ({ commit, place: wholeTransaction });

/** @param coverageOf as the feed answers who follows a table; asked when it does */
function setUp(coverageOf: (id: string) => 'ALL' | 'INSERTS') {
  const feed: Pick<ChangeFeed, 'follow' | 'unfollow' | 'closed'> = {
    follow: async (tables) =>
      tables.map((one) => {
        const id = one.name.slice(1);
        return { table: one, id, after: '5', coverage: coverageOf(id), reason: null };
      }),
    unfollow: async () => undefined,
    closed: new AbortController().signal,
  };
  return createFollowedTables({
    feed,
    engine: 'POSTGRESQL',
    lingerMs: null,
    onIdle: () => undefined,
    log: createLog({ level: 'silent', format: 'json' }),
  });
}

test('that all of a table is told again holds from where the feed says so, not from when somebody asks', async ({
  signal,
}) => {
  let coverage: 'ALL' | 'INSERTS' = 'INSERTS';
  const tables = setUp(() => coverage);
  using _first = await tables.hold([table('1')], signal);
  coverage = 'ALL';
  // Who wants another one besides asks the feed anew, which may be ahead of what it has told.
  using _second = await tables.hold([table('1'), table('2')], signal);
  expect(() => tables.require(table('1'), 'ALL')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  expect(tables.require(table('1'), 'INSERTS').since).toEqual(at('5'));
  tables.cover('1', 'ALL', null, at('9'));
  expect(tables.require(table('1'), 'ALL').since).toEqual(at('9'));
});

test('that less of a table is told holds as soon as it is known, and is a gap for who wants all', async ({
  signal,
}) => {
  let coverage: 'ALL' | 'INSERTS' = 'ALL';
  const tables = setUp(() => coverage);
  using _first = await tables.hold([table('1')], signal);
  const before = tables.require(table('1'), 'ALL');
  coverage = 'INSERTS';
  using _second = await tables.hold([table('1'), table('2')], signal);
  expect(() => tables.require(table('1'), 'ALL')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  const now = tables.require(table('1'), 'INSERTS');
  expect(now.gaps.ALL).not.toBe(before.gaps.ALL);
  expect(now.gaps.INSERTS).toBe(before.gaps.INSERTS);
});

test('that all of a table is told again is known also where the feed says so while it is being asked', async ({
  signal,
}) => {
  const tables = setUp((id) => {
    tables.cover(id, 'ALL', null, at('9'));
    return 'INSERTS';
  });
  using _held = await tables.hold([table('1')], signal);
  expect(tables.require(table('1'), 'ALL').since).toEqual(at('9'));
});
