/** What changed between two catalogues: each kind of DDL on a real PostgreSQL, exactly, and its undoing the other way round. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Difference, differenceOf } from '../../../src/catalog/drift/difference.ts';
import { fingerprintOf } from '../../../src/catalog/snapshots/fingerprint.ts';
import type { CatalogSnapshot } from '../../../src/engines/snapshot.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { catalogOf } from '../target.ts';

const fixture = `
  create extension file_fdw;
  create schema lab;
  create schema shop;
  create type lab.size as enum ('small', 'large');
  create type lab.pair as (a integer, b text);
  create domain lab.percent as integer check (value <= 100);
  create sequence lab.counter;
  create function lab.one() returns integer language sql as 'select 1';
  create function lab.fires() returns trigger language plpgsql as 'begin return new; end';
  create function lab.counts() returns bigint language plpgsql as 'begin return (select count(*) from lab.thing); end';
  create function lab.tells() returns event_trigger language plpgsql as 'begin end';
  create table lab.other (id integer primary key);
  create table lab.thing (id integer primary key, label text, amount numeric(8,2) default 1, kind text not null,
    parent integer, size lab.size default 'small', share lab.percent, note text,
    constraint positive check (amount > 0), constraint up foreign key (parent) references lab.other);
  create table lab.numbered (id serial primary key, twice integer generated always as identity);
  create index thing_label on lab.thing (lower(label)) where amount > 0;
  create unique index thing_kind on lab.thing (kind);
  create trigger fires before insert on lab.thing for each row execute function lab.fires();
  create policy mine on lab.thing using (id > 0 and label <> '');
  create view lab.seen as select t.id, t.label, t.size, o.id as other from lab.thing t join lab.other o on o.id = t.parent where t.amount > 1;
  create view lab.next as select nextval('lab.counter') as n, lab.one() as one;
  create table lab.parts (day date not null, size lab.size, amount integer) partition by range (day);
  create index on lab.parts (amount);
  create table lab.part_1 partition of lab.parts for values from ('2026-01-01') to ('2027-01-01');
  create table lab.base (a integer);
  create collation lab.german (provider = icu, locale = 'de');
  create table lab.collated (name text collate lab.german);
  create index on lab.collated (name collate lab.german);
  create table lab.child (b integer) inherits (lab.base)`;

let database: TestDatabase;
let before: CatalogSnapshot;

const read = async ({ client }: TestDatabase = database): Promise<CatalogSnapshot> =>
  await catalogOf(client).catalog.snapshot({ signal: new AbortController().signal, reach: 'SERVER' });

beforeAll(async () => {
  database = await createTestDatabase(fixture);
  before = await read();
});
afterAll(async () => database[Symbol.asyncDispose]());

const shown = ({ kind, object, names, identity }: Difference): string =>
  `${kind} ${object} ${names.join('.')}${identity === null ? '' : `(${identity})`}`.trimEnd();

/** By what undoing it would tell. */
const reversed = ({ kind, before, after }: Difference) => ({
  kind: kind === 'ADDED' ? 'REMOVED' : kind === 'REMOVED' ? 'ADDED' : kind,
  before: after,
  after: before,
});

interface Case {
  readonly ddl: string;
  readonly undo: string;
  readonly changes: readonly string[];
  /** Of the first change. */
  readonly before?: unknown;
  readonly after?: unknown;
}

const change = (
  ddl: string,
  undo: string,
  changes: string | readonly string[],
  before?: unknown,
  after?: unknown,
): Case => ({
  ddl,
  undo,
  changes: typeof changes === 'string' ? [changes] : changes,
  ...(before !== undefined && { before, after }),
});

const cases: Case[] = [
  change('create schema added', 'drop schema added', 'ADDED SCHEMA added', null, { name: 'added' }),
  change(
    'alter schema lab rename to study',
    'alter schema study rename to lab',
    'ALTERED SCHEMA study',
    { name: 'lab' },
    { name: 'study' },
  ),
  change(
    `alter schema lab rename to study; create or replace function study.counts() returns bigint language plpgsql
      as 'begin return (select count(*) from study.thing); end'`,
    `alter schema study rename to lab; create or replace function lab.counts() returns bigint language plpgsql
      as 'begin return (select count(*) from lab.thing); end'`,
    ['ALTERED SCHEMA study', 'ALTERED FUNCTION study.counts()'],
  ),
  change(
    `comment on schema lab is 'x'`,
    'comment on schema lab is null',
    'ALTERED SCHEMA lab',
    { comment: null },
    { comment: 'x' },
  ),
  change(
    'create table lab.added (a integer primary key, b text not null, c lab.size)',
    'drop table lab.added',
    'ADDED TABLE lab.added',
  ),
  change(
    'create table lab.added (id serial primary key, n integer generated always as identity)',
    'drop table lab.added',
    'ADDED TABLE lab.added',
  ),
  change('create unlogged table lab.added ()', 'drop table lab.added', 'ADDED TABLE lab.added'),
  change(
    'alter table lab.thing rename to renamed',
    'alter table lab.renamed rename to thing',
    'ALTERED TABLE lab.renamed',
    { name: 'thing' },
    { name: 'renamed' },
  ),
  change(
    'alter table lab.other set schema shop',
    'alter table shop.other set schema lab',
    'ALTERED TABLE shop.other',
    { schema: 'lab' },
    { schema: 'shop' },
  ),
  change(
    'alter table lab.numbered set schema shop',
    'alter table shop.numbered set schema lab',
    'ALTERED TABLE shop.numbered',
    { schema: 'lab' },
    { schema: 'shop' },
  ),
  change(
    'alter table lab.numbered set unlogged',
    'alter table lab.numbered set logged',
    'ALTERED TABLE lab.numbered',
    { unlogged: false },
    { unlogged: true },
  ),
  change(
    'alter table lab.numbered alter twice type bigint',
    'alter table lab.numbered alter twice type integer',
    'ALTERED COLUMN lab.numbered.twice',
    { dataType: 'integer' },
    { dataType: 'bigint' },
  ),
  change(
    'alter table lab.other add column n integer generated always as identity',
    'alter table lab.other drop column n',
    'ADDED COLUMN lab.other.n',
  ),
  change(
    'alter table lab.other add column n serial',
    'alter table lab.other drop column n',
    'ADDED COLUMN lab.other.n',
  ),
  change(
    'alter table lab.thing add column late date',
    'alter table lab.thing drop column late',
    'ADDED COLUMN lab.thing.late',
    null,
    { name: 'late', dataType: 'date', nullable: true },
  ),
  change(
    'alter table lab.thing rename column label to title',
    'alter table lab.thing rename column title to label',
    'ALTERED COLUMN lab.thing.title',
    { name: 'label' },
    { name: 'title' },
  ),
  change(
    'alter table lab.thing rename column amount to "how Much"',
    'alter table lab.thing rename column "how Much" to amount',
    'ALTERED COLUMN lab.thing.how Much',
  ),
  change(
    'alter table lab.thing rename column parent to up',
    'alter table lab.thing rename column up to parent',
    'ALTERED COLUMN lab.thing.up',
  ),
  change(
    'alter table lab.other rename column id to key',
    'alter table lab.other rename column key to id',
    'ALTERED COLUMN lab.other.key',
  ),
  change(
    'alter table lab.parts rename column amount to total',
    'alter table lab.parts rename column total to amount',
    'ALTERED COLUMN lab.parts.total',
  ),
  change(
    'alter table lab.thing alter note type varchar(10)',
    'alter table lab.thing alter note type text',
    'ALTERED COLUMN lab.thing.note',
    { dataType: 'text' },
    { dataType: 'character varying(10)' },
  ),
  change(
    'alter table lab.parts add column late date',
    'alter table lab.parts drop column late',
    'ADDED COLUMN lab.parts.late',
  ),
  change(
    'alter table lab.parts alter amount type bigint',
    'alter table lab.parts alter amount type integer',
    'ALTERED COLUMN lab.parts.amount',
  ),
  change(
    'alter table lab.part_1 alter amount set default 5',
    'alter table lab.part_1 alter amount drop default',
    'ALTERED COLUMN lab.part_1.amount',
    { default: null },
    { default: '5' },
  ),
  change(
    'alter table lab.base add column late date',
    'alter table lab.base drop column late',
    'ADDED COLUMN lab.base.late',
  ),
  change(
    'alter table lab.base add check (a > 0)',
    'alter table lab.base drop constraint base_a_check',
    'ADDED CONSTRAINT lab.base.base_a_check',
  ),
  change(
    'alter table lab.child no inherit lab.base',
    'alter table lab.child inherit lab.base',
    'ALTERED TABLE lab.child',
  ),
  change(
    'alter table lab.thing alter amount set default 2',
    'alter table lab.thing alter amount set default 1',
    'ALTERED COLUMN lab.thing.amount',
    { default: '1' },
    { default: '2' },
  ),
  change(
    'alter table lab.thing alter label set not null',
    'alter table lab.thing alter label drop not null',
    'ALTERED COLUMN lab.thing.label',
    { nullable: true },
    { nullable: false },
  ),
  change(
    `comment on column lab.thing.label is 'x'`,
    'comment on column lab.thing.label is null',
    'ALTERED COLUMN lab.thing.label',
    { comment: null },
    { comment: 'x' },
  ),
  change(
    'alter table lab.thing set (fillfactor = 70)',
    'alter table lab.thing reset (fillfactor)',
    'ALTERED TABLE lab.thing',
    { options: [] },
    { options: ['fillfactor=70'] },
  ),
  change(
    'alter table lab.thing enable row level security',
    'alter table lab.thing disable row level security',
    'ALTERED TABLE lab.thing',
    { rowSecurity: false },
    { rowSecurity: true },
  ),
  change(
    'alter table lab.thing replica identity using index thing_kind',
    'alter table lab.thing replica identity default',
    'ALTERED TABLE lab.thing',
  ),
  change(
    'alter table lab.thing cluster on thing_kind',
    'alter table lab.thing set without cluster',
    'ALTERED TABLE lab.thing',
  ),
  change('create index added on lab.thing (label)', 'drop index lab.added', 'ADDED INDEX lab.thing.added'),
  change('create index added on lab.parts (size)', 'drop index lab.added', 'ADDED INDEX lab.parts.added'),
  change(
    'alter index lab.thing_label rename to renamed',
    'alter index lab.renamed rename to thing_label',
    'ALTERED INDEX lab.thing.renamed',
    { name: 'thing_label' },
    { name: 'renamed' },
  ),
  change(
    'alter table lab.thing add constraint u unique (label)',
    'alter table lab.thing drop constraint u',
    'ADDED CONSTRAINT lab.thing.u',
  ),
  change(
    'alter table lab.thing rename constraint thing_pkey to main',
    'alter table lab.thing rename constraint main to thing_pkey',
    'ALTERED CONSTRAINT lab.thing.main',
    { name: 'thing_pkey' },
    { name: 'main' },
  ),
  change(
    'alter table lab.thing rename constraint positive to above',
    'alter table lab.thing rename constraint above to positive',
    'ALTERED CONSTRAINT lab.thing.above',
  ),
  change(
    `alter index lab.thing_pkey set (fillfactor = 50)`,
    'alter index lab.thing_pkey reset (fillfactor)',
    'ALTERED INDEX lab.thing.thing_pkey',
  ),
  change(
    'alter table lab.thing add constraint f foreign key (parent) references lab.other not valid',
    'alter table lab.thing drop constraint f',
    'ADDED FOREIGN_KEY lab.thing.f',
  ),
  change(
    'alter table lab.parts add constraint f foreign key (amount) references lab.other',
    'alter table lab.parts drop constraint f',
    'ADDED FOREIGN_KEY lab.parts.f',
  ),
  change(
    'create trigger added after update on lab.thing execute function lab.fires()',
    'drop trigger added on lab.thing',
    'ADDED TRIGGER lab.thing.added',
  ),
  change(
    'create trigger added after update on lab.parts for each row execute function lab.fires()',
    'drop trigger added on lab.parts',
    'ADDED TRIGGER lab.parts.added',
  ),
  change(
    'alter table lab.thing disable trigger fires',
    'alter table lab.thing enable trigger fires',
    'ALTERED TRIGGER lab.thing.fires',
    { enabled: true, fires: 'ORIGIN' },
    { enabled: false, fires: 'DISABLED' },
  ),
  change(
    'alter function lab.fires() rename to hits',
    'alter function lab.hits() rename to fires',
    'ALTERED FUNCTION lab.hits()',
    { name: 'fires' },
    { name: 'hits' },
  ),
  change(
    'create policy added on lab.thing for delete using (true)',
    'drop policy added on lab.thing',
    'ADDED POLICY lab.thing.added',
  ),
  change(
    'alter policy mine on lab.thing rename to ours',
    'alter policy ours on lab.thing rename to mine',
    'ALTERED POLICY lab.thing.ours',
  ),
  change(
    `alter policy mine on lab.thing using (id > 1)`,
    `alter policy mine on lab.thing using (id > 0 and label <> '')`,
    'ALTERED POLICY lab.thing.mine',
  ),
  change(
    'create rule added as on delete to lab.other do instead nothing',
    'drop rule added on lab.other',
    'ALTERED TABLE lab.other',
  ),
  change(
    'create statistics lab.added on id, label from lab.thing',
    'drop statistics lab.added',
    'ALTERED TABLE lab.thing',
  ),
  change('create view lab.added as select 1 as a', 'drop view lab.added', 'ADDED TABLE lab.added'),
  change(
    "create or replace view lab.next as select nextval('lab.counter') + 1 as n, lab.one() as one",
    "create or replace view lab.next as select nextval('lab.counter') as n, lab.one() as one",
    'ALTERED TABLE lab.next',
  ),
  change(
    'alter view lab.seen rename column label to title',
    'alter view lab.seen rename column title to label',
    'ALTERED COLUMN lab.seen.title',
    { name: 'label' },
    { name: 'title' },
  ),
  change(
    'create materialized view lab.added as select 1 as a',
    'drop materialized view lab.added',
    'ADDED TABLE lab.added',
  ),
  change(
    'alter table lab.parts detach partition lab.part_1',
    `alter table lab.parts attach partition lab.part_1 for values from ('2026-01-01') to ('2027-01-01')`,
    'ALTERED TABLE lab.part_1',
  ),
  change('create table lab.part_2 partition of lab.parts default', 'drop table lab.part_2', 'ADDED TABLE lab.part_2'),
  change(`create type lab.added as enum ('a')`, 'drop type lab.added', 'ADDED ENUM lab.added', null, {
    name: 'added',
    schema: 'lab',
    values: ['a'],
  }),
  change(
    'alter type lab.size rename to extent',
    'alter type lab.extent rename to size',
    'ALTERED ENUM lab.extent',
    { name: 'size' },
    { name: 'extent' },
  ),
  change(
    `alter type lab.size rename value 'small' to 'tiny'`,
    `alter type lab.size rename value 'tiny' to 'small'`,
    'ALTERED ENUM lab.size',
    { values: ['small', 'large'] },
    { values: ['tiny', 'large'] },
  ),
  change('alter type lab.pair add attribute c date', 'alter type lab.pair drop attribute c', 'ALTERED SCHEMA lab'),
  change(
    'alter domain lab.percent rename to share',
    'alter domain lab.share rename to percent',
    'ALTERED SCHEMA lab',
    { domains: [{ name: 'percent' }] },
    { domains: [{ name: 'share' }] },
  ),
  change('alter domain lab.percent set not null', 'alter domain lab.percent drop not null', 'ALTERED SCHEMA lab'),
  change('create sequence lab.added', 'drop sequence lab.added', 'ADDED SEQUENCE lab.added'),
  change(
    'alter sequence lab.counter increment 2',
    'alter sequence lab.counter increment 1',
    'ALTERED SEQUENCE lab.counter',
    { increment: '1' },
    { increment: '2' },
  ),
  change(
    'alter sequence lab.counter rename to counts',
    'alter sequence lab.counts rename to counter',
    'ALTERED SEQUENCE lab.counts',
    { name: 'counter' },
    { name: 'counts' },
  ),
  change(
    'alter sequence lab.numbered_id_seq rename to ids',
    'alter sequence lab.ids rename to numbered_id_seq',
    'ALTERED SEQUENCE lab.ids',
  ),
  change(
    'alter sequence lab.counter owned by lab.other.id',
    'alter sequence lab.counter owned by none',
    'ALTERED SEQUENCE lab.counter',
  ),
  change(
    'alter function lab.one() rename to uno',
    'alter function lab.uno() rename to one',
    'ALTERED FUNCTION lab.uno()',
    { name: 'one' },
    { name: 'uno' },
  ),
  change(
    'alter function lab.one() set schema shop',
    'alter function shop.one() set schema lab',
    'ALTERED FUNCTION shop.one()',
    { schema: 'lab' },
    { schema: 'shop' },
  ),
  change(
    `create function lab.one(lab.size) returns integer language sql as 'select 1'`,
    'drop function lab.one(lab.size)',
    'ADDED FUNCTION lab.one(lab.size)',
  ),
  change('alter function lab.one() stable', 'alter function lab.one() volatile', 'ALTERED FUNCTION lab.one()'),
  change(
    'create event trigger added on ddl_command_end execute function lab.tells()',
    'drop event trigger added',
    'ALTERED DATABASE',
  ),
  change(
    'create publication added for table lab.thing (id) where (id > 1)',
    'drop publication added',
    'ALTERED DATABASE',
  ),
  change('create server added foreign data wrapper file_fdw', 'drop server added', 'ALTERED DATABASE'),
  change(
    "create collation lab.added (provider = icu, locale = 'fr')",
    'drop collation lab.added',
    'ALTERED DATABASE',
    {},
    {
      others: [{ kind: 'COLLATION', name: 'added', identity: 'lab.added' }],
    },
  ),
  change(
    'alter collation lab.german rename to deutsch',
    'alter collation lab.deutsch rename to german',
    'ALTERED DATABASE',
    { others: [{ name: 'german' }] },
    { others: [{ name: 'deutsch' }] },
  ),
  change(
    'alter collation lab.german set schema shop',
    'alter collation shop.german set schema lab',
    'ALTERED DATABASE',
  ),
  change('create extension pg_trgm schema lab', 'drop extension pg_trgm', 'ADDED EXTENSION pg_trgm'),
];

describe('the difference of two catalogues', () => {
  test.each(cases)('after $ddl is $changes', async ({ ddl, undo, changes, ...first }) => {
    await database.client.query(ddl);
    const after = await read();
    await database.client.query(undo);
    const undone = await read();
    const forth = await differenceOf(before, after);
    expect(forth.map(shown)).toEqual(changes);
    if ('after' in first) expect(forth[0]).toMatchObject(first);
    const back = await differenceOf(after, undone);
    expect(back.map(({ kind, before, after }) => ({ kind, before, after }))).toEqual(forth.map(reversed));
    expect(await differenceOf(before, undone)).toEqual([]);
    expect(await fingerprintOf(undone)).toBe(await fingerprintOf(before));
    before = undone;
  });
});

describe('several changes at once', () => {
  async function changesOf(first: string, ddl: string): Promise<Difference[]> {
    await using own = await createTestDatabase(first);
    const old = await read(own);
    await own.client.query(ddl);
    return await differenceOf(old, await read(own));
  }
  const told = async (first: string, ddl: string) => (await changesOf(first, ddl)).map(shown);

  test('are in one order, parents before what is in them', async () => {
    const ddl = `create schema b; create table b.t (id int); create function b.f(int) returns int language sql as 'select 1';
      create type b.e as enum ('x'); create sequence b.s; alter table z add column late date; alter table z add check (late is not null);
      create index on z (late)`;
    expect(await told('create table z ()', ddl)).toEqual([
      'ADDED SCHEMA b',
      'ADDED ENUM b.e',
      'ADDED SEQUENCE b.s',
      'ADDED FUNCTION b.f(integer)',
      'ADDED TABLE b.t',
      'ADDED COLUMN public.z.late',
      'ADDED CONSTRAINT public.z.z_late_check',
      'ADDED INDEX public.z.z_late_idx',
    ]);
  });

  test('of one object are one change, with only what differs', async () => {
    const first = `create table t (a integer default 1, b text)`;
    const [alone, ...others] = await changesOf(
      first,
      `alter table t rename a to c; alter table t alter c type bigint; comment on column t.c is 'x'`,
    );
    expect(others).toEqual([]);
    expect(alone).toMatchObject({
      names: ['public', 't', 'c'],
      before: { name: 'a', dataType: 'integer', comment: null },
      after: { name: 'c', dataType: 'bigint', comment: 'x' },
    });
    expect(Object.keys(alone!.after!)).toEqual(['name', 'dataType', 'comment']);
  });

  test('that give two columns each other’s name are two renames', async () => {
    const ddl = 'alter table t rename a to c; alter table t rename b to a; alter table t rename c to b';
    const first = 'create table t (a integer, b text); create index i on t (a); create view v as select a, b from t';
    const changes = await changesOf(first, ddl);
    expect(changes.map(shown)).toEqual(['ALTERED COLUMN public.t.a', 'ALTERED COLUMN public.t.b']);
    expect(changes.map(({ before }) => before)).toEqual([{ name: 'b' }, { name: 'a' }]);
  });

  test('that give two objects each other’s name are two renames, whatever follows from them', async () => {
    const swapped = (kind: string, one: string, other: string) =>
      `alter ${kind} ${one} rename to between; alter ${kind} ${other} rename to ${one}; alter ${kind} between rename to ${other}`;
    const tables = `create table a (id int primary key, x text); create table b (id int primary key, y int references a);
      create view v as select a.x, b.y from a join b on a.id = b.y`;
    expect(await told(tables, swapped('table', 'a', 'b'))).toEqual([
      'ALTERED TABLE public.a',
      'ALTERED TABLE public.b',
    ]);
    const schemas = `create schema r; create schema s; create table s.t (id serial primary key);
      create table r.t (id serial primary key, x text); create view s.v as select * from r.t`;
    expect(await told(schemas, swapped('schema', 'r', 's'))).toEqual(['ALTERED SCHEMA r', 'ALTERED SCHEMA s']);
    const enums = `create type x as enum ('a', 'b'); create type y as enum ('c'); create table t (p x default 'a', q y, r x[])`;
    expect(await told(enums, swapped('type', 'x', 'y'))).toEqual(['ALTERED ENUM public.x', 'ALTERED ENUM public.y']);
  });

  test('that give two values of an enum each other’s name are one change, in lists of them as well', async () => {
    const first = `create type e as enum ('a', 'b c'); create table t (x e default 'a', y e[] default '{a,"b c"}')`;
    const ddl = `alter type e rename value 'a' to 'z'; alter type e rename value 'b c' to 'a'; alter type e rename value 'z' to 'b c'`;
    expect(await told(first, ddl)).toEqual(['ALTERED ENUM public.e']);
  });

  test.each([
    [
      'a view',
      'create view v as select a as n from u',
      'create or replace view v as select b as n from u',
      'TABLE public.v',
    ],
    [
      'a check',
      'alter table u add constraint c check (a > 0)',
      'alter table u drop constraint c; alter table u add constraint c check (b > 0)',
      'CONSTRAINT public.u.c',
    ],
    ['an index', 'create index i on u (a)', 'drop index i; create index i on u (b)', 'INDEX public.u.i'],
    [
      'a function',
      `create function f(a int) returns int language sql as 'select 1'`,
      `drop function f(int); create function f(b int) returns int language sql as 'select 1'`,
      'FUNCTION public.f(integer)',
    ],
  ])(
    'tell that %s has another name in it, though a column elsewhere was renamed so',
    async (_what, made, ddl, object) => {
      const first = `create table t (a int); create table u (a int, b int); ${made}`;
      const changes = await told(first, `alter table t rename a to b; ${ddl}`);
      expect(changes.toSorted()).toEqual(['ALTERED COLUMN public.t.b', `ALTERED ${object}`]);
    },
  );

  test('tell that something else is used, though an object of the same schema was moved', async () => {
    const first = `create schema s; create function f() returns int language sql as 'select 1';
      create function s.f() returns int language sql as 'select 2'; create table t (a int default f()); create table moved (id int)`;
    const ddl = 'alter table moved set schema s; alter table t alter a set default s.f()';
    expect(await told(first, ddl)).toEqual(['ALTERED TABLE s.moved', 'ALTERED COLUMN public.t.a']);
  });

  test('tell a moved object once, whatever names it', async () => {
    const first = `create schema s; create type e as enum ('a'); create function f() returns int language sql as 'select 1';
      create table p (id int primary key, e e default 'a') partition by range (id); create index on p (e);
      create table p1 partition of p for values from (1) to (9); create table c (p int references p, n int default f())`;
    const ddl = `alter type e set schema s; alter function f() set schema s; alter table p set schema s`;
    expect(await told(first, ddl)).toEqual(['ALTERED ENUM s.e', 'ALTERED FUNCTION s.f()', 'ALTERED TABLE s.p']);
  });

  test('tell a renamed part of a composite type', async () => {
    const [alone, ...others] = await changesOf(
      'create type c as (a int, b text); create table t (x c); create view v as select (x).a from t',
      'alter type c rename attribute a to z',
    );
    expect(others).toEqual([]);
    expect(alone).toMatchObject({
      object: 'SCHEMA',
      before: { compositeTypes: [{ name: 'c', attributes: [{ name: 'a' }, { name: 'b' }] }] },
      after: { compositeTypes: [{ name: 'c', attributes: [{ name: 'z' }, { name: 'b' }] }] },
    });
  });

  test('tell a foreign key of a partitioned table once, whatever its copies are called', async () => {
    const first = `create table r (id int primary key); create table p (id int constraint f references r) partition by list (id);
      create table p1 partition of p for values in (1); create table p2 (id int constraint own references r);
      alter table p attach partition p2 for values in (2); alter table p rename constraint f to g`;
    expect(await told(first, 'alter table p alter constraint g deferrable')).toEqual([
      'ALTERED FOREIGN_KEY public.p.g',
    ]);
  });

  test('tell a table that took a renamed one’s name as a new one', async () => {
    const ddl = 'alter table t rename to t_old; create table t (a integer, b text)';
    expect(await told('create table t (a integer)', ddl)).toEqual([
      'ADDED TABLE public.t',
      'ALTERED TABLE public.t_old',
    ]);
  });

  test('tell a renamed schema with a renamed table in it as two', async () => {
    const ddl = 'alter schema s rename to r; alter table r.t rename to u';
    const first = 'create schema s; create table s.t (id serial primary key); create view s.v as select * from s.t';
    expect(await told(first, ddl)).toEqual(['ALTERED SCHEMA r', 'ALTERED TABLE r.u']);
  });

  test('tell what was dropped and made again under its name by what differs, which may be nothing', async () => {
    const first = 'create table t (id serial primary key, a integer not null); create index i on t (a)';
    const same = `drop table t; ${first}`;
    expect(await told(first, same)).toEqual([]);
    const other = 'drop table t; create table t (id serial primary key, a bigint not null, b text)';
    expect(await told(first, other)).toEqual([
      'ALTERED COLUMN public.t.a',
      'ADDED COLUMN public.t.b',
      'REMOVED INDEX public.t.i',
    ]);
  });

  test('tell a table that became a view as gone and new', async () => {
    const ddl = 'drop table t; create view t as select 1 as a';
    expect(await told('create table t (a integer)', ddl)).toEqual(['REMOVED TABLE public.t', 'ADDED TABLE public.t']);
  });

  test('tell the order of columns where a table was made again with another', async () => {
    const [alone] = await changesOf('create table t (a int, b int)', 'drop table t; create table t (b int, a int)');
    expect(alone).toMatchObject({ object: 'TABLE', before: { columns: ['a', 'b'] }, after: { columns: ['b', 'a'] } });
  });

  test('tell a new table whole, with what hangs off it inside', async () => {
    const ddl = `create table u (id integer primary key, t integer references t, check (id > 0));
      create index i on u (t); create policy p on u using (true)`;
    const [alone, ...others] = await changesOf('create table t (id integer primary key)', ddl);
    expect(others).toEqual([]);
    expect(alone).toMatchObject({
      before: null,
      after: {
        name: 'u',
        schema: 'public',
        kind: 'TABLE',
        columns: [
          { name: 'id', dataType: 'integer', nullable: false },
          { name: 't', nullable: true },
        ],
        constraints: [{ kind: 'CHECK' }, { kind: 'PRIMARY_KEY', columns: ['id'] }],
        foreignKeys: [{ referencedTableName: 't', referencedColumns: ['id'], onDelete: 'NO_ACTION' }],
        indexes: [{ name: 'i' }],
        policies: [{ name: 'p' }],
      },
    });
  });

  test('are none in a copy, whatever its ids are those of', async () => {
    const tables = ['a', 'b', 'c', 'd', 'e'].map((name) => `create table ${name} (${name}1 integer primary key)`);
    await using one = await createTestDatabase(tables.join(';'));
    await using other = await createTestDatabase(tables.toReversed().join(';'));
    const [first, second] = [await read(one), await read(other)];
    // As on a server whose ids began at the same number: those of the first, dealt out anew.
    const ids = first.relations.map(({ id }) => id).reverse();
    const relations = second.relations.map((relation, place) => ({ ...relation, id: ids[place]! }));
    expect(await differenceOf(first, { ...second, relations })).toEqual([]);
  });
});
