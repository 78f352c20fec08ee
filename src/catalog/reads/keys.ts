/** Indexes, constraints and foreign keys. */
import type { Constraint } from '../../engines/catalog.ts';
import type { PartOfTable } from '../ids.ts';
import type { ForeignKeyNode, IndexNode, TableNode } from '../nodes.ts';
import type { CatalogRequest, Opening } from './opening.ts';

export function createKeyReads({ loadersOf, find }: Pick<Opening, 'loadersOf' | 'find'>) {
  const reads = {
    indexes(request: CatalogRequest, table: TableNode): IndexNode[] | Promise<IndexNode[]> {
      return find(request, table.databaseId, (loaders) => loaders.indexes.load(table));
    },

    async index(request: CatalogRequest, databaseId: string, { table, name }: PartOfTable): Promise<IndexNode | null> {
      const indexes = await (await loadersOf(request, databaseId)).indexes.load(table);
      return indexes.find((index) => index.name === name) ?? null;
    },

    constraints(request: CatalogRequest, table: TableNode): Constraint[] | Promise<Constraint[]> {
      return find(request, table.databaseId, (loaders) => loaders.constraints.load(table));
    },

    foreignKeys(request: CatalogRequest, table: TableNode): ForeignKeyNode[] | Promise<ForeignKeyNode[]> {
      return find(request, table.databaseId, (loaders) => loaders.foreignKeys.load(table));
    },

    async foreignKey(
      request: CatalogRequest,
      databaseId: string,
      { table, name }: PartOfTable,
    ): Promise<ForeignKeyNode | null> {
      const keys = await (await loadersOf(request, databaseId)).foreignKeys.load(table);
      return keys.find((key) => foreignKeyName(key) === name) ?? null;
    },

    referencedBy(request: CatalogRequest, table: TableNode): ForeignKeyNode[] | Promise<ForeignKeyNode[]> {
      return find(request, table.databaseId, (loaders) => loaders.referencedBy.load(table));
    },

    async indexSizeBytes(request: CatalogRequest, { databaseId, table, name }: IndexNode): Promise<number | null> {
      const sizes = await (await loadersOf(request, databaseId)).indexSizesBytes.load(table);
      return sizes.get(name) ?? null;
    },

    /** How often it was used, since the engine began to count. */
    async indexScans(request: CatalogRequest, { databaseId, table, name }: IndexNode): Promise<number | null> {
      const scans = await (await loadersOf(request, databaseId)).indexScans.load(table);
      return scans.get(name) ?? null;
    },
  };
  return reads;
}

/** What an id calls a foreign key; where an engine gives it no name, its columns tell it apart. */
export const foreignKeyName = ({ name, columns }: { name: string | null; columns: readonly string[] }): string =>
  name ?? JSON.stringify(columns);
