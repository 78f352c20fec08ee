/** `npm run check`: types, format and lint, import boundaries, unused code, and that what is generated is current. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);
const options = {
  cwd: root,
  maxBuffer: 64 * 1_048_576,
  env: {
    ...process.env,
    PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}`,
    PRISMA_SCHEMA_ENGINE_BINARY: 'prisma/schema-engine.mjs',
  },
};

/** Throws with what the tool printed. */
async function tool(command: string, ...args: string[]): Promise<string> {
  try {
    return (await run(command, args, options)).stdout;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string };
    throw new Error(stdout + stderr || message);
  }
}

function digest(path: string): string {
  if (!existsSync(path)) return 'absent';
  if (statSync(path).isFile()) return createHash('sha256').update(readFileSync(path)).digest('hex');
  return readdirSync(path)
    .sort()
    .map((name) => `${name} ${digest(join(path, name))}`)
    .join('\n');
}

/** Makes it again, and fails when that changed it. */
async function current(path: string, ...command: [string, ...string[]]): Promise<void> {
  const before = digest(join(root, path));
  await tool(...command);
  if (digest(join(root, path)) !== before) throw new Error(`${path} was not current; it is now: commit it`);
}

async function boundaries(): Promise<void> {
  const output = await tool(
    'depcruise',
    '--config',
    '.config/boundaries.cjs',
    '--output-type',
    'json',
    '--no-progress',
    'src',
  ).catch(
    // It exits with the number of violations; the report is on standard output all the same.
    (error: Error) => error.message,
  );
  const { summary } = JSON.parse(output) as {
    summary: { totalCruised: number; violations: { rule: { name: string }; from: string; to: string }[] };
  };
  if (summary.totalCruised < 20) throw new Error(`only ${summary.totalCruised} modules seen: the check sees nothing`);
  if (summary.violations.length > 0)
    throw new Error(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`).join('\n'));
}

const checks: [string, () => Promise<unknown>][] = [
  ['types', () => tool('node', 'node_modules/typescript-native/bin/tsc', '-p', '.')],
  ['format and lint', () => tool('biome', 'check', '.')],
  ['boundaries', boundaries],
  ['unused code', () => tool('knip', '--config', '.config/knip.json', '--no-progress')],
  ['schema.graphql', () => current('schema.graphql', 'node', 'scripts/print-schema.ts')],
  ['docs/rights.md', () => current('docs/rights.md', 'node', 'scripts/print-rights.ts')],
  ['typed documents', () => current('test/generated', 'graphql-codegen', '--config', 'codegen.ts', '--silent')],
  ['prisma client', () => current('src/db/generated', 'prisma', 'generate', '--config', '.config/prisma.ts')],
];

let failed = 0;
// One after another: the typed documents are made from the schema that the step before has printed.
for (const [name, check] of checks) {
  try {
    await check();
    console.log(`✓ ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`✗ ${name}\n${(error as Error).message.trimEnd().replace(/^/gm, '    ')}`);
  }
}
process.exit(failed === 0 ? 0 : 1);
