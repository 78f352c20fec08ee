/** Columns, and the columns that they have to do with. */
import type { ColumnDetails, ColumnStatistics, QualifiedName } from '../../engines/catalog.ts';
import type { PartOfTable } from '../ids.ts';
import type { CatalogLoaders } from '../loaders.ts';
import type { ColumnNode, ForeignKeyNode, TableNode } from '../nodes.ts';
import { type CatalogRequest, type Opening, present } from './opening.ts';

export function createColumnReads({ loadersOf, find }: Pick<Opening, 'loadersOf' | 'find'>) {
  const reads = {
    columns(request: CatalogRequest, databaseId: string, table: QualifiedName): ColumnNode[] | Promise<ColumnNode[]> {
      return find(request, databaseId, (loaders) => loaders.columns.load(table));
    },

    async column(
      request: CatalogRequest,
      databaseId: string,
      { table, name }: PartOfTable,
    ): Promise<ColumnNode | null> {
      const columns = await reads.columns(request, databaseId, table);
      return columns.find((column) => column.name === name) ?? null;
    },

    async primaryKey(request: CatalogRequest, table: TableNode): Promise<ColumnNode[]> {
      const columns = await reads.columns(request, table.databaseId, table);
      return columns
        .filter(({ primaryKeyPosition }) => primaryKeyPosition !== null)
        .sort((a, b) => (a.primaryKeyPosition ?? 0) - (b.primaryKeyPosition ?? 0));
    },

    /** In the order of the names; one that was dropped meanwhile is left out. */
    async columnsNamed(
      request: CatalogRequest,
      databaseId: string,
      table: QualifiedName,
      names: readonly string[],
    ): Promise<ColumnNode[]> {
      const columns = new Map((await reads.columns(request, databaseId, table)).map((column) => [column.name, column]));
      return names.flatMap((name) => columns.get(name) ?? []);
    },

    /** The columns that foreign keys of this one point to. */
    async references(request: CatalogRequest, { databaseId, table, name }: ColumnNode): Promise<ColumnNode[]> {
      const loaders = await loadersOf(request, databaseId);
      const pairs = (await loaders.foreignKeys.load(table)).flatMap(pairsOf).filter(({ from }) => from === name);
      return columnsAt(
        loaders,
        pairs.map(({ key, to }) => ({ table: key.referenced, name: to })),
      );
    },

    /** The columns whose foreign keys point to this one. */
    async referringColumns(request: CatalogRequest, { databaseId, table, name }: ColumnNode): Promise<ColumnNode[]> {
      const loaders = await loadersOf(request, databaseId);
      const pairs = (await loaders.referencedBy.load(table)).flatMap(pairsOf).filter(({ to }) => to === name);
      return columnsAt(
        loaders,
        pairs.map(({ key, from }) => ({ table: key.table, name: from })),
      );
    },

    /** @throws AppError NOT_FOUND when it was dropped meanwhile */
    async columnDetails(request: CatalogRequest, { databaseId, table, name }: ColumnNode): Promise<ColumnDetails> {
      const details = await (await loadersOf(request, databaseId)).columnDetails.load(table);
      return present(details.get(name) ?? null, 'Column');
    },

    /** The columns that a view's column is made of. */
    async origins(request: CatalogRequest, { databaseId, table, name }: ColumnNode): Promise<ColumnNode[]> {
      const loaders = await loadersOf(request, databaseId);
      const origins = (await loaders.origins.load(table)).filter((origin) => origin.name === name);
      return columnsAt(
        loaders,
        origins.map((origin) => ({ table: origin.table, name: origin.column })),
      );
    },

    /** Null where nothing was gathered, or the credentials may not read it. */
    async statistics(
      request: CatalogRequest,
      { databaseId, table, name }: ColumnNode,
    ): Promise<ColumnStatistics | null> {
      const statistics = await (await loadersOf(request, databaseId)).statistics.load(table);
      return statistics.get(name) ?? null;
    },
  };
  return reads;
}

const pairsOf = (key: ForeignKeyNode) =>
  key.columns.map((from, place) => ({ key, from, to: key.referencedColumns[place] ?? null }));

/** The columns that are still there; each once. */
async function columnsAt(
  loaders: CatalogLoaders,
  places: readonly { table: QualifiedName; name: string | null }[],
): Promise<ColumnNode[]> {
  const found = await Promise.all(
    places.map(async ({ table, name }) => (await loaders.columns.load(table)).find((column) => column.name === name)),
  );
  return [...new Set(found)].filter((column) => column !== undefined);
}
