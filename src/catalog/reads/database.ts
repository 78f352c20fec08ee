/** A database as a whole, its schemas, and the server that it is on. */
import type { Extension, Role, Schema } from '../../engines/catalog.ts';
import type { SchemaNode } from '../nodes.ts';
import { type CatalogRequest, type Opening, present } from './opening.ts';

export function createDatabaseReads({ open, loadersOf }: Pick<Opening, 'open' | 'loadersOf'>) {
  const reads = {
    async schemas(
      request: CatalogRequest,
      databaseId: string,
      filter: { includeSystem: boolean },
    ): Promise<SchemaNode[]> {
      return (await loadersOf(request, databaseId)).schemas(filter);
    },

    async schema(request: CatalogRequest, databaseId: string, name: string): Promise<SchemaNode | null> {
      const found = await (await loadersOf(request, databaseId)).schema.load(name);
      return found && { databaseId, name };
    },

    /** @throws AppError NOT_FOUND when it was dropped meanwhile */
    async schemaDetails(request: CatalogRequest, { databaseId, name }: SchemaNode): Promise<Schema> {
      return present(await (await loadersOf(request, databaseId)).schema.load(name), 'Schema');
    },

    async defaultSchema(request: CatalogRequest, databaseId: string): Promise<string | null> {
      return (await loadersOf(request, databaseId)).defaultSchema();
    },

    async databaseSizeBytes(request: CatalogRequest, databaseId: string): Promise<number | null> {
      return (await loadersOf(request, databaseId)).databaseSizeBytes();
    },

    async extensions(request: CatalogRequest, databaseId: string): Promise<Extension[]> {
      return (await loadersOf(request, databaseId)).extensions();
    },

    /** On a shared server nobody is told of the others there. */
    async roles(request: CatalogRequest, databaseId: string): Promise<Role[]> {
      const { read, reach } = await open(request, databaseId);
      return read((catalog, options) => catalog.roles(reach, options));
    },

    /** On a shared server: itself alone. */
    async serverDatabases(request: CatalogRequest, databaseId: string): Promise<string[]> {
      const { read, reach } = await open(request, databaseId);
      return read((catalog, options) => catalog.serverDatabases(reach, options));
    },
  };
  return reads;
}
