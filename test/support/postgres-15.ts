/** The PostgreSQL 15 of Debian, where it is installed: an old server, and the pg_dump that knows it. */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { childEnvironment } from '../../src/db/binaries.ts';
import { findPlace } from '../../src/db/place.ts';
import { host, launchOnFreePort, launchServer, shutDown } from '../../src/db/postmaster.ts';
import { createLog } from '../../src/lib/log.ts';
import type { TestServer } from './databases.ts';
import { has, pathOf } from './debian.ts';

const run = promisify(execFile);
const bin = dirname(pathOf('PostgreSQL 15'));

export const hasPostgres15 = has('PostgreSQL 15');

export async function startPostgres15(): Promise<TestServer & AsyncDisposable> {
  const log = createLog({ level: 'warn', format: 'pretty' });
  const dataDir = await mkdtemp(join(tmpdir(), 'quarry-test-pg15-'));
  await chmod(dataDir, 0o711); // As root the server runs as another user, who has to get in.
  const found = await findPlace({ dataDir, log });
  const place = { ...found, binaries: { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres'), major: 15 } };
  const directory = join(place.directory, '15');
  await mkdir(directory, { mode: 0o700 });
  if (place.identity) await chown(directory, place.identity.uid, place.identity.gid);
  const as = { ...place.identity, cwd: '/', env: childEnvironment };
  const making = ['--pgdata', directory, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8'];
  await run(place.binaries.initdb, making, as);
  const settings = { wal_level: 'logical', fsync: 'off', listen_addresses: host, unix_socket_directories: '' };
  const { port, server } = await launchOnFreePort((port) =>
    launchServer({ place, directory, settings: { ...settings, port }, startMs: 60_000, log, signal: undefined }),
  );
  return {
    host,
    port,
    user: 'postgres',
    password: '',
    async [Symbol.asyncDispose]() {
      await shutDown(server, 10_000);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** What a dump of the schema alone says, without its owners and rights, and without the key that is another one each time. */
export const dumpOf = (server: TestServer, database: string): Promise<string> => dump(server, database, []);

/** The same, with a line about each entry of its table of contents. */
export const verboseDumpOf = (server: TestServer, database: string): Promise<string> =>
  dump(server, database, ['--verbose']);

async function dump(
  { host, port, user, password }: TestServer,
  database: string,
  more: readonly string[],
): Promise<string> {
  const options = ['--schema-only', '--no-owner', '--no-privileges', ...more];
  const { stdout } = await run(
    join(bin, 'pg_dump'),
    [...options, `--host=${host}`, `--port=${port}`, `--username=${user}`, database],
    {
      env: { PGPASSWORD: password, LC_ALL: 'C' },
      maxBuffer: 2 ** 26,
    },
  );
  return stdout.replace(/^\\(un)?restrict .*$/gm, '');
}
