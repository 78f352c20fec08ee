/** A whole Quarry whose blobs are on S3. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { graphql } from '../generated/gql.ts';
import type { ExportInput, JobUpdatedSubscription } from '../generated/graphql.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { ConnectDocument, JobDocument, JobUpdatedDocument, SubmitDocument } from '../support/operations.ts';
import { type S3Server, startS3 } from '../support/s3.ts';
import { type Quarry, startQuarry } from '../support/server.ts';

const S3ExportJobDocument = graphql(`
  mutation S3ExportJob($input: ExportJobInput!) {
    exportJob(input: $input) {
      job {
        id
      }
    }
  }
`);

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
  // What was looked at is told for a second to all who ask.
  const looked = { timeout: 20_000 };
  await expect.poll(async () => (await ready()).status, looked).toBe(200);
  s3.failWith(() => ({ status: 403, code: 'AccessDenied' }));
  await expect.poll(async () => (await ready()).status, looked).toBe(503);
  expect(await (await ready()).text()).toContain('storage');
  s3.failWith(null);
  await expect.poll(async () => (await ready()).status, looked).toBe(200);
  expect(JSON.stringify(quarry.log)).not.toContain(s3.secretAccessKey);
});

const S3ExportDocument = graphql(`
  query S3Export($id: ID!) {
    job(id: $id) {
      status
      error {
        code
      }
      export {
        rows
        files {
          sha256
          sizeBytes
          url
        }
      }
    }
  }
`);

test('exports go there in parts and come back whole, from the query and from kept rows; a store that fails is told', async () => {
  const account = await quarry.register();
  const { host, port, user, password, database } = target;
  const connection = { host, port, user, password, database, ssl: 'DISABLE' as const };
  const { connectDatabase } = await quarry.ask(ConnectDocument, { input: { name: 'Files', connection } }, account);
  const databaseId = connectDatabase.database.id;
  async function ended(id: string) {
    for await (const { jobUpdated } of quarry.subscribe(JobUpdatedDocument, { id }, account))
      if (!['QUEUED', 'RUNNING'].includes(jobUpdated.status)) break;
    return (await quarry.ask(S3ExportDocument, { id }, account)).job!;
  }
  const submit = async (rows: number, exported?: ExportInput) => {
    const sql = `select i, md5(i::text) as text from generate_series(1, ${rows}) as i`;
    const input = { target: { databaseId }, sql, ...(exported && { export: exported }) };
    return (await quarry.ask(SubmitDocument, { input }, account)).submitQuery.job.id;
  };
  const fetched = async (url: string | null | undefined) => Buffer.from(await (await fetch(url ?? '')).arrayBuffer());
  const line = (i: number) => `${i},${createHash('md5').update(String(i)).digest('hex')}\n`;
  const csv = (rows: number) => `i,text\n${Array.from({ length: rows }, (_, i) => line(i + 1)).join('')}`;

  const large = await ended(await submit(300_000, { format: 'CSV', path: 'large.csv' }));
  expect(large).toMatchObject({ status: 'SUCCEEDED', export: { rows: 300_000 } });
  expect(s3.requests.some((asked) => asked.includes('partNumber=2'))).toBe(true);
  const [file] = large.export!.files;
  const bytes = await fetched(file?.url);
  expect([file?.sizeBytes, file?.sha256]).toEqual([bytes.length, createHash('sha256').update(bytes).digest('hex')]);
  expect(bytes.equals(Buffer.from(csv(300_000)))).toBe(true);

  const source = await submit(2_000);
  await ended(source);
  const input = { id: source, export: { format: 'CSV' as const, path: 'kept.csv' } };
  const kept = await ended((await quarry.ask(S3ExportJobDocument, { input }, account)).exportJob.job.id);
  expect(String(await fetched(kept.export?.files[0]?.url))).toBe(csv(2_000));

  s3.failWith((asked) => (asked.includes('partNumber=1') ? { status: 403, code: 'AccessDenied' } : null));
  const failed = await ended(await submit(300_000, { format: 'CSV', path: 'failed.csv' }));
  s3.failWith(null);
  expect(failed).toEqual({ status: 'FAILED', error: { code: 'STORAGE_FAILED' }, export: { rows: 0, files: [] } });
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
