/**
 * The catalogues of the databases that a viewer sees. Every function asks first whether he sees the database, and reads
 * through the loaders that his one operation has for it. What each kind is read with is in reads/.
 */
import { AppError } from '../lib/errors.ts';
import { createColumnReads } from './reads/columns.ts';
import { createDatabaseReads } from './reads/database.ts';
import { createKeyReads } from './reads/keys.ts';
import { type CatalogDatabase, type CatalogDeps, createOpening } from './reads/opening.ts';
import { createRoutineReads } from './reads/routines.ts';
import { createScriptReads } from './reads/scripts.ts';
import { createTableReads } from './reads/tables.ts';
import { createTypeReads } from './reads/types.ts';

export type CatalogService = ReturnType<typeof createCatalogService>;

/** Every function throws AppError NOT_FOUND for a database that the viewer does not see, and whatever `read` throws. */
export function createCatalogService<Database extends CatalogDatabase>(deps: CatalogDeps<Database>) {
  const opening = createOpening(deps);
  const { snapshotsOf, stillAnswers, state, refresh } = opening;
  const tables = createTableReads(opening);
  return {
    snapshotsOf,
    stillAnswers,
    state,
    refresh,
    ...createDatabaseReads(opening),
    ...tables,
    ...createColumnReads(opening),
    ...createKeyReads(opening),
    ...createRoutineReads(opening),
    ...createTypeReads(opening, tables),
    ...createScriptReads(opening),
    visible,
  };
}

/** For look-ups by id, which cannot tell absent from not visible. */
async function visible<Found>(find: () => Promise<Found | null>): Promise<Found | null> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof AppError && error.code === 'NOT_FOUND') return null;
    throw error;
  }
}
