/** The containers, as far as they can be read without an engine that builds them. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { readConfig, variableNames } from '../src/config.ts';

interface ComposeService {
  image?: string;
  build?: string;
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  networks?: string[];
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
}

interface ComposeFile {
  services: Record<string, ComposeService>;
  networks: Record<string, { internal?: boolean } | null>;
  volumes: Record<string, unknown>;
}

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const compose: ComposeFile = parse(read('docker-compose.yml'));
const services = Object.entries(compose.services);
const quarry = compose.services.quarry!;

/** One entry an instruction: comments dropped, continued lines joined. */
const instructions = read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, ' ')
  .split('\n')
  .filter(Boolean)
  .map((line) => {
    const [, name, rest] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    return { name, rest: rest ?? '' };
  });
const instruction = (name: string) => instructions.findLast((one) => one.name === name)?.rest ?? '';
const imageEnvironment = Object.fromEntries(
  instruction('ENV')
    .split(' ')
    .filter(Boolean)
    .map((pair) => pair.split('=') as [string, string]),
);

/** As Compose fills it in; a variable that is required and missing throws. */
function filledIn(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_whole, name: string, kind: string, word: string) => {
    if (env[name]) return env[name];
    if (kind === '-') return word;
    throw new Error(`${name} is required`);
  });
}

const environmentOf = (service: ComposeService, env: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(service.environment ?? {}).map(([name, text]) => [name, filledIn(text, env)]));

const secrets = {
  METADATA_PASSWORD: 'a1b2c3d4',
  PLAYGROUND_PASSWORD: 'e5f6a7b8',
  MASTER_KEYS: `k1:${Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7)).toString('base64')}`,
};

test('every variable that the containers set is one that Quarry reads', () => {
  const names = [...Object.keys(quarry.environment ?? {}), ...Object.keys(imageEnvironment)];
  expect(names.filter((name) => !variableNames.includes(name))).toEqual([]);
});

test('filled in with secrets, the environment is one that Quarry starts with, in production', () => {
  const config = readConfig({ env: { ...imageEnvironment, ...environmentOf(quarry, secrets) }, terminal: false });
  expect(config).toMatchObject({
    host: '0.0.0.0',
    port: 4000,
    dataDir: '/data',
    graphiql: false,
    introspection: false,
  });
  expect(config.databaseUrl?.reveal().hostname).toBe('metadata');
});

test.each(Object.keys(secrets))('%s has no default: Compose refuses to start without it', (name) => {
  const others = Object.fromEntries(Object.entries(secrets).filter(([other]) => other !== name));
  expect(() => services.map(([, service]) => environmentOf(service, others))).toThrow(`${name} is required`);
});

test('no password and no key stands in the files', () => {
  for (const [, service] of services)
    for (const [name, text] of Object.entries(service.environment ?? {}))
      if (/PASSWORD|KEYS|_URL$/.test(name) && name !== 'PUBLIC_URL')
        expect(text.replace(/\$\{\w+:\?[^}]*\}/g, '')).not.toMatch(/^[^$]+:\/\/[^:@]*:[^@]+@|^[^$:]+$/);
  expect(instructions.map(({ rest }) => rest).join('\n')).not.toMatch(/PASSWORD|MASTER_KEYS|_URL=/);
});

test('every image is pinned to a version', () => {
  const images = [instruction('FROM'), ...services.flatMap(([, { image }]) => image ?? [])];
  for (const image of images) expect(image).toMatch(/^[a-z]+:\d+\.\d+(\.\d+)?-[a-z-]+$/);
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
  expect(instruction('FROM')).toContain(`node:${dependencies.node}-`);
});

test('the container runs the script that a developer runs, as a user who is not root', () => {
  const command: string[] = JSON.parse(instruction('CMD'));
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  expect(command).toEqual(['npm', 'start']);
  // Without exec a shell stands between npm and Quarry, and ends at SIGTERM without passing it on.
  expect(scripts.start).toMatch(/^exec node /);
  expect(instruction('USER')).toBe('node');
  expect(instructions.findIndex(({ name }) => name === 'USER')).toBeLessThan(
    instructions.findIndex(({ name }) => name === 'CMD'),
  );
  expect(instructions.some(({ name, rest }) => name === 'RUN' && /^npm ci --omit=dev\b/.test(rest))).toBe(true);
});

test('whatever the image copies is there, and let through to the build', () => {
  const ignored = read('.dockerignore').split('\n');
  expect(ignored[0]).toBe('*');
  for (const { rest } of instructions.filter(({ name }) => name === 'COPY')) {
    for (const source of rest.split(' ').slice(0, -1)) {
      expect(existsSync(new URL(`../${source}`, import.meta.url)), source).toBe(true);
      expect(ignored).toContain(`!${source}`);
    }
  }
});

test('Quarry is healthy when it is ready, and waits for servers that are', () => {
  expect(instruction('HEALTHCHECK')).toContain('/ready');
  expect(quarry.depends_on).toEqual({
    metadata: { condition: 'service_healthy' },
    playground: { condition: 'service_healthy' },
  });
  for (const name of ['metadata', 'playground']) {
    expect(compose.services[name]?.healthcheck?.test).toContain('pg_isready');
    expect(compose.services[name]?.image).toMatch(/^postgres:18\./);
  }
});

test('row changes can be read from the playground, and its users’ SQL reaches no other server', () => {
  const { metadata, playground } = compose.services;
  expect(playground?.command).toContain('-cwal_level=logical');
  expect(playground?.networks).toEqual(['playground']);
  expect(metadata?.networks).toEqual(['metadata']);
  expect(compose.networks).toMatchObject({ metadata: { internal: true }, playground: { internal: true } });
});

test('what must outlive a container is on a volume', () => {
  expect(instruction('VOLUME')).toBe('/data');
  const mounted = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')));
  expect(mounted.map(([name]) => name).sort()).toEqual(Object.keys(compose.volumes).sort());
  // PostgreSQL 18's image keeps its data one folder higher than those before.
  expect(mounted.map(([, path]) => path).sort()).toEqual(['/data', '/var/lib/postgresql', '/var/lib/postgresql']);
});
