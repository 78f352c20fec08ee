/** A manifest of persisted documents that cannot be is told before the server starts, and nothing of the file with it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readManifest } from '../../src/graph/manifest.ts';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'quarry-test-manifest-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function read(content: string) {
  const file = join(await folder(), 'manifest.json');
  await writeFile(file, content);
  return readManifest(file);
}

test('the file that client-preset writes is read', async () => {
  expect(await read('{ "ab12": "{ __typename }", "cd34": "query Q { server { name } }" }')).toEqual(
    new Map([
      ['ab12', '{ __typename }'],
      ['cd34', 'query Q { server { name } }'],
    ]),
  );
});

test.each([
  ['no JSON', '{ "hunter2'],
  ['a list', '["{ __typename }"]'],
  ['nothing', 'null'],
  ['no document', '{}'],
  ['a document that is no text', '{ "hunter2": 7 }'],
  ['an empty document', '{ "hunter2": " " }'],
  ['an id of nothing', '{ "": "{ __typename }" }'],
  ['an endless id', JSON.stringify({ ['hunter2'.repeat(100)]: '{ __typename }' })],
])('%s is no manifest', async (_what, content) => {
  const fault = await read(content).catch((error: unknown) => error);
  expect(fault).toMatchObject({ name: 'StartError', message: expect.stringMatching(/^PERSISTED_DOCUMENTS: /) });
  expect(String(fault)).not.toContain('hunter2');
});

test('a file that is not there, or is a folder, is told by the variable', async () => {
  const path = await folder();
  await expect(readManifest(join(path, 'absent'))).rejects.toThrow(
    'PERSISTED_DOCUMENTS: the file cannot be read (ENOENT)',
  );
  await expect(readManifest(path)).rejects.toThrow('PERSISTED_DOCUMENTS: the file cannot be read (EISDIR)');
});
