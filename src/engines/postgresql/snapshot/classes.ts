/**
 * What pg_class alone says, of all that it has rows for and a snapshot is about. Where there are many tables it is several
 * times as long as they are many, so it is gone through once for relations and sequences.
 */
import { replicaIdentityOf } from '../catalog/details.ts';
import type { Way } from '../row-texts.ts';
import { type BuildingRelation, building } from './building.ts';
import type { Source } from './source.ts';

export type SequenceRow = [
  oid: number,
  schema: string,
  name: string,
  relkind: string,
  owner: string | null,
  persistence: string | null,
  privileges: string | null,
];

export type RelationRow = [
  ...SequenceRow,
  method: string | null,
  tablespace: string | null,
  options: string | null,
  rowSecurity: string | null,
  forceRowSecurity: string | null,
  replicaIdentity: string | null,
  partitionBound: string | null,
  ofType: string | null,
];

const ways: readonly Way[] = ['NUMBER', 'TEXT', 'OWN'];

export interface Classes {
  readonly rows: readonly RelationRow[];
  /** The same ones, by their oids. */
  readonly relations: ReadonlyMap<number, BuildingRelation>;
  readonly sequences: ReadonlyMap<number, SequenceRow>;
  readonly hasComposites: boolean;
  readonly hasToastOptions: boolean;
}

export async function readClasses({ ask, schemaIds, schemaName, quoted }: Source): Promise<Classes> {
  const rows: RelationRow[] = [];
  const relations = new Map<number, BuildingRelation>();
  const sequences = new Map<number, SequenceRow>();
  const others = new Set<string>();
  await ask(
    `select c.oid, c.relnamespace, c.relname, c.relkind, pg_get_userbyid(c.relowner), nullif(c.relpersistence, 'p'),
      c.relacl::text, am.amname, nullif(c.reltablespace, 0), to_json(c.reloptions), nullif(c.relrowsecurity, false),
      nullif(c.relforcerowsecurity, false), ${replicaIdentityOf('c')},
      case when c.relispartition then pg_get_expr(c.relpartbound, c.oid) end,
      case when c.reloftype <> 0 then (
        select json_build_array(tn.nspname, ty.typname) from pg_catalog.pg_type ty
        join pg_catalog.pg_namespace tn on tn.oid = ty.typnamespace where ty.oid = c.reloftype) end
    from pg_catalog.pg_class c left join pg_catalog.pg_am am on am.oid = c.relam
    where c.relkind in ('r', 'S', 'p', 'v', 'm', 'f', 'c') and c.relnamespace = any($1::oid[])
      or c.relkind = 't' and c.reloptions is not null`,
    [schemaIds],
    {
      ways,
      take(row) {
        const [oid, schema, name, relkind] = row as RelationRow;
        if (relkind === 'S') sequences.set(oid, row.slice(0, 7) as SequenceRow);
        else if (relkind === 'c' || relkind === 't') others.add(relkind);
        else {
          rows.push([...row] as RelationRow);
          const schemaOf = schemaName(schema);
          relations.set(oid, building({ schema: schemaOf, name }, `${quoted(schemaOf)}.${quoted(name)}`));
        }
      },
    },
  );
  return { rows, relations, sequences, hasComposites: others.has('c'), hasToastOptions: others.has('t') };
}
