/** Tables, and what hangs off one and is no column and no key. */
import type { Policy, QualifiedName, RelationDetails, RewriteRule } from '../../engines/catalog.ts';
import { notFound } from '../../lib/errors.ts';
import type { Connection, PageArguments } from '../../lib/pages.ts';
import type { SchemaNode, TableNode, TriggerNode } from '../nodes.ts';
import { filterOf, type TableArguments, tableConnection } from './connections.ts';
import { type CatalogRequest, type Opening, present } from './opening.ts';

export function createTableReads({ loadersOf, find }: Pick<Opening, 'loadersOf' | 'find'>) {
  const reads = {
    async tables(request: CatalogRequest, databaseId: string, args: TableArguments): Promise<Connection<TableNode>> {
      const loaders = await loadersOf(request, databaseId);
      const filter = filterOf(args);
      return tableConnection(
        args,
        (page) => loaders.tables({ filter, page }),
        () => loaders.tableCount(filter),
      );
    },

    async tablesOfSchema(
      request: CatalogRequest,
      schema: SchemaNode,
      args: TableArguments,
    ): Promise<Connection<TableNode>> {
      const loaders = await loadersOf(request, schema.databaseId);
      const filter = filterOf(args);
      return tableConnection(
        args,
        (page) => loaders.tablesOf({ filter, page }).load(schema.name),
        () => loaders.tableCountOf(filter).load(schema.name),
      );
    },

    async partitions(request: CatalogRequest, table: TableNode, args: PageArguments): Promise<Connection<TableNode>> {
      const loaders = await loadersOf(request, table.databaseId);
      return tableConnection(
        args,
        (page) => loaders.partitionsOf({ filter: {}, page }).load(table),
        () => loaders.partitionCountOf.load(table),
      );
    },

    /** Without a schema: in the default one. */
    async table(
      request: CatalogRequest,
      databaseId: string,
      { schema, name }: { schema?: string | null | undefined; name: string },
    ): Promise<TableNode | null> {
      const loaders = await loadersOf(request, databaseId);
      const inSchema = schema ?? (await loaders.defaultSchema());
      return inSchema === null ? null : loaders.table.load({ schema: inSchema, name });
    },

    async tableNamed(request: CatalogRequest, databaseId: string, name: QualifiedName): Promise<TableNode | null> {
      return (await loadersOf(request, databaseId)).table.load(name);
    },

    async children(request: CatalogRequest, table: TableNode, args: PageArguments): Promise<Connection<TableNode>> {
      const loaders = await loadersOf(request, table.databaseId);
      return tableConnection(
        args,
        (page) => loaders.childrenOf({ filter: {}, page }).load(table),
        () => loaders.childCountOf.load(table),
      );
    },

    /** The table that something was read from. @throws AppError NOT_FOUND when it was dropped meanwhile */
    async tableOf(
      request: CatalogRequest,
      { databaseId, table }: { databaseId: string; table: QualifiedName },
    ): Promise<TableNode> {
      return present(await (await loadersOf(request, databaseId)).table.load(table), 'Table');
    },

    /** @throws AppError NOT_FOUND when it was dropped meanwhile */
    async tableDetails(request: CatalogRequest, table: TableNode): Promise<RelationDetails> {
      const details = await (await loadersOf(request, table.databaseId)).details.load(table);
      if (!details) throw notFound('Table');
      return details;
    },

    /** What the table inherits from; a partition's is its partitioned table. */
    async parents(request: CatalogRequest, table: TableNode): Promise<TableNode[]> {
      const loaders = await loadersOf(request, table.databaseId);
      const { parents = [] } = (await loaders.details.load(table)) ?? {};
      return (await Promise.all(parents.map((parent) => loaders.table.load(parent)))).filter((found) => found !== null);
    },

    /** The query behind a view; null for everything else. */
    async definition(request: CatalogRequest, table: TableNode): Promise<string | null> {
      return (await loadersOf(request, table.databaseId)).definition.load(table);
    },

    /** The planner's; null while it knows nothing. */
    async estimatedRows(request: CatalogRequest, table: TableNode): Promise<number | null> {
      return (await loadersOf(request, table.databaseId)).estimatedRows.load(table);
    },

    /** Null for what takes no room. */
    async sizeBytes(request: CatalogRequest, table: TableNode): Promise<number | null> {
      return (await loadersOf(request, table.databaseId)).sizeBytes.load(table);
    },

    triggers(request: CatalogRequest, table: TableNode): TriggerNode[] | Promise<TriggerNode[]> {
      return find(request, table.databaseId, (loaders) => loaders.triggers.load(table));
    },

    policies(request: CatalogRequest, table: TableNode): Policy[] | Promise<Policy[]> {
      return find(request, table.databaseId, (loaders) => loaders.policies.load(table));
    },

    rules(request: CatalogRequest, table: TableNode): RewriteRule[] | Promise<RewriteRule[]> {
      return find(request, table.databaseId, (loaders) => loaders.rules.load(table));
    },
  };
  return reads;
}

export type TableReads = ReturnType<typeof createTableReads>;
