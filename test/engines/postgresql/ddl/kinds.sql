-- Every kind of object that a schema-only dump knows, on PostgreSQL 13 and later; what is newer is in kinds-18.sql.
create schema "Select";
comment on schema "Select" is E'It''s a "schema"\nof two lines \\ and a backslash';
create schema app;
create schema "ext ""q""";
create extension citext schema app;
create extension hstore schema "ext ""q""";
create extension btree_gist;
comment on extension citext is 'Said anew';
comment on extension btree_gist is null;

-- languages, collations, conversions, access methods
create language plother handler plpgsql_call_handler inline plpgsql_inline_handler validator plpgsql_validator;
create trusted language pltrusted handler plpgsql_call_handler;
create collation app.german (provider = icu, locale = 'de-u-co-phonebk');
create collation app."nicht exakt" (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create collation app.plain (provider = libc, locale = 'C');
comment on collation app.plain is 'By bytes';
create conversion app.latin for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
create default conversion app.latin_default for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
create access method app_heap type table handler heap_tableam_handler;
create access method app_btree type index handler bthandler;
comment on access method app_heap is 'A second heap';

-- types
create type app.mood as enum ('sad', 'it''s ok', 'glücklich 😀', '', E'back\\slash');
comment on type app.mood is 'How one feels';
create type app.empty_enum as enum ();
create domain app.happy as app.mood default 'it''s ok' constraint "not sad" check (value <> 'sad') constraint second check (value is not null);
create domain app.sku as varchar(20) collate "C" not null check (value ~ '^[A-Z]+$');
create domain app.loose as integer;
alter domain app.loose add constraint later check (value > 0) not valid;
comment on domain app.happy is 'Never sad';
comment on constraint "not sad" on domain app.happy is 'As it says';
create type app.point3 as (x double precision, "y z" app.mood, name text collate "C", list app.happy[]);
comment on column app.point3."y z" is 'Feels';
create type app.nothing as ();
create type app.later;
create type app.textrange as range (subtype = text, collation = "C");
create type app.even;
create function app.even_canonical(app.even) returns app.even language internal immutable strict as 'int4range_canonical';
create function app.gap(integer, integer) returns double precision language sql immutable strict as 'select ($1 - $2)::double precision';
create type app.even as range (subtype = integer, canonical = app.even_canonical, subtype_diff = app.gap);
create type app.number;
create function app.number_in(cstring) returns app.number language internal immutable strict as 'int4in';
create function app.number_out(app.number) returns cstring language internal immutable strict as 'int4out';
create type app.number (input = app.number_in, output = app.number_out, like = integer, category = 'N', default = '7');
comment on type app.number is 'Like an integer';

-- functions, aggregates, operators, classes, casts
create function app.number_eq(app.number, app.number) returns boolean language internal immutable strict as 'int4eq';
create function app.number_lt(app.number, app.number) returns boolean language internal immutable strict as 'int4lt';
create function app.number_le(app.number, app.number) returns boolean language internal immutable strict as 'int4le';
create function app.number_gt(app.number, app.number) returns boolean language internal immutable strict as 'int4gt';
create function app.number_ge(app.number, app.number) returns boolean language internal immutable strict as 'int4ge';
create function app.number_cmp(app.number, app.number) returns integer language internal immutable strict as 'btint4cmp';
create operator app.= (function = app.number_eq, leftarg = app.number, rightarg = app.number, commutator = operator(app.=), negator = operator(app.<>), restrict = eqsel, join = eqjoinsel, hashes, merges);
create function app.number_ne(app.number, app.number) returns boolean language internal immutable strict as 'int4ne';
create operator app.<> (function = app.number_ne, leftarg = app.number, rightarg = app.number, commutator = operator(app.<>), negator = operator(app.=), restrict = neqsel, join = neqjoinsel);
create operator app.< (function = app.number_lt, leftarg = app.number, rightarg = app.number, commutator = operator(app.>));
create operator app.<= (function = app.number_le, leftarg = app.number, rightarg = app.number);
create operator app.> (function = app.number_gt, leftarg = app.number, rightarg = app.number);
create operator app.>= (function = app.number_ge, leftarg = app.number, rightarg = app.number);
create operator app.!! (function = app.number_out, rightarg = app.number);
comment on operator app.= (app.number, app.number) is 'Equal';
comment on operator app.!! (none, app.number) is 'Prefix';
create operator family app.number_family using btree;
create operator class app.number_ops default for type app.number using btree family app.number_family as
  operator 1 app.<, operator 2 app.<=, operator 3 app.=, operator 4 app.>, operator 5 app.>=, function 1 app.number_cmp(app.number, app.number);
create function app.number_int_eq(app.number, integer) returns boolean language internal immutable strict as 'int4eq';
create operator app.= (function = app.number_int_eq, leftarg = app.number, rightarg = integer);
alter operator family app.number_family using btree add operator 3 app.= (app.number, integer);
comment on operator family app.number_family using btree is 'A family';
comment on operator class app.number_ops using btree is 'A class';
create operator class app.by_key for type integer using gin as operator 3 =, function 1 btint4cmp(integer, integer), function 2 ginarrayextract(anyarray, internal, internal), function 3 ginqueryarrayextract(anyarray, internal, smallint, internal, internal, internal, internal), function 4 ginarrayconsistent(internal, smallint, anyarray, integer, internal, internal, internal, internal), storage integer;
create cast (app.number as integer) without function as assignment;
create function app.to_number(text) returns app.number language plpgsql immutable as 'begin return $1; end';
create cast (text as app.number) with function app.to_number(text) as implicit;
create cast (app.mood as bytea) with inout;
comment on cast (app.number as integer) is 'The same bits';

create function app.add(a integer, b integer default 1 + 1, out total integer) language sql immutable parallel safe cost 7 as 'select a + b';
create function app.listed(variadic names text[] default '{a,"b c"}') returns table (id integer, "Label" text) language plpgsql stable security definer set search_path to app, 'public' rows 12 as $body$
begin
  -- $function$ would end a body in $function$
  return query select 1, '$function$'::text;
end $body$;
create function app.window_fn() returns bigint language internal window as 'window_row_number';
create procedure app.tidy(in days integer default 30, inout gone bigint default null) language plpgsql as 'begin null; end';
create function app."odd ""name"" 😀"(integer, "arg ument" text) returns void language sql as '';
comment on function app.add(integer, integer) is 'Adds';
comment on procedure app.tidy(integer, bigint) is 'Cleans up';
create aggregate app.largest(integer) (sfunc = int4larger, stype = integer, sortop = operator(pg_catalog.>), combinefunc = int4larger, parallel = safe);
create aggregate app.counted(*) (sfunc = int8inc, stype = bigint, initcond = '0');
create function app.collect(internal, anyelement) returns internal language internal as 'ordered_set_transition';
create aggregate app.middle(double precision order by anyelement) (sfunc = app.collect, stype = internal, finalfunc = percentile_disc_final, finalfunc_extra);
create aggregate app.placed(variadic "any" order by variadic "any") (sfunc = ordered_set_transition_multi, stype = internal, finalfunc = rank_final, finalfunc_extra, hypothetical);
create aggregate app.moving(double precision) (sfunc = float8pl, stype = double precision, msfunc = float8pl, minvfunc = float8mi, mstype = double precision, initcond = '0', minitcond = '0');
comment on aggregate app.counted(*) is 'Counts';
comment on aggregate app.largest(integer) is 'The largest';

-- text search
create text search template app.simple_template (init = dsimple_init, lexize = dsimple_lexize);
create text search dictionary app.own_dict (template = app.simple_template, accept = false);
create text search dictionary app.stop_dict (template = pg_catalog.simple, stopwords = english);
create text search parser app.own_parser (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, headline = prsd_headline, lextypes = prsd_lextype);
create text search configuration app.own_config (parser = app.own_parser);
alter text search configuration app.own_config add mapping for asciiword, word with app.own_dict, pg_catalog.simple;
alter text search configuration app.own_config add mapping for email with app.stop_dict;
comment on text search configuration app.own_config is 'A configuration';
comment on text search dictionary app.own_dict is 'A dictionary';
comment on text search parser app.own_parser is 'A parser';
comment on text search template app.simple_template is 'A template';

-- foreign data
create foreign data wrapper app_wrapper options (debug 'true');
create foreign data wrapper "bare wrapper";
create server "far away" type 'pg' version '9''s' foreign data wrapper "bare wrapper" options (host 'example.org', "odd option" 'a''b');
create server plain_server foreign data wrapper "bare wrapper";
create user mapping for public server "far away" options (password 'not to be seen');
create foreign table app.remote (id integer options (column_name 'Id') not null, label text collate "C" default 'x', constraint positive check (id > 0)) server "far away" options (table_name 'it''s');
alter foreign table app.remote alter column label set statistics 50;
comment on foreign data wrapper "bare wrapper" is 'Bare';
comment on server "far away" is 'Far';
comment on foreign table app.remote is 'Remote';
comment on column app.remote.id is 'Its id';

-- sequences
create sequence app.plain_seq;
create sequence app.odd_seq as smallint increment by -2 minvalue -100 maxvalue 100 start with 5 cache 3 cycle;
create sequence app.tiny_seq as integer minvalue 0 start with 0;
comment on sequence app.odd_seq is 'Odd';

-- tables
create table app.customers (
  region integer not null,
  id bigint generated always as identity (start with 10 increment by 5),
  second_id integer generated by default as identity (sequence name app."a name of its own" cycle),
  email app.citext default 'none@example.org' not null,
  mood app.mood default 'sad',
  happy app.happy,
  moods app.mood[] default '{sad}',
  name text collate "C" default E'tab\t and ''quote'' \\',
  gone integer,
  score numeric(12,2) constraint "score check" check (score >= 0),
  twice numeric generated always as (score * 2) stored,
  born timestamp(3) with time zone default now(),
  day date default '2020-02-03',
  span interval default '1 year 2 mons',
  code app.sku default 'A',
  amount app.number default '12',
  document jsonb,
  ratio real default 0.1,
  constraint customers_pkey primary key (id, region) include (email) with (fillfactor = 70),
  constraint customers_email_key unique (email) deferrable initially deferred,
  constraint "two of them" check (score > 0 or twice > 0) no inherit
) with (fillfactor = 80, autovacuum_enabled = off, toast.autovacuum_enabled = off);
alter table app.customers drop column gone;
alter table app.customers add column late integer;
alter table app.customers add constraint unchecked check (late > 0) not valid;
alter table app.customers alter column name set storage external, alter column name set statistics 77, alter column score set (n_distinct = -0.5, n_distinct_inherited = 3), alter column document set storage main;
comment on table app.customers is 'Who buys';
comment on column app.customers.email is 'Where to write to; "quoted"';
comment on constraint customers_pkey on app.customers is 'The key';
comment on constraint "score check" on app.customers is 'The check';
create index customers_lower_idx on app.customers (lower(name), region desc nulls last) include (email) where score > 10;
alter index app.customers_lower_idx alter column 1 set statistics 123;
create unique index customers_partial_idx on app.customers (name collate app.german text_pattern_ops) with (fillfactor = 60);
create index customers_document_idx on app.customers using gin (document jsonb_path_ops);
create index customers_amount_idx on app.customers (amount app.number_ops);
create unique index customers_identity_idx on app.customers (region, second_id);
alter table app.customers cluster on customers_pkey;
comment on index app.customers_lower_idx is 'By name';
create statistics app.customers_statistics (ndistinct, dependencies) on region, second_id from app.customers;
alter statistics app.customers_statistics set statistics 33;
comment on statistics app.customers_statistics is 'Together';

create table "Select"."ta.ble ""q"" ü
😀" (
  "__proto__" serial primary key,
  "order" text default 'a''b',
  "co""l, um.n" integer,
  "123456789012345678901234567890123456789012345678901234567890123" integer not null,
  region integer, customer bigint,
  constraint "f ""k""" foreign key (customer, region) references app.customers (id, region) on update restrict on delete set null deferrable initially deferred,
  constraint whole foreign key (customer, region) references app.customers (id, region) match full on delete cascade
);
alter table "Select"."ta.ble ""q"" ü
😀" add constraint unproven foreign key (customer, region) references app.customers (id, region) not valid;
create index "i ""x""" on "Select"."ta.ble ""q"" ü
😀" ("co""l, um.n", (upper("order")));
comment on column "Select"."ta.ble ""q"" ü
😀"."order" is 'a keyword';
create table "Select"."select" ("from" integer primary key, "where" integer references "Select"."select");
create unlogged table app.unlogged (id bigserial, note text);
create table app.no_columns ();
create table app.second_heap (id integer) using app_heap;
create table app.full_identity (id integer); alter table app.full_identity replica identity full;
create table app.no_identity (id integer); alter table app.no_identity replica identity nothing;
create table app.index_identity (id integer not null); create unique index index_identity_idx on app.index_identity (id);
alter table app.index_identity replica identity using index index_identity_idx;
create type app.typed_row as (id integer, label text);
create table app.typed of app.typed_row (id with options primary key, label default 'x' check (label <> ''));
create table app.plainly_typed of app.typed_row;
create table app.bookings (room integer, during int4range, constraint no_overlap exclude using gist (room with =, during with &&) where (room > 0) deferrable);
create table app.others_sequence (id integer default nextval('app.odd_seq'));
alter sequence app.tiny_seq owned by app.others_sequence.id;

-- inheritance, partitions
create table app.places (name text not null default 'nowhere', altitude integer default 0, twice integer generated always as (altitude * 2) stored, constraint high check (altitude >= 0));
create table app.waters (depth integer check (depth > 0));
create table app.capitals (state char(2), altitude integer default 5) inherits (app.places);
create table app.ports (berths integer) inherits (app.places, app.waters);
alter table app.ports alter column name set default 'harbour', alter column altitude drop default;
create table app.islands (depth integer constraint waters_depth_check check (depth > 0), name text not null);
alter table app.waters alter column depth set default 1;
alter table app.islands inherit app.waters;
create table app.lakes () inherits (app.waters);
create table app.ponds () inherits (app.lakes);
alter table app.waters add constraint shallow check (depth < 9) not valid;
alter table app.lakes validate constraint shallow;
alter table app.islands add constraint peak check (depth < 99) not valid;
create table app.orders (id bigint generated by default as identity, day date not null, customer bigint, region integer, total numeric check (total > 0), primary key (id, day), foreign key (customer, region) references app.customers (id, region)) partition by range (day);
create table app.orders_2025 partition of app.orders for values from ('2025-01-01') to ('2026-01-01') with (fillfactor = 90);
create table app.orders_2026 (late text, day date not null, id bigint not null, region integer, customer bigint, total numeric, check (total > 0));
alter table app.orders_2026 drop column late;
alter table app.orders_2026 rename constraint orders_2026_total_check to orders_total_check;
alter table app.orders attach partition app.orders_2026 for values from ('2026-01-01') to ('2027-01-01');
create table app.orders_rest partition of app.orders (total default 9, constraint small check (total < 10000)) default partition by list (id);
create table app.orders_rest_few partition of app.orders_rest for values in (1, 2);
create index orders_customer_idx on app.orders (customer);
create index orders_2025_total_idx on app.orders_2025 (total);
create table app.hashed (id integer, at timestamptz) partition by hash (id, at);
create table app.hashed_0 partition of app.hashed for values with (modulus 2, remainder 0);
create table app.hashed_1 partition of app.hashed for values with (modulus 2, remainder 1);
create table app.by_lower (name text) partition by list (lower(name) collate "C" text_pattern_ops);
create unique index only_parent on only app.hashed (id, at);
create table app.order_items (order_id bigint, order_day date, foreign key (order_id, order_day) references app.orders (id, day));

-- views, rules, triggers, policies
create view app.names with (security_barrier) as select id, name as "the name" from app.customers where score > 0;
create view app.checked as select region, id, late from app.customers where region > 0 with local check option;
create view app.cascaded as select * from app.checked where id > 0 with cascaded check option;
alter view app.checked alter column late set default 4;
create recursive view app.counting (n) as select 1 union all select n + 1 from counting where n < 10;
create view app.grouped as select c.id, c.region, c.name, count(*) from app.customers c join app.orders o on o.customer = c.id group by c.id, c.region;
create view app.no_column_view as select;
create materialized view app.totals with (fillfactor = 75) as select region, count(*) as customers, max(name) as top from app.customers group by region;
alter materialized view app.totals alter column top set statistics 9;
create unique index totals_region_idx on app.totals (region);
create view app.on_totals as select * from app.totals;
comment on view app.names is 'Names alone'; comment on column app.names."the name" is 'It'; comment on materialized view app.totals is 'Sums';
create rule names_delete as on delete to app.names do instead nothing;
create rule also_log as on insert to app.unlogged where new.note is null do also (update app.unlogged set note = 'x' where false; delete from app.unlogged where false);
alter table app.unlogged disable rule also_log;
create rule always_rule as on update to app.unlogged do also notify updated;
alter table app.unlogged enable always rule always_rule;
comment on rule also_log on app.unlogged is 'A rule';
create function app.audit() returns trigger language plpgsql as $$ begin perform app.add(1); return new; end $$;
create trigger customers_audit before insert or update of email, "late" on app.customers for each row when (new.score > 0) execute function app.audit('a', 'it''s');
create trigger customers_truncated after truncate on app.customers for each statement execute function app.audit();
create trigger customers_seen after update on app.customers referencing old table as before new table as after for each statement execute function app.audit();
create trigger names_instead instead of update on app.names for each row execute function app.audit();
create trigger orders_audit after insert on app.orders for each row execute function app.audit();
alter table app.orders_2026 disable trigger orders_audit;
create constraint trigger at_the_end after insert on app.customers deferrable initially deferred for each row execute function app.audit();
alter table app.customers disable trigger customers_truncated;
alter table app.customers enable replica trigger customers_audit;
alter table app.customers enable always trigger customers_seen;
comment on trigger customers_audit on app.customers is 'Audits';
alter table app.customers enable row level security;
alter table app.orders enable row level security; alter table app.orders force row level security;
create policy everyone_reads on app.customers for select using (score > 0);
create policy "nobody writes" on app.customers as restrictive for insert to current_user with check (false);
create policy everything on app.customers;
create policy updates on app.customers for update using (true) with check (late is null);
comment on policy everyone_reads on app.customers is 'Reads';
create table app.whole_row (id integer, constraint whole check (whole_row is not null and id > 0), constraint placed check (tableoid > 0::oid and id < 9));

-- circles, and what nothing records
create table app.circle_a (id integer primary key, b integer);
create table app.circle_b (id integer primary key, a integer references app.circle_a);
alter table app.circle_a add constraint to_b foreign key (b) references app.circle_b;
create table app.self_default (id integer, note text);
create function app.of_row(app.self_default) returns text language sql immutable as 'select $1.note';
create function app.of_type() returns text language sql as 'select note from app.self_default limit 1';
alter table app.self_default alter column note set default app.of_type();
create function app.row_ok(app.self_default) returns boolean language sql immutable as 'select $1.id > 0';
alter table app.self_default add constraint row_check check (app.row_ok(self_default.*));
create index self_default_idx on app.self_default (app.of_row(self_default.*));
create view app.circle_view as select 1 as n, 'a'::text collate "C" as label;
create function app.circle_fn() returns setof app.circle_view language sql as 'select * from app.circle_view';
create or replace view app.circle_view with (security_barrier) as select n, label from (select 1 as n, 'a'::text collate "C" as label where exists (select from app.circle_fn())) x;
create function app.calls_z() returns integer language sql immutable as 'select 3';
create function app.calls_a() returns integer language sql immutable as 'select app.calls_z()';
create table app.calling (id integer default app.calls_a()); create index calling_idx on app.calling ((id + app.calls_a()));
create function app.hstore_fn("ext ""q""".hstore) returns app.citext[] language sql as 'select null::app.citext[]';
alter function app.hstore_fn depends on extension hstore;
create transform for integer language plother (from sql with function pg_catalog.time_support(internal));
comment on transform for integer language plother is 'A transform';

-- publications, event triggers
create publication some_tables for table app.customers, app.orders with (publish = 'insert, delete', publish_via_partition_root = true);
create publication "all of them" for all tables with (publish = '');
create publication nothing_yet;
comment on publication some_tables is 'Some';
create function app.on_ddl() returns event_trigger language plpgsql as 'begin null; end';
create event trigger watching on ddl_command_end when tag in ('CREATE TABLE', 'ALTER TABLE') execute function app.on_ddl();
create event trigger dropped on sql_drop execute function app.on_ddl();
alter event trigger dropped disable;
comment on event trigger watching is 'Watches';
