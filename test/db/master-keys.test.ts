import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { localMasterKeys, verifyKeyring } from '../../src/db/master-keys.ts';
import { createTestMetadata, silent, type TestMetadata } from '../support/metadata.ts';

let dataDir: string;
let metadata: TestMetadata;
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'quarry-test-key-'));
  metadata = await createTestMetadata();
});
afterEach(async () => {
  rmSync(dataDir, { recursive: true, force: true });
  await metadata[Symbol.asyncDispose]();
});

const keysOf = (lost: string[] = []) => localMasterKeys({ dataDir, metadata: metadata.database, lost });

test('several first starts on one folder agree on one key', async () => {
  const keys = await Promise.all(Array.from({ length: 8 }, () => keysOf()));
  const again = await keysOf();
  expect(new Set([...keys, again].map(([{ key }]) => key.reveal().toString('hex'))).size).toBe(1);
  expect(readdirSync(dataDir)).toEqual(['master-key']);
});

test('one that is gone is named, and no other is made in its place until it is given up by name', async () => {
  await verifyKeyring({ pool: metadata.pool, log: silent }, await keysOf());
  rmSync(join(dataDir, 'master-key'));
  await expect(keysOf()).rejects.toThrow(/master-key is missing.*\(k1\)/);
  await expect(keysOf(['k2'])).rejects.toThrow(/is missing/);
  expect(readdirSync(dataDir)).toEqual([]);
  const keys = await keysOf(['k1']);
  expect((await verifyKeyring({ pool: metadata.pool, log: silent }, keys, ['k1'])).keyIds).toEqual(['k1']);
});
