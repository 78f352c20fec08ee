/** Indexes and constraints of a snapshot are said in the server's own words, whoever prints them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Catalog } from '../../../src/engines/catalog.ts';
import { catalogOf } from '../../catalog/target.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';

const options = { signal: new AbortController().signal };

const actions = ['no action', 'restrict', 'cascade', 'set null', 'set default'];
const everyAction = actions
  .flatMap((onUpdate) => actions.map((onDelete) => `on update ${onUpdate} on delete ${onDelete}`))
  .map((both, place) => `constraint every_${place} foreign key (a) references plain (a) ${both}`);

const tables = `
create schema "Odd ""s";
create type mood as enum ('glad', 'sad');
create domain posint as integer check (value > 0);
create operator class own_ops for type integer using btree as
  operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 btint4cmp(integer, integer);
create table plain (a integer primary key, b integer, c text, d character varying(20), e text collate "C",
  f mood, g posint, h integer[], i inet, j jsonb, k tsvector, l int4range, m daterange, unique (b, c), unique (c, b));
create table "Odd ""s"."T 1" ("select" integer, "A b" text, "Ünder" character varying(30),
  primary key ("select", "A b"), unique ("Ünder"));
create index on plain (a);
create index on plain (b);
create index on plain (a, b);
create index on plain (c);
create index on plain (c text_pattern_ops);
create index on plain (c collate "C");
create index on plain (c collate "C" desc nulls last);
create index on plain (d);
create index on plain (d varchar_pattern_ops, a desc);
create index on plain (e);
create index on plain (e collate "POSIX");
create index on plain (e collate "default");
create index on plain (f, g, h);
create index on plain (b desc);
create index on plain (b nulls first);
create index on plain (b own_ops);
create index on plain (a own_ops, b);
create index on plain using hash (c);
create index on plain using hash (c text_pattern_ops);
create index on plain using gin (j);
create index on plain using gin (j jsonb_path_ops);
create index on plain using gist (i inet_ops);
create index on plain using gist (k tsvector_ops (siglen = 100));
create index on plain using brin (a);
create index on plain (a) include (b);
create index on plain (a) where b > 1;
create index on plain ((a + b));
create index on plain (lower(c), a);
create index on plain (a) with (fillfactor = 50);
create unique index on plain (b);
create unique index on plain (b) nulls not distinct;
create unique index on plain (b, c) include (d) nulls not distinct with (fillfactor = 70);
create index "select" on "Odd ""s"."T 1" ("select");
create index "Ä ""q""" on "Odd ""s"."T 1" ("Ünder" varchar_pattern_ops, "A b");
create index ordinary on "Odd ""s"."T 1" ("A b");
create table parts (a integer primary key, b integer, unique (a, b)) partition by range (a);
create table part_1 partition of parts for values from (0) to (10);
create index on parts (b);
create table referring (a integer ${everyAction.map((one) => `, ${one}`).join('')},
  b integer, c text, "A b" text,
  constraint two foreign key (b, c) references plain (b, c),
  constraint turned foreign key (c, b) references plain (c, b),
  constraint whole foreign key (b, c) references plain (b, c) match full,
  constraint some_columns foreign key (b, c) references plain (b, c) on delete set null (c),
  constraint late foreign key (a) references plain (a) deferrable initially deferred,
  constraint possible foreign key (a) references plain (a) deferrable,
  constraint odd foreign key (a, "A b") references "Odd ""s"."T 1" ("select", "A b") on delete cascade,
  constraint parted foreign key (a) references parts (a),
  constraint unenforced foreign key (a) references plain (a) not enforced,
  constraint one unique (a), constraint one_late unique (a) deferrable initially deferred,
  constraint one_carrying unique (a) include (b), constraint one_null unique nulls not distinct (a),
  constraint alone exclude using btree (a with =), constraint positive check (a > 0));
alter table referring add constraint unchecked foreign key (a) references plain (a) not valid;
create table itself (id integer primary key, parent integer references itself);
create table spans (id int4range, valid daterange, primary key (id, valid without overlaps));
create table in_spans (id int4range, valid daterange, foreign key (id, period valid) references spans (id, period valid));
`;

let database: TestDatabase;
let catalog: Catalog;

beforeAll(async () => {
  database = await createTestDatabase(tables);
  ({ catalog } = catalogOf(database.client));
  await database.client.query(`set search_path = ''`);
});
afterAll(async () => database[Symbol.asyncDispose]());

/** By relation and name. */
async function printed(sql: string): Promise<Record<string, string>> {
  const { rows } = await database.client.query<{ key: string; definition: string }>(sql);
  return Object.fromEntries(rows.map(({ key, definition }) => [key, definition]));
}

const told = async (kind: 'indexes' | 'constraints') => {
  const { relations } = await catalog.snapshot({ ...options, reach: 'SERVER' });
  return Object.fromEntries(
    relations.flatMap((relation) =>
      relation[kind].map(({ name, definition }) => [`${relation.schema} ${relation.name} ${name}`, definition]),
    ),
  );
};

const indexes = () =>
  printed(`select n.nspname || ' ' || t.relname || ' ' || x.relname as key, pg_get_indexdef(x.oid) as definition
    from pg_index i join pg_class x on x.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = t.relnamespace where t.oid >= 16384 and n.nspname <> 'pg_toast'`);

const constraints = () =>
  printed(`select n.nspname || ' ' || t.relname || ' ' || k.conname as key, pg_get_constraintdef(k.oid) as definition
    from pg_constraint k join pg_class t on t.oid = k.conrelid join pg_namespace n on n.oid = t.relnamespace
    left join pg_constraint up on up.oid = k.conparentid
    where t.oid >= 16384 and up.conrelid is distinct from k.conrelid`);

test('every index is', async () => {
  const expected = await indexes();
  expect(Object.keys(expected).length).toBeGreaterThan(45);
  expect(await told('indexes')).toEqual(expected);
});

test('every constraint is', async () => {
  const expected = await constraints();
  expect(Object.keys(expected).length).toBeGreaterThan(50);
  expect(await told('constraints')).toEqual(expected);
});
