/** Functions, procedures, aggregates and window functions. */
import type { AggregateDefinition, SnapshotRoutine } from '../../snapshot.ts';
import { details, type RoutineRow, routine } from '../catalog/routines.ts';
import { boolean, byRoutineName } from '../catalog/rows.ts';
import { routineIdentity } from '../catalog/sql.ts';
import { askAbout, askPrinted, type Source } from './source.ts';

export async function readRoutines(
  source: Source,
): Promise<{ routines: SnapshotRoutine[]; members: SnapshotRoutine[] }> {
  const { ask, askWhereAny, schemaIds, intern } = source;
  const all = await askWhereAny(
    'ROUTINE',
    `select p.oid, pg_get_userbyid(p.proowner), p.proacl::text, nullif(p.prokind = 'a', false)
     from pg_catalog.pg_proc p where p.pronamespace = any($1::oid[])`,
    [schemaIds],
  );
  const oids = all.map(([oid]) => oid ?? '');
  // The row's ordinal, as the other reads have it, is the oid here.
  const one = `select p.oid as ordinal, p.oid, ${routineIdentity('p')} as identity from pg_catalog.pg_proc p where p.oid = any($1::oid[])`;
  const [printed, aggregates] = await Promise.all([
    askPrinted(ask, oids, details(one)),
    readAggregates(
      source,
      all.filter(([, , , aggregate]) => aggregate !== null).map(([oid]) => oid ?? ''),
    ),
  ]);
  const rows = new Map(printed.map((row) => [row[0], row]));
  const found = { routines: [] as SnapshotRoutine[], members: [] as SnapshotRoutine[] };
  for (const [oid = '', owner = null, privileges = null] of all) {
    const row = rows.get(oid);
    if (!row || oid === null) continue;
    found[source.isMember('pg_proc', oid) ? 'members' : 'routines'].push({
      ...routine(row as unknown as RoutineRow),
      id: oid,
      owner: intern(owner),
      privileges: intern(privileges),
      aggregate: aggregates.get(oid) ?? null,
    });
  }
  found.routines.sort(byRoutineName);
  found.members.sort(byRoutineName);
  return found;
}

const kinds: Record<string, AggregateDefinition['kind']> = { n: 'NORMAL', o: 'ORDERED_SET', h: 'HYPOTHETICAL' };
const modifications: Record<string, string> = { r: 'READ_ONLY', s: 'SHAREABLE', w: 'READ_WRITE' };
const parallelisms: Record<string, string> = { s: 'SAFE', r: 'RESTRICTED', u: 'UNSAFE' };

async function readAggregates({ ask }: Source, oids: readonly string[]): Promise<Map<string, AggregateDefinition>> {
  const fn = (column: string) => `case when a.${column} <> 0 then a.${column}::regproc::text end`;
  const rows = await askAbout(
    ask,
    oids,
    `select p.oid, a.aggkind, a.aggnumdirectargs, a.aggtransfn::regproc::text, format_type(a.aggtranstype, null), a.aggtransspace,
      a.agginitval, ${fn('aggfinalfn')}, a.aggfinalextra, a.aggfinalmodify, ${fn('aggcombinefn')}, ${fn('aggserialfn')},
      ${fn('aggdeserialfn')}, case when a.aggsortop <> 0 then a.aggsortop::regoperator::text end, p.proparallel,
      ${fn('aggmtransfn')}, ${fn('aggminvtransfn')}, format_type(nullif(a.aggmtranstype, 0), null), a.aggmtransspace, a.aggminitval,
      ${fn('aggmfinalfn')}, a.aggmfinalextra, a.aggmfinalmodify
    from pg_catalog.pg_aggregate a join pg_catalog.pg_proc p on p.oid = a.aggfnoid where p.oid = any($1::oid[])`,
  );
  return new Map(
    rows.map((row) => {
      const [oid, kind, direct, transition, stateType, stateSize, initialState = null, final = null] = row;
      const [extra = null, modify, combine = null, serialize = null, deserialize = null] = row.slice(8);
      const [sortOperator = null, parallel, moving = null, inverse, movingType, movingSize] = row.slice(13);
      const [movingInitial = null, movingFinal = null, movingExtra = null, movingModify] = row.slice(19);
      return [
        oid ?? '',
        {
          kind: kinds[kind ?? ''] ?? 'NORMAL',
          directArguments: Number(direct),
          transition: transition ?? '',
          stateType: stateType ?? '',
          stateSize: Number(stateSize),
          initialState,
          final,
          finalTakesArguments: boolean(extra),
          finalModifies: modifications[modify ?? ''] ?? '',
          combine,
          serialize,
          deserialize,
          moving:
            moving === null
              ? null
              : {
                  transition: moving,
                  inverse: inverse ?? '',
                  stateType: movingType ?? '',
                  stateSize: Number(movingSize),
                  initialState: movingInitial,
                  final: movingFinal,
                  finalTakesArguments: boolean(movingExtra),
                  finalModifies: modifications[movingModify ?? ''] ?? '',
                },
          sortOperator,
          parallel: parallelisms[parallel ?? ''] ?? '',
        },
      ];
    }),
  );
}
