/** Exports as people ask for them: by GraphQL, through a real server and its worker, and fetched by their links. */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { graphql } from '../generated/gql.ts';
import type { ExportInput, SubmitQueryInput } from '../generated/graphql.ts';
import { type Submission, startSubmission } from '../queries/server.ts';
import { hostilePaths, refusedPaths } from '../storage/files/names.ts';
import { ConnectDocument } from '../support/operations.ts';
import type { Account } from '../support/server.ts';

const SubmitExportDocument = graphql(`
  mutation SubmitExport($input: SubmitQueryInput!) {
    submitQuery(input: $input) {
      created
      job {
        id
      }
    }
  }
`);

const ExportJobDocument = graphql(`
  mutation ExportJob($input: ExportJobInput!) {
    exportJob(input: $input) {
      job {
        id
        kind
        source {
          id
        }
      }
    }
  }
`);

const ExportedDocument = graphql(`
  query Exported($id: ID!) {
    job(id: $id) {
      status
      maxRows
      error {
        code
        message
      }
      results {
        totalCount
      }
      export {
        format
        safe
        compression
        path
        rows
        sizeBytes
        truncated
        file {
          id
          sha256
          sizeBytes
          mimeType
          url
        }
        files {
          path
        }
      }
    }
  }
`);

const DefaultsDocument = graphql(`
  mutation ExportDefaults($input: UpdateSettingsInput!) {
    updateSettings(input: $input) {
      user {
        settings {
          defaultExportFormat
          defaultExportPrefix
          defaultExportBucket {
            id
            name
          }
        }
      }
    }
  }
`);

const MakeBucketDocument = graphql(`
  mutation MakeBucket($name: String!) {
    createBucket(input: { name: $name }) {
      bucket {
        id
      }
    }
  }
`);

const DropFileDocument = graphql(`
  mutation DropExported($id: ID!) {
    deleteFile(input: { id: $id }) {
      deletedFileId
    }
  }
`);

const SaveWithExportDocument = graphql(`
  mutation SaveWithExport($input: CreateSavedQueryInput!) {
    createSavedQuery(input: $input) {
      savedQuery {
        id
        export {
          format
          safe
          path
          compression
          overwrite
          bucket {
            id
          }
        }
      }
    }
  }
`);

const ChangeSavedExportDocument = graphql(`
  mutation ChangeSavedExport($input: UpdateSavedQueryInput!) {
    updateSavedQuery(input: $input) {
      savedQuery {
        export {
          format
        }
      }
    }
  }
`);

const RunSavedExportDocument = graphql(`
  mutation RunSavedExport($input: RunSavedQueryInput!) {
    runSavedQuery(input: $input) {
      job {
        id
      }
    }
  }
`);

const RetryExportDocument = graphql(`
  mutation RetryExport($id: ID!) {
    retryJob(input: { id: $id }) {
      job {
        id
      }
    }
  }
`);

const TimeoutDocument = graphql(`
  query TimeoutOf($id: ID!) {
    job(id: $id) {
      timeoutMs
    }
  }
`);

let world: Submission;
let ann: Account;
let bob: Account;
let databaseId: string;
beforeAll(async () => {
  world = await startSubmission();
  ann = await world.quarry.register();
  bob = await world.quarry.register();
  const input = { name: 'target', connection: world.connection };
  databaseId = (await world.quarry.ask(ConnectDocument, { input }, ann)).connectDatabase.database.id;
});
afterAll(() => world?.[Symbol.asyncDispose]());

async function ended(id: string, account = ann) {
  for (;;) {
    const { job } = await world.quarry.ask(ExportedDocument, { id }, account);
    if (!job) throw new Error('the job is gone');
    if (!['QUEUED', 'RUNNING'].includes(job.status)) return job;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const inputOf = (sql: string, exported: ExportInput, rest: Partial<SubmitQueryInput> = {}): SubmitQueryInput => ({
  target: { databaseId },
  sql,
  export: exported,
  ...rest,
});
const submit = async (...given: Parameters<typeof inputOf>) =>
  (await world.quarry.ask(SubmitExportDocument, { input: inputOf(...given) }, ann)).submitQuery;
const codeOf = async (...given: Parameters<typeof inputOf>) =>
  (await world.quarry.execute(SubmitExportDocument, { input: inputOf(...given) }, ann)).errors?.[0]?.extensions?.code;

test('a query is exported past the rows that settings would keep, and its file is fetched by its link', async () => {
  const { job } = await submit(
    'SELECT n FROM generate_series(1, 12000) AS n',
    { path: 'big/{name}.csv' },
    { name: 'numbers' },
  );
  const done = await ended(job.id);
  expect(done).toMatchObject({
    status: 'SUCCEEDED',
    maxRows: null,
    results: { totalCount: 0 },
    export: {
      format: 'CSV',
      compression: 'NONE',
      path: 'big/numbers.csv',
      rows: 12_000,
      truncated: false,
      files: [{ path: 'big/numbers.csv' }],
    },
  });
  const bytes = Buffer.from(await (await fetch(done.export?.file?.url ?? '')).arrayBuffer());
  expect(bytes.toString().split('\n')).toHaveLength(12_002);
  expect(done.export?.file).toMatchObject({
    sha256: createHash('sha256').update(bytes).digest('hex'),
    sizeBytes: bytes.length,
    mimeType: 'text/csv; charset=utf-8',
  });
  expect(done.export?.sizeBytes).toBe(bytes.length);
  await world.quarry.ask(DropFileDocument, { id: done.export?.file?.id ?? '' }, ann);
  expect(await ended(job.id)).toMatchObject({ export: { file: null, files: [], rows: 12_000 } });
});

test('what a job has kept is exported in another format, and nobody else’s is', async () => {
  const { submitQuery } = await world.quarry.ask(
    SubmitExportDocument,
    { input: { target: { databaseId }, sql: `SELECT 9007199254740993 AS n, '{"a": 1.10}'::jsonb AS j` } },
    ann,
  );
  const source = submitQuery.job.id;
  await ended(source);
  const input = { id: source, export: { format: 'NDJSON' as const } };
  const { exportJob } = await world.quarry.ask(ExportJobDocument, { input }, ann);
  expect(exportJob.job).toMatchObject({ kind: 'EXPORT', source: { id: source } });
  const done = await ended(exportJob.job.id);
  expect(await (await fetch(done.export?.file?.url ?? '')).text()).toContain('{"a": 1.10}');
  const { errors } = await world.quarry.execute(ExportJobDocument, { input }, bob);
  expect(errors?.[0]?.extensions?.code).toBe('NOT_FOUND');
  expect((await world.quarry.ask(ExportedDocument, { id: exportJob.job.id }, bob)).job).toBeNull();
  const again = { id: exportJob.job.id, export: {} };
  expect((await world.quarry.execute(ExportJobDocument, { input: again }, ann)).errors?.[0]?.extensions?.code).toBe(
    'CONFLICT',
  );
});

const DropJobDocument = graphql(`
  mutation DropJob($id: ID!) {
    deleteJob(input: { id: $id }) {
      deletedJobId
    }
  }
`);

const keep = async (sql: string) => {
  const input = { target: { databaseId }, sql };
  return (await world.quarry.ask(SubmitExportDocument, { input }, ann)).submitQuery.job.id;
};

test('a job that has kept no rows is not exported: none of its statements returned any, or it failed before', async () => {
  for (const sql of ['CREATE TEMP TABLE none (n int)', 'SELECT nothing FROM nowhere']) {
    const id = await keep(sql);
    await ended(id);
    const { code, errors } = await world.quarry.execute(ExportJobDocument, { input: { id, export: {} } }, ann);
    expect([code, errors?.[0]?.message]).toEqual(['CONFLICT', expect.stringContaining('kept no rows')]);
  }
  // Columns are something to write.
  const empty = await keep('SELECT 1 AS a WHERE false');
  await ended(empty);
  const input = { id: empty, export: { path: 'empty.csv' } };
  const done = await ended((await world.quarry.ask(ExportJobDocument, { input }, ann)).exportJob.job.id);
  expect(done).toMatchObject({ status: 'SUCCEEDED', export: { rows: 0, files: [{ path: 'empty.csv' }] } });
});

test('a job is not deleted before its export has written what it has kept', async () => {
  const source = await keep('SELECT 1 AS a');
  await ended(source);
  const drop = (id: string) => world.quarry.execute(DropJobDocument, { id }, ann);
  const { exportJob } = await world.quarry.ask(ExportJobDocument, { input: { id: source, export: {} } }, ann);
  const exportId = exportJob.job.id;
  await ended(exportId);
  // As if it were still on its way.
  const uuid = (JSON.parse(Buffer.from(exportId, 'base64url').toString()) as string[])[1];
  await world.metadata.query(`UPDATE jobs SET status = 'queued', held_until = 'infinity' WHERE id = $1`, [uuid]);
  const { code, errors } = await drop(source);
  expect([code, errors?.[0]?.message]).toEqual(['CONFLICT', expect.stringContaining(exportId)]);
  expect(errors?.[0]?.extensions.details).toEqual({ exportJobId: exportId });
  expect((await drop(exportId)).data?.deleteJob.deletedJobId).toBe(exportId);
  expect((await drop(source)).data?.deleteJob.deletedJobId).toBe(source);
});

test('what a path or a link cannot be is said in words', async () => {
  const { errors } = await world.quarry.execute(
    SubmitExportDocument,
    { input: inputOf('SELECT 1', { path: '{dat}/x.csv' }) },
    ann,
  );
  expect(errors?.[0]?.extensions.details).toEqual({
    fields: [{ path: 'input.export.path', message: 'knows no {dat}, only {job}, {name}, {date} and {time}' }],
  });
  const done = await ended((await submit('SELECT 1', { path: 'linked.csv' })).job.id);
  const answer = await fetch((done.export?.file?.url ?? '').replace(/(\/files\/[^/]*)[^/]{3}(?=\/)/, '$1'));
  expect([answer.status, await answer.json()]).toEqual([
    403,
    { error: 'this link is not valid: it was cut off, or changed', code: 'FORBIDDEN' },
  ]);
});

test('a hostile path of an export is a name, or refused, and never a place on the disk', {
  timeout: 120_000,
}, async () => {
  // A brace begins what is filled in.
  const paths = [...new Set(hostilePaths.filter((path) => !path.includes('{')).map((path) => path.normalize('NFC')))];
  const jobs = await Promise.all(paths.map((path) => submit('SELECT 1 AS a', { path })));
  for (const [i, { job }] of jobs.entries()) {
    const done = await ended(job.id);
    expect(done).toMatchObject({ status: 'SUCCEEDED', export: { path: paths[i], files: [{ path: paths[i] }] } });
    expect(await (await fetch(done.export?.file?.url ?? '')).text()).toBe('a\n1\n');
  }
  for (const path of refusedPaths) expect([path, await codeOf('SELECT 1', { path })]).toEqual([path, 'BAD_USER_INPUT']);
  for (const entry of await readdir(join(world.quarry.dataDir, 'files', 'files'), { recursive: true }))
    expect(entry).toMatch(/^[0-9a-f]{32}$/);
});

test('a file that is there is a conflict, but the same submission once more is the same job', async () => {
  const exported = { path: 'once.csv' };
  const first = await submit('SELECT 1', exported, { idempotencyKey: 'once' });
  await ended(first.job.id);
  expect(await submit('SELECT 1', exported, { idempotencyKey: 'once' })).toEqual({ created: false, job: first.job });
  expect(await codeOf('SELECT 1', exported)).toBe('CONFLICT');
  const over = await submit('SELECT 2 AS two', { ...exported, overwrite: true });
  expect(await ended(over.job.id)).toMatchObject({ status: 'SUCCEEDED' });
  // Its path is that of a file that is there now; the other one writes over it again.
  const retry = (id: string) => world.quarry.execute(RetryExportDocument, { id }, ann);
  expect((await retry(first.job.id)).errors?.[0]?.extensions?.code).toBe('CONFLICT');
  expect((await retry(over.job.id)).errors).toBeUndefined();
});

test('what an input lacks comes from the settings, and what is no place is refused at its field', async () => {
  const { createBucket } = await world.quarry.ask(MakeBucketDocument, { name: 'mine' }, ann);
  const { id } = createBucket.bucket;
  const input = {
    defaultExportFormat: 'TSV' as const,
    defaultExportBucketId: id,
    defaultExportPrefix: 'daily/{date}/',
  };
  const { updateSettings } = await world.quarry.ask(DefaultsDocument, { input }, ann);
  expect(updateSettings.user.settings).toEqual({
    defaultExportFormat: 'TSV',
    defaultExportPrefix: 'daily/{date}/',
    defaultExportBucket: { id, name: 'mine' },
  });
  const done = await ended((await submit('SELECT 1 AS a', {})).job.id);
  expect(done.export?.path).toMatch(/^daily\/\d{4}-\d\d-\d\d\/.*\.tsv$/);
  const refused = async (change: typeof input | Record<string, unknown>, account = ann) =>
    (await world.quarry.execute(DefaultsDocument, { input: change }, account)).errors?.[0]?.extensions?.code;
  expect(await refused({ defaultExportPrefix: '../' })).toBe('BAD_USER_INPUT');
  expect(await refused({ defaultExportPrefix: '{who}' })).toBe('BAD_USER_INPUT');
  expect(await refused({ defaultExportBucketId: id }, bob)).toBe('NOT_FOUND');
  expect(await codeOf('SELECT 1', { path: 'a//b' })).toBe('BAD_USER_INPUT');
  const cleared = { defaultExportFormat: null, defaultExportBucketId: null, defaultExportPrefix: null };
  expect((await world.quarry.ask(DefaultsDocument, { input: cleared }, ann)).updateSettings.user.settings).toEqual({
    defaultExportFormat: 'CSV',
    defaultExportPrefix: '',
    defaultExportBucket: null,
  });
});

test('a saved query keeps where its runs go; a run may go elsewhere; a schedule needs a place for each run', async () => {
  const saved = { name: 'report', sql: 'SELECT 5 AS five', databaseId };
  const exported: ExportInput = { format: 'NDJSON', path: 'reports/{time}-{job}.ndjson', compression: 'GZIP' };
  const make = (input: typeof saved & { export: ExportInput; schedule?: string }) =>
    world.quarry.execute(SaveWithExportDocument, { input }, ann);
  const { createSavedQuery } = await world.quarry.ask(
    SaveWithExportDocument,
    { input: { ...saved, export: exported } },
    ann,
  );
  const { id } = createSavedQuery.savedQuery;
  expect(createSavedQuery.savedQuery.export).toEqual({ ...exported, safe: false, overwrite: false, bucket: null });
  const runIt = async (input: { id: string; export?: ExportInput | null }) =>
    await ended((await world.quarry.ask(RunSavedExportDocument, { input }, ann)).runSavedQuery.job.id);
  expect((await runIt({ id })).export).toMatchObject({ format: 'NDJSON', compression: 'GZIP', rows: 1 });
  expect((await runIt({ id, export: { path: 'elsewhere.csv' } })).export).toMatchObject({
    format: 'CSV',
    path: 'elsewhere.csv',
  });
  // Null: none, also where one is saved.
  expect((await runIt({ id, export: null })).export).toBeNull();
  const refused = await make({ ...saved, schedule: '0 0 * * *', export: { path: 'same.csv' } });
  expect(refused.errors?.[0]?.extensions?.details).toMatchObject({ fields: [{ path: 'input.export.path' }] });
  expect(
    (await make({ ...saved, schedule: '0 0 * * *', export: { path: 'same.csv', overwrite: true } })).errors,
  ).toBeUndefined();
  const clear = { input: { id, export: null } };
  expect((await world.quarry.ask(ChangeSavedExportDocument, clear, ann)).updateSavedQuery.savedQuery.export).toBeNull();
  expect((await runIt({ id })).export).toBeNull();
});

test('a CSV is safe for spreadsheets where that is asked for, and no other format can be', async () => {
  const sql = `SELECT '=1+1' AS "=a", -5 AS n, '-x' AS t; SELECT '@b' AS b`;
  const done = await ended((await submit(sql, { format: 'CSV', safe: true, path: 'safe.csv' })).job.id);
  expect(done).toMatchObject({ status: 'SUCCEEDED', export: { safe: true } });
  expect(await (await fetch(done.export?.file?.url ?? '')).text()).toBe("'=a,n,t\n'=1+1,-5,'-x\n");
  const plain = await ended((await submit(sql, { path: 'plain.csv' })).job.id);
  expect(plain.export?.safe).toBe(false);
  expect(await (await fetch(plain.export?.file?.url ?? '')).text()).toBe('=a,n,t\n=1+1,-5,-x\n');
  for (const format of ['TSV', 'JSON', 'NDJSON', 'XLSX', 'PARQUET', 'SQL'] as const) {
    const { errors } = await world.quarry.execute(
      SubmitExportDocument,
      { input: inputOf('SELECT 1', { format, safe: true }) },
      ann,
    );
    expect(errors?.[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: 'input.export.safe' }] },
    });
  }
  // What is kept for later names its format.
  const saved = { name: 'safe', sql: 'SELECT 1', databaseId };
  const keep = async (exported: ExportInput) =>
    (await world.quarry.execute(SaveWithExportDocument, { input: { ...saved, export: exported } }, ann)).errors?.[0]
      ?.extensions?.code;
  expect([await keep({ safe: true }), await keep({ safe: true, format: 'CSV' })]).toEqual([
    'BAD_USER_INPUT',
    undefined,
  ]);
  const { submitQuery } = await world.quarry.ask(
    SubmitExportDocument,
    { input: { target: { databaseId }, sql: `SELECT '+7 x' AS a` } },
    ann,
  );
  await ended(submitQuery.job.id);
  const again = { id: submitQuery.job.id, export: { format: 'CSV' as const, safe: true } };
  const { exportJob } = await world.quarry.ask(ExportJobDocument, { input: again }, ann);
  const stored = await ended(exportJob.job.id);
  expect(await (await fetch(stored.export?.file?.url ?? '')).text()).toBe("a\n'+7 x\n");
});

test('an export that names no timeout has longer than the settings allow a query', async () => {
  const timeoutOf = async (id: string) =>
    (await world.quarry.execute(TimeoutDocument, { id }, ann)).data?.job?.timeoutMs;
  const exported = await submit('SELECT 1', { path: 'time.csv' });
  const limited = await submit('SELECT 1', { path: 'limited.csv' }, { timeoutMs: 5_000 });
  expect([await timeoutOf(exported.job.id), await timeoutOf(limited.job.id)]).toEqual([86_400_000, 5_000]);
});
