/** The id under which the graph knows what was found. */
import { encodeId } from '../../lib/ids.ts';
import { columnId, enumTypeId, foreignKeyId, functionId, indexId, schemaId, tableId } from '../ids.ts';
import type { CatalogKind } from './kinds.ts';
import type { SearchHit } from './search.ts';

type IdOf = (databaseId: string, names: readonly string[], identity: string) => string;

const qualified = ([schema = '', name = '']: readonly string[]) => ({ schema, name });
const part = ([schema = '', table = '', name = '']: readonly string[]) => ({ table: { schema, name: table }, name });

const ids: Partial<Record<CatalogKind, IdOf>> = {
  DATABASE: (databaseId) => encodeId('Database', databaseId),
  SCHEMA: (databaseId, [name = '']) => schemaId(databaseId, name),
  TABLE: (databaseId, names) => tableId(databaseId, qualified(names)),
  COLUMN: (databaseId, names) => columnId(databaseId, part(names)),
  FUNCTION: (databaseId, names, identity) => functionId(databaseId, { ...qualified(names), identity }),
  ENUM: (databaseId, names) => enumTypeId(databaseId, qualified(names)),
  INDEX: (databaseId, names) => indexId(databaseId, part(names)),
  FOREIGN_KEY: (databaseId, names) => foreignKeyId(databaseId, part(names)),
};

type Found = Pick<SearchHit, 'kind' | 'databaseId' | 'names'> & { readonly identity: string | null };

/** Null for kinds whose type has no id. */
export const hitId = ({ kind, databaseId, names, identity }: Found): string | null =>
  ids[kind]?.(databaseId, names, identity ?? '') ?? null;
