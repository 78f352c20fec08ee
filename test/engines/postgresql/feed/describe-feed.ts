/** What every change feed must do, whatever it reads from: the log of the server, or an outbox that triggers write. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { ChangeFeed, FeedEvent, FeedOptions } from '../../../../src/engines/changes.ts';
import type { Target } from '../../../../src/engines/engine.ts';
import { createTestDatabase, type TestDatabase, type TestServer } from '../../../support/databases.ts';
import { collect, rowsOf } from '../../../support/describe-engine.ts';
import { openSession, targetOf } from '../support.ts';
import { typesOfValues, values } from '../values.ts';
import { follow, inShort, never, source, told, transactions } from './support.ts';

export interface FeedUnderTest {
  /** Where the databases are made. */
  readonly server?: () => TestServer;
  /** Before a feed of the database is opened. */
  readonly prepare?: (target: Target, feedId: string) => Promise<void>;
  /** What is told of an old row: its key, or all of it. */
  readonly old: 'IDENTITY' | 'WHOLE';
}

export function describeFeed(name: string, { server, prepare, old }: FeedUnderTest): void {
  describe(name, () => {
    let database: TestDatabase;
    let target: Target;

    beforeAll(async () => {
      database = await createTestDatabase('', server?.());
      target = targetOf(database);
    });
    afterAll(() => database?.[Symbol.asyncDispose]());

    const sql = (text: string) => database.client.query(text);

    async function open(options: Partial<FeedOptions> = {}): Promise<ChangeFeed> {
      const feedId = options.feedId ?? randomUUID();
      await prepare?.(target, feedId);
      const feed = await source.open(target, { feedId, kept: false, signal: never, ...options });
      onTestFinished(() => feed[Symbol.asyncDispose]());
      return feed;
    }

    async function client(): Promise<pg.Client> {
      const { host, port, user, password } = database;
      const another = new pg.Client({ host, port, user, password, database: database.database });
      await another.connect();
      onTestFinished(() => another.end());
      return another;
    }

    /** Tables of this test alone, followed. */
    async function following(
      definitions: Record<string, string>,
    ): Promise<{ feed: ChangeFeed; events: AsyncGenerator<FeedEvent, void> }> {
      for (const [table, columns] of Object.entries(definitions)) await sql(`CREATE TABLE ${table} (${columns})`);
      const feed = await open();
      await follow(feed, ...Object.keys(definitions));
      return { feed, events: told(feed) };
    }

    test('INSERT, UPDATE, DELETE and TRUNCATE are told by transaction', async () => {
      const { events } = await following({ item: 'id int PRIMARY KEY, name text' });
      await sql('CREATE TABLE other (id int)');
      await sql(`INSERT INTO item VALUES (1, 'a'), (2, NULL)`);
      await sql(
        `BEGIN; UPDATE item SET name = 'b' WHERE id = 1; INSERT INTO other VALUES (1); DELETE FROM item WHERE id = 2; COMMIT`,
      );
      await sql('UPDATE item SET id = 3');
      await sql('TRUNCATE item');
      const [one, two, moved] =
        old === 'WHOLE'
          ? ['~item(1,a → 1,b)', '-item(2,null)', '~item(1,b → 3,b)']
          : ['~item(1,b)', '-item(2,?)', '~item(1,? → 3,b)'];
      expect(await transactions(events, 4)).toEqual([
        '[+item(1,a) +item(2,null)]',
        `[${one} ${two}]`,
        `[${moved}]`,
        '[0item]',
      ]);
    });

    test('transactions come in the order of their commits, not in that of their beginnings', async () => {
      const { events } = await following({ ordered: 'id int PRIMARY KEY, by text' });
      await sql(`INSERT INTO ordered VALUES (1, 'nobody')`);
      const early = await client();
      await early.query(`BEGIN; INSERT INTO ordered VALUES (2, 'early')`);
      await sql(`UPDATE ordered SET by = 'late' WHERE id = 1`);
      await early.query(`UPDATE ordered SET by = 'early' WHERE id = 1; COMMIT`);
      const last = (all: string[]) => all.map((one) => one.replace(/\([^(]*→ /g, '('));
      expect(last(await transactions(events, 3))).toEqual([
        '[+ordered(1,nobody)]',
        '[~ordered(1,late)]',
        '[+ordered(2,early) ~ordered(1,early)]',
      ]);
    });

    test('begin and commit of a transaction name one place, which rises; the time is that of the commit', async () => {
      const { events, feed } = await following({ placed: 'id int PRIMARY KEY' });
      const since = Date.now();
      for (const id of [1, 2, 3]) await sql(`INSERT INTO placed VALUES (${id})`);
      const places: string[] = [];
      const ids = new Set<string>();
      for (let count = 0; count < 3; count++) {
        const all = [await events.next(), await events.next(), await events.next()].map(({ value }) => value!);
        const [begin, , commit] = all;
        if (begin?.type !== 'begin' || commit?.type !== 'commit') throw new Error(`${begin?.type} ${commit?.type}`);
        expect(begin.position).toBe(commit.position);
        expect(begin.committedAt.getTime()).toBeGreaterThan(since - 60_000);
        expect(begin.committedAt.getTime()).toBeLessThan(Date.now() + 60_000);
        places.push(begin.position);
        ids.add(begin.transactionId);
      }
      expect(places).toEqual(places.toSorted());
      expect(new Set([feed.start, ...places]).size).toBe(4);
      expect(places[0]! > feed.start).toBe(true);
      expect(ids.size).toBe(3);
    });

    test('what is rolled back is not told, neither whole transactions nor parts of one', async () => {
      const { events } = await following({ undone: 'id int PRIMARY KEY' });
      await sql('BEGIN; INSERT INTO undone VALUES (1); ROLLBACK');
      await sql(
        'BEGIN; INSERT INTO undone VALUES (2); SAVEPOINT a; INSERT INTO undone VALUES (3); ROLLBACK TO a; INSERT INTO undone VALUES (4); COMMIT',
      );
      expect(await transactions(events, 1)).toEqual(['[+undone(2) +undone(4)]']);
    });

    test('a transaction that writes while its table is being followed is told whole or before the place, never in part', async () => {
      await sql('CREATE TABLE late (id int PRIMARY KEY); CREATE TABLE elsewhere (id int)');
      const feed = await open();
      const before = await client();
      const between = await client();
      await before.query('BEGIN; INSERT INTO late VALUES (1)');
      await between.query('BEGIN; INSERT INTO elsewhere VALUES (1)');
      const late = [{ schema: 'public', name: 'late' }];
      const followed = (async () => {
        // Where that needs the table for itself it says to try again.
        for (;;) {
          const [outcome] = await feed.follow(late, { signal: never });
          if (outcome?.id !== null) return outcome;
        }
      })();
      const writes = (async () => {
        // Until it is being followed; where that waits for the lock of the writer, it is when the writer waits for us.
        while ((await sql(waitsSql)).rows[0].n === '0');
        await before.query('INSERT INTO late VALUES (2); COMMIT');
        await between.query('INSERT INTO late VALUES (3); INSERT INTO late VALUES (4); COMMIT');
      })();
      expect(await followed).toMatchObject({ coverage: 'ALL' });
      await writes;
      await sql('INSERT INTO late VALUES (5)');
      const events = told(feed);
      const found = await transactions(events, 1);
      // It may have ended before the place.
      if (found[0] === '[+late(3) +late(4)]') found.splice(0, 1, ...(await transactions(events, 1)));
      expect(found).toEqual(['[+late(5)]']);
    });

    test('while several write, tables that are followed in the midst of it miss nothing, and no transaction is told in part', async () => {
      await sql(`
        CREATE TABLE busy_a (id bigserial PRIMARY KEY); CREATE TABLE busy_b (id bigserial PRIMARY KEY);
        CREATE TABLE busy_p (id bigserial PRIMARY KEY) PARTITION BY HASH (id);
        CREATE TABLE busy_p0 PARTITION OF busy_p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE busy_p1 PARTITION OF busy_p FOR VALUES WITH (MODULUS 2, REMAINDER 1)`);
      const tables = ['busy_a', 'busy_b', 'busy_p'];
      const feed = await open();
      /** Rows that were committed together, by one of them. */
      const written = new Map<string, string>();
      const owed = new Set<string>();
      let followed = false;
      const writers = [0, 1, 2].map(async (writer) => {
        const connection = await client();
        for (let left = 25; left > 0; ) {
          const late = followed;
          if (late) left -= 1;
          const rows: string[] = [];
          await connection.query('BEGIN');
          for (let count = 1 + ((writer + left) % 3); count > 0; count--) {
            const table = tables[(left + count) % 3]!;
            const { rows: made } = await connection.query(`INSERT INTO ${table} DEFAULT VALUES RETURNING id`);
            rows.push(`+${table}(${made[0].id})`);
          }
          await connection.query('COMMIT');
          for (const row of rows) written.set(row, rows.join(' '));
          if (late) for (const row of rows) owed.add(row);
        }
      });
      const outcomes = await feed.follow(
        tables.map((table) => ({ schema: 'public', name: table })),
        { signal: never },
      );
      followed = true;
      expect(outcomes.map(({ id }) => id !== null)).toEqual([true, true, true]);
      await Promise.all(writers);
      const after = outcomes
        .map((outcome) => (outcome.id === null ? '' : outcome.after))
        .toSorted()
        .at(-1)!;
      let place = '';
      let rows: string[] = [];
      for await (const event of told(feed)) {
        if (event.type === 'begin') [place, rows] = [event.position, []];
        else if (event.type === 'insert') rows.push(inShort(event));
        else if (event.type === 'commit') {
          // Up to the last of the places some tables may have begun and others not.
          if (place > after) expect(rows.join(' ')).toBe(written.get(rows[0]!));
          for (const row of rows) owed.delete(row);
          if (owed.size === 0) break;
        }
      }
    });

    test('an unfollowed table is told no longer, and followed again from there on; others are told throughout', async () => {
      const { feed, events } = await following({ shown: 'id int PRIMARY KEY', hidden: 'id int PRIMARY KEY' });
      const find = async () => (await feed.follow([{ schema: 'public', name: 'hidden' }], { signal: never }))[0]!.id!;
      const id = await find();
      expect(await find()).toBe(id);
      await sql('INSERT INTO hidden VALUES (1)');
      await feed.unfollow([id, '999999999'], { signal: never });
      await feed.unfollow([id], { signal: never });
      await sql('BEGIN; INSERT INTO hidden VALUES (2); INSERT INTO shown VALUES (2); COMMIT');
      expect(await find()).toBe(id);
      await sql('INSERT INTO hidden VALUES (3)');
      const found = await transactions(events, 2);
      // What is told of it between its last event and the end of its being followed is the feed's to choose.
      expect(found.filter((one) => one !== '[+hidden(1)]')).toEqual(
        found.includes('[+hidden(1)]') ? ['[+shown(2)]'] : ['[+shown(2)]', '[+hidden(3)]'],
      );
    });

    test('values come as a result has them, and columns name their types', async () => {
      await sql(typesOfValues);
      // An old server does not know all of them, and a table does not hold what has no type.
      const held: (typeof values)[number][] = [];
      for (const value of values)
        await sql(`CREATE TEMP TABLE attempt AS SELECT ${value[1]} AS c; DROP TABLE attempt`).then(
          () => held.push(value),
          () => undefined,
        );
      expect(held.length).toBeGreaterThan(values.length * 0.8);
      const columns = held.map(([, expression], index) => `${expression} AS c${index}`);
      await sql(`CREATE TABLE valued AS SELECT 1 AS id, ${columns.join(', ')} LIMIT 0`);
      await sql('ALTER TABLE valued ADD PRIMARY KEY (id)');
      const feed = await open();
      await follow(feed, 'valued');
      await sql(`SET datestyle = 'SQL, DMY'; SET timezone = 'Asia/Tokyo'; SET extra_float_digits = 0`);
      await sql(`INSERT INTO valued SELECT 1, ${columns.join(', ')}`);
      await sql('RESET ALL');
      await using session = await openSession(target);
      const rows = rowsOf(await collect(session, 'SELECT * FROM valued'));
      for await (const event of told(feed)) {
        if (event.type !== 'insert') continue;
        const cells = event.new.map((text, place) => {
          const { decode } = event.table.columns[place]!;
          return text == null || decode === null ? text : decode(text);
        });
        expect(cells).toEqual(rows[0]);
        const types = new Set(event.table.columns.map(({ dataType }) => dataType));
        for (const type of ['numeric(10,3)', 'character varying(50)', 'public.mood', '"Other"."Odd type"', 'bytea[]'])
          expect(types).toContain(type);
        break;
      }
    });

    test('a table that is altered in mid-stream has another shape from the first row of it on', async () => {
      const { events } = await following({ shaped: 'id int PRIMARY KEY, a text' });
      await sql(`INSERT INTO shaped VALUES (1, 'x')`);
      await sql(`ALTER TABLE shaped ADD b int DEFAULT 7; INSERT INTO shaped VALUES (2, 'y', 8)`);
      await sql('ALTER TABLE shaped DROP a; ALTER TABLE shaped RENAME b TO c; ALTER TABLE shaped ALTER c TYPE bigint');
      await sql('INSERT INTO shaped VALUES (3, 9)');
      await sql('ALTER TABLE shaped RENAME TO reshaped; INSERT INTO reshaped VALUES (4, 10)');
      await sql('INSERT INTO reshaped VALUES (5, 11)');
      const tables = [];
      const rows: string[] = [];
      for await (const event of events) {
        if (event.type !== 'insert') continue;
        tables.push(event.table);
        rows.push(inShort(event));
        if (rows.length === 5) break;
      }
      expect(rows).toEqual(['+shaped(1,x)', '+shaped(2,y,8)', '+shaped(3,9)', '+reshaped(4,10)', '+reshaped(5,11)']);
      expect(tables[2]!.columns.map(({ name, dataType }) => `${name} ${dataType}`)).toEqual(['id integer', 'c bigint']);
      expect(new Set(tables.map(({ id }) => id)).size).toBe(1);
      expect(tables[3]).toBe(tables[4]);
      expect(tables[0]!.key).toEqual([0]);
    });

    test('a large value that did not change is not told, or told as it is, and never as null', async () => {
      const { events } = await following({ large: 'id int PRIMARY KEY, small int, body text' });
      await sql(
        `ALTER TABLE large ALTER body SET STORAGE EXTERNAL; INSERT INTO large VALUES (1, 1, repeat('x', 100000))`,
      );
      await sql('UPDATE large SET small = 2');
      await sql('ALTER TABLE large REPLICA IDENTITY FULL; UPDATE large SET small = 3');
      const bodies: unknown[] = [];
      for await (const event of events) {
        if (event.type === 'insert' || event.type === 'update') bodies.push(event.new[2]?.length);
        if (bodies.length === 3) break;
      }
      expect(bodies).toEqual([100_000, old === 'WHOLE' ? 100_000 : undefined, 100_000]);
    });

    test('names may be any, and tables in any schema', async () => {
      await sql(
        `CREATE SCHEMA "Sch""ema, x"; CREATE TABLE "Sch""ema, x"."Ta'b""le (1)" ("Co,l""umn" text PRIMARY KEY, "a b" text)`,
      );
      const feed = await open();
      const table = { schema: 'Sch"ema, x', name: `Ta'b"le (1)` };
      expect(await feed.follow([table], { signal: never })).toMatchObject([{ table, coverage: 'ALL', reason: null }]);
      await sql(`INSERT INTO "Sch""ema, x"."Ta'b""le (1)" VALUES ('a,"b\\', '(x)')`);
      for await (const event of told(feed)) {
        if (event.type !== 'insert') continue;
        expect(event.new).toEqual(['a,"b\\', '(x)']);
        expect(event.table).toMatchObject({ ...table, columns: [{ name: 'Co,l"umn' }, { name: 'a b' }] });
        break;
      }
    });

    test('one statement may empty several tables, of which only those that are followed are told', async () => {
      const { events } = await following({ full_a: 'id int PRIMARY KEY', full_b: 'id int PRIMARY KEY' });
      await sql('CREATE TABLE full_c (id int); INSERT INTO full_a VALUES (1)');
      await sql('TRUNCATE full_a, full_b, full_c');
      const [, second] = await transactions(events, 2);
      expect(
        second!
          .replace(/[[\]0]/g, '')
          .split(/[ ,]/)
          .toSorted(),
      ).toEqual(['full_a', 'full_b']);
    });

    test('that rows came or went with a partition is said; not where they were told, or none were there', async () => {
      for (const name of ['sentry', 'divided'])
        await sql(`CREATE TABLE ${name} (id int PRIMARY KEY) PARTITION BY RANGE (id);
                   CREATE TABLE ${name}_0 PARTITION OF ${name} FOR VALUES FROM (0) TO (10);
                   CREATE TABLE ${name}_1 PARTITION OF ${name} FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
                   CREATE TABLE ${name}_11 PARTITION OF ${name}_1 FOR VALUES FROM (10) TO (20)`);
      const feed = await open({ limits: { checkMs: 50 } });
      await follow(feed, 'divided', 'sentry');
      const events = told(feed);
      const nameOf = async (id: string) => (await sql(`SELECT ${id}::regclass::text AS name`)).rows[0].name;
      async function nextGap(): Promise<string> {
        for (;;) {
          const { value: event } = await events.next();
          if (event?.type === 'gap') return await nameOf(event.tableId);
        }
      }
      await sql(`INSERT INTO divided VALUES (1), (11); TRUNCATE divided; INSERT INTO divided VALUES (1), (11)`);
      await sql(
        `CREATE TABLE divided_2 PARTITION OF divided FOR VALUES FROM (20) TO (30) PARTITION BY RANGE (id);
         CREATE TABLE divided_21 PARTITION OF divided_2 FOR VALUES FROM (20) TO (30)`,
      );
      await sql(
        `CREATE TABLE divided_3 (id int PRIMARY KEY); ALTER TABLE divided ATTACH PARTITION divided_3 FOR VALUES FROM (30) TO (40)`,
      );
      // All of that is looked at no later than this.
      await sql('TRUNCATE sentry_0');
      expect(await nextGap()).toBe('sentry');
      for (const statement of [
        'TRUNCATE divided_11',
        'ALTER TABLE divided DETACH PARTITION divided_0',
        'ALTER TABLE divided ATTACH PARTITION divided_0 FOR VALUES FROM (0) TO (10)',
        // Between two looks: each is there before and behind, or was filled before it came.
        `ALTER TABLE divided DETACH PARTITION divided_0; INSERT INTO divided_0 VALUES (2);
         ALTER TABLE divided ATTACH PARTITION divided_0 FOR VALUES FROM (0) TO (10)`,
        `ALTER TABLE divided DETACH PARTITION divided_1; INSERT INTO divided_1 VALUES (13);
         ALTER TABLE divided ATTACH PARTITION divided_1 FOR VALUES FROM (10) TO (20)`,
        `CREATE TABLE divided_4 (id int PRIMARY KEY); INSERT INTO divided_4 VALUES (41);
         ALTER TABLE divided ATTACH PARTITION divided_4 FOR VALUES FROM (40) TO (50)`,
        'DROP TABLE divided_2',
      ]) {
        await sql(statement);
        expect(await nextGap()).toBe('divided');
      }
      await sql('INSERT INTO divided VALUES (12)');
      expect(await transactions(events, 1)).toEqual(['[+divided(12)]']);
    });

    test('a transaction of very many rows comes in pieces, while the reader holds few of them', async () => {
      const { feed } = await following({ many: 'id int PRIMARY KEY, name text' });
      const count = 200_000;
      await sql(`INSERT INTO many SELECT g, 'row ' || g FROM generate_series(1, ${count}) g`);
      let rows = 0;
      let largest = 0;
      let sum = 0;
      reading: for await (const batch of feed) {
        largest = Math.max(largest, batch.length);
        for (const event of batch) {
          if (event.type === 'insert') {
            rows += 1;
            sum += Number(event.new[0]);
          }
          if (event.type === 'commit') break reading;
        }
      }
      expect([rows, sum]).toEqual([count, (count * (count + 1)) / 2]);
      expect(largest).toBeLessThan(count / 4);
    });

    test('a reader that does not read makes nobody wait who writes, and then has it all', async () => {
      const { events } = await following({ waiting: 'id int PRIMARY KEY, body text' });
      for (let id = 0; id < 40; id++) await sql(`INSERT INTO waiting VALUES (${id}, repeat('x', 100000))`);
      expect((await transactions(events, 40)).map((one) => /\d+/.exec(one)?.[0])).toEqual(
        Array.from({ length: 40 }, (_, id) => String(id)),
      );
    });

    test('while all is quiet the place rises, whoever writes elsewhere', async () => {
      const { feed } = await following({ quiet: 'id int PRIMARY KEY' });
      await sql('CREATE TABLE noise (id int); INSERT INTO noise VALUES (1)');
      const places: string[] = [];
      for await (const batch of feed) {
        for (const event of batch) if (event.type === 'alive') places.push(event.position);
        if (places.length >= 2) break;
      }
      expect(places).toEqual(places.toSorted());
      expect(places[0]! > feed.start).toBe(true);
      expect(feed.status().position).toBe(places.at(-1));
    });

    test('two feeds of a database know nothing of each other', async () => {
      const { events } = await following({ one: 'id int PRIMARY KEY' });
      const second = await following({ two: 'id int PRIMARY KEY' });
      await sql('BEGIN; INSERT INTO one VALUES (1); INSERT INTO two VALUES (2); COMMIT');
      expect(await transactions(events, 1)).toEqual(['[+one(1)]']);
      expect(await transactions(second.events, 1)).toEqual(['[+two(2)]']);
    });

    test('a table that is dropped, and one that is gone, are said to be', async () => {
      const { events } = await following({ dropped: 'id int PRIMARY KEY' });
      await sql('DROP TABLE dropped');
      const { value } = await events.next();
      expect(value).toMatchObject({
        type: 'coverage',
        coverage: 'NOTHING',
        reason: expect.stringContaining('The table is gone'),
      });
    });

    test('what cannot be followed is refused with the reason, and the rest is followed', async () => {
      await sql(`
        CREATE TABLE good (id int PRIMARY KEY);
        CREATE VIEW seen AS SELECT 1 AS id;
        CREATE MATERIALIZED VIEW kept AS SELECT 1 AS id;
        CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
        CREATE SEQUENCE counted;
        CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE part PARTITION OF parted FOR VALUES FROM (1) TO (10);
        CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
        CREATE FOREIGN TABLE far (id int) SERVER nowhere`);
      const feed = await open();
      const names = ['good', 'seen', 'kept', 'unlogged', 'counted', 'part', 'far', 'missing'];
      const outcomes = await feed.follow(
        [...names.map((name) => ({ schema: 'public', name })), { schema: 'pg_catalog', name: 'pg_class' }],
        { signal: never },
      );
      expect(outcomes.map(({ table, id, reason }) => [table.name, id !== null, reason?.split(':')[0] ?? null])).toEqual(
        [
          ['good', true, null],
          ['seen', false, 'It is a view'],
          ['kept', false, 'It is a materialized view'],
          ['unlogged', false, 'It is unlogged'],
          ['counted', false, 'It is a sequence'],
          ['part', false, 'It is a partition'],
          ['far', false, 'It is a foreign table'],
          ['missing', false, 'There is no such table'],
          ['pg_class', false, 'It belongs to the system'],
        ],
      );
      await sql('INSERT INTO good VALUES (1)');
      expect(await transactions(told(feed), 1)).toEqual(['[+good(1)]']);
    });

    test('a table that somebody has locked is refused for now', async () => {
      await sql('CREATE TABLE locked (id int PRIMARY KEY)');
      const feed = await open();
      const locker = await client();
      await locker.query('BEGIN; LOCK TABLE locked');
      const [outcome] = await feed.follow([{ schema: 'public', name: 'locked' }], { signal: never });
      expect(outcome).toMatchObject({ id: null, reason: expect.stringContaining('holds a lock on it') });
      await locker.query('COMMIT');
      await follow(feed, 'locked');
      await sql('INSERT INTO locked VALUES (1)');
      expect(await transactions(told(feed), 1)).toEqual(['[+locked(1)]']);
    });

    test('a feed has one reader, and ends without an error when it is closed', async () => {
      const { feed } = await following({ closing: 'id int PRIMARY KEY' });
      const reader = feed[Symbol.asyncIterator]();
      const waiting = (async () => {
        while (!(await reader.next()).done);
      })();
      await expect(feed[Symbol.asyncIterator]().next()).rejects.toThrow('one reader');
      await feed[Symbol.asyncDispose]();
      await waiting;
      expect(feed.closed.aborted).toBe(true);
      await feed[Symbol.asyncDispose]();
    });

    describe('the owner', () => {
      const writes = [
        `INSERT INTO t (id, v) VALUES (1, 'a'), (2, 'b')`,
        `UPDATE t SET v = 'c' WHERE id = 1`,
        'UPDATE t SET id = 5 WHERE id = 1',
        'DELETE FROM t WHERE id = 5',
        `INSERT INTO t (id, v) VALUES (2, 'd')`,
        'TRUNCATE t',
      ];
      const tables: readonly [title: string, sql: string, coverage: 'ALL' | 'INSERTS', since?: number][] = [
        ['a primary key', 'CREATE TABLE t (id int, v text, PRIMARY KEY (v, id))', 'ALL'],
        ['no key', 'CREATE TABLE t (id int, v text)', 'INSERTS'],
        ['a key that can be deferred', 'CREATE TABLE t (id int, v text, PRIMARY KEY (v, id) DEFERRABLE)', 'INSERTS'],
        ['REPLICA IDENTITY FULL', 'CREATE TABLE t (id int, v text); ALTER TABLE t REPLICA IDENTITY FULL', 'ALL'],
        [
          'REPLICA IDENTITY NOTHING',
          'CREATE TABLE t (id int, v text, PRIMARY KEY (v, id)); ALTER TABLE t REPLICA IDENTITY NOTHING',
          'INSERTS',
        ],
        [
          'REPLICA IDENTITY USING INDEX',
          'CREATE TABLE t (id int NOT NULL, v text NOT NULL, UNIQUE (id, v)); ALTER TABLE t REPLICA IDENTITY USING INDEX t_id_v_key',
          'ALL',
        ],
        [
          'an identity whose index was dropped',
          'CREATE TABLE t (id int NOT NULL, v text NOT NULL, UNIQUE (id, v)); ALTER TABLE t REPLICA IDENTITY USING INDEX t_id_v_key; ALTER TABLE t DROP CONSTRAINT t_id_v_key',
          'INSERTS',
        ],
        [
          'partitions',
          'CREATE TABLE t (id int, v text, PRIMARY KEY (v, id)) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (5); CREATE TABLE t2 PARTITION OF t DEFAULT',
          'ALL',
        ],
        [
          'partitions without a key',
          'CREATE TABLE t (id int, v text) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (5); CREATE TABLE t2 PARTITION OF t DEFAULT',
          'INSERTS',
        ],
        [
          'one partition whose identity is NOTHING',
          'CREATE TABLE t (id int, v text, PRIMARY KEY (v, id)) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (5); CREATE TABLE t2 PARTITION OF t DEFAULT; ALTER TABLE t2 REPLICA IDENTITY NOTHING',
          'INSERTS',
        ],
        [
          'children that inherit from it',
          "CREATE TABLE t (id int, v text, PRIMARY KEY (v, id)); CREATE TABLE child (w int) INHERITS (t); INSERT INTO child VALUES (1, 'x', 2)",
          'ALL',
        ],
        [
          'a parent that it inherits from',
          'CREATE TABLE base (id int, v text); CREATE TABLE t (PRIMARY KEY (v, id)) INHERITS (base)',
          'ALL',
        ],
        [
          'a stored generated column',
          "CREATE TABLE t (id int, v text, g text GENERATED ALWAYS AS (v || '!') STORED, PRIMARY KEY (v, id))",
          'ALL',
        ],
        [
          'a stored generated column in its key',
          "CREATE TABLE t (id int, v text, g text GENERATED ALWAYS AS (v || '!') STORED, PRIMARY KEY (g, id))",
          'ALL',
        ],
        [
          'a stored generated column and FULL',
          "CREATE TABLE t (id int, v text, g text GENERATED ALWAYS AS (v || '!') STORED); ALTER TABLE t REPLICA IDENTITY FULL",
          'ALL',
        ],
        [
          'a virtual generated column',
          "CREATE TABLE t (id int, v text, g text GENERATED ALWAYS AS (v || '!') VIRTUAL, PRIMARY KEY (v, id))",
          'ALL',
          18,
        ],
        [
          'a virtual generated column and FULL',
          "CREATE TABLE t (id int, v text, g text GENERATED ALWAYS AS (v || '!') VIRTUAL); ALTER TABLE t REPLICA IDENTITY FULL",
          'INSERTS',
          18,
        ],
        [
          'row security and rules',
          'CREATE TABLE t (id int, v text, PRIMARY KEY (v, id)); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (true); CREATE RULE r AS ON DELETE TO t WHERE OLD.id > 100 DO INSTEAD NOTHING',
          'ALL',
        ],
      ];

      test.each(tables)(
        'writes to a table with %s as if nobody followed it',
        async (_, definition, coverage, since = 0) => {
          const { rows } = await sql('SHOW server_version_num');
          if (Number(rows[0].server_version_num) < since * 10_000) return;
          await sql(`DROP SCHEMA IF EXISTS owned CASCADE; CREATE SCHEMA owned; SET search_path = owned; ${definition}`);
          onTestFinished(() => sql('RESET search_path; DROP SCHEMA owned CASCADE').then(() => {}));
          const feed = await open();
          const [outcome] = await feed.follow([{ schema: 'owned', name: 't' }], { signal: never });
          expect(outcome).toMatchObject({ coverage: old === 'WHOLE' ? 'ALL' : coverage });
          for (const statement of writes) await sql(statement);
          const events = told(feed);
          const kinds: string[] = [];
          while (kinds.at(-1) !== '[0]')
            kinds.push((await transactions(events, 1))[0]!.replace(/[^+~\-0[\]]|(?<=\().*?(?=\))/g, ''));
          if (coverage === 'ALL' || old === 'WHOLE') expect(kinds).toHaveLength(6);
          expect(kinds[0]).toBe('[++]');
        },
      );

      test.each([
        ['its key', 'ALTER TABLE t DROP CONSTRAINT t_pkey'],
        ['its identity', 'ALTER TABLE t REPLICA IDENTITY NOTHING'],
      ])(
        'can take away %s: the feed lets go of what would break his writes, says so, and takes it up again',
        async (_, away) => {
          await sql('DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, v text)');
          const feed = await open({ limits: { checkMs: 50 } });
          await follow(feed, 't');
          const events = told(feed);
          await sql(`INSERT INTO t VALUES (1, 'a')`);
          expect(await transactions(events, 1)).toEqual(['[+t(1,a)]']);
          await sql(away);
          if (old === 'WHOLE') return;
          expect((await events.next()).value).toMatchObject({ type: 'coverage', coverage: 'INSERTS' });
          await sql(`UPDATE t SET v = 'b'`);
          await sql('DELETE FROM t');
          await sql(`INSERT INTO t VALUES (2, 'c')`);
          expect(await transactions(events, 1)).toEqual(['[+t(2,c)]']);
          await sql(`ALTER TABLE t REPLICA IDENTITY FULL`);
          expect((await events.next()).value).toMatchObject({ type: 'coverage', coverage: 'ALL', reason: null });
          await sql(`UPDATE t SET v = 'd'`);
          expect(await transactions(events, 1)).toEqual(['[~t(2,c → 2,d)]']);
        },
      );
    });
  });
}

/** Whether the table is published, or somebody waits for it. */
const waitsSql = `
  SELECT (SELECT count(*) FROM pg_publication_tables WHERE tablename = 'late')
       + (SELECT count(*) FROM pg_locks WHERE relation = 'late'::regclass AND NOT granted) AS n`;
