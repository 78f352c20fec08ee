/** The catalogue of a PostgreSQL database that has every kind of object under every kind of name. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Catalog, PageRequest, QualifiedName, Relation, RelationFilter } from '../../../src/engines/catalog.ts';
import { catalogOf, fixture } from '../../catalog/target.ts';
import { fromSnapshot, ways } from '../../catalog/ways.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';

const odd = { schema: 'Odd "schema".x', name: 'ta.ble "q" ü\n😀' };
const customers = { schema: 'shop', name: 'customers' };
const orders = { schema: 'shop', name: 'orders' };
const absent = { schema: 'shop', name: 'no such table' };
const options = { signal: new AbortController().signal };

describe.each(ways)('%s', (way) => {
  let database: TestDatabase;
  let catalog: Catalog;
  let statements: string[];

  beforeAll(async () => {
    database = await createTestDatabase(fixture);
    const { client } = database;
    // Fails on the duplicates, and leaves the index behind.
    await expect(
      client.query('create unique index concurrently "half made" on shop.customers (region)'),
    ).rejects.toThrow();
    await client.query('analyze');
    await client.query(`set search_path = ''`);
    ({ catalog, statements } = catalogOf(client));
    if (way === 'snapshot') catalog = await fromSnapshot(catalog, options);
  });
  afterAll(async () => database[Symbol.asyncDispose]());

  /** One object's part of a read, and that the read was one statement, or none where a snapshot has it. */
  async function only<T>(read: () => Promise<T[]>): Promise<T> {
    const before = statements.length;
    const [first] = await read();
    expect(statements.length - before).toBeLessThanOrEqual(1);
    if (way === 'live') expect(statements.length - before).toBe(1);
    return first!;
  }

  describe('the server', () => {
    test('tells its version, size, default schema and databases', async () => {
      expect(await catalog.serverVersion(options)).toMatch(/^18\./);
      expect(await catalog.databaseSizeBytes(options)).toBeGreaterThan(1_000_000);
      expect(await catalog.defaultSchema(options)).toBe('public');
      expect(await catalog.serverDatabases('SERVER', options)).toEqual(
        expect.arrayContaining(['postgres', database.database]),
      );
      expect(await catalog.serverDatabases('OWN', options)).toEqual([database.database]);
    });

    test('lists extensions with their comments', async () => {
      expect(await catalog.extensions(options)).toContainEqual({
        name: 'file_fdw',
        version: '1.0',
        schema: 'public',
        comment: 'foreign-data wrapper for flat file access',
      });
    });

    test('a search path that leads nowhere is no default schema', async () => {
      const client = new pg.Client({ ...connection(), options: '-c search_path=nowhere' });
      await client.connect();
      expect(await catalogOf(client).catalog.defaultSchema(options)).toBeNull();
      await client.end();
    });
  });

  const connection = () => {
    const { host, port, user, password, database: name } = database;
    return { host, port, user, password, database: name };
  };

  describe('roles', () => {
    const [member, group] = [`member_${randomBytes(4).toString('hex')}`, `group "${randomBytes(4).toString('hex')}`];
    const quoted = (name: string) => pg.escapeIdentifier(name);
    let client: pg.Client;

    beforeAll(async () => {
      await database.client.query(
        `create role ${quoted(group)} createrole;
      create role ${quoted(member)} login createdb password 'x' in role ${quoted(group)}, pg_read_all_settings;
      grant ${quoted(group)} to ${quoted(member)} with admin true, inherit false;
      create table shop.theirs (a integer); alter table shop.theirs owner to ${quoted(member)};
      create policy two on shop.theirs to ${quoted(group)}, ${quoted(member)}`,
      );
      client = new pg.Client({ ...connection(), user: member, password: 'x' });
      await client.connect();
    });
    afterAll(async () => {
      await client.end();
      await database.client.query(`drop table shop.theirs; drop role ${quoted(member)}; drop role ${quoted(group)}`);
    });

    test('are listed with their attributes and memberships, without the server’s own', async () => {
      const roles = await catalog.roles('SERVER', options);
      const usual = {
        superuser: false,
        inherit: true,
        replication: false,
        bypassRowSecurity: false,
        connectionLimit: null,
      };
      expect(roles.filter(({ name }) => name === member || name === group)).toEqual([
        {
          ...usual,
          name: group,
          canLogin: false,
          createDatabase: false,
          createRole: true,
          memberOf: [],
          memberships: [],
        },
        {
          ...usual,
          name: member,
          canLogin: true,
          createDatabase: true,
          createRole: false,
          memberOf: [group, 'pg_read_all_settings'],
          memberships: [
            { role: group, grantor: connection().user, admin: true, inherit: false, set: true },
            { role: 'pg_read_all_settings', grantor: connection().user, admin: false, inherit: true, set: true },
          ],
        },
      ]);
      expect(roles.some(({ name }) => name.startsWith('pg_'))).toBe(false);
    });

    test('on a shared server only those of the credentials are listed', async () => {
      const roles = await catalogOf(client).catalog.roles('OWN', options);
      expect(roles.map(({ name, memberships }) => [name, memberships])).toEqual([
        [group, null],
        [member, null],
      ]);
    });

    test('name whom a policy is for', async () => {
      const [policy] = await only(() => catalog.policies([{ schema: 'shop', name: 'theirs' }], options));
      expect(policy).toMatchObject({ name: 'two', roles: [group, member] });
    });

    test('without rights see what PostgreSQL shows everybody, and neither statistics nor values', async () => {
      const { catalog: theirs } = catalogOf(client);
      expect(await theirs.columns([customers], options)).toEqual(await catalog.columns([customers], options));
      expect(await theirs.statistics([customers], options)).toEqual([new Map()]);
      const [sequences] = await theirs.sequences(['shop'], options);
      expect(sequences!.find(({ name }) => name === 'tickets')).toMatchObject({ start: '5' });
      expect(await theirs.lastValues([{ schema: 'shop', name: 'tickets' }], options)).toEqual([null]);
    });
  });

  describe('schemas', () => {
    test('come without the system’s own unless asked', async () => {
      const own = await catalog.schemas({ includeSystem: false }, options);
      expect(own.map(({ name }) => name)).toEqual([odd.schema, 'empty_schema', 'public', 'shop']);
      expect(own[3]).toEqual({ name: 'shop', owner: 'postgres', comment: 'Everything that is sold' });
      const all = await catalog.schemas({ includeSystem: true }, options);
      expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(['information_schema', 'pg_catalog', 'shop']));
    });

    test('are found by name, in the order asked', async () => {
      const found = await catalog.schemasByName(
        ['shop', 'nowhere', 'shop\0', '', odd.schema, 'pg_catalog', 'shop'],
        options,
      );
      expect(found.map((schema) => schema?.name ?? null)).toEqual([
        'shop',
        null,
        null,
        null,
        odd.schema,
        'pg_catalog',
        'shop',
      ]);
    });
  });

  describe('relations', () => {
    const everything = async (page: PageRequest<QualifiedName> = {}) =>
      only(() => catalog.relationPages({ database: true }, {}, page, options));
    const names = (relations: readonly QualifiedName[]) => relations.map(({ schema, name }) => `${schema}/${name}`);

    test('are every table and view of the database, in the order of their names', async () => {
      const all = await everything();
      expect(all.map(({ schema, name, kind }) => [schema, name, kind])).toEqual([
        [odd.schema, '__proto__', 'TABLE'],
        [odd.schema, odd.name, 'TABLE'],
        ['public', 'plain', 'TABLE'],
        ['public', 'plain_values', 'TABLE'],
        ['shop', 'bookings', 'TABLE'],
        ['shop', 'capitals', 'TABLE'],
        ['shop', 'categories', 'TABLE'],
        ['shop', 'customer_names', 'VIEW'],
        ['shop', 'customers', 'TABLE'],
        ['shop', 'first_names', 'VIEW'],
        ['shop', 'lines', 'FOREIGN_TABLE'],
        ['shop', 'order_items', 'TABLE'],
        ['shop', 'orders', 'PARTITIONED_TABLE'],
        ['shop', 'orders_2025', 'TABLE'],
        ['shop', 'orders_2026', 'PARTITIONED_TABLE'],
        ['shop', 'orders_2026_few', 'TABLE'],
        ['shop', 'places', 'TABLE'],
        ['shop', 'totals', 'MATERIALIZED_VIEW'],
      ]);
    });

    test.each([
      [1, {}],
      [2, {}],
      [5, {}],
      [17, {}],
      [18, {}],
      [100, {}],
      [2, { search: 'o' }],
      [1, { kinds: ['VIEW', 'FOREIGN_TABLE'] }],
      [3, { search: 'ORDERS', kinds: ['TABLE'] }],
    ] as [number, RelationFilter][])(
      'are the same in pages of %i, forwards and backwards, with %o',
      async (limit, filter) => {
        const read = (page: PageRequest<QualifiedName>) =>
          only(() => catalog.relationPages({ database: true }, filter, page, options));
        const all = names(await read({}));
        expect(all).not.toEqual([]);
        for (const backward of [false, true]) {
          const seen: Relation[] = [];
          for (;;) {
            const from = backward ? { before: seen[0] } : { after: seen.at(-1) };
            const page = await read({ limit, backward, ...from });
            seen.splice(backward ? 0 : seen.length, 0, ...page);
            if (page.length < limit) break;
          }
          expect(names(seen)).toEqual(all);
        }
      },
    );

    test('between two names are what lies between them', async () => {
      const all = await everything();
      expect(await everything({ limit: 100, after: all[2], before: all[9] })).toEqual(all.slice(3, 9));
      expect(await everything({ limit: 3, backward: true, after: all[2], before: all[9] })).toEqual(all.slice(6, 9));
    });

    test('behind a name that is gone, or that no name can be, go on where it would stand', async () => {
      const behind = (schema: string, name: string) => everything({ limit: 1, after: { schema, name } });
      expect(names(await behind('shop', 'ordest'))).toEqual(['shop/places']);
      expect(names(await behind('r', 'zzz'))).toEqual(['shop/bookings']);
      expect(names(await behind('shop', 'x'.repeat(200)))).toEqual([]);
      expect(names(await behind('shop', ''))).toEqual(['shop/bookings']);
    });

    test('carry owner and comment', async () => {
      const [table, partitioned, view, nothing] = await catalog.relationsByName(
        [customers, orders, { schema: 'shop', name: 'customer_names' }, absent],
        options,
      );
      expect(table).toEqual({ ...customers, kind: 'TABLE', owner: 'postgres', comment: 'Who buys' });
      expect(partitioned).toMatchObject({ kind: 'PARTITIONED_TABLE', comment: null });
      expect(view).toMatchObject({ kind: 'VIEW', comment: 'Names alone' });
      expect(nothing).toBeNull();
    });

    test('have the planner’s rows, partitioned ones those of their partitions', async () => {
      expect(
        await catalog.estimatedRows([customers, orders, { schema: 'shop', name: 'customer_names' }, absent], options),
      ).toEqual([10, 12, null, null]);
    });

    test('that were never analysed have no estimate', async () => {
      await database.client.query('create table public.fresh (a integer)');
      const [fresh] = await catalog.estimatedRows([{ schema: 'public', name: 'fresh' }], options);
      await database.client.query('drop table public.fresh');
      expect(fresh).toBeNull();
    });

    test('are told from indexes, sequences and names that only look alike', async () => {
      const found = await catalog.relationsByName(
        [
          { schema: 'shop', name: 'customers_pkey' },
          { schema: 'shop', name: 'tickets' },
          { schema: 'Shop', name: 'customers' },
          { schema: 'shop', name: 'customers ' },
          { schema: 'shop', name: 'customers\0' },
          { schema: 'shop', name: `customers'; drop table shop.places; --` },
          odd,
          { schema: 'pg_catalog', name: 'pg_class' },
        ],
        options,
      );
      expect(found.map((relation) => relation?.name ?? null)).toEqual([
        null,
        null,
        null,
        null,
        null,
        null,
        odd.name,
        'pg_class',
      ]);
    });

    test('of several schemas are one page a schema, in one statement', async () => {
      const before = statements.length;
      const pages = await catalog.relationPages(
        { schemas: ['public', 'nowhere', 'shop', 'empty_schema'] },
        { kinds: ['TABLE', 'VIEW'] },
        { limit: 3 },
        options,
      );
      expect(statements.length - before).toBe(1);
      expect(pages.map(names)).toEqual([
        ['public/plain', 'public/plain_values'],
        [],
        ['shop/bookings', 'shop/capitals', 'shop/categories'],
        [],
      ]);
    });

    test('are searched by a part of the name in whatever case, letter by letter', async () => {
      const search = async (text: string) =>
        names(await only(() => catalog.relationPages({ database: true }, { search: text }, { limit: 50 }, options)));
      expect(await search('ERS_2026')).toEqual(['shop/orders_2026', 'shop/orders_2026_few']);
      expect(await search('%')).toEqual([]);
      expect(await search('_')).not.toEqual([]);
      expect(await search('"q"')).toEqual([`${odd.schema}/${odd.name}`]);
      expect(await search('\0')).toEqual([]);
      expect(await search('')).toHaveLength(18);
    });

    test('are counted for each group under the same filter', async () => {
      expect(await only(() => catalog.relationCounts({ database: true }, {}, options))).toBe(18);
      expect(
        await catalog.relationCounts({ schemas: ['shop', 'nowhere', 'public'] }, { search: 'PLA' }, options),
      ).toEqual([1, 0, 2]);
      expect(await catalog.relationCounts({ partitionsOf: [orders, customers, absent] }, {}, options)).toEqual([
        2, 0, 0,
      ]);
      expect(await only(() => catalog.relationCounts({ database: true }, { kinds: [] }, options))).toBe(0);
    });

    test('have their partitions one level down', async () => {
      const pages = await catalog.relationPages(
        { partitionsOf: [orders, { schema: 'shop', name: 'orders_2026' }, { schema: 'shop', name: 'places' }] },
        {},
        { limit: 5 },
        options,
      );
      expect(pages.map(names)).toEqual([['shop/orders_2025', 'shop/orders_2026'], ['shop/orders_2026_few'], []]);
    });

    test('take room on disk, partitioned ones that of their partitions, views none', async () => {
      const [table, partitioned, leaf, middle, view, nothing] = await catalog.sizesBytes(
        [
          customers,
          orders,
          { schema: 'shop', name: 'orders_2025' },
          { schema: 'shop', name: 'orders_2026' },
          { schema: 'shop', name: 'first_names' },
          absent,
        ],
        options,
      );
      expect(partitioned).toBe(leaf! + middle!);
      expect([view, nothing]).toEqual([null, null]);
      const [ofTable, ofPartitioned, ofView] = await catalog.indexSizesBytes(
        [customers, orders, { schema: 'shop', name: 'first_names' }],
        options,
      );
      expect(table).toBeGreaterThan(ofTable!.get('customers_pkey')!);
      expect(ofTable!.get('customers_pkey')).toBeGreaterThan(0);
      expect(ofPartitioned!.get('orders_pkey')).toBeGreaterThan(ofTable!.get('customers_pkey')! - 1);
      expect(ofView).toEqual(new Map());
    });

    test('that are views have the query behind them', async () => {
      const definitions = await catalog.definitions(
        [{ schema: 'shop', name: 'first_names' }, { schema: 'shop', name: 'totals' }, customers, absent],
        options,
      );
      expect(definitions).toEqual([
        expect.stringContaining('FROM shop.customer_names'),
        expect.stringContaining('GROUP BY region'),
        null,
        null,
      ]);
    });
  });

  describe('columns', () => {
    const column = async (relation: QualifiedName, name: string) =>
      (await only(() => catalog.columns([relation], options))).find((one) => one.name === name);
    const ordinary = {
      nullable: true,
      default: null,
      generated: null,
      identity: null,
      comment: null,
      primaryKeyPosition: null,
      unique: false,
      indexed: false,
      enumValues: null,
      collation: null,
    };

    test('come in order, without those that were dropped', async () => {
      const [ofCustomers, ofNothing, ofPlain, ofIndex] = await catalog.columns(
        [customers, absent, { schema: 'public', name: 'plain' }, { schema: 'shop', name: 'customers_pkey' }],
        options,
      );
      expect(ofCustomers!.map(({ name, position }) => [position, name])).toEqual([
        [1, 'region'],
        [2, 'id'],
        [3, 'email'],
        [4, 'mood'],
        [5, 'happy'],
        [6, 'moods'],
        [7, 'name'],
        [8, 'score'],
        [9, 'twice'],
        [10, 'born'],
        [11, 'sku'],
        [13, 'late'],
      ]);
      expect([ofNothing, ofPlain, ofIndex]).toEqual([[], [], []]);
    });

    test('tell type, default, comment and what they are part of', async () => {
      expect(await column(customers, 'email')).toEqual({
        ...ordinary,
        name: 'email',
        position: 3,
        dataType: 'character varying(50)',
        nullable: false,
        default: `'none@example.org'::character varying`,
        comment: 'Where to write to; "quoted"',
        unique: true,
        indexed: true,
      });
      expect(await column(customers, 'late')).toEqual({ ...ordinary, name: 'late', position: 13, dataType: 'integer' });
    });

    test('are in the primary key by its order, and not each unique in one of several', async () => {
      expect(await column(customers, 'id')).toMatchObject({
        primaryKeyPosition: 1,
        unique: false,
        indexed: true,
        identity: 'ALWAYS',
      });
      expect(await column(customers, 'region')).toMatchObject({ primaryKeyPosition: 2, unique: false });
      expect(await column({ schema: 'shop', name: 'categories' }, 'id')).toMatchObject({
        primaryKeyPosition: 1,
        unique: true,
        identity: 'BY DEFAULT',
        default: null,
      });
    });

    test('are not unique by an index on part of the rows, nor by one that was never finished', async () => {
      expect(await column(customers, 'name')).toMatchObject({ unique: false, indexed: true });
      expect(await column(customers, 'region')).toMatchObject({ unique: false });
    });

    test('that are generated have an expression in place of a default', async () => {
      expect(await column(customers, 'twice')).toMatchObject({ generated: '(score * (2)::numeric)', default: null });
    });

    test('that are generated when read have theirs too', async () => {
      await database.client.query(
        'create table public.virtual (a integer, b integer generated always as (a + 1) virtual)',
      );
      expect(await column({ schema: 'public', name: 'virtual' }, 'b')).toMatchObject({
        generated: '(a + 1)',
        default: null,
      });
      await database.client.query('drop table public.virtual');
    });

    test('of an enum, and of a domain over one, list its values in order', async () => {
      const enumValues = ['sad', `it's ok`, 'glücklich 😀'];
      expect(await column(customers, 'mood')).toMatchObject({ dataType: 'shop.mood', enumValues });
      expect(await column(customers, 'happy')).toMatchObject({ dataType: 'shop.happy_mood', enumValues });
      expect(await column(customers, 'moods')).toMatchObject({ dataType: 'shop.mood[]', enumValues: null });
      expect(await column(customers, 'sku')).toMatchObject({ dataType: 'shop.sku', enumValues: null, nullable: false });
    });

    test('tell a collation only where it is not the type’s', async () => {
      expect(await column(customers, 'name')).toMatchObject({ collation: 'C' });
      expect(await column(customers, 'email')).toMatchObject({ collation: null });
    });

    test('keep names that mean something to JavaScript or to SQL', async () => {
      const columns = await only(() => catalog.columns([odd], options));
      expect(columns.map(({ name }) => name)).toEqual([
        '__proto__',
        'constructor',
        'co"l, um.n',
        'customer id',
        'customer region',
      ]);
      expect(columns[0]).toMatchObject({ comment: 'a name that JavaScript knows', primaryKeyPosition: 1 });
    });
  });

  describe('statistics', () => {
    const values = { schema: 'public', name: 'plain_values' };

    test('keep every value exact', async () => {
      const statistics = await only(() => catalog.statistics([values], options));
      const common = (name: string) => statistics.get(name)?.mostCommonValues;
      expect(common('flag')).toEqual([false, true]);
      expect(common('small')).toEqual([7]);
      expect(common('big')).toEqual(['9007199254740993']);
      expect(common('ratio')).toEqual(['NaN']);
      expect(common('at')).toEqual(['2026-01-02 03:04:05.123456']);
      expect(common('label')).toEqual(['{"a,b"}\\n']);
      expect(common('parts')).toEqual([[1, null]]);
      expect(common('raw')).toEqual([Buffer.from('ab').toString('base64')]);
      expect(statistics.get('id')).toEqual({
        nullFraction: 0,
        distinctValues: -1,
        averageWidthBytes: 4,
        mostCommonValues: [],
      });
    });

    test('are of each table asked, and of none that was never analysed', async () => {
      const [ofOrders, ofNothing, ofOdd] = await catalog.statistics([orders, absent, odd], options);
      expect(ofOrders!.get('customer_id')).toMatchObject({ mostCommonValues: ['1'] });
      expect([ofNothing, ofOdd]).toEqual([new Map(), new Map()]);
    });
  });

  describe('indexes', () => {
    test('tell key columns and expressions, predicate, method and validity', async () => {
      const indexes = await only(() => catalog.indexes([customers], options));
      expect(
        indexes.map(({ name, columns, unique, primary, valid, method }) => ({
          name,
          columns,
          unique,
          primary,
          valid,
          method,
        })),
      ).toEqual([
        { name: 'customers_email_key', columns: ['email'], unique: true, primary: false, valid: true, method: 'btree' },
        { name: 'customers_hash_idx', columns: ['mood'], unique: false, primary: false, valid: true, method: 'hash' },
        {
          name: 'customers_lower_idx',
          columns: ['lower(name)', 'region'],
          unique: false,
          primary: false,
          valid: true,
          method: 'btree',
        },
        {
          name: 'customers_partial_idx',
          columns: ['name'],
          unique: true,
          primary: false,
          valid: true,
          method: 'btree',
        },
        {
          name: 'customers_pkey',
          columns: ['id', 'region'],
          unique: true,
          primary: true,
          valid: true,
          method: 'btree',
        },
        { name: 'half made', columns: ['region'], unique: true, primary: false, valid: false, method: 'btree' },
      ]);
      expect(indexes[2]).toMatchObject({
        predicate: '(score > (10)::numeric)',
        definition:
          'CREATE INDEX customers_lower_idx ON shop.customers USING btree (lower(name), region DESC) INCLUDE (email) WHERE (score > (10)::numeric)',
      });
      expect(indexes[0]).toMatchObject({ predicate: null });
      const [scans] = await catalog.indexScans([customers], options);
      expect(scans).toEqual(new Map(indexes.map(({ name }) => [name, expect.any(Number)])));
    });

    test('name columns as they are, not as SQL quotes them', async () => {
      const [index] = await only(() => catalog.indexes([odd], options));
      expect(index).toMatchObject({ name: 'i "x"', columns: ['co"l, um.n', 'upper(constructor)'] });
    });
  });

  describe('constraints', () => {
    test('are of every kind, NOT NULL among them', async () => {
      const constraints = await only(() => catalog.constraints([customers], options));
      expect(constraints).toEqual([
        {
          kind: 'UNIQUE',
          name: 'customers_email_key',
          columns: ['email'],
          definition: 'UNIQUE (email)',
          deferrable: false,
          validated: true,
          comment: null,
        },
        ...['email', 'id'].map((column) => ({
          kind: 'NOT_NULL',
          name: `customers_${column}_not_null`,
          columns: [column],
          definition: `NOT NULL ${column}`,
          deferrable: false,
          validated: true,
          comment: null,
        })),
        {
          kind: 'PRIMARY_KEY',
          name: 'customers_pkey',
          columns: ['id', 'region'],
          definition: 'PRIMARY KEY (id, region)',
          deferrable: false,
          validated: true,
          comment: null,
        },
        {
          kind: 'NOT_NULL',
          name: 'customers_region_not_null',
          columns: ['region'],
          definition: 'NOT NULL region',
          deferrable: false,
          validated: true,
          comment: null,
        },
        {
          kind: 'CHECK',
          name: 'customers_score_check',
          columns: ['score'],
          definition: 'CHECK ((score >= (0)::numeric)) NOT VALID',
          deferrable: false,
          validated: false,
          comment: null,
        },
      ]);
      const [exclusion] = await only(() => catalog.constraints([{ schema: 'shop', name: 'bookings' }], options));
      expect(exclusion).toMatchObject({ kind: 'EXCLUSION', columns: ['during'], deferrable: true });
    });

    test('a foreign key to a partitioned table is one, not one a partition', async () => {
      const items = { schema: 'shop', name: 'order_items' };
      expect(await only(() => catalog.constraints([items], options))).toHaveLength(1);
      expect(await only(() => catalog.foreignKeys([items], options))).toHaveLength(1);
    });
  });

  describe('foreign keys', () => {
    const ofOdd = {
      name: 'f "k"',
      table: odd,
      columns: ['customer id', 'customer region'],
      referenced: customers,
      referencedColumns: ['id', 'region'],
      onUpdate: 'RESTRICT',
      onDelete: 'SET_NULL',
    };

    test('pair their columns across schemas', async () => {
      expect(await only(() => catalog.foreignKeys([odd], options))).toEqual([ofOdd]);
    });

    test('are found from the other end, those of a table on itself too, partitions’ copies left out', async () => {
      const [toCustomers, toCategories, toOrders, toNothing] = await catalog.referencedBy(
        [customers, { schema: 'shop', name: 'categories' }, orders, absent],
        options,
      );
      expect(toCustomers).toEqual([
        ofOdd,
        expect.objectContaining({ table: orders, columns: ['customer_id', 'customer_region'] }),
      ]);
      expect(toCategories).toMatchObject([
        { table: { name: 'categories' }, columns: ['parent_id'], onDelete: 'CASCADE' },
      ]);
      expect(toOrders).toMatchObject([{ table: { name: 'order_items' }, referencedColumns: ['id', 'day'] }]);
      expect(toNothing).toEqual([]);
    });

    test('that a partition inherits are its own', async () => {
      expect(
        await only(() => catalog.foreignKeys([{ schema: 'shop', name: 'orders_2026_few' }], options)),
      ).toMatchObject([{ table: { name: 'orders_2026_few' }, referenced: customers }]);
    });
  });

  describe('triggers and policies', () => {
    test('triggers tell when, on what and by which function', async () => {
      const [ofCustomers, ofView, ofPartition] = await catalog.triggers(
        [customers, { schema: 'shop', name: 'customer_names' }, { schema: 'shop', name: 'orders_2025' }],
        options,
      );
      const audit = { schema: 'shop', name: 'audit', identity: '' };
      expect(ofCustomers).toEqual([
        {
          name: 'customers_audit',
          timing: 'BEFORE',
          events: ['INSERT', 'UPDATE'],
          level: 'ROW',
          enabled: true,
          fires: 'ORIGIN',
          definition: expect.stringContaining('CREATE TRIGGER customers_audit BEFORE INSERT OR UPDATE OF email'),
          function: audit,
          comment: null,
        },
        {
          name: 'customers_truncated',
          timing: 'AFTER',
          events: ['TRUNCATE'],
          level: 'STATEMENT',
          enabled: false,
          fires: 'DISABLED',
          definition: expect.any(String),
          function: audit,
          comment: null,
        },
      ]);
      expect(ofView).toMatchObject([{ timing: 'INSTEAD OF', events: ['DELETE'] }]);
      expect(ofPartition).toMatchObject([{ name: 'orders_audit', events: ['INSERT'] }]);
    });

    test('those that keep foreign keys are not shown', async () => {
      expect(await only(() => catalog.triggers([{ schema: 'shop', name: 'categories' }], options))).toEqual([]);
    });

    test('policies tell command, roles and both conditions', async () => {
      expect(await only(() => catalog.policies([customers], options))).toEqual([
        {
          name: 'everyone_reads',
          command: 'SELECT',
          permissive: true,
          roles: ['public'],
          using: '(score > (0)::numeric)',
          check: null,
          comment: null,
        },
        {
          name: 'everything',
          command: 'ALL',
          permissive: true,
          roles: ['public'],
          using: null,
          check: null,
          comment: null,
        },
        {
          name: 'nobody_writes',
          command: 'INSERT',
          permissive: false,
          roles: ['postgres'],
          using: null,
          check: 'false',
          comment: null,
        },
      ]);
    });
  });

  describe('types and sequences', () => {
    const shopMood = {
      schema: 'shop',
      name: 'mood',
      values: ['sad', `it's ok`, 'glücklich 😀'],
      comment: 'How a buyer feels',
    };
    const publicMood = { schema: 'public', name: 'mood', values: ['a', 'b'], comment: null };

    test('enums are those of a database, of schemas, or of names', async () => {
      expect(await only(() => catalog.enums({ database: true }, options))).toEqual([publicMood, shopMood]);
      expect(await catalog.enums({ schemas: ['shop', 'empty_schema', 'nowhere'] }, options)).toEqual([
        [shopMood],
        [],
        [],
      ]);
      const names = [shopMood, { schema: 'shop', name: 'sku' }, publicMood];
      expect(await catalog.enumsByName(names, options)).toEqual([shopMood, null, publicMood]);
    });

    test('sequences are exact, and tell the column that they are for', async () => {
      const [ofShop, ofPublic] = await catalog.sequences(['shop', 'public', 'nowhere'], options);
      const named = (name: string) => ofShop!.find((sequence) => sequence.name === name);
      expect(named('tickets')).toEqual({
        schema: 'shop',
        name: 'tickets',
        dataType: 'smallint',
        start: '5',
        increment: '-2',
        minimum: '-100',
        maximum: '100',
        cache: '1',
        cycle: false,
        owner: 'postgres',
        comment: null,
        ownedBy: null,
      });
      expect(named('customers_id_seq')).toMatchObject({ ownedBy: { table: customers, column: 'id' } });
      expect(ofPublic).toMatchObject([{ name: 'plain_values_id_seq', ownedBy: { column: 'id' } }]);
    });
  });

  test('sequences tell how far they have come', async () => {
    const named = (name: string) => ({ schema: 'shop', name });
    expect(
      await catalog.lastValues(
        [named('tickets'), named('tickets_unused'), named('customers_id_seq'), absent, customers],
        options,
      ),
    ).toEqual(['5', null, '10', null, null]);
  });

  describe('functions', () => {
    const everything = async () => only(() => catalog.routinePages({ schemas: ['shop'] }, {}, {}, options));

    test('are told apart by the types of their arguments', async () => {
      const all = await everything();
      expect(all.map(({ name, identity, kind }) => [name, identity, kind])).toEqual([
        ['add', 'integer, integer', 'FUNCTION'],
        ['add', 'text, text', 'FUNCTION'],
        ['audit', '', 'FUNCTION'],
        ['largest', 'integer', 'AGGREGATE'],
        ['listed', '', 'FUNCTION'],
        ['moods', 'shop.mood, public.mood[], integer[], "char"', 'FUNCTION'],
        ['parts', 'text, text, text[]', 'FUNCTION'],
        ['place', '', 'WINDOW'],
        ['tidy', 'integer', 'PROCEDURE'],
      ]);
      expect(await catalog.routinesByName([all[1]!, { ...all[1]!, identity: 'text' }, all[5]!], options)).toEqual([
        all[1],
        null,
        all[5],
      ]);
    });

    test('keep their identity whatever the search path', async () => {
      const client = new pg.Client({ ...connection(), options: '-c search_path=shop' });
      await client.connect();
      const [elsewhere] = await catalogOf(client).catalog.routinePages({ schemas: ['shop'] }, {}, {}, options);
      await client.end();
      expect(elsewhere!.map(({ identity }) => identity)).toEqual((await everything()).map(({ identity }) => identity));
    });

    test('tell arguments with mode and default, result, language and text', async () => {
      const all = await everything();
      expect(all[0]).toEqual({
        schema: 'shop',
        name: 'add',
        identity: 'integer, integer',
        kind: 'FUNCTION',
        arguments: [
          { name: 'a', dataType: 'integer', mode: 'IN', default: null },
          { name: 'b', dataType: 'integer', mode: 'IN', default: '(1 + 1)' },
        ],
        returns: 'integer',
        language: 'sql',
        volatility: 'IMMUTABLE',
        securityDefiner: false,
        comment: 'Adds',
        definition: expect.stringContaining('CREATE OR REPLACE FUNCTION shop.add'),
      });
      expect(all[1]).toMatchObject({ volatility: 'STABLE', securityDefiner: true });
      expect(all[3]).toMatchObject({ definition: null, arguments: [{ name: null, dataType: 'integer' }] });
      expect(all[4]!.arguments.map(({ mode }) => mode)).toEqual(['TABLE', 'TABLE']);
      expect(all[6]!.arguments).toEqual([
        { name: 'whole', dataType: 'text', mode: 'IN', default: null },
        { name: 'head', dataType: 'text', mode: 'OUT', default: null },
        { name: 'tail', dataType: 'text', mode: 'INOUT', default: null },
        { name: 'rest', dataType: 'text[]', mode: 'VARIADIC', default: `'{}'::text[]` },
      ]);
      expect(all[8]).toMatchObject({ returns: null, comment: 'Cleans up', arguments: [{ default: '30' }] });
    });

    test('are paged behind any overload, searched and counted', async () => {
      const all = await everything();
      const page = (request: object, search?: string) =>
        only(() => catalog.routinePages({ schemas: ['shop'] }, { search }, request, options));
      expect(await page({ limit: 2, after: all[0] })).toEqual(all.slice(1, 3));
      expect(await page({ limit: 2, before: all[4], backward: true })).toEqual(all.slice(2, 4));
      expect(await page({ limit: 5 }, 'ADD')).toEqual(all.slice(0, 2));
      expect(await catalog.routineCounts({ schemas: ['shop', 'nowhere'] }, {}, options)).toEqual([9, 0]);
      expect(await only(() => catalog.routineCounts({ database: true }, { search: 'add' }, options))).toBe(2);
    });
  });

  test('a read that is no longer wanted is not sent', async () => {
    const before = statements.length;
    const aborted = { signal: AbortSignal.abort(new Error('gone')) };
    await expect(catalogOf(database.client).catalog.columns([customers], aborted)).rejects.toThrow('gone');
    expect(statements).toHaveLength(before);
  });
});
