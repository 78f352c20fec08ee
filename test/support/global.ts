/**
 * Starts the server that every test file shares: one real PostgreSQL 18, whose superuser the tests hold. Names the
 * folders of the run: what its tests write is in one, the processes of all tests keep their compiled modules in the
 * other, a second of work for each of them.
 */
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import type { TestServer } from './databases.ts';
import { leftOut } from './debian.ts';
import { makePlace } from './place.ts';
import { startPostgres } from './postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: TestServer;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  for (const line of leftOut()) console.warn(line);
  process.env.NODE_COMPILE_CACHE = join(import.meta.dirname, '../../node_modules/.cache/test-modules');
  const place = makePlace();
  // Of every process that is started from here on.
  process.env.TMPDIR = place.path;
  const postgres = await startPostgres();
  const { host, port, user, password } = postgres;
  project.provide('postgres', { host, port, user, password });
  return async () => {
    await postgres[Symbol.asyncDispose]();
    place[Symbol.dispose]();
  };
}
