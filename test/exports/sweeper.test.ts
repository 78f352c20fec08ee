/** Temporary folders of exports that nobody writes any more. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createExportSweeper } from '../../src/exports/sweeper.ts';
import { temporaryFolderOf } from '../../src/exports/temporary-folder.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createTestQueue, type TestQueue } from '../support/jobs.ts';

let queue: TestQueue;
let folder: string;
beforeAll(async () => {
  queue = await createTestQueue();
  folder = await mkdtemp(join(tmpdir(), 'quarry-test-exports-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await queue[Symbol.asyncDispose]();
});
const { signal } = new AbortController();

test('those of attempts that are over go, those of running ones and what is not of our making stay', async () => {
  await queue.submit(await queue.metadata.addUser(), 'SELECT 1');
  const [held] = await queue.claim(1);
  const before = { id: held!.id, fence: held!.fence - 1 };
  const unknown = { id: uuidv7(), fence: 1 };
  for (const hold of [held!, before, unknown]) {
    await mkdir(join(temporaryFolderOf(folder, hold), 'parquet-x'), { recursive: true });
    await writeFile(join(temporaryFolderOf(folder, hold), 'parquet-x', 'spill'), 'x');
  }
  await writeFile(join(folder, 'notes'), 'mine');
  const sweep = createExportSweeper({ jobStore: queue.store, exportFolder: folder });
  expect(await sweep(signal)).toBe(2);
  expect(await readdir(folder)).toEqual([`${held!.id}-${held!.fence}`, 'notes']);
  await queue.store.finish(held!, { status: 'succeeded', error: null, rows: 0, bytes: 0 });
  expect([await sweep(signal), await readdir(folder)]).toEqual([1, ['notes']]);
});

test('a machine without exports has none', async () => {
  const sweep = createExportSweeper({ jobStore: queue.store, exportFolder: join(folder, 'none') });
  expect(await sweep(signal)).toBe(0);
});
