/** What a PostgreSQL database has beside relations, routines, enums and sequences, as of one moment: as a snapshot has it. */
import type { ReadOptions } from '../catalog.ts';
import type { DatabaseParts } from '../snapshot.ts';
import { type CatalogTransaction, readConsistently } from './consistent.ts';
import { hasMoved } from './snapshot/moved.ts';
import { firstUserOid } from './snapshot/oids.ts';
import { readOthers } from './snapshot/others.ts';
import { readEventTriggers, readForeignDataWrappers, readForeignServers, readPublications } from './snapshot/server.ts';
import { type Ask, openSource, printedAlike, type Source } from './snapshot/source.ts';
import { readTypes } from './snapshot/types.ts';

/** @throws AppError CONFLICT for a catalogue that changes faster than it can be read */
export const readParts = (transaction: CatalogTransaction, options: ReadOptions): Promise<DatabaseParts> =>
  readConsistently(transaction, (ask) => readOnce((sql, values = [], each) => ask(sql, values, each)), options);

/** Null where definitions may be of another moment than the rest. */
async function readOnce(ask: Ask): Promise<DatabaseParts | null> {
  const [, source] = await Promise.all([ask(printedAlike), openSource(ask)]);
  const composites = ask(
    `select where exists (select from pg_catalog.pg_class where relkind = 'c' and oid >= ${firstUserOid})`,
  );
  const [, types, others] = await Promise.all([
    source.readRemarks(),
    readTypes(
      source,
      composites.then((rows) => rows.length > 0),
    ),
    readOtherParts(source),
  ]);
  const parts = partsOf(types, others);
  return (await hasMoved(source)) ? null : parts;
}

type OtherParts = Omit<DatabaseParts, 'domains' | 'compositeTypes' | 'rangeTypes'>;

export async function readOtherParts(source: Source): Promise<OtherParts> {
  const [eventTriggers, publications, foreignDataWrappers, foreignServers, others] = await Promise.all([
    readEventTriggers(source),
    readPublications(source),
    readForeignDataWrappers(source),
    readForeignServers(source),
    readOthers(source),
  ]);
  return { eventTriggers, publications, foreignDataWrappers, foreignServers, others };
}

export const partsOf = (
  { domains, compositeTypes, rangeTypes }: Pick<DatabaseParts, 'domains' | 'compositeTypes' | 'rangeTypes'>,
  others: OtherParts,
): DatabaseParts => ({ domains, compositeTypes, rangeTypes, ...others });
