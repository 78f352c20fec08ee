/** What comes first, second and not at all. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFinder, type Finder } from './finder.ts';

let finder: Finder;
let shopId: string;

beforeAll(async () => {
  finder = createFinder();
  shopId = await finder.put('webshop', {
    schemas: [
      {
        name: ['shop', 'Everything that is sold'],
        tables: [
          {
            name: ['orders', 'What a customer has bought'],
            columns: ['id', ['customer_id', 'The buyer'], 'created_at', 'état'],
            indexes: ['orders_pkey', 'orders_customer_id_idx'],
            foreignKeys: ['orders_customer_id_fkey'],
            triggers: ['stamp_orders'],
            policies: ['own_orders'],
          },
          { name: 'order_items', columns: ['id', 'orderId', 'HTTPServer2'] },
          { name: 'customers', columns: ['id', 'email', ['status', 'One of the order statuses']] },
          'archived_orders',
        ],
        enums: ['order_status', 'mood'],
        sequences: ['tickets'],
        functions: ['order_total(integer)', 'order_total(text)', 'httpserver()'],
      },
      { name: 'audit', tables: [{ name: 'orders', columns: ['id', 'tenant_id'] }, 'shop_orders_id'] },
    ],
    extensions: [['pg_trgm', 'text similarity']],
    roles: ['reporter'],
  });
  await finder.put('billing', {
    schemas: [{ name: 'public', tables: [{ name: 'invoices', columns: ['id', 'order_id'] }] }],
  });
});
afterAll(() => finder[Symbol.asyncDispose]());

describe('a text finds first', () => {
  test.each<[string, string[]]>([
    ['orders', ['TABLE webshop.audit.orders', 'TABLE webshop.shop.orders']],
    ['ORDERS', ['TABLE webshop.audit.orders', 'TABLE webshop.shop.orders']],
    ['webshop', ['DATABASE webshop']],
    ['shop', ['SCHEMA webshop.shop', 'TABLE webshop.audit.shop_orders_id']],
    ['order id', ['COLUMN billing.public.invoices.order_id', 'COLUMN webshop.shop.order_items.orderId']],
    ['order_id', ['COLUMN billing.public.invoices.order_id', 'COLUMN webshop.shop.order_items.orderId']],
    ['orderid', ['COLUMN billing.public.invoices.order_id', 'COLUMN webshop.shop.order_items.orderId']],
    ['orderId', ['COLUMN billing.public.invoices.order_id', 'COLUMN webshop.shop.order_items.orderId']],
    ['id order', ['COLUMN billing.public.invoices.order_id']],
    ['items order', ['TABLE webshop.shop.order_items']],
    ['shop.orders.id', ['COLUMN webshop.shop.orders.id']],
    ['audit.orders', ['TABLE webshop.audit.orders']],
    ['shop.orders', ['TABLE webshop.shop.orders']],
    ['webshop.shop.orders.customer_id', ['COLUMN webshop.shop.orders.customer_id']],
    ['audit id', ['COLUMN webshop.audit.orders.id']],
    ['order_status', ['ENUM webshop.shop.order_status']],
    ['order-status', ['ENUM webshop.shop.order_status']],
    ['order_total', ['FUNCTION webshop.shop.order_total', 'FUNCTION webshop.shop.order_total']],
    ['customer email', ['COLUMN webshop.shop.customers.email']],
    ['etat', ['COLUMN webshop.shop.orders.état']],
    ['ÉTAT', ['COLUMN webshop.shop.orders.état']],
    ['http server', ['FUNCTION webshop.shop.httpserver', 'COLUMN webshop.shop.order_items.HTTPServer2']],
    ['HTTPServer2', ['COLUMN webshop.shop.order_items.HTTPServer2']],
    ['server', ['COLUMN webshop.shop.order_items.HTTPServer2']],
    ['custmers', ['TABLE webshop.shop.customers']],
    ['cusotmers', ['TABLE webshop.shop.customers']],
    ['invocies', ['TABLE billing.public.invoices']],
    ['tikcet', ['SEQUENCE webshop.shop.tickets']],
    ['bought', ['TABLE webshop.shop.orders']],
    ['sold everything', ['SCHEMA webshop.shop']],
    ['buyer', ['COLUMN webshop.shop.orders.customer_id']],
    ['pg_trgm', ['EXTENSION webshop.pg_trgm']],
    ['similarity', ['EXTENSION webshop.pg_trgm']],
    ['reporter', ['ROLE webshop.reporter']],
    ['stamp', ['TRIGGER webshop.shop.orders.stamp_orders']],
    ['own orders', ['POLICY webshop.shop.orders.own_orders']],
    ['orders_pkey', ['INDEX webshop.shop.orders.orders_pkey']],
    ['orders_customer_id_fkey', ['FOREIGN_KEY webshop.shop.orders.orders_customer_id_fkey']],
    ['moo', ['ENUM webshop.shop.mood']],
  ])('%s: %j', async (text, first) => {
    expect((await finder.find(text)).slice(0, first.length)).toEqual(first);
  });

  test('the name, then what begins so, then what has the word, then typing errors, then comments', async () => {
    const { edges } = await finder.search({ text: 'order', first: 500 });
    const paths = edges.map(({ node }) => node.path);
    const at = (path: string) => paths.indexOf(path);
    expect(at('webshop.shop.orders')).toBeLessThan(at('webshop.shop.archived_orders'));
    expect(at('webshop.shop.archived_orders')).toBeLessThan(at('webshop.shop.customers.status'));
    expect(at('webshop.shop.customers.status')).toBe(paths.length - 1);
    const scores = edges.map(({ node }) => node.score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    expect(Math.min(...scores)).toBeGreaterThan(0);
    expect(Math.max(...scores)).toBeLessThan(1);
  });
});

describe('a text does not find', () => {
  test.each([
    ['nothing that is alike', 'zebra'],
    ['a typing error in three letters', 'mdo'],
    ['two typing errors in seven letters', 'tikcest'],
    ['what has one word and lacks the other', 'orders zebra'],
    ['a middle of a word', 'ustomer'.slice(2)],
    ['what only its path answers', 'everything nowhere'],
    ['NOT NULL constraints', 'orders_id_not_null'],
    ['wild cards', '%%%%'],
  ])('%s', async (_what, text) => {
    const { edges, total, pageInfo } = await finder.search(text);
    expect({ edges, total, pageInfo }).toEqual({
      edges: [],
      total: 0,
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    });
  });
});

describe('a search can be narrowed', () => {
  test('to kinds', async () => {
    expect(await finder.find({ text: 'order', kinds: ['ENUM'] })).toEqual(['ENUM webshop.shop.order_status']);
    expect(await finder.find({ text: 'id', kinds: ['TABLE'] })).toEqual(['TABLE webshop.audit.shop_orders_id']);
    expect(await finder.find({ text: 'order', kinds: [] })).toEqual([]);
  });

  test('to databases', async () => {
    const found = await finder.find({ text: 'id', databaseIds: [shopId, shopId] });
    expect(found.length).toBeGreaterThan(0);
    expect(found.every((hit) => hit.includes(' webshop.'))).toBe(true);
    expect(await finder.find({ text: 'id', databaseIds: [] })).toEqual([]);
  });
});

test('a hit tells its comment, its names and the arguments of a function', async () => {
  const { edges } = await finder.search('order_total');
  expect(edges.map(({ node }) => node.identity)).toEqual(['integer', 'text', ...edges.slice(2).map(() => null)]);
  const [table] = (await finder.search('shop.orders')).edges;
  expect(table?.node).toMatchObject({
    name: 'orders',
    comment: 'What a customer has bought',
    names: ['shop', 'orders'],
  });
});
