/** Sequences as they are defined; how far one has come is a statistic. */
import type { SnapshotSequence } from '../../snapshot.ts';
import { boolean, bySchemaAndName } from '../catalog/rows.ts';
import type { Way } from '../row-texts.ts';
import type { Classes } from './classes.ts';
import type { Source } from './source.ts';

type Row = [
  oid: number,
  dataType: string,
  start: string,
  increment: string,
  minimum: string,
  maximum: string,
  cache: string,
  cycle: string | null,
  owner: number | null,
  /** Of the owner's column. */
  number: number | null,
  dependency: string | null,
];

const ways: readonly Way[] = ['NUMBER', 'TEXT', 'TEXT', 'TEXT', 'TEXT', 'TEXT', 'TEXT', 'TEXT', 'NUMBER', 'NUMBER'];

/** Of the sequences among `classes`, whose relations have their columns when what was asked before has been answered. */
export async function readSequences(
  source: Source,
  classes: Classes,
): Promise<{ sequences: SnapshotSequence[]; members: SnapshotSequence[] }> {
  const { ask, intern } = source;
  const found = { sequences: [] as SnapshotSequence[], members: [] as SnapshotSequence[] };
  const take = (row: unknown) => {
    const [oid, dataType, start, increment, minimum, maximum, cache, cycle, ownerId, number, dependency] = row as Row;
    const of = classes.sequences.get(oid);
    if (!of) return;
    const [, schema, name, , owner, persistence, privileges] = of;
    const ownerTable = classes.relations.get(ownerId ?? 0);
    const ownerColumn = ownerTable?.columnNames[number ?? 0];
    found[source.isMember('pg_class', oid) ? 'members' : 'sequences'].push({
      id: String(oid),
      schema: source.schemaName(schema),
      name,
      owner: intern(owner),
      comment: source.comment('pg_class', oid),
      privileges: intern(privileges),
      dataType: intern(dataType),
      start: intern(start),
      increment: intern(increment),
      minimum: intern(minimum),
      maximum: intern(maximum),
      cache: intern(cache),
      cycle: boolean(cycle),
      unlogged: persistence === 'u',
      ownedBy: ownerTable && ownerColumn ? { table: ownerTable.name, column: ownerColumn.text } : null,
      identity: dependency === 'i',
    });
  };
  if (classes.sequences.size > 0) {
    await ask(
      `select s.seqrelid, format_type(s.seqtypid, null), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
        nullif(s.seqcycle, false), d.refobjid, d.refobjsubid, nullif(d.deptype, 'a')
      from pg_catalog.pg_sequence s
      left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = s.seqrelid and d.objsubid = 0
        and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')`,
      [],
      { ways, take },
    );
  }
  found.sequences.sort(bySchemaAndName);
  found.members.sort(bySchemaAndName);
  return found;
}
