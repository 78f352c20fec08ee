/** A whole catalogue of PostgreSQL, 13 to 18, in one transaction: one statement a kind, put together by oids here. */
import type { Reach, ReadOptions } from '../catalog.ts';
import type { CatalogSnapshot, SnapshotSchema } from '../snapshot.ts';
import { byName, type SqlValue } from './catalog/rows.ts';
import { readDefaultSchema, readRoles } from './catalog/server.ts';
import { type CatalogTransaction, readConsistently } from './consistent.ts';
import { partsOf, readOtherParts } from './parts.ts';
import { readClasses } from './snapshot/classes.ts';
import { readColumns } from './snapshot/columns.ts';
import { hasMoved } from './snapshot/moved.ts';
import { readRelations } from './snapshot/relations.ts';
import { readRoutines } from './snapshot/routines.ts';
import { readSequences } from './snapshot/sequences.ts';
import { readExtensions } from './snapshot/server.ts';
import { type Ask, awaitedLater, openSource, printedAlike } from './snapshot/source.ts';
import { readTypes } from './snapshot/types.ts';

/** @throws AppError CONFLICT for a catalogue that changes faster than it can be read */
export const readSnapshot = (
  transaction: CatalogTransaction,
  reach: Reach,
  options: ReadOptions,
): Promise<CatalogSnapshot> =>
  readConsistently(transaction, (ask) => readOnce((sql, values = [], each) => ask(sql, values, each), reach), options);

/** Null where definitions may be of another moment than the rest. */
async function readOnce(ask: Ask, reach: Reach): Promise<CatalogSnapshot | null> {
  const query = (sql: string, values: readonly SqlValue[]) => ask(sql, values);
  const options = { signal: new AbortController().signal };
  const [[[database = null, serverVersion = null] = []], defaultSchema, , roles, source] = await Promise.all([
    ask(`select current_database(), current_setting('server_version')`),
    readDefaultSchema(query, options),
    ask(printedAlike),
    readRoles(query, reach, options),
    openSource(ask),
  ]);
  const classesRead = readClasses(source);
  // Columns are asked for by the relations that there are: until these are here, this is for the server to do.
  const kinds = source.readKinds();
  const classes = await classesRead;
  // In an order in which neither waits: what the server takes long to begin with is asked behind what takes us longer.
  const columns = awaitedLater(readColumns(source, classes.relations));
  const remarks = awaitedLater(source.readRemarks());
  const [{ relations, members }, sequences, types, routines, extensions, others] = await Promise.all([
    readRelations(source, classes, columns),
    readSequences(source, classes),
    readTypes(source, Promise.resolve(classes.hasComposites)),
    readRoutines(source),
    readExtensions(source),
    readOtherParts(source),
    remarks,
    kinds,
  ]);
  const schemas = source.schemas
    .map((schema): SnapshotSchema => ({ ...schema, comment: source.comment('pg_namespace', schema.id) }))
    .sort(byName);
  const isMember = ({ id }: SnapshotSchema) => source.isMember('pg_namespace', id);
  const snapshot: CatalogSnapshot = {
    database: database ?? '',
    serverVersion: serverVersion ?? '',
    defaultSchema,
    schemas: schemas.filter((schema) => !isMember(schema)),
    relations,
    enums: types.enums,
    sequences: sequences.sequences,
    routines: routines.routines,
    extensions,
    ...partsOf(types, others),
    roles,
    extensionMembers: {
      schemas: schemas.filter(isMember),
      relations: members,
      enums: types.memberEnums,
      sequences: sequences.members,
      routines: routines.members,
    },
  };
  return (await hasMoved(source)) ? null : snapshot;
}
