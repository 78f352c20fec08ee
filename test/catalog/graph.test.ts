/** The catalogue through GraphQL, on a real database behind a wire that counts what is sent. */
import { type ExecutionResult, graphql } from 'graphql';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { createCatalogService } from '../../src/catalog/catalog.ts';
import type { Snapshots } from '../../src/catalog/snapshots/snapshots.ts';
import type { Database } from '../../src/databases/databases.ts';
import type { Context } from '../../src/graph/context.ts';
import { publicError } from '../../src/graph/errors.ts';
import { createSchema } from '../../src/graph/schema.ts';
import { encodeId, uuidv7 } from '../../src/lib/ids.ts';
import type { Services } from '../../src/services.ts';
import { asked, createWorld, testConnection, type World } from '../databases/world.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { silent } from '../support/metadata.ts';
import { fixture } from './target.ts';
import { snapshotsIn, ways } from './ways.ts';
import { openWire, type Wire } from './wire.ts';

const schema = createSchema();

describe.each(ways)('%s', (way) => {
  let world: World;
  let snapshots: Snapshots<Database>;
  let services: Services;
  let viewer: Viewer;
  let shop: TestDatabase;
  let wire: Wire;
  let shopId: string;

  // biome-ignore lint/suspicious/noExplicitAny: whatever the document of a test asks for
  type Data = any;

  async function run(source: string, variableValues: Record<string, unknown> = {}, as: Viewer | null = viewer) {
    const contextValue: Context = {
      viewer: as,
      services,
      caller: { ipAddress: null, userAgent: null },
      requestId: 'test',
      signal: new AbortController().signal,
      authorization: null,
      lifetime: null,
    };
    const result: ExecutionResult = await graphql({ schema, source, variableValues, contextValue });
    const errors = result.errors?.map((error) => publicError(error, { log: silent, requestId: 'test' }));
    return {
      data: result.data as Data,
      errors: errors?.map(({ path, extensions }) => ({ path, code: extensions.code })),
    };
  }

  /** The data of a document that has no errors. */
  async function data(source: string, variables: Record<string, unknown> = {}): Promise<Data> {
    const { data, errors } = await run(source, { id: shopId, ...variables });
    expect(errors).toBeUndefined();
    return data;
  }

  async function connected(database: TestDatabase): Promise<{ wire: Wire; id: string }> {
    const wire = await openWire(database);
    const connection = { ...testConnection(), port: wire.port, database: database.database };
    const { database: row } = await world.databases.connect(
      viewer,
      { name: database.database, connection, projectId: null, readOnly: false },
      asked(),
    );
    if (way === 'snapshot') await snapshots.refresh(row, { signal: new AbortController().signal });
    return { wire, id: encodeId('Database', row.id) };
  }

  beforeAll(async () => {
    world = await createWorld();
    snapshots = snapshotsIn(world);
    services = {
      prisma: world.prisma,
      engines: world.engines,
      databases: world.databases,
      catalog: createCatalogService({ databases: world.databases, snapshots: way === 'live' ? null : snapshots }),
    } as Services;
    viewer = await world.person();
    shop = await createTestDatabase(fixture);
    await shop.client.query('analyze');
    ({ wire, id: shopId } = await connected(shop));
  });
  afterAll(async () => {
    await snapshots.stop();
    await world[Symbol.asyncDispose]();
    await wire[Symbol.asyncDispose]();
    await shop[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    wire.statements.length = 0;
  });

  /** All but what makes a connection ready. */
  const reads = (statements: readonly string[]) => statements.filter((statement) => !statement.includes('set_config'));

  describe('a database', () => {
    test('tells what is in it', async () => {
      const { database } = await data(`query ($id: ID!) { database(id: $id) {
      defaultSchema sizeBytes serverDatabases
      schemas { name owner comment enums { name values comment } sequences { name lastValue ownedBy { name table { name } } } }
      system: schemas(includeSystem: true) { name }
      schema(name: "shop") { name comment database { id } }
      nowhere: schema(name: "nowhere") { name }
      enums { name schema { name } values }
      roles { name superuser memberOf }
      extensions { name version schema comment }
    } }`);
      expect(database).toMatchObject({
        defaultSchema: 'public',
        sizeBytes: expect.any(Number),
        serverDatabases: expect.arrayContaining([shop.database]),
        schema: { name: 'shop', comment: 'Everything that is sold', database: { id: shopId } },
        nowhere: null,
      });
      expect(database.schemas.map(({ name }: { name: string }) => name)).toEqual([
        'Odd "schema".x',
        'empty_schema',
        'public',
        'shop',
      ]);
      expect(database.schemas[3]).toMatchObject({
        owner: 'postgres',
        enums: [{ name: 'mood', comment: 'How a buyer feels' }],
        sequences: expect.arrayContaining([
          { name: 'customers_id_seq', lastValue: '10', ownedBy: { name: 'id', table: { name: 'customers' } } },
          { name: 'tickets', lastValue: '5', ownedBy: null },
        ]),
      });
      expect(database.system.map(({ name }: { name: string }) => name)).toContain('pg_catalog');
      expect(database.enums.map((type: Data) => [type.schema.name, type.name])).toEqual([
        ['public', 'mood'],
        ['shop', 'mood'],
      ]);
      expect(database.roles).toContainEqual({ name: 'postgres', superuser: true, memberOf: [] });
      expect(database.extensions.map(({ name }: { name: string }) => name)).toEqual(['file_fdw', 'plpgsql']);
    });

    test('is null for somebody else, and so is everything in it', async () => {
      const { database } = await data(
        `query ($id: ID!) { database(id: $id) { schema(name: "shop") { id } table(schema: "shop", name: "customers") { id columns { id } } } }`,
      );
      const ids = [database.schema.id, database.table.id, database.table.columns[0].id];
      const stranger = await world.person();
      for (const other of [stranger, null]) {
        const { data: theirs } = await run(`query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, { ids }, other);
        expect(theirs).toEqual({ nodes: [null, null, null] });
      }
      expect((await run(`query ($id: ID!) { database(id: $id) { name } }`, { id: shopId }, stranger)).data).toEqual({
        database: null,
      });
    });

    test('that is down keeps what needs no asking, and each field says so at its path', async () => {
      await using other = await createTestDatabase('create table a (b integer)');
      const { wire: cut, id } = await connected(other);
      await cut.cut();
      const { data: answer, errors } = await run(
        `query ($id: ID!) { database(id: $id) { name defaultSchema tables { nodes { name } } roles { name } schemas { name } table(name: "a") { name } } }`,
        { id },
      );
      const asked = {
        live: ['defaultSchema', 'roles', 'schemas', 'table', 'tables'],
        snapshot: ['roles'],
      }[way];
      const known = {
        defaultSchema: 'public',
        tables: { nodes: [{ name: 'a' }] },
        schemas: [{ name: 'public' }],
        table: { name: 'a' },
      };
      expect(answer).toEqual({
        database: { name: other.database, ...known, ...Object.fromEntries(asked.map((field) => [field, null])) },
      });
      expect(errors!.map(({ path, code }) => [path!.join('.'), code]).sort()).toEqual(
        asked.map((field) => [`database.${field}`, 'CONNECTION_FAILED']),
      );
    });

    test('in which somebody holds a lock answers in time all the same', async () => {
      const patient = services.catalog;
      services = {
        ...services,
        catalog: createCatalogService({
          databases: world.databases,
          snapshots: way === 'live' ? null : snapshots,
          readTimeoutMs: 500,
        }),
      };
      await shop.client.query('begin; lock table shop.customers in access exclusive mode');
      const { data: answer, errors } = await run(
        `query ($id: ID!) { database(id: $id) { name table(schema: "shop", name: "customers") { name sizeBytes } } }`,
        { id: shopId },
      );
      await shop.client.query('rollback');
      services = { ...services, catalog: patient };
      expect(answer.database.table).toEqual({ name: 'customers', sizeBytes: null });
      expect(errors).toEqual([{ path: ['database', 'table', 'sizeBytes'], code: 'TIMEOUT' }]);
    });

    test('is not mixed up with another that is asked in the same document', async () => {
      await using other = await createTestDatabase(
        'create schema shop; create table shop.customers (only_here integer)',
      );
      const { wire: second, id } = await connected(other);
      const fields = `table(schema: "shop", name: "customers") { id columns { name table { id } } }`;
      const { a, b } = await data(
        `query ($id: ID!, $other: ID!) { a: database(id: $id) { ${fields} } b: database(id: $other) { ${fields} } }`,
        { other: id },
      );
      expect(a.table.id).not.toBe(b.table.id);
      expect(a.table.columns).toHaveLength(12);
      expect(b.table.columns).toEqual([{ name: 'only_here', table: { id: b.table.id } }]);
      await world.databases.disconnect(viewer, { id: idOf(id), drop: false }, asked());
      await second[Symbol.asyncDispose]();
    });
  });

  const idOf = (id: string): string => JSON.parse(Buffer.from(id, 'base64url').toString())[1];

  describe('a table', () => {
    test('tells everything that hangs off it', async () => {
      const { database } = await data(`query ($id: ID!) { database(id: $id) { table(schema: "shop", name: "customers") {
      name kind owner comment estimatedRows sizeBytes definition
      schema { name } database { id }
      column(name: "mood") { dataType enumValues default statistics { mostCommonValues nullFraction } }
      missing: column(name: "moo") { name }
      primaryKey { name primaryKey }
      indexes { name columns unique valid method predicate sizeBytes scans table { name } }
      constraints { name kind columns definition validated }
      referencedBy { name table { name schema { name } } columns { name } referencedColumns onUpdate onDelete referencedTable { name } }
      triggers { name timing events level enabled function { name language } }
      policies { name command permissive roles using check }
      partitions { totalCount nodes { name } }
    } } }`);
      expect(database.table).toMatchObject({
        name: 'customers',
        kind: 'TABLE',
        owner: 'postgres',
        comment: 'Who buys',
        estimatedRows: 10,
        sizeBytes: expect.any(Number),
        definition: null,
        schema: { name: 'shop' },
        database: { id: shopId },
        column: {
          dataType: 'shop.mood',
          enumValues: ['sad', `it's ok`, 'glücklich 😀'],
          default: `'sad'::shop.mood`,
          statistics: { mostCommonValues: ['glücklich 😀'], nullFraction: 0 },
        },
        missing: null,
        primaryKey: [
          { name: 'id', primaryKey: true },
          { name: 'region', primaryKey: true },
        ],
        partitions: { totalCount: 0, nodes: [] },
      });
      expect(database.table.indexes).toHaveLength(5);
      expect(database.table.indexes[2]).toMatchObject({
        name: 'customers_lower_idx',
        columns: ['lower(name)', 'region'],
        sizeBytes: expect.any(Number),
        table: { name: 'customers' },
      });
      expect(database.table.constraints).toContainEqual(expect.objectContaining({ kind: 'CHECK', validated: false }));
      expect(database.table.referencedBy).toEqual([
        {
          name: 'f "k"',
          table: { name: 'ta.ble "q" ü\n😀', schema: { name: 'Odd "schema".x' } },
          columns: [{ name: 'customer id' }, { name: 'customer region' }],
          referencedColumns: ['id', 'region'],
          onUpdate: 'RESTRICT',
          onDelete: 'SET_NULL',
          referencedTable: { name: 'customers' },
        },
        expect.objectContaining({ table: { name: 'orders', schema: { name: 'shop' } } }),
      ]);
      expect(database.table.triggers[0]).toMatchObject({
        timing: 'BEFORE',
        function: { name: 'audit', language: 'plpgsql' },
      });
      expect(database.table.policies).toHaveLength(3);
    });

    test('tells what it is made with, and what is said of each part of it', async () => {
      await using made = await createTestDatabase(`
        create table days (id integer, day date, constraint days_pkey primary key (id, day)) partition by range (day);
        create table days_2026 partition of days for values from ('2026-01-01') to ('2027-01-01');
        create table days_rest partition of days default;
        create table kept (id integer constraint positive check (id > 0));
        create table more () inherits (kept);
        alter table kept enable row level security, force row level security;
        create policy mine on kept using (id = 1);
        create rule as_said as on delete to kept do instead nothing;
        alter table kept enable always rule as_said;
        create function noted() returns trigger language plpgsql as 'begin return new; end';
        create trigger noting before insert on kept for each row execute function noted();
        alter table kept enable replica trigger noting;
        create foreign data wrapper far;
        create server elsewhere foreign data wrapper far options (password 'not to be seen');
        create foreign table remote () server elsewhere options (secret 'not to be seen');
        comment on constraint positive on kept is 'a constraint';
        comment on index days_pkey is 'an index';
        comment on constraint days_pkey on days is 'a key';
        comment on trigger noting on kept is 'a trigger';
        comment on policy mine on kept is 'a policy';
        comment on rule as_said on kept is 'a rule';
      `);
      const { wire, id } = await connected(made);
      await using _closed = wire;
      wire.statements.length = 0;
      const query = `query ($id: ID!) { database(id: $id) { tables(first: 10) { nodes {
        name partitionKey partitionBound parents { name } rowSecurity forceRowSecurity foreignServer
        constraints { name comment } indexes { name comment } policies { name comment }
        rules { name fires definition comment } triggers { name enabled fires comment }
      } } } }`;
      const { database } = await data(query, { id });
      const nodes = Object.fromEntries(database.tables.nodes.map((node: { name: string }) => [node.name, node]));
      expect(nodes).toMatchObject({
        days: {
          partitionKey: 'RANGE (day)',
          partitionBound: null,
          parents: [],
          rowSecurity: false,
          foreignServer: null,
          indexes: [{ name: 'days_pkey', comment: 'an index' }],
          constraints: expect.arrayContaining([{ name: 'days_pkey', comment: 'a key' }]),
        },
        days_2026: {
          partitionKey: null,
          partitionBound: `FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`,
          parents: [{ name: 'days' }],
        },
        days_rest: { partitionBound: 'DEFAULT', parents: [{ name: 'days' }] },
        kept: {
          rowSecurity: true,
          forceRowSecurity: true,
          constraints: [{ name: 'positive', comment: 'a constraint' }],
          policies: [{ name: 'mine', comment: 'a policy' }],
          rules: [
            {
              name: 'as_said',
              fires: 'ALWAYS',
              definition: expect.stringContaining('DO INSTEAD NOTHING'),
              comment: 'a rule',
            },
          ],
          triggers: [{ name: 'noting', enabled: true, fires: 'REPLICA', comment: 'a trigger' }],
        },
        more: { partitionBound: null, parents: [{ name: 'kept' }], constraints: [{ name: 'positive', comment: null }] },
        remote: { foreignServer: 'elsewhere', rowSecurity: false },
      });
      expect(JSON.stringify(database)).not.toContain('not to be seen');
      // One a kind, however many tables there are.
      expect(reads(wire.statements).length).toBeLessThanOrEqual(way === 'live' ? 8 : 0);
    });

    test('tells what it has beside tables, and how these are kept', async () => {
      await using made = await createTestDatabase(`
        create schema lab;
        create domain lab.percent as integer default 5 not null constraint most check (value <= 100);
        create type lab.pair as (a integer, b text collate "C");
        create type lab.span as range (subtype = float8, subtype_diff = float8mi);
        create collation lab.german (provider = icu, locale = 'de');
        create function lab.told() returns event_trigger language plpgsql as 'begin end';
        create event trigger telling on ddl_command_end when tag in ('CREATE TABLE') execute function lab.told();
        create foreign data wrapper far options (debug 'true');
        create server elsewhere type 'x' version '1' foreign data wrapper far options (host 'h', password 'not to be seen');
        create foreign table lab.remote (id integer options (at 'b')) server elsewhere options (secret_key 'not to be seen', "table" 't');
        create table lab.base (id integer primary key, label text);
        alter table lab.base alter label set storage plain, alter label set statistics 7, alter label set (n_distinct = 5);
        set allow_system_table_mods = on;
        -- As newer servers keep the version of a column.
        update pg_attribute set attoptions = '{pg_attver=7}' || attoptions where attrelid = 'lab.base'::regclass;
        reset allow_system_table_mods;
        alter table lab.base cluster on base_pkey;
        create table lab.child () inherits (lab.base) with (fillfactor = 70);
        create unlogged table lab.fast of lab.pair;
        alter table lab.fast replica identity full;
        create statistics lab.both on id, label from lab.base;
        create publication named for table only lab.base (id) where (id > 1);
        create publication whole for all tables;
        create publication of_schema for tables in schema lab;
        create view lab.seen as select b.id + 1 as next, upper(b.label) as label, 1 as one from lab.base b;
      `);
      const { wire, id } = await connected(made);
      await using _closed = wire;
      const query = `query ($id: ID!) { database(id: $id) {
        eventTriggers { name event tags fires function { name } } publications { name allTables schemas operations tables { table { name } columns where } }
        foreignDataWrappers { name options } foreignServers { name wrapper type version options }
        otherObjects { kind schema name identity definition } domains { name } ddl
        schema(name: "lab") {
          domains { name schema { name } baseType nullable default constraints { name kind definition } }
          compositeTypes { name attributes { name dataType collation } } rangeTypes { name subtype difference }
          tables { nodes {
            name unlogged accessMethod options replicaIdentity ofType { name } foreignOptions publications { name }
            extendedStatistics { name definition } children { totalCount nodes { name } } indexes { name clustered constraint }
            columns { name inherited storage statisticsTarget options foreignOptions origins { name table { name } } }
          } }
        }
      } }`;
      const { database } = await data(query, { id });
      expect(JSON.stringify(database)).not.toContain('not to be seen');
      expect(database).toMatchObject({
        eventTriggers: [{ name: 'telling', tags: ['CREATE TABLE'], fires: 'ORIGIN', function: { name: 'told' } }],
        publications: [
          {
            name: 'named',
            allTables: false,
            tables: [{ table: { name: 'base' }, columns: ['id'], where: '(id > 1)' }],
          },
          { name: 'of_schema', schemas: ['lab'], tables: [] },
          { name: 'whole', allTables: true, operations: ['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'] },
        ],
        foreignDataWrappers: [{ name: 'far', options: ['debug=true'] }],
        foreignServers: [{ name: 'elsewhere', wrapper: 'far', type: 'x', version: '1', options: ['host=h'] }],
        otherObjects: [{ kind: 'COLLATION', schema: 'lab', name: 'german', identity: 'lab.german' }],
        domains: [{ name: 'percent' }],
        schema: {
          domains: [
            {
              name: 'percent',
              schema: { name: 'lab' },
              baseType: 'integer',
              nullable: false,
              default: '5',
              constraints: expect.arrayContaining([
                { name: 'most', kind: 'CHECK', definition: 'CHECK ((VALUE <= 100))' },
              ]),
            },
          ],
          compositeTypes: [
            {
              name: 'pair',
              attributes: [
                { name: 'a', dataType: 'integer' },
                { name: 'b', collation: 'C' },
              ],
            },
          ],
          rangeTypes: [{ name: 'span', subtype: 'double precision', difference: 'float8mi' }],
        },
      });
      const nodes = Object.fromEntries(database.schema.tables.nodes.map((node: { name: string }) => [node.name, node]));
      const ofAll = [{ name: 'of_schema' }, { name: 'whole' }];
      expect(nodes).toMatchObject({
        base: {
          unlogged: false,
          accessMethod: 'heap',
          replicaIdentity: 'DEFAULT',
          publications: [{ name: 'named' }, ...ofAll],
          extendedStatistics: [{ name: 'both', definition: expect.stringContaining('ON id, label FROM lab.base') }],
          children: { totalCount: 1, nodes: [{ name: 'child' }] },
          indexes: [{ name: 'base_pkey', clustered: true, constraint: 'base_pkey' }],
          columns: [
            { name: 'id', inherited: false, storage: null, origins: [] },
            { name: 'label', storage: 'PLAIN', statisticsTarget: 7, options: ['n_distinct=5'] },
          ],
        },
        child: { options: ['fillfactor=70'], columns: [{ inherited: true }, { inherited: true }], publications: ofAll },
        fast: { unlogged: true, replicaIdentity: 'FULL', ofType: { name: 'pair' }, publications: [] },
        remote: {
          foreignOptions: ['table=t'],
          publications: [],
          columns: [{ foreignOptions: ['at=b'] }],
        },
        seen: {
          accessMethod: null,
          columns: [
            { name: 'next', origins: [{ name: 'id', table: { name: 'base' } }] },
            { name: 'label', origins: [{ name: 'label', table: { name: 'base' } }] },
            { name: 'one', origins: [] },
          ],
        },
      });
    });

    test('tells how its sequences count, and what its roles may', async () => {
      const { database } = await data(`query ($id: ID!) { database(id: $id) {
        schema(name: "shop") { sequences { name minimum maximum cache cycle owner comment } }
        roles { name inherit replication bypassRowSecurity connectionLimit }
      } }`);
      expect(database.schema.sequences).toContainEqual({
        name: 'tickets',
        minimum: '-100',
        maximum: '100',
        cache: '1',
        cycle: false,
        owner: 'postgres',
        comment: null,
      });
      expect(database.roles).toContainEqual({
        name: 'postgres',
        inherit: true,
        replication: true,
        bypassRowSecurity: true,
        connectionLimit: null,
      });
    });

    test('without a schema is the one in the default schema', async () => {
      const { database } = await data(`query ($id: ID!) { database(id: $id) {
      plain: table(name: "plain") { name schema { name } }
      hidden: table(name: "customers") { name }
      none: table(name: "") { name }
      zero: table(name: "plain\\u0000") { name }
    } }`);
      expect(database).toEqual({
        plain: { name: 'plain', schema: { name: 'public' } },
        hidden: null,
        none: null,
        zero: null,
      });
    });

    test('leads from column to column along foreign keys, both ways', async () => {
      const { database } = await data(`query ($id: ID!) { database(id: $id) {
      odd: table(schema: "Odd \\"schema\\".x", name: "ta.ble \\"q\\" ü\\n😀") { column(name: "customer id") { references { name table { name } } } }
      customers: table(schema: "shop", name: "customers") { column(name: "id") { referencedBy { name table { name } } references { name } } }
      categories: table(schema: "shop", name: "categories") { column(name: "id") { referencedBy { name table { name } } } }
    } }`);
      expect(database.odd.column.references).toEqual([{ name: 'id', table: { name: 'customers' } }]);
      expect(database.customers.column).toEqual({
        referencedBy: [
          { name: 'customer id', table: { name: 'ta.ble "q" ü\n😀' } },
          { name: 'customer_id', table: { name: 'orders' } },
        ],
        references: [],
      });
      expect(database.categories.column.referencedBy).toEqual([{ name: 'parent_id', table: { name: 'categories' } }]);
    });

    test('is found in pages that lead on, with a count of all', async () => {
      const page = `query ($id: ID!, $first: Int, $last: Int, $after: String, $before: String) { database(id: $id) {
      tables(first: $first, last: $last, after: $after, before: $before) { totalCount nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`;
      const seen: string[] = [];
      let after: string | null = null;
      do {
        const { tables }: Data = (await data(page, { first: 5, after })).database;
        expect(tables.totalCount).toBe(18);
        seen.push(...tables.nodes.map(({ name }: { name: string }) => name));
        after = tables.pageInfo.hasNextPage ? tables.pageInfo.endCursor : null;
      } while (after);
      expect(seen).toHaveLength(18);
      const { tables: last } = (await data(page, { last: 2 })).database;
      expect(last.nodes.map(({ name }: { name: string }) => name)).toEqual(seen.slice(-2));
      expect(last.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
      const { tables: none } = (await data(page, { first: 0 })).database;
      expect(none).toMatchObject({ nodes: [], totalCount: 18 });
    });

    test.each([
      ['first: 501', 'BAD_USER_INPUT'],
      ['first: -1', 'BAD_USER_INPUT'],
      ['first: 1, last: 1', 'BAD_USER_INPUT'],
      ['after: "nonsense"', 'BAD_USER_INPUT'],
      [`after: "${Buffer.from('["one"]').toString('base64url')}"`, 'BAD_USER_INPUT'],
      [`after: "${Buffer.from('[1, 2]').toString('base64url')}"`, 'BAD_USER_INPUT'],
    ])('a page of %s is refused', async (args, code) => {
      const { data: answer, errors } = await run(
        `query ($id: ID!) { database(id: $id) { name tables(${args}) { nodes { name } } } }`,
        { id: shopId },
      );
      expect(answer.database).toEqual({ name: shop.database, tables: null });
      expect(errors).toEqual([{ path: ['database', 'tables'], code }]);
      expect(reads(wire.statements)).toEqual([]);
    });

    test('is searched and filtered in a database and in each schema alike', async () => {
      const { database } = await data(`query ($id: ID!) { database(id: $id) {
      tables(search: "ORDER", kinds: [PARTITIONED_TABLE]) { totalCount nodes { name partitions(first: 1) { totalCount nodes { name } } } }
      schemas { name tables(search: "CUSTOMER", kinds: [TABLE, VIEW], first: 1) { totalCount nodes { name } pageInfo { hasNextPage } } }
    } }`);
      expect(database.tables).toEqual({
        totalCount: 2,
        nodes: [
          { name: 'orders', partitions: { totalCount: 2, nodes: [{ name: 'orders_2025' }] } },
          { name: 'orders_2026', partitions: { totalCount: 1, nodes: [{ name: 'orders_2026_few' }] } },
        ],
      });
      expect(database.schemas[3]).toEqual({
        name: 'shop',
        tables: { totalCount: 2, nodes: [{ name: 'customer_names' }], pageInfo: { hasNextPage: true } },
      });
      expect(database.schemas[1].tables).toMatchObject({ totalCount: 0, nodes: [] });
    });
  });

  describe('functions', () => {
    test('are paged with their arguments, in a database and a schema', async () => {
      const { database } = await data(`query ($id: ID!) { database(id: $id) {
      functions(search: "add", first: 1) { totalCount nodes { name kind arguments { name dataType mode default } schema { name } } pageInfo { hasNextPage } }
      schema(name: "shop") { functions(first: 100) { totalCount nodes { name kind } } }
    } }`);
      expect(database.functions).toEqual({
        totalCount: 2,
        nodes: [
          {
            name: 'add',
            kind: 'FUNCTION',
            arguments: [
              { name: 'a', dataType: 'integer', mode: 'IN', default: null },
              { name: 'b', dataType: 'integer', mode: 'IN', default: '(1 + 1)' },
            ],
            schema: { name: 'shop' },
          },
        ],
        pageInfo: { hasNextPage: true },
      });
      expect(database.schema.functions).toMatchObject({
        totalCount: 9,
        nodes: expect.arrayContaining([{ name: 'tidy', kind: 'PROCEDURE' }]),
      });
    });
  });

  describe('ids', () => {
    test('find every object again, in a new request', async () => {
      const { database } = await data(`query ($id: ID!) { database(id: $id) {
      schemas { id name enums { id name } functions { nodes { id name } } }
      tables { nodes { id name columns { id name } indexes { id name } foreignKeys { id name } } }
    } }`);
      const found: { id: string; name: string }[] = [];
      const collect = (value: Data): void => {
        if (value === null || typeof value !== 'object') return;
        if (value.id) found.push({ id: value.id, name: value.name });
        for (const inner of Object.values(value)) collect(inner);
      };
      collect(database);
      expect(found.length).toBeGreaterThan(100);
      expect(new Set(found.map(({ id }) => id)).size).toBe(found.length);
      const named = ['Schema', 'Table', 'Column', 'Index', 'ForeignKey', 'EnumType', 'Function']
        .map((type) => `... on ${type} { ${type}: name }`)
        .join(' ');
      for (let from = 0; from < found.length; from += 100) {
        const some = found.slice(from, from + 100);
        const { nodes } = await data(`query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename ${named} } }`, {
          ids: some.map(({ id }) => id),
        });
        expect(nodes.map((node: Data) => ({ id: node.id, name: node[node.__typename] }))).toEqual(some);
      }
    });

    test('that lead nowhere are null', async () => {
      const database = idOf(shopId);
      const ids = [
        encodeId('Table', database, 'shop', 'dropped'),
        encodeId('Table', database, 'shop'),
        encodeId('Table', uuidv7(), 'shop', 'customers'),
        encodeId('Table', 'customers', 'shop', 'customers'),
        encodeId('Column', database, 'shop', 'customers', 'dropped'),
        encodeId('Index', database, 'shop', 'orders', 'customers_pkey'),
        encodeId('ForeignKey', database, 'shop', 'customers', 'f "k"'),
        encodeId('Function', database, 'shop', 'add', 'integer'),
        encodeId('EnumType', database, 'shop', 'sku'),
        encodeId('Schema', database, '\0'),
      ];
      expect(await data(`query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, { ids })).toEqual({
        nodes: ids.map(() => null),
      });
    });
  });

  describe('statements and diagrams', () => {
    const idsOf = (names: readonly string[]) =>
      data(
        `query ($id: ID!) { database(id: $id) { ${names.map((name) => `${name}: table(schema: "shop", name: "${name}") { id }`).join(' ')} } }`,
      ).then(({ database }) => names.map((name): string => database[name].id));

    test('are of the whole database, or of what is chosen', async () => {
      const [orders] = await idsOf(['orders']);
      const { database } = await data(
        `query ($id: ID!, $tableIds: [ID!]) { database(id: $id) {
        ddl one: ddl(tableIds: $tableIds) schema: ddl(schemas: ["empty_schema"]) both: ddl(schemas: ["empty_schema"], tableIds: $tableIds) none: ddl(schemas: [])
        diagram dbml: diagram(format: DBML, schemas: ["shop"]) graphviz: diagram(format: GRAPHVIZ, tableIds: $tableIds)
      } }`,
        { tableIds: [orders] },
      );
      expect(database.ddl).toContain('CREATE TABLE shop.customers');
      expect(database.one).toContain('CREATE TABLE shop.orders');
      expect(database.one).not.toContain('CREATE TABLE shop.bookings');
      expect(database.schema).toContain('CREATE SCHEMA empty_schema;');
      expect(database.both).toContain('CREATE SCHEMA empty_schema;');
      expect(database.both).toContain('CREATE TABLE shop.orders');
      expect(database.none).toBeNull();
      expect(database.diagram).toMatch(/^erDiagram\n/);
      expect(database.dbml).toContain('Table "shop"."customers"');
      expect(database.graphviz).toMatch(/^digraph database \{/);
    });

    test('of many tables are one read', async () => {
      const { database } = await data(`query ($id: ID!) { database(id: $id) {
      tables(kinds: [TABLE, VIEW]) { nodes { name ddl } } } }`);
      const tables: { name: string; ddl: string }[] = database.tables.nodes;
      expect(tables.length).toBeGreaterThan(10);
      for (const { ddl } of tables) expect(ddl).toContain('CREATE ');
      expect(wire.statements.filter((statement) => statement.startsWith('BEGIN'))).toHaveLength(1);
    });

    test.each([
      ['a schema that is not there', { schemas: ['nowhere'] }],
      ['a table that is not there', () => ({ tableIds: [encodeId('Table', idOf(shopId), 'shop', 'nothing')] })],
      ['a table of another database', () => ({ tableIds: [encodeId('Table', uuidv7(), 'shop', 'orders')] })],
      ['an id of something else', () => ({ tableIds: [encodeId('Schema', idOf(shopId), 'shop')] })],
      ['an id of nothing', { tableIds: ['x'] }],
    ])('%s is not found', async (_name, given) => {
      const variables = typeof given === 'function' ? given() : given;
      for (const field of ['ddl', 'diagram']) {
        const { errors } = await run(
          `query ($id: ID!, $schemas: [String!], $tableIds: [ID!]) { database(id: $id) { ${field}(schemas: $schemas, tableIds: $tableIds) } }`,
          { id: shopId, ...variables },
        );
        expect(errors).toEqual([{ path: ['database', field], code: 'NOT_FOUND' }]);
      }
    });

    test('more than a thousand schemas and tables at once are refused', async () => {
      const { errors } = await run(
        `query ($id: ID!, $schemas: [String!]) { database(id: $id) { ddl(schemas: $schemas) } }`,
        {
          id: shopId,
          schemas: Array.from({ length: 1_001 }, () => 'shop'),
        },
      );
      expect(errors).toEqual([{ path: ['database', 'ddl'], code: 'LIMIT_EXCEEDED' }]);
    });

    test('nobody else has them', async () => {
      const { data, errors } = await run(
        `query ($id: ID!) { database(id: $id) { ddl diagram } }`,
        { id: shopId },
        await world.person(),
      );
      expect(JSON.stringify([data, errors])).not.toContain('CREATE');
      expect(data?.database ?? null).toBeNull();
    });
  });

  describe('statements on the wire', () => {
    const nested = `query ($id: ID!, $first: Int!) { database(id: $id) { tables(first: $first) { totalCount nodes {
    id name kind comment estimatedRows sizeBytes definition schema { name owner } database { name }
    columns { name dataType primaryKey enumValues statistics { nullFraction } table { name } references { name table { name } } referencedBy { name table { name } } }
    primaryKey { name }
    indexes { name columns sizeBytes table { name } }
    constraints { name kind definition }
    foreignKeys { name columns { name } referencedTable { name columns { name } } }
    referencedBy { name table { name } columns { name } }
    triggers { name function { name } }
    policies { name roles }
    partitions { totalCount nodes { name } }
  } } } }`;

    test.each([50, 500])('a nested query over %i tables is at most one of a kind', async (count) => {
      await using database = await createTestDatabase(
        Array.from(
          { length: count },
          (_, n) =>
            `create table t${n} (id integer primary key, up integer ${n > 0 ? `references t${n - 1}` : ''}, name text unique)`,
        ).join(';'),
      );
      const { wire: counted, id } = await connected(database);
      counted.statements.length = 0;
      const answer = await data(nested, { id, first: count });
      const { nodes, totalCount } = answer.database.tables;
      expect([nodes.length, totalCount]).toEqual([count, count]);
      expect(nodes.find((table: Data) => table.name === 't7')).toMatchObject({
        foreignKeys: [{ columns: [{ name: 'up' }], referencedTable: { name: 't6', columns: expect.any(Array) } }],
        referencedBy: [{ table: { name: 't8' }, columns: [{ name: 'up' }] }],
        indexes: [{ columns: ['name'] }, { columns: ['id'] }],
      });
      const sent = reads(counted.statements);
      expect(new Set(sent).size).toBe(sent.length);
      // Two for the page and its count, two for partitions; thirteen kinds that hang off tables, four of which move without DDL.
      expect(sent).toHaveLength(way === 'live' ? 17 : 4);
      await world.databases.disconnect(viewer, { id: idOf(id), drop: false }, asked());
      await counted[Symbol.asyncDispose]();
    });
  });
});
