/** A worker's process that is killed in the middle of its exports: nothing is half visible, and nothing of them stays. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { graphql } from '../generated/gql.ts';
import { type Submission, startSubmission } from '../queries/server.ts';
import { ConnectDocument, SubmitDocument } from '../support/operations.ts';
import type { Account } from '../support/server.ts';

const EndedExportDocument = graphql(`
  query EndedExport($id: ID!) {
    job(id: $id) {
      status
      error {
        code
      }
      export {
        files {
          id
        }
      }
    }
  }
`);

let world: Submission;
let ann: Account;
beforeAll(async () => {
  world = await startSubmission();
  ann = await world.quarry.register();
});
afterAll(() => world?.[Symbol.asyncDispose]());

const endless = `SELECT generate_series(1, 2000000000) AS n, 'some text' AS t`;
const formats = ['CSV', 'PARQUET'] as const;
const below = (...path: string[]) => readdir(join(world.quarry.dataDir, ...path), { recursive: true }).catch(() => []);
const blobs = async () => (await below('files', 'files')).length;
const temporary = async () => (await below('tmp', 'exports')).length;
const count = async (sql: string) => (await world.metadata.query<{ n: number }>(sql)).rows[0]!.n;
const workers = () => world.quarry.log.filter(({ msg }) => msg === 'worker.started');

test('exports of a killed process are INTERRUPTED, and their files and folders go', { timeout: 240_000 }, async () => {
  const input = { name: 'target', connection: world.connection };
  const { connectDatabase } = await world.quarry.ask(ConnectDocument, { input }, ann);
  const target = { databaseId: connectDatabase.database.id };
  const ids: string[] = [];
  for (const format of formats) {
    const exported = { format, path: `killed.${format}` };
    const { submitQuery } = await world.quarry.ask(
      SubmitDocument,
      { input: { target, sql: endless, export: exported } },
      ann,
    );
    ids.push(submitQuery.job.id);
  }
  const written = () => count(`SELECT count(*)::int AS n FROM jobs WHERE progress_rows > 20000`);
  await expect.poll(written, { timeout: 60_000 }).toBe(formats.length);
  expect([await blobs(), await temporary()].every((found) => found > 0)).toBe(true);

  const started = workers().length;
  process.kill(workers().at(-1)!.pid, 'SIGKILL');
  await world.metadata.query(`UPDATE jobs SET lease_until = now() - interval '1 s' WHERE status = 'running'`);
  await expect.poll(() => workers().length, { timeout: 60_000 }).toBeGreaterThan(started);
  const running = () => count(`SELECT count(*)::int AS n FROM jobs WHERE status = 'running'`);
  await expect.poll(running, { timeout: 60_000 }).toBe(0);
  for (const id of ids) {
    const { job } = await world.quarry.ask(EndedExportDocument, { id }, ann);
    expect(job).toMatchObject({ status: 'FAILED', error: { code: 'INTERRUPTED' }, export: { files: [] } });
  }
  expect(await count('SELECT count(*)::int AS n FROM files')).toBe(0);
  // The next round of the janitor.
  await expect.poll(blobs, { timeout: 100_000 }).toBe(0);
  await expect.poll(temporary, { timeout: 100_000 }).toBe(0);
});
