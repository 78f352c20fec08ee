/**
 * Ids of catalogue objects: their kind, the database and the names that lead to them. They survive a restart and a
 * refresh, not a rename; any text can be a name in them. How an id is written is lib/ids.ts.
 */
import type { QualifiedName, RoutineName } from '../engines/catalog.ts';
import { encodeId, isUuid } from '../lib/ids.ts';

export interface PartOfTable {
  readonly table: QualifiedName;
  readonly name: string;
}

export const schemaId = (databaseId: string, name: string): string => encodeId('Schema', databaseId, name);

export const tableId = (databaseId: string, { schema, name }: QualifiedName): string =>
  encodeId('Table', databaseId, schema, name);

const partId =
  (kind: string) =>
  (databaseId: string, { table, name }: PartOfTable): string =>
    encodeId(kind, databaseId, table.schema, table.name, name);

export const columnId = partId('Column');
export const indexId = partId('Index');
export const foreignKeyId = partId('ForeignKey');

export const enumTypeId = (databaseId: string, { schema, name }: QualifiedName): string =>
  encodeId('EnumType', databaseId, schema, name);

export const functionId = (databaseId: string, { schema, name, identity }: RoutineName): string =>
  encodeId('Function', databaseId, schema, name, identity);

export interface InDatabase<Name> {
  readonly databaseId: string;
  readonly name: Name;
}

/** The parts of an id behind its kind, read again; null for parts that none of the functions above wrote. */
const reader =
  <Name>(count: number, build: (names: string[]) => Name) =>
  (parts: readonly string[]): InDatabase<Name> | null => {
    const [databaseId, ...names] = parts;
    if (databaseId === undefined || !isUuid(databaseId) || names.length !== count) return null;
    return { databaseId, name: build(names) };
  };

const qualified = ([schema = '', name = '']: string[]): QualifiedName => ({ schema, name });
const partOfTable = ([schema = '', table = '', name = '']: string[]): PartOfTable => ({
  table: { schema, name: table },
  name,
});

export const readSchemaId = reader(1, ([name = '']) => name);
export const readQualifiedId = reader(2, qualified);
export const readPartId = reader(3, partOfTable);
export const readFunctionId = reader(
  3,
  ([schema = '', name = '', identity = '']): RoutineName => ({ schema, name, identity }),
);
