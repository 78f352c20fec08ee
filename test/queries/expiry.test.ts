/** Results that expire, on a whole Quarry: its worker takes them away, and its API says so. */
import { expect, test } from 'vitest';
import { createAnalyst, masterKey, urlOf } from '../acceptance/support.ts';
import { graphql } from '../generated/gql.ts';
import { createTestDatabase } from '../support/databases.ts';
import { JobRowsDocument } from '../support/operations.ts';
import { startQuarry } from '../support/server.ts';

const ExpiredDocument = graphql(`
  query Expired($id: ID!) {
    job(id: $id) {
      status
      result(index: 0) {
        rowCount
        expiresAt
        columns {
          name
        }
        rows {
          rows
        }
      }
    }
  }
`);

test('rows are kept for the configured hours, then thrown away by the worker; columns and counts stay', async () => {
  await using metadata = await createTestDatabase();
  await using quarry = await startQuarry({
    env: {
      DATABASE_URL: urlOf(metadata),
      MASTER_KEYS: masterKey(),
      RESULTS_RETENTION_HOURS: '2',
    },
  });
  const account = await quarry.register();
  const analyst = createAnalyst({ quarry, account });
  const { id } = await analyst.run(await analyst.host('shop'), 'select 1 as one');
  const asked = async () => (await quarry.ask(ExpiredDocument, { id }, account)).job!.result!;
  const kept = await asked();
  expect(kept.rows).toEqual({ rows: [[1]] });

  const { rows } = await metadata.client.query<{ kept: string }>(
    'SELECT (results_expire_at - finished_at)::text AS kept FROM jobs',
  );
  expect(rows).toEqual([{ kept: '02:00:00' }]);
  await metadata.client.query('UPDATE jobs SET results_expire_at = now()');
  const from = quarry.log.length;
  // The next worker sweeps when it starts.
  process.kill(quarry.workerPid, 'SIGTERM');
  await quarry.until('janitor.swept', { from });
  expect(await asked()).toMatchObject({ rows: null, rowCount: 1, columns: [{ name: 'one' }] });
  await expect(quarry.subscribe(JobRowsDocument, { id }, account).next()).rejects.toThrow('POSITION_LOST');
});
