/** Changes that are kept while nobody listens: what a reader gets who was away, and what ends it. */
import { EventEmitter, once } from 'node:events';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { createFeedHealths } from '../../../src/realtime/feeds/feed-health.ts';
import type { RowChange } from '../../../src/realtime/reader-group.ts';
import { removeFeed } from '../../../src/realtime/remove-feed.ts';
import { createWatching } from '../../../src/realtime/watching.ts';
import { asked, failure } from '../../databases/world.ts';
import { createTestDatabase } from '../../support/databases.ts';
import { createKeptStage, createKeptWorld, type KeptStage, type KeptWorld } from './kept-stage.ts';

let shared: KeptWorld;
let stage: KeptStage;

beforeAll(async () => {
  shared = await createKeptWorld();
});
afterAll(() => shared?.[Symbol.asyncDispose]());
beforeEach(async () => {
  stage = await createKeptStage(
    `CREATE TABLE items (id int PRIMARY KEY, name text); CREATE TABLE others (id int PRIMARY KEY)`,
    { shared },
  );
});
afterEach(() => stage[Symbol.asyncDispose]());

const ids = (changes: readonly RowChange[]) => changes.map(({ new: now }) => (now as { id: number }).id);
const insert = (from: number, to = from) =>
  stage.sql('INSERT INTO items SELECT g FROM generate_series($1::int, $2::int) g', [from, to]);
const resumable = async (reader: { next(): Promise<{ position: string }> }) => (await reader.next()).position;

describe('a reader who comes back', () => {
  test('has all that was committed meanwhile, though the process that listened was stopped', async () => {
    const first = stage.start();
    await first.enable();
    await first.kept();
    const position = await resumable(first.read(['items']));
    await first.stop();
    await insert(1, 3);
    const second = stage.start();
    expect(ids(await second.read(['items'], position).take(3))).toEqual([1, 2, 3]);
  });

  test('goes on in the middle of a transaction', async () => {
    const first = stage.start();
    await first.enable();
    const reader = first.read(['items']);
    await reader.next();
    await insert(1, 5);
    const positions = (await reader.take(5)).map(({ position }) => position);
    await first.stop();
    const second = stage.start();
    for (const [index, position] of positions.slice(0, 4).entries())
      expect(ids(await second.read(['items'], position).take(4 - index))).toEqual([1, 2, 3, 4, 5].slice(index + 1));
    expect((await second.read(['items'], positions[4]!).next()).changes).toEqual([]);
  });

  test('is told that he may have missed changes of a table that was not followed then', async () => {
    const first = stage.start();
    await first.enable();
    const position = await resumable(first.read(['items']));
    await insert(1);
    await resumable(first.read(['others']));
    await first.stop();
    const second = stage.start();
    await failure(second.read(['items', 'others'], position).next(), 'POSITION_LOST');
    expect(ids(await second.read(['items'], position).take(1))).toEqual([1]);
  });

  test('is told POSITION_LOST when somebody has dropped what kept the changes', async () => {
    const first = stage.start();
    await first.enable();
    await first.kept();
    const position = await resumable(first.read(['items']));
    await first.stop();
    await stage.sql(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()',
    );
    const second = stage.start();
    await failure(second.read(['items'], position).next(), 'POSITION_LOST');
    const reader = second.read(['items']);
    await reader.next();
    await insert(9);
    expect(ids(await reader.take(1))).toEqual([9]);
  });
});

describe('a reader who stays', () => {
  const faults = {
    'a line that is cut': async () => stage.proxy.cut(),
    'a line whose end half closes': async () => stage.proxy.halfClose(),
    'a session that an administrator ends': () =>
      stage.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      ),
  };

  test.each(Object.entries(faults))('misses nothing over %s, and is told nothing twice', async (_, fault) => {
    const process = stage.start();
    await process.enable();
    const reader = process.read(['items']);
    await reader.next();
    const taken: RowChange[] = [];
    for (let round = 0; round < 4; round++) {
      await insert(round * 10, round * 10 + 4);
      await fault();
      await insert(round * 10 + 5, round * 10 + 9);
      taken.push(...(await reader.take(10)));
    }
    expect(ids(taken)).toEqual(Array.from({ length: 40 }, (_, id) => id));
    const positions = taken.map(({ position }) => position);
    expect(positions.toSorted()).toEqual(positions);
    expect(new Set(positions).size).toBe(40);
  });

  test('has a transaction that is cut in its middle whole and once', async () => {
    const process = stage.start();
    await process.enable();
    const reader = process.read(['items']);
    await reader.next();
    const cut = stage.proxy.cutAfter(400_000);
    await insert(1, 20_000);
    await cut;
    void stage.proxy.cutAfter(Number.POSITIVE_INFINITY);
    expect(ids(await reader.take(20_000))).toEqual(Array.from({ length: 20_000 }, (_, id) => id + 1));
  });

  test('waits for a database that takes too long to answer, as for one that is away', async () => {
    const process = stage.start({ hub: { timeoutMs: 1_500 } });
    await process.enable();
    const reader = process.read(['items']);
    await reader.next();
    await stage.sql('BEGIN; LOCK TABLE pg_publication');
    stage.proxy.cut();
    const attempts = new Set<unknown>();
    while (attempts.size < 2)
      for (const { pid } of await stage.sql(
        `SELECT pid FROM pg_locks WHERE relation = 'pg_publication'::regclass AND NOT granted`,
      ))
        attempts.add(pid);
    await stage.sql('COMMIT');
    await insert(1, 3);
    expect(ids(await reader.take(3))).toEqual([1, 2, 3]);
  });

  test('may want another table while nothing can be reached', async () => {
    const process = stage.start();
    await process.enable();
    const reader = process.read(['items']);
    await reader.next();
    stage.proxy.cut();
    const another = process.read(['others']);
    await another.next();
    await stage.sql('INSERT INTO others VALUES (1)');
    expect(ids(await another.take(1))).toEqual([1]);
  });

  test('learns that a table was dropped while nothing was heard', async () => {
    const process = stage.start({ hub: { lasting: { retryMs: 300 } } });
    await process.enable();
    const reader = process.read(['items']);
    await reader.next();
    stage.proxy.cut();
    await stage.sql('DROP TABLE items');
    await failure(
      (async () => {
        for (;;) await reader.next();
      })(),
      'UNSUPPORTED',
    );
  });
});

describe('kept changes', () => {
  test('are listened to by one process, and by another when that one has gone', async () => {
    const [first, second] = [stage.start(), stage.start()];
    await first.enable();
    const holder = await Promise.race([first.kept().then(() => first), second.kept().then(() => second)]);
    const other = holder === first ? second : first;
    const position = await resumable(holder.read(['items']));
    expect(other.hub.status(stage.database.id)).toBeNull();
    await insert(1);
    await holder.stop();
    await other.kept();
    expect(ids(await other.read(['items'], position).take(1))).toEqual([1]);
  });

  test('are told whole, once and in order in both processes, while they take the lease from each other in mid-stream', async () => {
    const processes = [stage.start(), stage.start()];
    await processes[0]!.enable();
    const readers = processes.map((process) => process.read(['items']));
    for (const reader of readers) await reader.next();
    let written = 0;
    let moved = false;
    const writing = (async () => {
      for (; !moved; written += 1 + ((written * 7) % 50)) await insert(written + 1, written + 1 + ((written * 7) % 50));
    })();
    for (const { leases } of [processes[1]!, processes[0]!, processes[1]!]) {
      const { holderId } = leases;
      await stage.world.rows(
        `UPDATE change_feeds SET holder_id = $1, holder_until = now() + interval '5 s', lease = lease + 1
          WHERE holder_id <> $1`,
        [holderId],
      );
      // Until it is the one that tells.
      while ((await stage.world.rows('SELECT FROM change_relays WHERE holder_id = $1', [holderId])).length === 0);
    }
    moved = true;
    await writing;
    const count = written;
    const [here, there] = await Promise.all(readers.map((reader) => reader.take(count)));
    expect(ids(here!)).toEqual(Array.from({ length: count }, (_, index) => index + 1));
    expect(there!.map(({ position }) => position)).toEqual(here!.map(({ position }) => position));
  });

  test('are shown, and gone without a trace when they are wanted no longer', async () => {
    const before = await stage.left();
    const process = stage.start();
    const shown = () => process.tracking.of([stage.database.id]);
    expect(await shown()).toEqual([[]]);
    await process.enable();
    await process.enable();
    expect(await shown()).toEqual([['ROWS']]);
    await process.kept();
    const reader = process.read(['items']);
    await reader.next();
    expect(await stage.left()).toHaveLength(before.length + 3);
    await process.disable();
    await failure(reader.next(), 'POSITION_LOST');
    expect(await stage.left()).toEqual(before);
    expect(await shown()).toEqual([[]]);
    await process.disable();
    const again = process.read(['items']);
    await again.next();
    await insert(1);
    expect(ids(await again.take(1))).toEqual([1]);
    expect(process.hub.status(stage.database.id)?.kept).toBe(false);
    expect(await stage.world.rows('SELECT action FROM audit_entries ORDER BY created_at')).toEqual(
      expect.arrayContaining([{ action: 'database.tracking_enabled' }, { action: 'database.tracking_disabled' }]),
    );
  });

  test('end who read without them, and who reads is told to come again', async () => {
    const process = stage.start();
    const reader = process.read(['items']);
    await reader.next();
    await process.enable();
    await failure(reader.next(), 'POSITION_LOST');
    await process.read(['items']).next();
    expect(process.hub.status(stage.database.id)).toMatchObject({ kept: true, tables: 1 });
  });

  test('stay when they cannot be taken out, and are gone when the database is disconnected', async () => {
    const before = await stage.left();
    const process = stage.start();
    await process.enable();
    await process.kept();
    stage.proxy.blackhole();
    const giveUp = AbortSignal.timeout(300);
    const { tracking } = process;
    await tracking.disable({ viewer: stage.viewer, ...asked(), signal: giveUp }, stage.database.id, ['ROWS']).then(
      () => expect.unreachable(),
      () => undefined,
    );
    expect(await tracking.of([stage.database.id])).toEqual([['ROWS']]);
    stage.proxy.cut();
    expect((await stage.left()).length).toBeGreaterThan(before.length);
  });

  test('are gone with the connection', async () => {
    const before = await stage.left();
    const process = stage.start();
    await process.enable();
    await process.kept();
    const reader = process.read(['items']);
    await reader.next();
    const { viewer, database, world } = stage;
    await world.databases.disconnect(viewer, { id: database.id, drop: false }, asked());
    await reader.next().then(
      () => expect.unreachable(),
      () => undefined,
    );
    expect(await stage.left()).toEqual(before);
  });

  test('are taken out of a database that does not answer when it is disconnected as soon as it does', async () => {
    const before = await stage.left();
    const process = stage.start();
    await process.enable();
    await process.kept();
    const { viewer, database, world, target } = stage;
    const allow = (connections: boolean) =>
      stage.sql('UPDATE pg_database SET datallowconn = $1 WHERE datname = current_database()', [connections]);
    await allow(false);
    await world.databases.disconnect(viewer, { id: database.id, drop: false }, asked());
    expect((await stage.left()).length).toBeGreaterThan(before.length);
    const remembered = () =>
      world.rows('SELECT sealed_target FROM change_feed_remains WHERE feed_id = $1', [database.id]);
    const [found] = await remembered();
    expect(String(found?.sealed_target)).not.toContain(target.database);
    await allow(true);
    while ((await stage.left()).length > before.length);
    while ((await remembered()).length > 0);
    expect(await stage.left()).toEqual(before);
  });

  test.each(['listens', 'does not listen'])(
    'that were left behind another name of the same server are cleaned up for who %s by the new one',
    async (listens) => {
      const before = await stage.left();
      const process = stage.start({ keeper: { tickMs: 20 } });
      await process.enable();
      await process.kept();
      const { viewer, database, world, target, proxy } = stage;
      proxy.blackhole();
      const { host, port, user, password } = target;
      const connection = { host, port, user, password, database: target.database, ssl: 'DISABLE' as const };
      await world.databases.update(viewer, { id: database.id, connection }, asked());
      const remembered = () => world.rows('SELECT FROM change_feed_remains WHERE feed_id = $1', [database.id]);
      expect(await remembered()).toHaveLength(1);
      const reader = process.read(['items']);
      if (listens === 'listens') await reader.next();
      proxy.heal();
      await world.rows('UPDATE change_feed_remains SET next_at = now() WHERE feed_id = $1', [database.id]);
      while ((await remembered()).length > 0);
      if (listens !== 'listens') return expect(await stage.left()).toEqual(before);
      await insert(1);
      expect(ids(await reader.take(1))).toEqual([1]);
    },
  );

  test('are begun anew by nobody while they are taken out, however long that takes, and afterwards by everybody', async () => {
    const process = stage.start();
    await process.enable();
    await process.kept();
    const { database, world } = stage;
    const reach = (options: { signal: AbortSignal }) =>
      world.databases.targetOf(database, 'feed', { ...asked(), ...options });
    const settled = await removeFeed({ ...process, pool: world.pool }, database, reach, asked());
    const until = async () =>
      String(
        (await world.rows('SELECT holder_until::text AS until FROM change_feeds WHERE state = $1', ['changing']))[0]
          ?.until,
      );
    const first = await until();
    while ((await until()) === first);
    expect((await until()) > first).toBe(true);
    expect(await process.leases.take(database.id)).toBeNull();
    await settled();
    expect(await until()).toBe('undefined');
    await process.read(['items']).next();
  });

  test('whoever knows the old connection of a database that was moved takes nothing from who reads by the new one', async () => {
    const before = await stage.left();
    const process = stage.start();
    const { viewer, database, world } = stage;
    await using other = await createTestDatabase('CREATE TABLE items (id int PRIMARY KEY, name text)');
    const refused = new EventEmitter();
    const log = pino({ level: 'debug' }, { write: (line) => void refused.emit(JSON.parse(line).msg) });
    const stop = new AbortController();
    const watcher = { committed() {}, gap() {}, reshaped() {}, lost() {} };
    const watching = createWatching({ hub: process.hub, log, limits: { retryMs: 10, maxRetryMs: 20 } });
    await watching.watch(database, [{ schema: 'public', name: 'items' }], watcher, { signal: stop.signal });
    const { host, port, user, password } = other;
    const connection = { host, port, user, password, database: other.database, ssl: 'DISABLE' as const };
    await world.databases.update(viewer, { id: database.id, connection }, asked());
    const reader = process.read(['items']);
    await reader.next();
    for (let attempt = 0; attempt < 5; attempt++) await once(refused, 'realtime.not_attached');
    await other.client.query('INSERT INTO items VALUES (1)');
    expect(ids(await reader.take(1))).toEqual([1]);
    expect(await stage.left()).toEqual(before);
    stop.abort();
    await process.stop();
  });

  test('that nobody listens to, or that were lost, are named to whoever manages the database', async () => {
    const { viewer, database } = stage;
    const full = stage.start({ keeper: { held: 0 } });
    const healths = createFeedHealths({ hub: full.hub, store: full.store });
    const problem = (of: Viewer = viewer) => healths.problemOf(of, { ...database, role: null });
    expect(await problem()).toBeNull();
    await full.enable();
    expect(await problem()).toMatchObject({ message: expect.stringContaining('No process listens'), at: null });
    expect(await problem(await stage.world.person())).toBeNull();
    const process = stage.start();
    await process.kept();
    while ((await problem()) !== null);
    const reader = process.read(['items']);
    await reader.next();
    const [row] = await stage.sql(`SELECT pubname AS name FROM pg_publication WHERE pubname !~ 'inserts'`);
    await stage.sql(`DROP PUBLICATION ${row?.name}`);
    // He may hear that his table is told of no more before all of the feed ends, for which nobody listens for a moment.
    const ended = await reader.next().catch((error: unknown) => error);
    expect(ended).toMatchObject({ code: expect.stringMatching(/^(POSITION_LOST|UNSUPPORTED)$/) });
    let found = await problem();
    while (!found?.at) found = await problem();
    expect(found.message).toContain('Changes may have been missed');
  });

  test('what a dead process left is swept, but nothing that is kept', async () => {
    const before = await stage.left();
    const process = stage.start({ keeper: { leftMs: 0 } });
    // As one has left it that was killed while it listened.
    const changes = (await stage.world.databases.targetOf(stage.database, 'feed', asked())).engine.changes!;
    const { target } = await stage.world.databases.targetOf(stage.database, 'feed', asked());
    const feed = await changes.open(target, { feedId: stage.database.id, kept: true, ...asked() });
    await feed[Symbol.asyncDispose]();
    expect((await stage.left()).length).toBeGreaterThan(before.length);
    await process.store.take(stage.database.id, { holderId: stage.viewer.userId, leaseMs: 0 });
    while ((await stage.left()).length > before.length);
    expect(await stage.left()).toEqual(before);
  });
});
