/** Sequences as they are defined; how far one has come is a statistic. */
import type { SnapshotSequence } from '../../snapshot.ts';
import { boolean, bySchemaAndName } from '../catalog/rows.ts';
import type { BuildingRelations } from './building.ts';
import type { Source } from './source.ts';

/** @param relations owners among them: with their columns, when what was asked before has been answered */
export async function readSequences(
  source: Source,
  relations: BuildingRelations,
): Promise<{ sequences: SnapshotSequence[]; members: SnapshotSequence[] }> {
  const { ask, schemaIds, intern } = source;
  const found = { sequences: [] as SnapshotSequence[], members: [] as SnapshotSequence[] };
  await ask(
    `select c.oid, c.relnamespace, c.relname, pg_get_userbyid(c.relowner), c.relacl::text, format_type(s.seqtypid, null),
      s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, nullif(s.seqcycle, false),
      nullif(c.relpersistence, 'p'), d.refobjid, d.refobjsubid, nullif(d.deptype, 'a')
    from pg_catalog.pg_class c
    join pg_catalog.pg_sequence s on s.seqrelid = c.oid
    left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
      and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
    where c.relkind = 'S' and c.relnamespace = any($1::oid[])`,
    [schemaIds],
    (row) => {
      const [oid, schema, name, owner, privileges, dataType, start, increment] = row as string[];
      const [minimum, maximum, cache, cycle, persistence, ownerId, ownerNumber, dependency] = row.slice(8);
      const ownerTable = relations.get(ownerId ?? '');
      const ownerColumn = ownerTable?.columns[Number(ownerNumber)];
      const sequence: SnapshotSequence = {
        id: oid!,
        schema: source.schemaName(schema!),
        name: name!,
        owner: intern(owner ?? null),
        comment: source.comment('pg_class', oid!),
        privileges: intern(privileges ?? null),
        dataType: intern(dataType!),
        start: intern(start!),
        increment: intern(increment!),
        minimum: intern(minimum!),
        maximum: intern(maximum!),
        cache: intern(cache!),
        cycle: boolean(cycle ?? null),
        unlogged: persistence === 'u',
        ownedBy: ownerTable && ownerColumn ? { table: ownerTable.name, column: ownerColumn.name } : null,
        identity: dependency === 'i',
      };
      found[source.isMember('pg_class', oid!) ? 'members' : 'sequences'].push(sequence);
    },
  );
  found.sequences.sort(bySchemaAndName);
  found.members.sort(bySchemaAndName);
  return found;
}
