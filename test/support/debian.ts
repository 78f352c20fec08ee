/** Programs beyond npm that some tests run, as Debian ships them: `.ci/run` installs them, and requires them to be there. */
import { existsSync } from 'node:fs';

const programs = {
  Chromium: '/usr/bin/chromium',
  Redis: '/usr/bin/redis-server',
  'PostgreSQL 15': '/usr/lib/postgresql/15/bin/postgres',
  sqlsmith: '/usr/bin/sqlsmith',
} as const;

export type Program = keyof typeof programs;

/** Where they are required a test of what is missing fails at its start. */
const required = process.env.REQUIRE_SERVERS === '1';

export const pathOf = (program: Program): string => programs[program];

/** False where tests of it are to be left out: it is not there, and nobody said that it has to be. */
export const has = (program: Program): boolean => existsSync(programs[program]) || required;

/** For whoever runs the tests: what is not tried, and why. */
export function leftOut(): string[] {
  const lines = Object.entries(programs)
    .filter(([program]) => !has(program as Program))
    .map(([program, path]) => `left out: the tests that need ${program}, as there is no ${path}`);
  if (process.env.DEBIAN_SCHEMAS === undefined)
    lines.push('left out: the schemas of real programs, as DEBIAN_SCHEMAS names no folder (.ci/run fetches them)');
  return lines;
}
