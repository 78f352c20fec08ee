/** The catalogue of a PostgreSQL database, 13 to 18, from pg_catalog alone. What each statement reads is in catalog/. */
import type { Catalog } from '../catalog.ts';
import { readColumns, readStatistics } from './catalog/columns.ts';
import { readColumnDetails, readDetails } from './catalog/details.ts';
import { readConstraints, readForeignKeys, readIndexes, readReferencedBy } from './catalog/keys.ts';
import { readOrigins } from './catalog/origins.ts';
import {
  readDefinitions,
  readEstimatedRows,
  readIndexScans,
  readIndexSizes,
  readRelationCounts,
  readRelationPages,
  readRelationsByName,
  readSizes,
} from './catalog/relations.ts';
import { readRoutineCounts, readRoutinePages, readRoutinesByName } from './catalog/routines.ts';
import { readRowAccess, readRowsSeen } from './catalog/row-access.ts';
import type { CatalogQuery } from './catalog/rows.ts';
import { readPolicies, readRules, readTriggers } from './catalog/rules.ts';
import {
  readDatabaseSize,
  readDefaultSchema,
  readExtensions,
  readRoles,
  readSchemas,
  readSchemasByName,
  readServerDatabases,
  readServerVersion,
} from './catalog/server.ts';
import { readEnums, readEnumsByName, readLastValues, readSequences } from './catalog/types.ts';
import { type CatalogTransaction, readConsistently } from './consistent.ts';
import { readDdl } from './ddl/ddl.ts';
import { readParts } from './parts.ts';
import { readSnapshot } from './snapshot.ts';

export interface CatalogDeps {
  /** One call, one statement. It may run on any session of the same credentials. */
  readonly query: CatalogQuery;
  readonly transaction: CatalogTransaction;
  /** Gives back what `query` runs on. */
  readonly close: () => Promise<void>;
}

export function createPostgresqlCatalog({ query, transaction, close }: CatalogDeps): Catalog {
  return {
    snapshot: ({ reach, ...options }) => readSnapshot(transaction, reach, options),
    serverVersion: (options) => readServerVersion(query, options),
    defaultSchema: (options) => readDefaultSchema(query, options),
    databaseSizeBytes: (options) => readDatabaseSize(query, options),
    serverDatabases: (reach, options) => readServerDatabases(query, reach, options),
    roles: (reach, options) => readRoles(query, reach, options),
    extensions: (options) => readExtensions(query, options),
    parts: (options) => readParts(transaction, options),
    schemas: (filter, options) => readSchemas(query, filter, options),
    schemasByName: (names, options) => readSchemasByName(query, names, options),
    relationPages: (within, filter, page, options) => readRelationPages(query, within, filter, page, options),
    relationCounts: (within, filter, options) => readRelationCounts(query, within, filter, options),
    relationsByName: (names, options) => readRelationsByName(query, names, options),
    columns: (relations, options) => readColumns(query, relations, options),
    columnDetails: (relations, options) => readColumnDetails(query, relations, options),
    origins: (relations, options) => readOrigins(query, relations, options),
    statistics: (relations, options) => readStatistics(query, relations, options),
    indexes: (relations, options) => readIndexes(query, relations, options),
    constraints: (relations, options) => readConstraints(query, relations, options),
    foreignKeys: (relations, options) => readForeignKeys(query, relations, options),
    referencedBy: (relations, options) => readReferencedBy(query, relations, options),
    triggers: (relations, options) => readTriggers(query, relations, options),
    policies: (relations, options) => readPolicies(query, relations, options),
    rules: (relations, options) => readRules(query, relations, options),
    details: (relations, options) => readDetails(query, relations, options),
    definitions: (relations, options) => readDefinitions(query, relations, options),
    estimatedRows: (relations, options) => readEstimatedRows(query, relations, options),
    sizesBytes: (relations, options) => readSizes(query, relations, options),
    indexSizesBytes: (relations, options) => readIndexSizes(query, relations, options),
    indexScans: (relations, options) => readIndexScans(query, relations, options),
    enums: (within, options) => readEnums(query, within, options),
    enumsByName: (names, options) => readEnumsByName(query, names, options),
    sequences: (schemas, options) => readSequences(query, schemas, options),
    lastValues: (sequences, options) => readLastValues(query, sequences, options),
    routinePages: (within, filter, page, options) => readRoutinePages(query, within, filter, page, options),
    routineCounts: (within, filter, options) => readRoutineCounts(query, within, filter, options),
    routinesByName: (names, options) => readRoutinesByName(query, names, options),
    rowAccess: (tables, options) => readRowAccess(transaction, tables, options),
    rowsSeen: (asked, options) => readRowsSeen(transaction, asked, options),
    ddl: async (options) => (await readConsistently(transaction, (ask) => readDdl(ask, null), options)).join(''),
    ddlOf: (selections, options) => readConsistently(transaction, (ask) => readDdl(ask, selections), options),
    [Symbol.asyncDispose]: close,
  };
}
