/** The catalogue of a real database over one plain client, with every statement that it sends. */
import { readFileSync } from 'node:fs';
import type pg from 'pg';
import type { Catalog } from '../../src/engines/catalog.ts';
import { type CatalogDeps, createPostgresqlCatalog } from '../../src/engines/postgresql/catalog.ts';

export const fixture = readFileSync(new URL('fixture.sql', import.meta.url), 'utf8');

const raw = { getTypeParser: () => (text: string) => text };

export function catalogOf(client: pg.Client): { catalog: Catalog; statements: string[] } {
  const statements: string[] = [];
  const query: CatalogDeps['query'] = async (text, values, { signal }) => {
    signal.throwIfAborted();
    statements.push(text);
    const result = await client.query<(string | null)[]>({ text, values: [...values], rowMode: 'array', types: raw });
    return result.rows;
  };
  const catalog = createPostgresqlCatalog({
    query,
    transaction: async (work, options) => {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      try {
        return await work((text, values) => query(text, values, options));
      } finally {
        await client.query('ROLLBACK');
      }
    },
    close: async () => {},
  });
  return { catalog, statements };
}
