/** Enums and sequences. */
import type { EnumType, QualifiedName, ReadOptions, Sequence, Within } from '../../catalog.ts';
import {
  aligned,
  boolean,
  byName,
  bySchemaAndName,
  type CatalogQuery,
  grouped,
  schemasAndNames,
  sendable,
  strings,
} from './rows.ts';
import { description, notSystem, targets } from './sql.ts';

type EnumRow = [ordinal: string, schema: string, name: string, values: string | null, comment: string | null];

const enumDetails = `n.nspname, t.typname,
      (select json_agg(v.enumlabel order by v.enumsortorder) from pg_catalog.pg_enum v where v.enumtypid = t.oid),
      d.description`;

const enumType = ([, schema, name, values, comment]: EnumRow): EnumType => ({
  schema,
  name,
  values: strings(values),
  comment,
});

export async function readEnums(query: CatalogQuery, within: Within, options: ReadOptions): Promise<EnumType[][]> {
  const schemas = 'schemas' in within ? within.schemas.map(sendable) : undefined;
  const rows = await query(
    `select ${schemas ? 'g.ordinal' : '1'}, ${enumDetails}
    from ${schemas ? 'unnest($1::text[]) with ordinality g (schema, ordinal) join' : ''} pg_catalog.pg_namespace n
    ${schemas ? 'on n.nspname = g.schema collate "C"' : ''}
    join pg_catalog.pg_type t on t.typnamespace = n.oid and t.typtype = 'e'
    ${description('d', 'pg_type', 't.oid')}
    ${schemas ? '' : `where ${notSystem('n')}`}`,
    schemas ? [schemas] : [],
    options,
  );
  return grouped(rows, schemas?.length ?? 1, enumType).map((ofOne) => ofOne.sort(bySchemaAndName));
}

export async function readEnumsByName(
  query: CatalogQuery,
  names: readonly QualifiedName[],
  options: ReadOptions,
): Promise<(EnumType | null)[]> {
  const rows = await query(
    `select g.ordinal, ${enumDetails}
    from unnest($1::text[], $2::text[]) with ordinality g (schema, name, ordinal)
    join pg_catalog.pg_namespace n on n.nspname = g.schema collate "C"
    join pg_catalog.pg_type t on t.typnamespace = n.oid and t.typname = g.name collate "C" and t.typtype = 'e'
    ${description('d', 'pg_type', 't.oid')}`,
    schemasAndNames(names),
    options,
  );
  return aligned(rows, names.length, enumType);
}

type SequenceRow = [
  ordinal: string,
  schema: string,
  name: string,
  dataType: string,
  start: string,
  increment: string,
  minimum: string,
  maximum: string,
  cache: string,
  cycle: string,
  owner: string | null,
  comment: string | null,
  ownerSchema: string | null,
  ownerTable: string | null,
  ownerColumn: string | null,
];

export async function readSequences(
  query: CatalogQuery,
  schemas: readonly string[],
  options: ReadOptions,
): Promise<Sequence[][]> {
  const rows = await query(
    `select g.ordinal, n.nspname, c.relname, format_type(s.seqtypid, null), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
      s.seqcycle, pg_get_userbyid(c.relowner), de.description, tn.nspname, t.relname, a.attname
    from unnest($1::text[]) with ordinality g (schema, ordinal)
    join pg_catalog.pg_namespace n on n.nspname = g.schema collate "C"
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind = 'S'
    join pg_catalog.pg_sequence s on s.seqrelid = c.oid
    ${description('de', 'pg_class', 'c.oid')}
    left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
      and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
    left join pg_catalog.pg_class t on t.oid = d.refobjid
    left join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
    left join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid`,
    [schemas.map(sendable)],
    options,
  );
  return grouped(rows, schemas.length, sequence).map((ofOne) => ofOne.sort(byName));
}

const sequence = ([
  ,
  schema,
  name,
  dataType,
  start,
  increment,
  minimum,
  maximum,
  cache,
  cycle,
  owner,
  comment,
  ownerSchema,
  ownerTable,
  ownerColumn,
]: SequenceRow): Sequence => ({
  schema,
  name,
  dataType,
  start,
  increment,
  minimum,
  maximum,
  cache,
  cycle: boolean(cycle),
  owner,
  comment,
  ownedBy:
    ownerSchema === null || ownerTable === null || ownerColumn === null
      ? null
      : { table: { schema: ownerSchema, name: ownerTable }, column: ownerColumn },
});

export async function readLastValues(
  query: CatalogQuery,
  sequences: readonly QualifiedName[],
  options: ReadOptions,
): Promise<(string | null)[]> {
  const rows = await query(
    `with ${targets(['S'])}
    select ordinal, case when has_sequence_privilege(oid, 'SELECT, USAGE') then pg_sequence_last_value(oid) end
    from target where oid is not null`,
    schemasAndNames(sequences),
    options,
  );
  return aligned(rows, sequences.length, ([, value]: [string, string | null]) => value);
}
