import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { localMasterKeys } from '../../src/db/master-keys.ts';

test('several first starts on one folder agree on one key', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'quarry-test-key-'));
  try {
    const keys = await Promise.all(Array.from({ length: 8 }, () => localMasterKeys(folder)));
    const again = await localMasterKeys(folder);
    expect(new Set([...keys, again].map(([{ key }]) => key.reveal().toString('hex'))).size).toBe(1);
    expect(readdirSync(folder)).toEqual(['master-key']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
