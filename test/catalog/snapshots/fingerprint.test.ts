/** When two catalogues are the same one: after DDL and its undoing, in a copy that was made in another order, and never else. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprintOf } from '../../../src/catalog/snapshots/fingerprint.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { catalogOf, fixture } from '../target.ts';

const options = { signal: new AbortController().signal, reach: 'SERVER' } as const;

let database: TestDatabase;
let before: string;

const fingerprint = async ({ client }: TestDatabase = database) =>
  await fingerprintOf(await catalogOf(client).catalog.snapshot(options));

beforeAll(async () => {
  database = await createTestDatabase(`${fixture};
    create schema lab;
    create table lab.thing (id integer primary key, label text, amount numeric(8,2) default 1, kind text not null,
      parent integer, constraint positive check (amount > 0));
    create index thing_label on lab.thing (label);
    create unique index thing_kind on lab.thing (kind);
    create table lab.other (id integer primary key);
    create type lab.size as enum ('small', 'large');
    create type lab.pair as (a integer, b text);
    create domain lab.percent as integer check (value <= 100);
    create sequence lab.counter;
    create function lab.one() returns integer language sql as 'select 1';
    create function lab.fires() returns trigger language plpgsql as 'begin return new; end';
    create function lab.tells() returns event_trigger language plpgsql as 'begin end';
    create trigger fires before insert on lab.thing for each row execute function lab.fires();
    create policy mine on lab.thing using (id > 0);
    create view lab.seen as select id from lab.thing;
    create table lab.parts (day date) partition by range (day);
    create table lab.part_1 partition of lab.parts for values from ('2026-01-01') to ('2027-01-01');
    create table lab.base (a integer);
    create index thing_sum on lab.thing ((amount + 1));
    create type lab.number;
    create function lab.number_in(cstring) returns lab.number language internal immutable strict as 'int8in';
    create function lab.number_out(lab.number) returns cstring language internal immutable strict as 'int8out';
    create type lab.number (input = lab.number_in, output = lab.number_out, like = bigint);
    create function lab.number_eq(lab.number, lab.number) returns boolean language internal immutable strict as 'int8eq';
    create operator lab.= (function = lab.number_eq, leftarg = lab.number, rightarg = lab.number);
    create operator family lab.numbers using btree;
    create operator class lab.by_number for type lab.number using hash as operator 1 lab.=;
    create collation lab.german (provider = icu, locale = 'de');
    create text search dictionary lab.words (template = pg_catalog.simple, accept = false);
    create text search configuration lab.texts (parser = pg_catalog.default);
    alter text search configuration lab.texts add mapping for asciiword with lab.words`);
  before = await fingerprint();
});
afterAll(async () => database[Symbol.asyncDispose]());

/** DDL, and what undoes it. */
const changes: [ddl: string, undo: string][] = [
  ['create schema added', 'drop schema added'],
  [`comment on schema lab is 'x'`, 'comment on schema lab is null'],
  ['create table lab.added (a integer)', 'drop table lab.added'],
  ['create unlogged table lab.added ()', 'drop table lab.added'],
  ['alter table lab.thing rename to renamed', 'alter table lab.renamed rename to thing'],
  ['alter table lab.other set schema shop', 'alter table shop.other set schema lab'],
  ['alter table lab.thing add column late date', 'alter table lab.thing drop column late'],
  ['alter table lab.thing rename column label to name', 'alter table lab.thing rename column name to label'],
  ['alter table lab.base alter a type bigint', 'alter table lab.base alter a type integer'],
  ['alter table lab.thing alter amount type numeric(9,2)', 'alter table lab.thing alter amount type numeric(8,2)'],
  ['alter table lab.thing alter amount set default 2', 'alter table lab.thing alter amount set default 1'],
  ['alter table lab.thing alter amount drop default', 'alter table lab.thing alter amount set default 1'],
  ['alter table lab.thing alter label set not null', 'alter table lab.thing alter label drop not null'],
  ['alter table lab.thing alter label set storage plain', 'alter table lab.thing alter label set storage extended'],
  ['alter table lab.thing alter label set statistics 7', 'alter table lab.thing alter label set statistics -1'],
  ['alter table lab.thing alter label set (n_distinct = 5)', 'alter table lab.thing alter label reset (n_distinct)'],
  [`comment on column lab.thing.label is 'x'`, 'comment on column lab.thing.label is null'],
  [`comment on table lab.thing is 'x'`, 'comment on table lab.thing is null'],
  ['alter table lab.thing set (fillfactor = 70)', 'alter table lab.thing reset (fillfactor)'],
  [
    'alter table lab.thing set (toast.autovacuum_enabled = off)',
    'alter table lab.thing reset (toast.autovacuum_enabled)',
  ],
  ['alter table lab.thing set unlogged', 'alter table lab.thing set logged'],
  ['alter table lab.thing enable row level security', 'alter table lab.thing disable row level security'],
  ['alter table lab.thing force row level security', 'alter table lab.thing no force row level security'],
  ['alter table lab.thing replica identity full', 'alter table lab.thing replica identity default'],
  ['alter table lab.thing replica identity using index thing_kind', 'alter table lab.thing replica identity default'],
  ['alter table lab.thing cluster on thing_label', 'alter table lab.thing set without cluster'],
  ['create index added on lab.thing (lower(label))', 'drop index lab.added'],
  ['alter index lab.thing_label rename to renamed', 'alter index lab.renamed rename to thing_label'],
  ['alter index lab.thing_label set (fillfactor = 50)', 'alter index lab.thing_label reset (fillfactor)'],
  ['alter table lab.thing add constraint u unique (label)', 'alter table lab.thing drop constraint u'],
  [
    'alter table lab.thing add constraint f foreign key (parent) references lab.other not valid',
    'alter table lab.thing drop constraint f',
  ],
  [
    'alter table lab.thing rename constraint positive to above',
    'alter table lab.thing rename constraint above to positive',
  ],
  [`comment on constraint positive on lab.thing is 'x'`, 'comment on constraint positive on lab.thing is null'],
  ['create trigger added after update on lab.thing execute function lab.fires()', 'drop trigger added on lab.thing'],
  ['alter table lab.thing disable trigger fires', 'alter table lab.thing enable trigger fires'],
  ['alter table lab.thing enable always trigger fires', 'alter table lab.thing enable trigger fires'],
  ['create policy added on lab.thing for delete using (true)', 'drop policy added on lab.thing'],
  ['alter policy mine on lab.thing using (id > 1)', 'alter policy mine on lab.thing using (id > 0)'],
  ['create rule added as on delete to lab.other do instead nothing', 'drop rule added on lab.other'],
  ['create statistics lab.added on id, label from lab.thing', 'drop statistics lab.added'],
  [
    'create or replace view lab.seen as select id from lab.thing where id > 1',
    'create or replace view lab.seen as select id from lab.thing',
  ],
  ['alter view lab.seen set (security_barrier)', 'alter view lab.seen reset (security_barrier)'],
  ['create materialized view lab.added as select 1 as a', 'drop materialized view lab.added'],
  ['alter table lab.parts detach partition lab.part_1', attach()],
  [`create table lab.part_2 partition of lab.parts default`, 'drop table lab.part_2'],
  ['create table lab.child () inherits (lab.base)', 'drop table lab.child'],
  [`create type lab.added as enum ('a')`, 'drop type lab.added'],
  [`alter type lab.size rename value 'small' to 'tiny'`, `alter type lab.size rename value 'tiny' to 'small'`],
  ['alter type lab.pair add attribute c date', 'alter type lab.pair drop attribute c'],
  ['create type lab.added as range (subtype = date)', 'drop type lab.added'],
  ['alter domain lab.percent set default 5', 'alter domain lab.percent drop default'],
  ['alter domain lab.percent add constraint up check (value >= 0)', 'alter domain lab.percent drop constraint up'],
  ['alter sequence lab.counter increment 2', 'alter sequence lab.counter increment 1'],
  ['alter sequence lab.counter owned by lab.other.id', 'alter sequence lab.counter owned by none'],
  [
    `create or replace function lab.one() returns integer language sql as 'select 2'`,
    `create or replace function lab.one() returns integer language sql as 'select 1'`,
  ],
  [`create function lab.one(integer) returns integer language sql as 'select 1'`, 'drop function lab.one(integer)'],
  ['alter function lab.one() stable', 'alter function lab.one() volatile'],
  ['create aggregate lab.added(integer) (sfunc = int4larger, stype = integer)', 'drop aggregate lab.added(integer)'],
  [`comment on function lab.one() is 'x'`, 'comment on function lab.one() is null'],
  ['create event trigger added on ddl_command_end execute function lab.tells()', 'drop event trigger added'],
  ['create publication added for table lab.thing (id) where (id > 1)', 'drop publication added'],
  ['create server added foreign data wrapper file_fdw', 'drop server added'],
  ['create extension pg_trgm schema lab', 'drop extension pg_trgm'],
  [
    'alter index lab.thing_sum alter column 1 set statistics 99',
    'alter index lab.thing_sum alter column 1 set statistics -1',
  ],
  [
    'alter function lab.one() depends on extension file_fdw',
    'alter function lab.one() no depends on extension file_fdw',
  ],
  ['create type lab.promised', 'drop type lab.promised'],
  ['alter type lab.number set (typmod_in = varchartypmodin)', 'alter type lab.number set (typmod_in = none)'],
  [`comment on type lab.number is 'x'`, 'comment on type lab.number is null'],
  [
    'alter operator lab.= (lab.number, lab.number) set (restrict = eqsel)',
    'alter operator lab.= (lab.number, lab.number) set (restrict = none)',
  ],
  [
    `comment on operator lab.= (lab.number, lab.number) is 'x'`,
    'comment on operator lab.= (lab.number, lab.number) is null',
  ],
  [
    'alter operator family lab.numbers using btree add operator 3 lab.= (lab.number, lab.number)',
    'alter operator family lab.numbers using btree drop operator 3 (lab.number, lab.number)',
  ],
  [
    'alter operator class lab.by_number using hash rename to by_key',
    'alter operator class lab.by_key using hash rename to by_number',
  ],
  ['create cast (lab.number as bigint) without function', 'drop cast (lab.number as bigint)'],
  ['alter collation lab.german rename to deutsch', 'alter collation lab.deutsch rename to german'],
  ["create collation lab.added (provider = icu, locale = 'fr')", 'drop collation lab.added'],
  ['alter text search dictionary lab.words (accept = true)', 'alter text search dictionary lab.words (accept = false)'],
  [
    'alter text search configuration lab.texts drop mapping for asciiword',
    'alter text search configuration lab.texts add mapping for asciiword with lab.words',
  ],
  [
    'create text search parser lab.added (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype)',
    'drop text search parser lab.added',
  ],
  [`create conversion lab.added for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8`, 'drop conversion lab.added'],
  ['create access method added type table handler heap_tableam_handler', 'drop access method added'],
  [
    'create language added handler plpgsql_call_handler inline plpgsql_inline_handler validator plpgsql_validator',
    'drop language added',
  ],
  [
    'create transform for integer language plpgsql (from sql with function pg_catalog.time_support(internal))',
    'drop transform for integer language plpgsql',
  ],
];

function attach(): string {
  return `alter table lab.parts attach partition lab.part_1 for values from ('2026-01-01') to ('2027-01-01')`;
}

describe('a fingerprint', () => {
  test.each(changes)('is another one after %s, and the same after %s', async (ddl, undo) => {
    await database.client.query(ddl);
    expect(await fingerprint()).not.toBe(before);
    await database.client.query(undo);
    expect(await fingerprint()).toBe(before);
  });

  test('does not change with rows, their statistics, sequences that are used, owners, grants and disks', async () => {
    await database.client.query(
      `insert into lab.thing (id, kind) select n, n::text from generate_series(1, 100) n; select nextval('lab.counter');
       analyze lab.thing; reindex table lab.thing; grant select on lab.thing to public`,
    );
    // A directory of its own would have to be the server's user's.
    await database.client.query('set allow_in_place_tablespaces = on');
    const place = `disk_${database.database}`;
    await database.client.query(`create tablespace ${place} location ''`);
    await database.client.query(`alter table lab.thing set tablespace ${place}`);
    expect(await fingerprint()).toBe(before);
    await database.client.query('alter table lab.thing set tablespace pg_default');
    await database.client.query(`drop tablespace ${place}`);
    expect(await fingerprint()).toBe(before);
  });

  test('does not change with the version that newer servers keep of a column among its options', async () => {
    await database.client.query(`set allow_system_table_mods = on;
      update pg_attribute set attoptions = array_prepend('pg_attver=' || attnum, attoptions)
      where attnum > 0 and attrelid in (select oid from pg_class where relnamespace = 'lab'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f'))`);
    expect(await fingerprint()).toBe(before);
  });

  test('is the same in a copy that has other ids, and gaps where columns were', async () => {
    await using first = await createTestDatabase(
      `create table a (x integer, gone text, y text default 'n', constraint k primary key (x)); create table b (z date); alter table a drop gone`,
    );
    await using second = await createTestDatabase(
      `create table b (z date); create table never (); drop table never; create table a (x integer, y text default 'n'); alter table a add constraint k primary key (x)`,
    );
    await using third = await createTestDatabase(
      `create table b (z date); create table a (y text default 'n', x integer, constraint k primary key (x))`,
    );
    expect(await fingerprint(second)).toBe(await fingerprint(first));
    expect(await fingerprint(third)).not.toBe(await fingerprint(first));
  });

  test('does not depend on the search path of who reads', async () => {
    await database.client.query('set search_path = lab, shop');
    expect(await fingerprint()).toBe(before);
  });
});
