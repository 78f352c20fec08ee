/** The catalogue of a real database over one plain client, with every statement that it sends. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import type { Catalog } from '../../src/engines/catalog.ts';
import { type CatalogDeps, createPostgresqlCatalog } from '../../src/engines/postgresql/catalog.ts';
import { AppError } from '../../src/lib/errors.ts';

export const fixture = readFileSync(new URL('fixture.sql', import.meta.url), 'utf8');

const raw = { getTypeParser: () => (text: string) => text };

/** @param before what is to happen before a statement is sent */
export function catalogOf(
  client: pg.Client,
  before?: (statement: string) => Promise<void>,
): { catalog: Catalog; statements: string[] } {
  const statements: string[] = [];
  const query: CatalogDeps['query'] = async (text, values, { signal }) => {
    signal.throwIfAborted();
    statements.push(text);
    await before?.(text);
    try {
      const query = { text, values: [...values], rowMode: 'array' as const, types: raw };
      return (await client.query<(string | null)[]>(query)).rows;
    } catch (cause) {
      if (!(cause instanceof pg.DatabaseError)) throw cause;
      throw new AppError('SQL_ERROR', cause.message, { cause, details: { sqlState: cause.code } });
    }
  };
  const catalog = createPostgresqlCatalog({
    query,
    transaction: async (work, options) => {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      try {
        let last: Promise<unknown> = Promise.resolve();
        return await work((text, values, each) => {
          const answer = last.then(async () => {
            const rows = await query(text, values, options);
            if (!each) return rows;
            const isNumber = (place: number) => each.ways?.[place] === 'NUMBER';
            for (const row of rows) {
              each.take(row.map((value, place) => (value !== null && isNumber(place) ? Number(value) : value)));
            }
            return [];
          });
          last = answer.catch(() => undefined);
          return answer;
        });
      } finally {
        await client.query('ROLLBACK');
      }
    },
    close: async () => {},
  });
  return { catalog, statements };
}
