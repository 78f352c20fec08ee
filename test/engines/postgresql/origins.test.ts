/** Which columns a view's columns are made of, on a new server and on an old one: the query is kept in another form on each. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Catalog } from '../../../src/engines/catalog.ts';
import { parseNodeTree } from '../../../src/engines/postgresql/node-tree.ts';
import { viewOrigins } from '../../../src/engines/postgresql/view-origins.ts';
import { catalogOf } from '../../catalog/target.ts';
import { fromSnapshot } from '../../catalog/ways.ts';
import { createTestDatabase, type TestDatabase, type TestServer } from '../../support/databases.ts';
import { hasPostgres15, startPostgres15 } from '../../support/postgres-15.ts';

const options = { signal: new AbortController().signal };

const tables = `
  create schema s;
  create table s.customers (id integer primary key, name text, born date, region integer, tags text[], document jsonb);
  create table s.orders (id integer primary key, customer integer, total numeric, day date, parent integer);
  alter table s.orders drop column day; alter table s.orders add column late date;
  create table s.":resno ""q"" {(x" (":resorigtbl" integer, "a b" text, "<>" text, "back\\slash" text);
  create function s.listed(integer) returns table (n integer, label text) language sql as 'select 1, ''a''';`;

/** A view's query, and of each column what it is made of. */
const views: Record<string, [query: string, origins: Record<string, string[]>]> = {
  plain: ['select id, name as called from s.customers', { id: ['customers.id'], called: ['customers.name'] }],
  constant: [`select 1 as one, now() as at`, { one: [], at: [] }],
  expressions: [
    `select name || ' ' || coalesce(born::text, '?') as label, (region + 1) * 2 as next, tags[1] as tag, document -> 'a' as part from s.customers`,
    {
      label: ['customers.born', 'customers.name'],
      next: ['customers.region'],
      tag: ['customers.tags'],
      part: ['customers.document'],
    },
  ],
  'a case': [
    `select case when region > 1 then name else 'none' end as which from s.customers`,
    { which: ['customers.name', 'customers.region'] },
  ],
  joined: [
    `select c.name, o.total, o.late from s.customers c left join s.orders o on o.customer = c.id where c.region > 1`,
    { name: ['customers.name'], total: ['orders.total'], late: ['orders.late'] },
  ],
  'joined using': [
    `select id, name, total from s.customers full join s.orders using (id)`,
    { id: ['customers.id', 'orders.id'], name: ['customers.name'], total: ['orders.total'] },
  ],
  'joined to itself': [
    `select o.id, p.total as above from s.orders o join s.orders p on p.id = o.parent`,
    { id: ['orders.id'], above: ['orders.total'] },
  ],
  subquery: [
    `select x.n, x.most from (select name as n, (select max(total) from s.orders o where o.customer = c.id) as most from s.customers c) x`,
    { n: ['customers.name'], most: ['orders.total'] },
  ],
  lateral: [
    `select c.name, l.doubled from s.customers c cross join lateral (select o.total * c.region as doubled from s.orders o) l`,
    { name: ['customers.name'], doubled: ['customers.region', 'orders.total'] },
  ],
  with: [
    `with a as (select id, total as t from s.orders), b as (select id as i, t + 1 as u from a) select i, u from b`,
    { i: ['orders.id'], u: ['orders.total'] },
  ],
  'with inside': [
    `with a as (select name from s.customers) select (select max(z.name) from (select name from a) z) as inner_name`,
    { inner_name: ['customers.name'] },
  ],
  recursive: [
    `with recursive up (id, parent, depth) as (select id, parent, 0 from s.orders union all select o.id, o.parent, depth + 1 from s.orders o join up on up.parent = o.id) select id, parent, depth from up`,
    { id: ['orders.id'], parent: ['orders.parent'], depth: [] },
  ],
  united: [
    `select id, name from s.customers union select id, late::text from s.orders except (select 1, 'a' union all select region, name from s.customers)`,
    { id: ['customers.id', 'customers.region', 'orders.id'], name: ['customers.name', 'orders.late'] },
  ],
  grouped: [
    `select region, count(*) as n, sum(total) filter (where late is null) as sum, max(name) over (partition by region) as top from s.customers c join s.orders o on o.customer = c.id group by region, name`,
    {
      region: ['customers.region'],
      n: [],
      sum: ['orders.late', 'orders.total'],
      top: ['customers.name'],
    },
  ],
  'by an expression': [
    `select upper(name) as u, count(*) as n from s.customers group by upper(name)`,
    { u: ['customers.name'], n: [] },
  ],
  functions: [
    `select u.tag, f.label, g.n from s.customers c, unnest(c.tags) u (tag), s.listed(c.region) f, s.listed(1) g`,
    { tag: ['customers.tags'], label: ['customers.region'], n: [] },
  ],
  values: [
    `select v.a, v.b from s.customers c cross join lateral (values (c.id, 1), (2, c.region)) v (a, b)`,
    { a: ['customers.id'], b: ['customers.region'] },
  ],
  'a whole row': [
    `select o as whole, (select count(*) from s.customers) as n from s.orders o`,
    { whole: ['orders.customer', 'orders.id', 'orders.late', 'orders.parent', 'orders.total'], n: [] },
  ],
  'what exists': [
    `select exists (select total from s.orders) as some, name in (select late::text from s.orders) as one_of from s.customers`,
    { some: [], one_of: ['customers.name', 'orders.late'] },
  ],
  'on views': [`select called, id + 1 as next from s.plain`, { called: ['plain.called'], next: ['plain.id'] }],
  'of the system': [`select relname as name from pg_catalog.pg_class`, { name: ['pg_class.relname'] }],
  'hard names': [
    `select ":resorigtbl" as ":resname", "a b" as "} :expr {", "<>" as "(", "back\\slash" as ")" from s.":resno ""q"" {(x" as ":alias"`,
    {
      ':resname': [':resno "q" {(x.:resorigtbl'],
      '} :expr {': [':resno "q" {(x.a b'],
      '(': [':resno "q" {(x.<>'],
      ')': [':resno "q" {(x.back\\slash'],
    },
  ],
};

const sql = [
  tables,
  ...Object.entries(views).map(([name, [query]]) => `create view s."${name}" as ${query}`),
  `create materialized view s.kept as select name as n from s.customers with no data`,
].join(';\n');

async function originsOf(catalog: Catalog, name: string): Promise<Record<string, string[]>> {
  const view = { schema: 's', name };
  const [[columns = []], [origins = []]] = await Promise.all([
    catalog.columns([view], options),
    catalog.origins([view], options),
  ]);
  return Object.fromEntries(
    columns.map((column) => [
      column.name,
      origins
        .filter((origin) => origin.name === column.name)
        .map(({ table, column: from }) => `${table.name}.${from}`)
        .sort(),
    ]),
  );
}

const servers: [name: string, start: () => Promise<(TestServer & AsyncDisposable) | null>][] = [
  ['18', async () => null],
  ...(hasPostgres15 ? [['15', startPostgres15] as [string, typeof startPostgres15]] : []),
];

describe.each(servers)('on PostgreSQL %s', (_version, start) => {
  let server: (TestServer & AsyncDisposable) | null = null;
  let database: TestDatabase;
  let live: Catalog;
  let kept: Catalog;

  beforeAll(async () => {
    server = await start();
    database = await createTestDatabase(sql, server ?? undefined);
    live = catalogOf(database.client).catalog;
    kept = await fromSnapshot(live, options);
  });
  afterAll(async () => {
    await database?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  test.each(Object.entries(views))('%s', async (name, [, origins]) => {
    expect(await originsOf(live, name)).toEqual(origins);
    expect(await originsOf(kept, name)).toEqual(origins);
  });

  test('a materialized view has them, a table and what is not there have none', async () => {
    expect(await originsOf(live, 'kept')).toEqual({ n: ['customers.name'] });
    const names = [
      { schema: 's', name: 'customers' },
      { schema: 's', name: 'nowhere' },
    ];
    expect(await live.origins(names, options)).toEqual([[], []]);
    expect(await kept.origins(names, options)).toEqual([[], []]);
  });
});

describe('a query as it is kept', () => {
  test.each(['', '{', '({QUERY :rtable', '{QUERY rtable}', '(]'])('that is none is refused: %j', (text) => {
    expect(() => viewOrigins(text)).toThrow();
  });

  test('is read with whatever is escaped in it', () => {
    expect(parseNodeTree('{A :resname :b :list ("x\\ y" \\<>) :none <> :value 4 [ 5 0 ]}')).toEqual({
      type: 'A',
      fields: new Map<string, unknown>([
        ['resname', ':b'],
        ['list', ['"x y"', '<>']],
        ['none', null],
        ['value', ['4', '[', '5', '0', ']']],
      ]),
    });
  });
});
