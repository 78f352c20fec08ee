/** The catalogue of a database over one plain client, as the benchmarks read it. */
import type pg from 'pg';
import type { Catalog } from '../../src/engines/catalog.ts';
import { type CatalogDeps, createPostgresqlCatalog } from '../../src/engines/postgresql/catalog.ts';

export const options = { signal: new AbortController().signal };
const raw = { getTypeParser: () => (text: string) => text };

export const catalogOf = (client: pg.Client): Catalog => {
  const query: CatalogDeps['query'] = async (text, values) =>
    (await client.query<(string | null)[]>({ text, values: [...values], rowMode: 'array', types: raw })).rows;
  return createPostgresqlCatalog({
    query,
    transaction: async (work, given) => {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      try {
        return await work((text, values) => query(text, values, given));
      } finally {
        await client.query('COMMIT');
      }
    },
    close: async () => {},
  });
};
