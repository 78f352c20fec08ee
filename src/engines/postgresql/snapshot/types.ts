/** The types that people make: enums, domains, composite types, ranges. */
import type { QualifiedName } from '../../catalog.ts';
import type { CompositeType, Domain, DomainConstraint, RangeType, SnapshotEnum } from '../../snapshot.ts';
import { boolean, bySchemaAndName, nameOrNull, type SqlValue, strings, type TextRow } from '../catalog/rows.ts';
import type { CatalogTable } from './oids.ts';
import { commentOn } from './remarks.ts';
import { flagOr, groupedBy, type Source } from './source.ts';

export interface Types {
  readonly enums: SnapshotEnum[];
  readonly memberEnums: SnapshotEnum[];
  readonly domains: Domain[];
  readonly compositeTypes: CompositeType[];
  readonly rangeTypes: RangeType[];
}

/** All begin with these four, and `owned` reads them. */
const ownedColumns = 't.oid, t.typnamespace, t.typname, pg_get_userbyid(t.typowner), t.typacl::text';

type Row = readonly (string | null)[];
type Statement = [sql: string, values: readonly SqlValue[]];

const collation = (oid: string) => `(select json_build_array(cn.nspname, co.collname) from pg_catalog.pg_collation co
    join pg_catalog.pg_namespace cn on cn.oid = co.collnamespace where co.oid = ${oid})`;

/** @param hasComposites of the whole database: who has gone through pg_class knows it */
export async function readTypes(source: Source, hasComposites: Promise<boolean>): Promise<Types> {
  const { ask, askWhereAny, schemaIds, intern } = source;
  const selected = (columns: string, from: string): Statement => [
    `select ${ownedColumns}, ${columns} from pg_catalog.pg_type t ${from} and t.typnamespace = any($1::oid[])`,
    [schemaIds],
  ];
  const read = (kind: 'ENUM' | 'DOMAIN' | 'RANGE', columns: string, from: string) =>
    askWhereAny(kind, ...selected(columns, from));
  const askOfComposites = async (...statement: Statement) => ((await hasComposites) ? ask(...statement) : []);
  const owned = (
    [oid = '', schema, name, owner = null, privileges = null]: Row,
    catalog: CatalogTable = 'pg_type',
  ) => ({
    id: oid ?? '',
    schema: source.schemaName(schema ?? ''),
    name: name ?? '',
    owner: intern(owner),
    comment: source.comment(catalog, oid ?? ''),
    privileges: intern(privileges),
  });
  const isMember = (row: Row) => source.isMember('pg_type', row[0] ?? '');

  const multirange = `select json_build_array(mn.nspname, m.typname) from pg_catalog.pg_type m
    join pg_catalog.pg_namespace mn on mn.oid = m.typnamespace where m.oid = r.rngmultitypid`;
  const [enumRows, domainRows, constraints, compositeRows, attributes, rangeRows] = await Promise.all([
    read(
      'ENUM',
      `(select json_agg(v.enumlabel order by v.enumsortorder) from pg_catalog.pg_enum v where v.enumtypid = t.oid),
       (select json_agg(v.oid::text order by v.enumsortorder) from pg_catalog.pg_enum v where v.enumtypid = t.oid)`,
      `where t.typtype = 'e'`,
    ),
    read(
      'DOMAIN',
      `format_type(t.typbasetype, t.typtypmod), t.typnotnull, coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault),
       case when t.typcollation <> b.typcollation then ${collation('t.typcollation')} end`,
      `join pg_catalog.pg_type b on b.oid = t.typbasetype where t.typtype = 'd'`,
    ),
    readDomainConstraints(source),
    askOfComposites(
      ...selected(
        't.typrelid',
        `join pg_catalog.pg_class c on c.oid = t.typrelid and c.relkind = 'c' where t.typtype = 'c'`,
      ),
    ),
    readAttributes(source, askOfComposites),
    read(
      'RANGE',
      `format_type(r.rngsubtype, null), ${source.version >= 140000 ? `(${multirange})` : 'null::text'},
       (select json_build_array(cn.nspname, oc.opcname) from pg_catalog.pg_opclass oc
         join pg_catalog.pg_namespace cn on cn.oid = oc.opcnamespace where oc.oid = r.rngsubopc),
       case when r.rngcollation <> 0 then ${collation('r.rngcollation')} end,
       case when r.rngcanonical <> 0 then r.rngcanonical::regproc::text end,
       case when r.rngsubdiff <> 0 then r.rngsubdiff::regproc::text end`,
      `join pg_catalog.pg_range r on r.rngtypid = t.oid where t.typtype = 'r'`,
    ),
  ]);

  const enumOf = (row: Row): SnapshotEnum => ({
    ...owned(row),
    values: strings(row[5] ?? null),
    valueIds: strings(row[6] ?? null),
  });

  const domainOf = (row: Row): Domain => ({
    ...owned(row),
    baseType: row[5] ?? '',
    notNull: boolean(row[6] ?? null),
    default: row[7] ?? null,
    collation: nameOrNull(row[8] ?? null),
    constraints: constraints.get(row[0] ?? '') ?? [],
  });

  const compositeOf = (row: Row): CompositeType => {
    // A comment on a composite type is kept with the type; one on an attribute with its relation.
    const relation = row[5] ?? '';
    const comments = source.commentsOnColumns(relation);
    return {
      ...owned(row),
      attributes: (attributes.get(relation) ?? []).map(([, number = '', name, dataType, collated = null]) => ({
        id: `${relation}.${number}`,
        name: name ?? '',
        dataType: intern(dataType ?? ''),
        collation: nameOrNull(collated),
        comment: commentOn(comments, Number(number)),
      })),
    };
  };

  const rangeOf = (row: Row): RangeType => ({
    ...owned(row),
    subtype: row[5] ?? '',
    multirange: nameOrNull(row[6] ?? null),
    operatorClass: nameOrNull(row[7] ?? null) as QualifiedName,
    collation: nameOrNull(row[8] ?? null),
    canonical: row[9] ?? null,
    difference: row[10] ?? null,
  });

  const own = <Item extends QualifiedName>(rows: readonly Row[], build: (row: Row) => Item): Item[] =>
    rows
      .filter((row) => !isMember(row))
      .map(build)
      .sort(bySchemaAndName);
  return {
    enums: own(enumRows, enumOf),
    memberEnums: enumRows.filter(isMember).map(enumOf).sort(bySchemaAndName),
    domains: own(domainRows, domainOf),
    compositeTypes: own(compositeRows, compositeOf),
    rangeTypes: own(rangeRows, rangeOf),
  };
}

async function readDomainConstraints(source: Source): Promise<Map<string, DomainConstraint[]>> {
  const rows = await source.askWhereAny(
    'DOMAIN',
    `select k.contypid, k.oid, k.conname, k.contype, pg_get_constraintdef(k.oid), nullif(k.convalidated, true)
     from pg_catalog.pg_constraint k where k.contypid <> 0 and k.connamespace = any($1::oid[])
     order by k.conname collate "C"`,
    [source.schemaIds],
  );
  const constraints = new Map<string, DomainConstraint[]>();
  for (const [type, ofType] of groupedBy(rows)) {
    constraints.set(
      type,
      ofType.map(([, oid, name, contype, definition, validated = null]) => ({
        id: oid ?? '',
        name: name ?? '',
        kind: contype === 'n' ? 'NOT_NULL' : 'CHECK',
        definition: definition ?? '',
        validated: flagOr(validated, true),
        comment: source.comment('pg_constraint', oid ?? ''),
      })),
    );
  }
  return constraints;
}

async function readAttributes(
  { schemaIds }: Source,
  askOfComposites: (...statement: Statement) => Promise<TextRow[]>,
): Promise<Map<string, Row[]>> {
  const rows = await askOfComposites(
    `select a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
       case when a.attcollation <> ty.typcollation then ${collation('a.attcollation')} end
     from pg_catalog.pg_class c
     join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     join pg_catalog.pg_type ty on ty.oid = a.atttypid
     where c.relkind = 'c' and c.relnamespace = any($1::oid[])
     order by a.attrelid, a.attnum`,
    [schemaIds],
  );
  return groupedBy(rows);
}
