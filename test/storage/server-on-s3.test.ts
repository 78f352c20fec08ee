/** A whole Quarry whose blobs are on S3. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JobUpdatedSubscription } from '../generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { ConnectDocument, JobDocument, JobUpdatedDocument, SubmitDocument } from '../support/operations.ts';
import { type S3Server, startS3 } from '../support/s3.ts';
import { type Quarry, startQuarry } from '../support/server.ts';

let s3: S3Server;
let quarry: Quarry;
let target: TestDatabase;

beforeAll(async () => {
  [s3, target] = await Promise.all([startS3(), createTestDatabase()]);
  quarry = await startQuarry({
    env: {
      STORAGE_URL: `s3://${s3.bucket}?endpoint=${s3.endpoint.origin}`,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    },
  });
});
afterAll(async () => {
  await quarry?.[Symbol.asyncDispose]();
  await target[Symbol.asyncDispose]();
  await s3.stop();
});

test('the rows of a job go there and come back, and /ready asks for it', async () => {
  const account = await quarry.register();
  const { host, port, user, password, database } = target;
  const connection = { host, port, user, password, database, ssl: 'DISABLE' as const };
  const { connectDatabase } = await quarry.ask(ConnectDocument, { input: { name: 'Shop', connection } }, account);
  const sql = 'select i, i::text || $$!$$ as text from generate_series(1, 2500) as i';
  const input = { target: { databaseId: connectDatabase.database.id }, sql };
  const { id } = (await quarry.ask(SubmitDocument, { input }, account)).submitQuery.job;
  let last: JobUpdatedSubscription['jobUpdated'] | undefined;
  for await (const { jobUpdated } of quarry.subscribe(JobUpdatedDocument, { id }, account)) last = jobUpdated;
  expect(last).toMatchObject({ status: 'SUCCEEDED', progress: { rows: 2_500 } });

  expect(s3.requests.filter((asked) => asked.startsWith(`PUT /${s3.bucket}/results/`)).length).toBeGreaterThan(1);
  expect(existsSync(join(quarry.dataDir, 'files')) ? readdirSync(join(quarry.dataDir, 'files')) : []).toEqual([]);

  const rows: unknown[] = [];
  for (let after: string | null | undefined, more = true; more; ) {
    const { job } = await quarry.ask(JobDocument, { id, first: 1_000, after }, account);
    const page = job!.result!.rows!;
    rows.push(...page.rows);
    ({ endCursor: after, hasNextPage: more } = page);
  }
  expect(rows).toEqual(Array.from({ length: 2_500 }, (_, i) => [i + 1, `${i + 1}!`]));

  const ready = () => fetch(new URL('/ready', quarry.url));
  expect((await ready()).status).toBe(200);
  s3.failWith(() => ({ status: 403, code: 'AccessDenied' }));
  const unready = await ready();
  expect(unready.status).toBe(503);
  expect(await unready.text()).toContain('storage');
  s3.failWith(null);
  expect((await ready()).status).toBe(200);
  expect(JSON.stringify(quarry.log)).not.toContain(s3.secretAccessKey);
});

test('nobody’s database is where the files are', async () => {
  const account = await quarry.register();
  for (const host of ['127.0.0.1', 'localhost', '::ffff:127.0.0.1']) {
    const port = Number(s3.endpoint.port);
    const connection = { host, port, user: 'a', password: 'b', database: 'c', ssl: 'DISABLE' as const };
    const { errors } = await quarry.execute(ConnectDocument, { input: { name: host, connection } }, account);
    const [{ extensions } = { extensions: null }] = errors ?? [];
    expect(extensions).toMatchObject({ code: 'CONNECTION_FAILED', details: { reason: 'DENIED' } });
  }
});
