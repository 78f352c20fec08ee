import { expect, test } from 'vitest';
import { transaction } from '../../src/db/metadata.ts';
import { createTestMetadata } from '../support/metadata.ts';

test('a connection that breaks inside a transaction fails it, and nothing else', async () => {
  await using metadata = await createTestMetadata();
  const { pool, database } = metadata;
  const broken = transaction(pool, async (client) => {
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
    await database.client.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
    await client.query('SELECT pg_sleep(5)');
  });
  await expect(broken).rejects.toThrow();
  expect(await transaction(pool, async (client) => (await client.query('SELECT 1 AS one')).rows)).toEqual([{ one: 1 }]);
});
