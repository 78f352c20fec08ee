/** What a PostgreSQL database has beside relations, routines, enums and sequences, as of one moment: as a snapshot has it. */
import type { ReadOptions } from '../catalog.ts';
import type { DatabaseParts } from '../snapshot.ts';
import { type CatalogTransaction, readConsistently } from './consistent.ts';
import { hasMoved } from './snapshot/moved.ts';
import { readOthers } from './snapshot/others.ts';
import { readEventTriggers, readForeignDataWrappers, readForeignServers, readPublications } from './snapshot/server.ts';
import { type Ask, openSource, type Source } from './snapshot/source.ts';
import { readTypes } from './snapshot/types.ts';

/** @throws AppError CONFLICT for a catalogue that changes faster than it can be read */
export const readParts = (transaction: CatalogTransaction, options: ReadOptions): Promise<DatabaseParts> =>
  readConsistently(transaction, (ask) => readOnce((sql, values = []) => ask(sql, values)), options);

/** Null where definitions may be of another moment than the rest. */
async function readOnce(ask: Ask): Promise<DatabaseParts | null> {
  await ask(`set local search_path = ''`);
  const source = await openSource(ask);
  const parts = await partsOf(source, await readTypes(source));
  return (await hasMoved(source)) ? null : parts;
}

export async function partsOf(
  source: Source,
  { domains, compositeTypes, rangeTypes }: Pick<DatabaseParts, 'domains' | 'compositeTypes' | 'rangeTypes'>,
): Promise<DatabaseParts> {
  return {
    domains,
    compositeTypes,
    rangeTypes,
    eventTriggers: await readEventTriggers(source),
    publications: await readPublications(source),
    foreignDataWrappers: await readForeignDataWrappers(source),
    foreignServers: await readForeignServers(source),
    others: await readOthers(source),
  };
}
