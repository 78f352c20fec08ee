/** Readers who do not keep up, and transactions larger than what is kept: nobody waits for the slow, and memory has an end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createWatching } from '../../src/realtime/watching.ts';
import { failure } from '../databases/world.ts';
import { silent } from '../support/metadata.ts';
import { createStage, type Stage } from './stage.ts';

const logBytes = 4 * 2 ** 20;
let stage: Stage;

beforeAll(async () => {
  stage = await createStage('CREATE TABLE rows (id serial PRIMARY KEY, body text)', {
    hub: { logBytes, slowBytes: logBytes / 8, slowMs: 600_000, lingerMs: 100 },
  });
});
afterEach(() => stage.leave());
afterAll(async () => stage?.[Symbol.asyncDispose]());

const begin = (more: object = {}, source: object = {}) => stage.read([{ table: 'rows', ...source }], more).begun();
/** In the log a row takes a little more than its text. */
const write = (count: number, length: number) =>
  stage.sql(`INSERT INTO rows (body) SELECT repeat('x', $2) FROM generate_series(1, $1)`, [count, length]);

/** Who begins to take only when all is there is slow himself. */
async function takenWhileWritten(reader: Awaited<ReturnType<typeof begin>>, count: number) {
  const [taken] = await Promise.all([reader.take(count), write(count, 1_000)]);
  return taken;
}

test('who takes nothing is ended with his place while others go on, and goes on from there himself', async () => {
  const [slow, fast] = [await begin(), await begin()];
  const first = (await stage.sql('SELECT coalesce(max(id), 0) AS id FROM rows')).rows[0].id;
  const all = await takenWhileWritten(fast, 3_200);
  const { details } = await failure(slow.take(1), 'SLOW_CONSUMER');
  const again = stage.read([{ table: 'rows' }], { after: String(details?.position) });
  const ids = (await again.take(3_200)).map((change) => change.new!.id);
  expect(ids).toEqual(Array.from({ length: 3_200 }, (_, i) => first + i + 1));
  expect(ids).toEqual(all.map((change) => change.new!.id));
});

test('who had nothing to take for long, and is slow with what comes then, goes on from where that came', async () => {
  const first = Number((await stage.sql('SELECT coalesce(max(id), 0) AS id FROM rows')).rows[0].id);
  const mine = first + 6_001;
  const rare = await begin({}, { where: { column: 'id', eq: mine } });
  const fast = await begin();
  const given = rare.next();
  for (const count of [3_000, 3_000, 1]) await takenWhileWritten(fast, count);
  expect((await given).changes).toHaveLength(1);
  await takenWhileWritten(fast, 3_200);
  const { details } = await failure(rare.next(), 'SLOW_CONSUMER');
  const again = await stage.read([{ table: 'rows', where: { column: 'id', eq: mine } }], {
    after: String(details?.position),
  });
  expect((await again.take(1))[0]!.new).toMatchObject({ id: mine });
});

test('while the only reader takes nothing the database waits for him, and he misses nothing', async () => {
  const reader = await begin();
  await write(12_000, 1_000);
  const kept = () => stage.hub.status(stage.database.id)!.logBytes;
  for (let before = -1; kept() !== before || before === 0; await sleep(20)) before = kept();
  expect(kept()).toBeLessThan(logBytes);
  const ids = (await reader.take(12_000)).map((change) => change.new!.id as number);
  expect(ids.every((id, place) => place === 0 || id === ids[place - 1]! + 1)).toBe(true);
});

test('a reader who takes nothing is ended, and holds back nobody who watches commits', async () => {
  const reader = await begin();
  const left = new AbortController();
  const last = Promise.withResolvers<void>();
  let commits = 0;
  const fail = (error: Error) => last.reject(error);
  await createWatching({ hub: stage.hub, log: silent }).watch(
    stage.database,
    [{ schema: 'public', name: 'rows' }],
    {
      committed() {
        commits += 1;
        if (commits === 6) last.resolve();
      },
      gap: () => fail(new Error('gap')),
      reshaped() {},
      lost: fail,
    },
    { signal: left.signal, least: 'ALL' },
  );
  for (let i = 0; i < 6; i++) await write(2_000, 1_000);
  await last.promise;
  left.abort();
  await failure(reader.take(Number.POSITIVE_INFINITY), 'SLOW_CONSUMER');
});

test('a transaction far larger than what is kept goes through in pieces', async () => {
  const reader = await begin({ batchSize: 1_000 });
  await write(100_000, 20);
  const ids: number[] = [];
  let most = 0;
  while (ids.length < 100_000) {
    const { changes } = await reader.next();
    ids.push(...changes.map((change) => change.new!.id as number));
    most = Math.max(most, stage.hub.status(stage.database.id)!.logBytes);
  }
  expect(ids.every((id, place) => place === 0 || id === ids[place - 1]! + 1)).toBe(true);
  expect(most).toBeLessThan(logBytes * 1.5);
});

test('a batch of large rows has few of them', async () => {
  const reader = stage.read([{ table: 'rows' }]);
  const { position } = await reader.next();
  await write(20, 150_000);
  await reader.take(20);
  const again = stage.read([{ table: 'rows' }], { after: position });
  const sizes: number[] = [];
  for (let seen = 0; seen < 20; seen += sizes.at(-1)!) sizes.push((await again.next()).changes.length);
  expect(Math.max(...sizes)).toBe(7);
});

test('when nobody reads any more, nothing of it is left in the database', async () => {
  const reader = await begin();
  await reader.stop();
  const left = async () => {
    const { rows } = await stage.sql(
      `SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()) AS left`,
    );
    return Number(rows[0].left);
  };
  while (stage.hub.status(stage.database.id) !== null || (await left()) > 0) await sleep(20);
  const again = await begin();
  await stage.sql(`INSERT INTO rows (body) VALUES ('again')`);
  expect((await again.take(1))[0]!.new).toMatchObject({ body: 'again' });
});
