/** Sequences as they are defined; how far one has come is a statistic. */
import type { SnapshotSequence } from '../../snapshot.ts';
import { boolean, bySchemaAndName } from '../catalog/rows.ts';
import type { Source } from './source.ts';

export async function readSequences(
  source: Source,
): Promise<{ sequences: SnapshotSequence[]; members: SnapshotSequence[] }> {
  const { ask, schemaIds, intern } = source;
  const rows = await ask(
    `select c.oid, c.relnamespace, c.relname, pg_get_userbyid(c.relowner), c.relacl::text, format_type(s.seqtypid, null),
      s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, nullif(s.seqcycle, false),
      nullif(c.relpersistence, 'p'), tn.nspname, t.relname, a.attname, nullif(d.deptype, 'a')
    from pg_catalog.pg_class c
    join pg_catalog.pg_sequence s on s.seqrelid = c.oid
    left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
      and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
    left join pg_catalog.pg_class t on t.oid = d.refobjid
    left join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
    left join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where c.relkind = 'S' and c.relnamespace = any($1::oid[])`,
    [schemaIds],
  );
  const found = { sequences: [] as SnapshotSequence[], members: [] as SnapshotSequence[] };
  for (const row of rows) {
    const [oid, schema, name, owner, privileges, dataType, start, increment] = row as string[];
    const [minimum, maximum, cache, cycle, persistence, ownerSchema, ownerTable, ownerColumn, dependency] =
      row.slice(8);
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
      ownedBy:
        ownerSchema == null || ownerTable == null || ownerColumn == null
          ? null
          : { table: { schema: intern(ownerSchema), name: ownerTable }, column: intern(ownerColumn) },
      identity: dependency === 'i',
    };
    found[source.isMember('pg_class', oid!) ? 'members' : 'sequences'].push(sequence);
  }
  found.sequences.sort(bySchemaAndName);
  found.members.sort(bySchemaAndName);
  return found;
}
