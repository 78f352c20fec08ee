/** The sample MAKEYOURSPACE on a real PostgreSQL, installed by an owner without any right beyond its own database. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { generateMakeyourspace } from '../../src/databases/templates/makeyourspace/generate.ts';
import { exampleQueries, installMakeyourspace } from '../../src/databases/templates/makeyourspace/index.ts';

interface Sample extends AsyncDisposable {
  owner: pg.Client;
  /** Another connection, of the owner or of a reader who was granted SELECT on everything and buy_post. */
  connect(as: 'owner' | 'reader'): Promise<pg.Client>;
}

async function createEmptyDatabase(): Promise<Sample> {
  const server = inject('postgres');
  const name = `space_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client({ ...server, database: 'postgres' });
  await admin.connect();
  await admin.query(`CREATE ROLE ${name}_owner LOGIN PASSWORD 'space'`);
  await admin.query(`CREATE ROLE ${name}_reader LOGIN PASSWORD 'space'`);
  await admin.query(`CREATE DATABASE ${name} OWNER ${name}_owner`);
  const clients: pg.Client[] = [];
  const connect = async (as: 'owner' | 'reader') => {
    const client = new pg.Client({ ...server, user: `${name}_${as}`, password: 'space', database: name });
    await client.connect();
    clients.push(client);
    return client;
  };
  return {
    owner: await connect('owner'),
    connect,
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.end();
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.query(`DROP ROLE ${name}_owner, ${name}_reader`);
      await admin.end();
    },
  };
}

async function createSample(): Promise<Sample> {
  const sample = await createEmptyDatabase();
  await installMakeyourspace(sample.owner);
  const { rows } = await sample.owner.query('SELECT current_database() AS name');
  await sample.owner.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${rows[0].name}_reader`);
  await sample.owner.query(`GRANT EXECUTE ON FUNCTION buy_post TO ${rows[0].name}_reader`);
  return sample;
}

let sample: Sample;
let owner: pg.Client;
let installed: Record<string, string>;
beforeAll(async () => {
  sample = await createSample();
  owner = sample.owner;
  installed = await checksums(owner);
});
afterAll(() => sample?.[Symbol.asyncDispose]());

async function one<T = unknown>(sql: string, values: unknown[] = [], client = owner): Promise<T> {
  const { rows } = await client.query({ text: sql, values, rowMode: 'array' });
  return rows[0]?.[0] as T;
}

const relations = `SELECT c.oid, c.relname FROM pg_class c
  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')`;

async function checksums(client: pg.Client): Promise<Record<string, string>> {
  const { rows } = await client.query(`${relations} ORDER BY relname`);
  const sums: Record<string, string> = {};
  for (const { relname } of rows) {
    sums[relname] = await one(
      `SELECT concat(count(*), ' ', md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"))) FROM ${relname} t`,
      [],
      client,
    );
  }
  return sums;
}

/** A listed post with a buyer who can and may pay for it, each call another post and another buyer. */
let taken = 0;
async function offer(): Promise<{ post: string; buyer: string; seller: string; price_eur: string }> {
  const { rows } = await owner.query(
    `SELECT l.id AS post, l.price_eur, s.id AS seller, b.id AS buyer
     FROM post_listings l
     JOIN accounts s ON s.handle = l.seller
     CROSS JOIN LATERAL (
       SELECT id FROM accounts b WHERE b.status = 'active' AND b.balance_eur > l.price_eur AND b.id <> s.id
       ORDER BY id OFFSET $1 LIMIT 1
     ) b
     WHERE l.currency_code = 'PLN' ORDER BY l.id OFFSET $1 LIMIT 1`,
    [taken++],
  );
  return rows[0];
}

const buy = (post: unknown, buyer: unknown, client = owner) =>
  client.query('SELECT * FROM buy_post($1, $2)', [post, buyer]).then(({ rows }) => rows[0]);

async function waitUntilBlocked(client: pg.Client): Promise<void> {
  const pid = (client as pg.Client & { processID: number }).processID;
  while (!(await one<boolean>('SELECT cardinality(pg_blocking_pids($1)) > 0', [pid])));
}

test('some 50,000 rows are there, and every table has some', () => {
  const rowsOf = (table: string) => Number(installed[table]!.split(' ')[0]);
  expect(Object.keys(installed).filter((table) => rowsOf(table) === 0)).toEqual(['exchange_rates_other']);
  const tables = [...generateMakeyourspace({ seed: 'any' }).map(({ table }) => table), 'outbox'];
  const total = tables.reduce((sum, table) => sum + rowsOf(table), 0);
  expect(total).toBeGreaterThan(45_000);
  expect(total).toBeLessThan(65_000);
});

test('two installations are equal to the byte', async () => {
  await using second = await createSample();
  expect(await checksums(second.owner)).toEqual(installed);
});

test('another seed gives other rows, the same seed the same ones', () => {
  const rows = JSON.stringify(generateMakeyourspace({ seed: 'a' }));
  expect(JSON.stringify(generateMakeyourspace({ seed: 'a' })) === rows).toBe(true);
  expect(JSON.stringify(generateMakeyourspace({ seed: 'b' })) === rows).toBe(false);
});

test('an installation that is aborted or fails leaves nothing behind', async () => {
  await using empty = await createEmptyDatabase();
  const aborted = AbortSignal.abort(new Error('enough'));
  await expect(installMakeyourspace(empty.owner, { signal: aborted })).rejects.toThrow('enough');
  expect((await empty.owner.query(relations)).rows).toEqual([]);

  await empty.owner.query('CREATE TABLE outbox (id int)');
  await expect(installMakeyourspace(empty.owner)).rejects.toMatchObject({ code: '42P07' });
  expect((await empty.owner.query(relations)).rows).toMatchObject([{ relname: 'outbox' }]);
});

test('an installation that is aborted on its way undoes its transaction', async () => {
  await using empty = await createEmptyDatabase();
  const controller = new AbortController();
  const installing = installMakeyourspace(empty.owner, { signal: controller.signal });
  controller.abort(new Error('half way'));
  await expect(installing).rejects.toThrow('half way');
  expect(await one('SELECT pg_current_xact_id_if_assigned() IS NULL', [], empty.owner)).toBe(true);
  expect((await empty.owner.query(relations)).rows).toEqual([]);
});

test('an installation into a database of which the role is not the owner is refused', async () => {
  await using empty = await createEmptyDatabase();
  await expect(installMakeyourspace(await empty.connect('reader'))).rejects.toMatchObject({ code: '42501' });
});

test('every table, view, column, type, function and policy has a comment', async () => {
  const { rows } = await owner.query(`
    SELECT oid::regclass::text AS what FROM (${relations}) r WHERE obj_description(oid, 'pg_class') IS NULL
    UNION ALL
    SELECT r.relname || '.' || attname FROM (${relations} AND NOT relispartition) r JOIN pg_attribute ON attrelid = r.oid
      WHERE attnum > 0 AND NOT attisdropped AND col_description(r.oid, attnum) IS NULL
    UNION ALL
    SELECT typname FROM pg_type
      WHERE typnamespace = 'public'::regnamespace AND typtype IN ('d', 'e') AND obj_description(oid, 'pg_type') IS NULL
    UNION ALL
    SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
    UNION ALL
    SELECT polname FROM pg_policy WHERE obj_description(oid, 'pg_policy') IS NULL`);
  expect(rows).toEqual([]);
});

test('every foreign key has an index that begins with its columns', async () => {
  const { rows } = await owner.query(`
    SELECT conrelid::regclass::text AS table, conname FROM pg_constraint fk
    WHERE contype = 'f' AND conparentid = 0 AND NOT EXISTS (
      SELECT FROM pg_index WHERE indrelid = conrelid AND indpred IS NULL AND indisvalid
        AND (indkey::int2[])[0:cardinality(conkey) - 1] @> conkey
    )`);
  expect(rows).toEqual([]);
  expect(await one("SELECT count(*)::int FROM pg_constraint WHERE contype = 'f' AND conparentid = 0")).toBe(19);
});

test('the history of sales agrees with itself', async () => {
  const faults = await one(`
    SELECT count(*)::int FROM purchases s JOIN posts p ON p.id = s.post_id
    JOIN accounts b ON b.id = s.buyer_id
    JOIN exchange_rates r ON r.currency_code = s.currency_code AND r.day = s.rate_day
    JOIN fee_schedules f ON f.period @> s.rate_day
    WHERE p.status <> 'sold' OR p.sold_at <> s.purchased_at OR p.price <> s.price OR r.rate <> s.rate
      OR f.percent <> s.fee_percent OR b.created_at > s.purchased_at
      OR (s.purchased_at AT TIME ZONE 'UTC')::date <> s.rate_day`);
  expect(faults).toBe(0);
  const cuts = "(changes #>> '{price,old}')::numeric > (changes #>> '{price,new}')::numeric";
  expect(await one(`SELECT bool_and(${cuts}) FROM audit_entries WHERE changes ? 'price'`)).toBe(true);
  expect(await one(`SELECT count(*) FROM posts WHERE status = 'sold'`)).toBe(
    await one('SELECT count(*) FROM purchases'),
  );
});

test('an account that is added goes behind those that came with the sample', async () => {
  const insert = `INSERT INTO accounts (handle, display_name, email, country, currency_code)
    VALUES ($1, 'New', $2, 'DE', 'EUR') RETURNING id::int`;
  expect(await one(insert, ['newcomer', 'newcomer@mail.example'])).toBe(3_001);
  await expect(owner.query(insert, ['other', 'NewComer@Mail.Example'])).rejects.toMatchObject({ code: '23505' });
  await expect(owner.query(insert, ['Not a handle', 'x@mail.example'])).rejects.toMatchObject({ code: '23514' });
});

test('fees of two periods cannot overlap', async () => {
  await expect(owner.query("INSERT INTO fee_schedules VALUES ('[2025-01-01,2025-02-01)', 1)")).rejects.toMatchObject({
    code: '23P01',
  });
});

test('buy_post marks the post sold, records the purchase at the rate, moves the money and writes its event', async () => {
  const { post, buyer, seller, price_eur } = await offer();
  const balance = (id: string) => one<string>('SELECT balance_eur FROM accounts WHERE id = $1', [id]);
  const [buyerBefore, sellerBefore] = [await balance(buyer), await balance(seller)];
  const sale = await buy(post, buyer);
  expect(sale).toMatchObject({
    post_id: post,
    buyer_id: buyer,
    seller_id: seller,
    amount_eur: price_eur,
    status: 'paid',
  });
  expect(sale.currency_code).toBe('PLN');
  const soldAt =
    'SELECT posts.status FROM posts JOIN purchases ON purchased_at = sold_at WHERE posts.id = $1 AND post_id = $1';
  expect(await one(soldAt, [post])).toBe('sold');
  const moved = 'SELECT $1::numeric - $2::numeric = $3::numeric';
  expect(await one(moved, [buyerBefore, await balance(buyer), price_eur])).toBe(true);
  expect(await one(`${moved} - $4::numeric`, [await balance(seller), sellerBefore, price_eur, sale.fee_eur])).toBe(
    true,
  );
  expect(await one('SELECT payload FROM outbox WHERE delivered_at IS NULL ORDER BY id DESC LIMIT 1')).toEqual({
    purchase_id: Number(sale.id),
    post_id: Number(post),
    seller_id: Number(seller),
    buyer_id: Number(buyer),
    amount_eur: price_eur,
  });
  expect(
    await one(
      "SELECT changes->'status' FROM audit_entries WHERE table_name = 'posts' AND row_id = $1 ORDER BY id DESC",
      [post],
    ),
  ).toEqual({ old: 'listed', new: 'sold' });
});

test('a purchase that is rolled back leaves no sale, no event and no money moved', async () => {
  const before = await checksums(owner);
  const { post, buyer } = await offer();
  await owner.query('BEGIN');
  await buy(post, buyer);
  await owner.query('ROLLBACK');
  expect(await checksums(owner)).toEqual(before);
});

test('a second buyer waits for the first, and is told that the post is sold', async () => {
  const { post, buyer } = await offer();
  const { buyer: late } = await offer();
  const [first, second] = [await sample.connect('owner'), await sample.connect('owner')];
  await first.query('BEGIN');
  await buy(post, buyer, first);
  const refused = expect(buy(post, late, second)).rejects.toMatchObject({ code: 'MK005' });
  await waitUntilBlocked(second);
  await first.query('COMMIT');
  await refused;
  expect(await one('SELECT buyer_id FROM purchases WHERE post_id = $1', [post])).toBe(buyer);
});

test('a second buyer gets the post when the first goes back on it', async () => {
  const { post, buyer } = await offer();
  const [first, second] = [await sample.connect('owner'), await sample.connect('owner')];
  const { rows } = await owner.query(
    "SELECT id FROM accounts WHERE status = 'active' AND id <> $1 ORDER BY balance_eur DESC LIMIT 1",
    [buyer],
  );
  await first.query('BEGIN');
  await buy(post, buyer, first);
  const bought = buy(post, rows[0].id, second);
  await waitUntilBlocked(second);
  await first.query('ROLLBACK');
  expect(await bought).toMatchObject({ buyer_id: rows[0].id });
});

test('of eight buyers at once exactly one wins', async () => {
  const { post, seller, price_eur } = await offer();
  const { rows: buyers } = await owner.query(
    "SELECT id FROM accounts WHERE status = 'active' AND balance_eur > $1 AND id <> $2 ORDER BY id DESC LIMIT 8",
    [price_eur, seller],
  );
  const clients = await Promise.all(buyers.map(() => sample.connect('owner')));
  const results = await Promise.allSettled(buyers.map(({ id }, index) => buy(post, id, clients[index])));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
  expect(reasons).toEqual(Array(7).fill('MK005'));
  expect(
    await one("SELECT count(*)::int FROM outbox WHERE topic = 'post.sold' AND payload @> $1", [
      JSON.stringify({ post_id: Number(post) }),
    ]),
  ).toBe(1);
});

test('two people who buy from each other at once both succeed', async () => {
  const { post, buyer, seller } = await offer();
  const [first, second] = [await sample.connect('owner'), await sample.connect('owner')];
  const back = await one<string>(
    `INSERT INTO posts (seller_id, category_id, status, title, condition, price, currency_code, created_at, published_at)
     VALUES ($1, 7, 'listed', 'Something in return', 'good', 0.01, 'EUR', now(), now()) RETURNING id`,
    [buyer],
  );
  await owner.query('UPDATE accounts SET balance_eur = balance_eur + 1 WHERE id = $1', [seller]);
  await first.query('BEGIN');
  await buy(post, buyer, first);
  const other = buy(back, seller, second);
  await waitUntilBlocked(second);
  await first.query('COMMIT');
  expect(await other).toMatchObject({ buyer_id: seller, seller_id: buyer });
});

test.each([
  ['an unknown post', 'MK001', () => ({ post: -1 })],
  ['an unknown account', 'MK002', () => ({ buyer: -1 })],
  [
    'an account that is suspended',
    'MK003',
    async () => ({
      buyer: await one("SELECT id FROM accounts WHERE status = 'suspended' LIMIT 1"),
    }),
  ],
  ['the seller', 'MK004', ({ seller }: { seller: string }) => ({ buyer: seller })],
  [
    'a post sold before',
    'MK005',
    async () => ({
      post: await one("SELECT id FROM posts WHERE status = 'sold' ORDER BY id LIMIT 1"),
    }),
  ],
  [
    'a draft',
    'MK006',
    async () => ({
      post: await one("SELECT id FROM posts WHERE status = 'draft' ORDER BY id LIMIT 1"),
    }),
  ],
  [
    'a balance that is too small',
    'MK007',
    async ({ buyer }: { buyer: string }) => {
      await owner.query('UPDATE accounts SET balance_eur = 0 WHERE id = $1', [buyer]);
      return {};
    },
  ],
  [
    'a currency without a rate',
    'MK008',
    async ({ post }: { post: string }) => {
      await owner.query("INSERT INTO currencies VALUES ('XTS', 'Test', 'x')");
      await owner.query("UPDATE posts SET currency_code = 'XTS' WHERE id = $1", [post]);
      return {};
    },
  ],
  [
    'a day without a fee',
    'MK009',
    async () => {
      await owner.query('DELETE FROM fee_schedules WHERE upper_inf(period)');
      return {};
    },
  ],
] as const)('buy_post refuses %s with %s and changes nothing', async (_, code, change) => {
  const given = await offer();
  await owner.query('BEGIN');
  try {
    const { post, buyer } = { ...given, ...(await change(given)) };
    const count = () => one('SELECT (SELECT count(*) FROM purchases) + (SELECT count(*) FROM outbox)');
    const before = await count();
    await owner.query('SAVEPOINT try');
    await expect(buy(post, buyer)).rejects.toMatchObject({ code });
    await owner.query('ROLLBACK TO try');
    expect(await count()).toBe(before);
  } finally {
    await owner.query('ROLLBACK');
  }
});

test('a session that speaks for an account buys for that account only', async () => {
  const { post, buyer, seller } = await offer();
  const reader = await sample.connect('reader');
  await reader.query("SELECT set_config('app.account_id', $1, false)", [buyer]);
  await expect(buy(post, seller, reader)).rejects.toMatchObject({ code: '42501' });
  await expect(reader.query('UPDATE posts SET price = 1')).rejects.toMatchObject({ code: '42501' });
  expect(await buy(post, buyer, reader)).toMatchObject({ buyer_id: buyer });
  expect(
    await one("SELECT account_id FROM audit_entries WHERE table_name = 'posts' AND row_id = $1 ORDER BY id DESC", [
      post,
    ]),
  ).toBe(buyer);
});

test('policies show a reader what is public, an account what concerns it, and the owner everything', async () => {
  const reader = await sample.connect('reader');
  const counts = async (client: pg.Client) =>
    (
      await client.query(`SELECT (SELECT count(*)::int FROM purchases) AS purchases,
        (SELECT count(*)::int FROM posts WHERE status = 'draft') AS drafts,
        (SELECT count(*)::int FROM outbox WHERE topic = 'post.sold') AS events,
        (SELECT count(*)::int FROM posts WHERE status <> 'draft') AS published`)
    ).rows[0];
  const all = await counts(owner);
  expect(all.drafts).toBeGreaterThan(0);
  expect(await counts(reader)).toEqual({ purchases: 0, drafts: 0, events: 0, published: all.published });

  const account = await one<string>(
    "SELECT seller_id FROM posts WHERE status = 'draft' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
  );
  await reader.query("SELECT set_config('app.account_id', $1, false)", [account]);
  const own = await counts(reader);
  const concerning = await one('SELECT count(*)::int FROM purchases WHERE $1 IN (seller_id, buyer_id)', [account]);
  expect(concerning).toBeGreaterThan(0);
  expect(own).toEqual({
    purchases: concerning,
    drafts: await one("SELECT count(*)::int FROM posts WHERE status = 'draft' AND seller_id = $1", [account]),
    events: concerning,
    published: all.published,
  });

  await reader.query("SELECT set_config('app.account_id', 'nobody', false)");
  await expect(counts(reader)).rejects.toMatchObject({ code: '22P02' });
});

test.each(exampleQueries)('the example "$name" gives a reader rows in a read-only transaction', async ({ sql }) => {
  expect(sql.split('\n').length).toBeLessThanOrEqual(3);
  const reader = await sample.connect('reader');
  await reader.query('BEGIN READ ONLY');
  const { rows } = await reader.query(sql);
  await reader.query('ROLLBACK');
  expect(rows.length).toBeGreaterThan(4);
});
