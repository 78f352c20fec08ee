-- What came with PostgreSQL 14 and 15, over kinds.sql.
create function app.atomic(a integer, b integer) returns integer language sql begin atomic; select a + b; select app.add(a, b); end;
create function app.atomic_return(a integer) returns integer language sql immutable return a * 2;
create table app.atomic_default (id integer); 
create function app.atomic_reads() returns bigint language sql begin atomic select count(*) from app.atomic_default; end;
alter table app.atomic_default alter column id set default app.atomic_reads();
create type app.floats as range (subtype = double precision, subtype_diff = float8mi, multirange_type_name = app.many_floats);
create table app.multi (spans app.many_floats, packed text compression pglz, unique nulls not distinct (packed));
create view app.invoked with (security_invoker = true) as select id from app.customers;
create statistics app.of_expression on (lower(name)), region from app.customers;
create unlogged sequence app.unlogged_seq;
create collation app.icu15 (provider = icu, locale = 'sv');
create publication filtered for table app.customers (id, region, name) where (region > 3);
create publication of_schema for tables in schema "Select";
create procedure app.out_only(out total integer) language plpgsql as 'begin total := 1; end';
alter table app.order_items add column region integer, add constraint narrowed foreign key (order_id, order_day) references app.orders (id, day) on delete set null (order_id);
