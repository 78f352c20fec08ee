/** The place of an export while it runs: held for it, asked for again, and lost with the right, the bucket or the file. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { graphql } from '../generated/gql.ts';
import type { ExportInput, ProjectRole } from '../generated/graphql.ts';
import { type Submission, startSubmission } from '../queries/server.ts';
import { CancelDocument, ConnectDocument, JobUpdatedDocument } from '../support/operations.ts';
import type { Account } from '../support/server.ts';

const PlaceProjectDocument = graphql(`
  mutation PlaceProject {
    createProject(input: { name: "shared" }) {
      project {
        id
      }
    }
  }
`);
const PlaceMemberDocument = graphql(`
  mutation PlaceMember($input: AddMemberInput!) {
    addMember(input: $input) {
      member {
        id
      }
    }
  }
`);
const PlaceRoleDocument = graphql(`
  mutation PlaceRole($id: ID!, $role: ProjectRole!) {
    updateMember(input: { id: $id, role: $role }) {
      member {
        role
      }
    }
  }
`);
const PlaceLeaveDocument = graphql(`
  mutation PlaceLeave($id: ID!) {
    removeMember(input: { id: $id }) {
      deletedMemberId
    }
  }
`);
const PlaceBucketDocument = graphql(`
  mutation PlaceBucket($input: CreateBucketInput!) {
    createBucket(input: $input) {
      bucket {
        id
      }
    }
  }
`);
const PlaceDropDocument = graphql(`
  mutation PlaceDrop($id: ID!, $force: Boolean) {
    deleteBucket(input: { id: $id, force: $force }) {
      deletedBucketId
    }
  }
`);
const PlaceSubmitDocument = graphql(`
  mutation PlaceSubmit($input: SubmitQueryInput!) {
    submitQuery(input: $input) {
      job {
        id
      }
    }
  }
`);
const PlaceUploadDocument = graphql(`
  mutation PlaceUpload($input: CreateUploadInput!) {
    createUpload(input: $input) {
      upload {
        url
        file {
          id
        }
      }
    }
  }
`);
const PlaceMoveDocument = graphql(`
  mutation PlaceMove($id: ID!, $path: String!) {
    moveFile(input: { id: $id, path: $path }) {
      file {
        id
      }
    }
  }
`);
const PlaceFilesDocument = graphql(`
  query PlaceFiles($id: ID!) {
    node(id: $id) {
      ... on Bucket {
        files {
          nodes {
            path
            sha256
          }
        }
      }
    }
  }
`);
const PlaceErrorDocument = graphql(`
  query PlaceError($id: ID!) {
    job(id: $id) {
      status
      error {
        code
        message
      }
    }
  }
`);

const PlaceProgressDocument = graphql(`
  subscription PlaceProgress($id: ID!) {
    jobUpdated(id: $id) {
      status
      progress {
        rows
        percent
        estimatedRows
      }
      export {
        rows
        sizeBytes
      }
    }
  }
`);
const PlaceExportJobDocument = graphql(`
  mutation PlaceExportJob($input: ExportJobInput!) {
    exportJob(input: $input) {
      job {
        id
      }
    }
  }
`);

const PlaceDisconnectDocument = graphql(`
  mutation PlaceDisconnect($id: ID!) {
    disconnectDatabase(input: { id: $id }) {
      deletedDatabaseId
    }
  }
`);
const PlaceKindDocument = graphql(`
  query PlaceKind($id: ID!) {
    job(id: $id) {
      kind
      status
      database {
        id
      }
      export {
        rows
      }
    }
  }
`);

let world: Submission;
let ann: Account;
let bob: Account;
const databases = new Map<Account, string>();
beforeAll(async () => {
  world = await startSubmission();
  // The first account may all.
  await world.quarry.register();
  ann = await world.quarry.register();
  bob = await world.quarry.register();
  for (const account of [ann, bob]) {
    const input = { name: 'target', connection: world.connection };
    databases.set(account, (await world.quarry.ask(ConnectDocument, { input }, account)).connectDatabase.database.id);
  }
});
afterAll(() => world?.[Symbol.asyncDispose]());

const uuidOf = (id: string) => (JSON.parse(Buffer.from(id, 'base64url').toString()) as string[])[1];
const bucketOf = async (account: Account, input: { name: string; projectId?: string; allowedMimeTypes?: string[] }) =>
  (await world.quarry.ask(PlaceBucketDocument, { input }, account)).createBucket.bucket.id;
const filesIn = async (id: string, account = ann) => {
  const { node } = await world.quarry.ask(PlaceFilesDocument, { id }, account);
  return node && 'files' in node ? node.files.nodes : [];
};
const submit = (account: Account, sql: string, exported: ExportInput) =>
  world.quarry.execute(
    PlaceSubmitDocument,
    { input: { target: { databaseId: databases.get(account) ?? '' }, sql, export: exported, timeoutMs: 120_000 } },
    account,
  );
const begin = async (...given: Parameters<typeof submit>) => (await submit(...given)).data?.submitQuery.job.id ?? '';

/** Resolves when its statement runs in the target. */
async function started(mark: string): Promise<void> {
  const runs = async () =>
    (
      await world.target.query(
        `SELECT FROM pg_stat_activity WHERE strpos(query, $1) > 0 AND state = 'active' AND pid <> pg_backend_pid()`,
        [`'${mark}'`],
      )
    ).rowCount;
  await expect.poll(runs, { timeout: 20_000 }).toBe(1);
}

async function ended(id: string, account: Account) {
  for await (const { jobUpdated } of world.quarry.subscribe(JobUpdatedDocument, { id }, account)) {
    if (!['QUEUED', 'RUNNING'].includes(jobUpdated.status)) break;
  }
  return (await world.quarry.ask(PlaceErrorDocument, { id }, account)).job;
}

/** Bob is an EDITOR of a project of Ann’s, which has a bucket. */
async function shared(name: string) {
  const { createProject } = await world.quarry.ask(PlaceProjectDocument, {}, ann);
  const projectId = createProject.project.id;
  const input = { projectId, email: bob.email, role: 'EDITOR' as ProjectRole };
  const member = (await world.quarry.ask(PlaceMemberDocument, { input }, ann)).addMember.member.id;
  return { member, bucketId: await bucketOf(ann, { name, projectId }) };
}

const rightsEnd = [
  [
    'whose role becomes VIEWER',
    (id: string) => world.quarry.ask(PlaceRoleDocument, { id, role: 'VIEWER' as ProjectRole }, ann),
  ],
  ['who is removed from the project', (id: string) => world.quarry.ask(PlaceLeaveDocument, { id }, ann)],
] as const;

test.each(rightsEnd)('a user %s while his export runs writes nothing, and the old file stays', async (what, act) => {
  const { member, bucketId } = await shared(what);
  await ended(await begin(ann, `SELECT 'old' AS a`, { bucketId, path: 'report.csv' }), ann);
  const before = await filesIn(bucketId);
  const over = { bucketId, path: 'report.csv', overwrite: true };
  // One has written all that it has when the right ends, and one would run on.
  const soon = await begin(bob, `SELECT 'new' AS a, pg_sleep(2), '${what} 1'`, over);
  const late = await begin(bob, `SELECT 'new' AS a, pg_sleep(100), '${what} 2'`, { bucketId, path: 'other.csv' });
  await started(`${what} 1`);
  await started(`${what} 2`);
  await act(member);
  for (const id of [soon, late]) {
    expect(await ended(id, bob)).toMatchObject({ status: 'FAILED', error: { code: 'FORBIDDEN' } });
  }
  expect(await filesIn(bucketId)).toEqual(before);
});

test('a bucket into which an export writes is deleted with force alone, which ends the export and takes its bytes', async () => {
  const bucketId = await bucketOf(ann, { name: 'going' });
  const id = await begin(ann, `SELECT repeat('x', 100000), pg_sleep(0.01), 'going' FROM generate_series(1, 10000)`, {
    bucketId,
    path: 'going.csv',
  });
  await started('going');
  const refused = await world.quarry.execute(PlaceDropDocument, { id: bucketId }, ann);
  expect([refused.code, refused.errors?.[0]?.message]).toEqual([
    'CONFLICT',
    'An export writes into the bucket: cancel it, or say force: true to end it with the bucket',
  ]);
  const { rows } = await world.metadata.query('SELECT blob FROM files WHERE bucket_id = $1', [uuidOf(bucketId)]);
  await world.quarry.ask(PlaceDropDocument, { id: bucketId, force: true }, ann);
  expect(await ended(id, ann)).toEqual({
    status: 'FAILED',
    error: { code: 'FORBIDDEN', message: 'The bucket or the file of the export is gone, or the right to write there' },
  });
  expect(rows).toHaveLength(1);
});

test('the path of an export is its own while it runs: others are told at once, and another export may write over it when it says so', async () => {
  const bucketId = await bucketOf(ann, { name: 'held' });
  const to = { bucketId, path: 'a/held.csv' };
  const first = await begin(ann, `SELECT 1 AS a, pg_sleep(100), 'held'`, to);
  await started('held');
  const conflict = { code: 'CONFLICT', message: 'An export is being written to this path' };
  const seen = ({ code, errors }: { code: string | undefined; errors: { message: string }[] | undefined }) => ({
    code,
    message: errors?.[0]?.message,
  });
  expect(seen(await submit(ann, 'SELECT 2', to))).toEqual(conflict);
  const upload = (overwrite: boolean) =>
    world.quarry.execute(PlaceUploadDocument, { input: { ...to, sizeBytes: 1, overwrite } }, ann);
  expect(seen(await upload(false))).toEqual(conflict);
  expect(seen(await upload(true))).toEqual(conflict);
  await ended(await begin(ann, 'SELECT 1', { bucketId, path: 'b.csv' }), ann);
  const { rows } = await world.metadata.query(`SELECT id FROM files WHERE path = 'b.csv' AND status = 'ready'`);
  const fileId = Buffer.from(JSON.stringify(['StoredFile', rows[0].id])).toString('base64url');
  expect(seen(await world.quarry.execute(PlaceMoveDocument, { id: fileId, path: to.path }, ann))).toEqual(conflict);
  const over = await begin(ann, `SELECT 'over' AS a`, { ...to, overwrite: true });
  expect(await ended(over, ann)).toMatchObject({ status: 'SUCCEEDED' });
  await world.quarry.ask(CancelDocument, { input: { id: first } }, ann);
  expect(await ended(first, ann)).toMatchObject({ status: 'CANCELLED' });
});

test('an upload that was created before takes no path from an export that runs, and may from one that overwrites', async () => {
  const bucketId = await bucketOf(ann, { name: 'kept' });
  const path = 'kept.csv';
  const uploadTo = async (overwrite: boolean) => {
    const input = { bucketId, path, sizeBytes: 1, overwrite };
    return (await world.quarry.ask(PlaceUploadDocument, { input }, ann)).createUpload.upload.url;
  };
  const put = async (url: string) => (await fetch(url, { method: 'PUT', body: 'x' })).status;
  const [plain, over] = [await uploadTo(false), await uploadTo(true)];
  const [late, last] = [await uploadTo(false), await uploadTo(true)];
  const sql = (what: string) => `SELECT 1 AS a, pg_sleep(100), '${what}'`;
  const first = await begin(ann, sql('kept'), { bucketId, path });
  await started('kept');
  expect([await put(plain), await put(over), await filesIn(bucketId)]).toEqual([409, 409, []]);
  await world.quarry.ask(CancelDocument, { input: { id: first } }, ann);
  await ended(first, ann);
  const second = await begin(ann, sql('kept over'), { bucketId, path, overwrite: true });
  await started('kept over');
  expect([await put(late), await put(last)]).toEqual([201, 201]);
  await world.quarry.ask(CancelDocument, { input: { id: second } }, ann);
  await ended(second, ann);
});

test('what a bucket does not take is said at a field that is there', async () => {
  const bucketId = await bucketOf(ann, { name: 'typed', allowedMimeTypes: ['text/csv'] });
  const fieldsOf = async (exported: ExportInput) =>
    (await submit(ann, 'SELECT 1', { bucketId, ...exported })).errors?.[0]?.extensions.details;
  expect(await fieldsOf({ format: 'NDJSON' })).toEqual({
    fields: [
      { path: 'input.export.format', message: expect.stringMatching(/^the bucket takes text\/csv, and this is /) },
    ],
  });
  expect(await fieldsOf({ format: 'CSV', compression: 'GZIP' })).toEqual({
    fields: [{ path: 'input.export.compression', message: 'the bucket takes text/csv, and this is application/gzip' }],
  });
});

test('rows and bytes of an export rise while it runs, and are those of its file in the end', async () => {
  const id = await begin(ann, `SELECT repeat('x', 1000) AS x, pg_sleep(0.001) FROM generate_series(1, 3000)`, {
    path: 'rising.csv',
  });
  const seen: { rows: number; sizeBytes: number }[] = [];
  for await (const { jobUpdated } of world.quarry.subscribe(PlaceProgressDocument, { id }, ann)) {
    if (jobUpdated.status === 'RUNNING' && jobUpdated.export) seen.push(jobUpdated.export);
    if (jobUpdated.status === 'SUCCEEDED') expect(jobUpdated.export).toMatchObject({ rows: 3_000 });
    if (!['QUEUED', 'RUNNING'].includes(jobUpdated.status)) break;
  }
  expect(seen.some(({ rows, sizeBytes }) => rows > 0 && rows < 3_000 && sizeBytes > 0)).toBe(true);
  expect(seen).toEqual(seen.toSorted((a, b) => a.rows - b.rows || a.sizeBytes - b.sizeBytes));
});

test('an export of what was kept says how much of it is done', async () => {
  const sql = `SELECT n FROM generate_series(1, 3000) AS n`;
  const input = { target: { databaseId: databases.get(ann) ?? '' }, sql };
  const { submitQuery } = await world.quarry.ask(PlaceSubmitDocument, { input }, ann);
  await ended(submitQuery.job.id, ann);
  const asked = { input: { id: submitQuery.job.id, export: { path: 'percent.csv' } } };
  const { exportJob } = await world.quarry.ask(PlaceExportJobDocument, asked, ann);
  const { id } = exportJob.job;
  for await (const { jobUpdated } of world.quarry.subscribe(PlaceProgressDocument, { id }, ann)) {
    if (['QUEUED', 'RUNNING'].includes(jobUpdated.status)) continue;
    expect(jobUpdated.progress).toEqual({ rows: 3_000, percent: 100, estimatedRows: 3_000 });
    break;
  }
});

/** An export of what a job of this database has kept, which waits before its first row until `goOn`. */
async function exportKept(databaseId: string, path: string, rows = 5_000) {
  const input = { target: { databaseId }, sql: `SELECT n FROM generate_series(1, ${rows}) AS n`, maxRows: rows };
  const source = (await world.quarry.ask(PlaceSubmitDocument, { input }, ann)).submitQuery.job.id;
  await ended(source, ann);
  await world.metadata.query('BEGIN; LOCK TABLE result_chunks IN ACCESS EXCLUSIVE MODE');
  const asked = { input: { id: source, export: { path } } };
  const { id } = (await world.quarry.ask(PlaceExportJobDocument, asked, ann)).exportJob.job;
  const waits = async () =>
    (await world.metadata.query(`SELECT FROM pg_locks WHERE relation = 'result_chunks'::regclass AND NOT granted`))
      .rowCount;
  await expect.poll(waits, { timeout: 20_000 }).toBe(1);
  return { id, goOn: () => world.metadata.query('COMMIT') };
}

test('an export of what was kept needs no database: it goes on when that is disconnected', async () => {
  const input = { name: 'leaving', connection: world.connection };
  const { id: databaseId } = (await world.quarry.ask(ConnectDocument, { input }, ann)).connectDatabase.database;
  const { id, goOn } = await exportKept(databaseId, 'stays.csv');
  await world.quarry.ask(PlaceDisconnectDocument, { id: databaseId }, ann);
  await goOn();
  await ended(id, ann);
  const { job } = await world.quarry.ask(PlaceKindDocument, { id }, ann);
  expect(job).toEqual({ kind: 'EXPORT', status: 'SUCCEEDED', database: null, export: { rows: 5_000 } });
});

test('an export of what was kept is cancelled in the middle, and leaves nothing', async () => {
  // So many that its worker hears of it before the last one.
  const { id, goOn } = await exportKept(databases.get(ann) ?? '', 'cancelled.csv', 400_000);
  await world.quarry.ask(CancelDocument, { input: { id } }, ann);
  await goOn();
  expect(await ended(id, ann)).toEqual({ status: 'CANCELLED', error: null });
  const { rows } = await world.metadata.query(`SELECT status FROM files WHERE path = 'cancelled.csv'`);
  expect(rows).toEqual([]);
});
