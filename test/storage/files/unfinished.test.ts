/** Uploads that are not ended: found again, gone on with, ended, and counted, by whom they concern. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { graphql } from '../../generated/gql.ts';
import {
  AddMemberDocument,
  CreateApiKeyDocument,
  CreateProjectDocument,
  DeleteFileDocument,
  RevokeApiKeyDocument,
} from '../../support/operations.ts';
import { startPlainQuarry } from '../../support/plain-server.ts';
import type { Account, Quarry } from '../../support/server.ts';
import { createFileClient, offsetOf, put } from './client.ts';

const UnfinishedDocument = graphql(`
  query Unfinished($bucket: ID!) {
    viewer {
      storage {
        usedBytes
        reservedBytes
        limitBytes
        files
        filesLimit
      }
    }
    node(id: $bucket) {
      ... on Bucket {
        uploads {
          id
          status
          path
          sizeBytes
          upload {
            url
            method
            file {
              id
            }
          }
        }
      }
    }
  }
`);
const StorageOfDocument = graphql(`
  query StorageOf($id: ID!) {
    node(id: $id) {
      ... on User {
        storage {
          files
        }
      }
    }
  }
`);
const UploadOfDocument = graphql(`
  query UploadOf($id: ID!) {
    node(id: $id) {
      ... on StoredFile {
        upload {
          url
        }
      }
    }
  }
`);
const NewUploadDocument = graphql(`
  mutation NewUpload($input: CreateUploadInput!) {
    createUpload(input: $input) {
      upload {
        url
      }
    }
  }
`);

let quarry: Quarry;
let ann: Account;
let bob: Account;
beforeAll(async () => {
  quarry = await startPlainQuarry();
  await quarry.register();
  ann = await quarry.register();
  bob = await quarry.register();
});
afterAll(() => quarry?.[Symbol.asyncDispose]());

async function seen(bucket: string, account: Account) {
  const { viewer, node } = await quarry.ask(UnfinishedDocument, { bucket }, account);
  return { storage: viewer?.storage, uploads: node && 'uploads' in node ? node.uploads : null };
}

test('an upload whose URL was lost is found with a fresh one by who made it, and goes on with all that it had', async () => {
  const client = createFileClient(quarry, ann);
  const { id: bucket } = await client.bucket({ name: 'again' });
  const { url, file } = await client.target(bucket, 'a/big.bin', 6, { mimeType: 'text/plain' });
  await put(url, 'abc', { 'content-range': 'bytes 0-2/6' });
  const { storage, uploads } = await seen(bucket, ann);
  expect(uploads).toEqual([
    {
      id: file.id,
      status: 'PENDING',
      path: 'a/big.bin',
      sizeBytes: 6,
      upload: { url: expect.any(String), method: 'PUT', file: { id: file.id } },
    },
  ]);
  expect(storage).toEqual({
    usedBytes: 0,
    reservedBytes: 6,
    limitBytes: 10 * 2 ** 30,
    files: 1,
    filesLimit: 100_000,
  });
  const again = uploads![0]!.upload!.url;
  expect(await offsetOf(again)).toBe(3);
  expect((await put(again, 'def', { 'content-range': 'bytes 3-5/6' })).status).toBe(201);
  expect(await client.find(file.id)).toMatchObject({ status: 'READY', mimeType: 'text/plain' });
  expect(await seen(bucket, ann)).toMatchObject({ storage: { usedBytes: 6, reservedBytes: 0, files: 1 }, uploads: [] });
  expect((await quarry.ask(UploadOfDocument, { id: file.id }, ann)).node).toEqual({ upload: null });
});

test('an upload by a link whose API key ends while it comes is no file, until he who made it goes on with it', async () => {
  const client = createFileClient(quarry, ann);
  const { id: bucket } = await client.bucket({ name: 'by a key' });
  const input = { name: 'key', scopes: ['WRITE' as const] };
  const { apiKey, secret } = (await quarry.ask(CreateApiKeyDocument, { input }, ann)).createApiKey;
  /** More than the store keeps in memory before it is on the disk. */
  const content = randomBytes(3_000_000);
  const program = createFileClient(quarry, { ...ann, token: secret });
  const { url, file } = await program.target(bucket, 'large.bin', content.length);
  const sending = request(url, { method: 'PUT', headers: { 'content-length': content.length } });
  const answered = once(sending, 'response');
  sending.write(content.subarray(0, 2_000_000));
  await expect.poll(() => offsetOf(url)).toBeGreaterThan(0);
  await quarry.ask(RevokeApiKeyDocument, { id: apiKey.id }, ann);
  sending.end(content.subarray(2_000_000));
  const [response] = await answered;
  response.resume();
  expect(response.statusCode).toBe(403);
  expect((await client.find(file.id))!.status).toBe('PENDING');
  const [unfinished] = (await seen(bucket, ann)).uploads!;
  expect(await offsetOf(unfinished!.upload!.url)).toBe(content.length);
  const sha256 = createHash('sha256').update(content).digest('hex');
  expect(await client.find(file.id)).toMatchObject({ status: 'READY', sha256 });
});

test('an upload that is created again is another one, also twice at once: nothing of one is ever in the other', async () => {
  const client = createFileClient(quarry, ann);
  const { id: bucket } = await client.bucket({ name: 'another' });
  const first = await client.target(bucket, 'a.bin', 6);
  await put(first.url, 'AAA', { 'content-range': 'bytes 0-2/6' });
  const both = await Promise.all([client.target(bucket, 'a.bin', 6), client.target(bucket, 'a.bin', 6)]);
  const ids = [first, ...both].map((target) => target.file.id);
  expect(new Set(ids).size).toBe(3);
  expect(await Promise.all([first, ...both].map(({ url }) => offsetOf(url)))).toEqual([3, 0, 0]);
  expect((await put(both[0].url, 'BBBBBB')).status).toBe(201);
  const { url } = (await client.find(both[0].file.id))!;
  expect(await (await fetch(url!)).text()).toBe('BBBBBB');
  expect((await seen(bucket, ann)).uploads?.map(({ id }) => id)).toEqual(expect.arrayContaining([ids[0], ids[2]]));
});

test('the fresh URL of an unfinished upload is for who made it alone, whoever else may write there', async () => {
  const cleo = await quarry.register();
  const { createProject } = await quarry.ask(CreateProjectDocument, { input: { name: 'writers' } }, ann);
  const projectId = createProject.project.id;
  await quarry.ask(AddMemberDocument, { input: { projectId, email: cleo.email, role: 'EDITOR' } }, ann);
  const { id: bucket } = await createFileClient(quarry, ann).bucket({ name: 'writers', projectId });
  const { file } = await createFileClient(quarry, cleo).target(bucket, 'his', 5);
  expect((await seen(bucket, ann)).uploads).toMatchObject([{ id: file.id, upload: null }]);
  expect((await seen(bucket, cleo)).uploads).toMatchObject([{ id: file.id, upload: { file: { id: file.id } } }]);
});

test('an unfinished upload is ended by deleteFile, and seen only by who may write there', async () => {
  const { createProject } = await quarry.ask(CreateProjectDocument, { input: { name: 'shared' } }, ann);
  const projectId = createProject.project.id;
  await quarry.ask(AddMemberDocument, { input: { projectId, email: bob.email, role: 'VIEWER' } }, ann);
  const client = createFileClient(quarry, ann);
  const { id: bucket } = await client.bucket({ name: 'seen', projectId });
  const { file } = await client.target(bucket, 'lost', 5);
  expect((await seen(bucket, bob)).uploads).toEqual([]);
  expect((await seen(bucket, ann)).uploads).toMatchObject([{ id: file.id }]);
  await quarry.ask(DeleteFileDocument, { input: { id: file.id } }, ann);
  expect((await seen(bucket, ann)).uploads).toEqual([]);
  const storageOf = async (id: string) => (await quarry.ask(StorageOfDocument, { id }, bob)).node;
  expect([await storageOf(ann.user.id), await storageOf(bob.user.id)]).toEqual([
    { storage: null },
    { storage: { files: 0 } },
  ]);
});

test('what is too large is refused with whose limit that is', async () => {
  const client = createFileClient(quarry, ann);
  const { id: small } = await client.bucket({ name: 'small', maxFileSizeBytes: 10 });
  const { id: bucketId } = await client.bucket({ name: 'large' });
  const refusal = async (bucket: string, sizeBytes: number) => {
    const input = { bucketId: bucket, path: 'x', sizeBytes };
    const { code, errors } = await quarry.execute(NewUploadDocument, { input }, ann);
    return [code, errors?.[0]?.message];
  };
  expect(await refusal(small, 11)).toEqual(['LIMIT_EXCEEDED', 'The bucket takes files of at most 10 bytes']);
  expect(await refusal(bucketId, 11 * 2 ** 30)).toEqual([
    'LIMIT_EXCEEDED',
    expect.stringMatching(
      /^The user’s files may have 10737418240 bytes: \d+ are used, or reserved for what is under way/,
    ),
  ]);
});
