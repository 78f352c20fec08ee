-- What came with PostgreSQL 16 to 18, over kinds-15.sql.
create collation app.built_in (provider = builtin, locale = 'C.UTF-8');
create collation app.ruled (provider = icu, locale = 'und', rules = '& a < g');
create domain app.named as text constraint "must be there" not null;
comment on constraint "must be there" on domain app.named is 'It must';
create table app.nulls (
  a integer constraint "a is there" not null, b integer not null no inherit, c integer,
  virtual integer generated always as (a + b),
  constraint hopeful check (c > 0) not enforced
);
comment on constraint "a is there" on app.nulls is 'Named';
alter table app.nulls add constraint "c will be" not null c not valid;
create table app.nulls_below (d integer) inherits (app.nulls);
alter table app.nulls_below alter column c set not null;
create table app.nulls_validated () inherits (app.nulls);
alter table app.nulls_validated validate constraint "c will be";
create table app.renamed_before (id integer not null primary key);
alter table app.renamed_before rename to renamed_after;
create table app.rooms (room integer, during daterange, constraint rooms_pkey primary key (room, during without overlaps));
create table app.stays (room integer, during daterange, constraint at_a_time foreign key (room, period during) references app.rooms (room, period during));
alter table app.order_items add constraint "not enforced" foreign key (order_id, order_day) references app.orders (id, day) not enforced;
create publication with_generated for table app.places with (publish_generated_columns = stored);
create table app.identity_parts (id integer generated always as identity, kind text storage external compression pglz) partition by list (kind) using app_heap;
create table app.identity_part partition of app.identity_parts for values in ('a');
create table app.shifts (kind integer, span int4range, constraint shifts_pkey primary key (kind, span without overlaps), constraint apart exclude using gist (kind with =, span with &&)) partition by list (kind);
create table app.day_shifts partition of app.shifts for values in (1, 2) partition by list (kind);
create table app.day_shifts_1 partition of app.day_shifts for values in (1);
create table app.night_shifts (span int4range not null, kind integer not null, constraint own exclude using gist (span with &&));
alter table app.shifts attach partition app.night_shifts for values in (3);
alter index app.day_shifts_kind_span_excl rename to "days ""$$'s""";
alter index app.day_shifts_1_kind_span_excl rename to "the 1st's";
alter index app."the 1st's" set (fillfactor = 60);
alter table app.day_shifts_1 cluster on "the 1st's";
comment on constraint night_shifts_pkey on app.night_shifts is 'A key';
comment on constraint "the 1st's" on app.day_shifts_1 is 'Renamed';
create table app.late_above (x integer not null default 1, constraint "x is there" check (x > 0));
create table app.late_beside (z integer);
create table app.late_below (own integer, z text storage external) inherits (app.late_above);
alter table app.late_below alter column z type integer using null, alter column x drop default;
alter table app.late_below inherit app.late_beside;
alter table app.late_above add column late text default 'x' collate "C", add constraint late_check check (late <> '') not valid;
comment on constraint shallow on app.lakes is 'Looked at';
create table app.addressees (id integer primary key);
create table app.parcels (place integer, kind text, constraint sent foreign key (place) references app.addressees) partition by list (kind);
create table app.parcels_a partition of app.parcels for values in ('a') partition by range (place);
create table app.parcels_a_1 partition of app.parcels_a default;
create table app.parcels_b (kind text, place integer constraint "own key" references app.addressees);
alter table app.parcels attach partition app.parcels_b for values in ('b');
alter table app.parcels rename constraint sent to "went to";
create event trigger on_login on login execute function app.on_ddl();
alter event trigger on_login disable;
