/** Functions, procedures, aggregates. */
import type { RoutineName } from '../../engines/catalog.ts';
import type { Connection, PageArguments } from '../../lib/pages.ts';
import type { FunctionNode, SchemaNode } from '../nodes.ts';
import { type FunctionArguments, functionConnection } from './connections.ts';
import type { CatalogRequest, Opening } from './opening.ts';

export function createRoutineReads({ loadersOf }: Pick<Opening, 'loadersOf'>) {
  const reads = {
    async functions(
      request: CatalogRequest,
      databaseId: string,
      args: FunctionArguments,
    ): Promise<Connection<FunctionNode>> {
      const loaders = await loadersOf(request, databaseId);
      const filter = args.search ? { search: args.search } : {};
      return functionConnection(
        args,
        (page) => loaders.functions({ filter, page }),
        () => loaders.functionCount(filter),
      );
    },

    async functionsOfSchema(
      request: CatalogRequest,
      schema: SchemaNode,
      args: PageArguments,
    ): Promise<Connection<FunctionNode>> {
      const loaders = await loadersOf(request, schema.databaseId);
      return functionConnection(
        args,
        (page) => loaders.functionsOf({ filter: {}, page }).load(schema.name),
        () => loaders.functionCountOf.load(schema.name),
      );
    },

    async functionNamed(request: CatalogRequest, databaseId: string, name: RoutineName): Promise<FunctionNode | null> {
      return (await loadersOf(request, databaseId)).function.load(name);
    },
  };
  return reads;
}
