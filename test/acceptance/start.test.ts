/** AUTH-9 and FLT-2: what a Quarry refuses to start with, what it does to what it finds, and how it ends under load. */
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { RegisterDocument } from '../support/operations.ts';
import { allGone, type Quarry, startQuarry } from '../support/server.ts';
import { createAnalyst, masterKey, OutcomeDocument, runToEnd, urlOf } from './support.ts';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'quarry-test-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A port on which somebody listens: a Quarry that tried to open it would say so. */
async function takenPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

describe('a configuration that cannot be', () => {
  const canary = 'hunter2';
  const key = masterKey();
  const bytes = key.slice('k1:'.length);
  const faults: [string, Record<string, string>][] = [
    ['PORT', { PORT: canary }],
    ['HOST', { HOST: `http://${canary}` }],
    ['PUBLIC_URL', { PUBLIC_URL: canary }],
    ['DATABASE_URL', { DATABASE_URL: `mysql://root:${canary}@127.0.0.1/x`, MASTER_KEYS: key }],
    ['MASTER_KEYS', { DATABASE_URL: `postgresql://root:${canary}@127.0.0.1/x` }],
    ['PLAYGROUND_URL', { PLAYGROUND_URL: canary }],
    ['MASTER_KEYS', { MASTER_KEYS: canary }],
    ['MASTER_KEYS', { MASTER_KEYS: `k1:${Buffer.from(canary).toString('base64')}` }],
    ['MASTER_KEYS', { MASTER_KEYS: `k1:${Buffer.alloc(32).toString('base64')}` }],
    ['MASTER_KEYS', { MASTER_KEYS: `${key},k2:${bytes}` }],
    ['MASTER_KEYS', { MASTER_KEYS: `${key},k2:${bytes.slice(0, 20)}` }],
    ['MASTER_KEYS_LOST', { MASTER_KEYS_LOST: `k1,${canary}:` }],
    ['REGISTRATION', { REGISTRATION: canary }],
    ['CORS_ORIGINS', { CORS_ORIGINS: `https://example.com/${canary}` }],
    ['TRUST_PROXY', { TRUST_PROXY: canary }],
    ['ALLOW_PRIVATE_HOSTS', { ALLOW_PRIVATE_HOSTS: `127.0.0.1/33,${canary}` }],
    ['WORKER_CONCURRENCY', { WORKER_CONCURRENCY: '0' }],
    ['MAX_PARALLEL_JOBS', { MAX_PARALLEL_JOBS: canary }],
    ['RESULTS_RETENTION_HOURS', { RESULTS_RETENTION_HOURS: '0' }],
    ['GRAPHIQL', { GRAPHIQL: canary }],
    ['LOG_LEVEL', { LOG_LEVEL: canary }],
    ['LOG_FORMAT', { LOG_FORMAT: canary }],
    ['MASTER_KEY', { MASTER_KEY: canary }],
    ['DATABASE_ULR', { DATABASE_ULR: canary }],
    ['REDIS_URL', { REDIS_URL: `http://:${canary}@127.0.0.1` }],
  ];

  test('ends the start with the name, without the value, before anything is opened or made', async () => {
    const [parent, port] = await Promise.all([folder(), takenPort()]);
    const DATA_DIR = join(parent, 'data');
    let [refused, slowest] = [0, 0];
    // Some at once: each of them loads little more than the configuration.
    for (let at = 0; at < faults.length; at += 6) {
      const ended = await Promise.all(
        faults.slice(at, at + 6).map(async ([name, env]) => {
          const since = performance.now();
          const end = await runToEnd({ DATA_DIR, PORT: String(port), ...env });
          slowest = Math.max(slowest, (performance.now() - since) / 1_000);
          return { name, env, ...end };
        }),
      );
      for (const { name, env, code, output } of ended) {
        if (code === 78 && output.includes(name) && !output.includes(canary)) refused += 1;
        expect.soft({ env, code, named: output.includes(name) }).toEqual({ env, code: 78, named: true });
        expect.soft(output).not.toContain(canary);
        expect.soft(output).not.toContain(bytes);
      }
    }
    expect(await readdir(parent)).toEqual([]);
    console.info(`AUTH-9 tried=${faults.length} refused=${refused} slowestOfSixAtOnceSeconds=${slowest.toFixed(1)}`);
  });

  test('tells all its faults at once', async () => {
    const { output } = await runToEnd({ PORT: canary, LOG_LEVEL: canary, TRUST_PROXY: canary });
    for (const name of ['PORT', 'LOG_LEVEL', 'TRUST_PROXY']) expect(output).toContain(name);
  });
});

describe('on a metadata database of one’s own', () => {
  let metadata: TestDatabase;
  let env: Record<string, string>;

  beforeAll(async () => {
    metadata = await createTestDatabase();
    env = { DATABASE_URL: urlOf(metadata), MASTER_KEYS: masterKey(), PLAYGROUND_URL: 'off' };
  });
  afterAll(() => metadata[Symbol.asyncDispose]());

  const migrations = async () => {
    const { rows } = await metadata.client.query<{ name: string; finished: boolean }>(
      'SELECT migration_name AS name, finished_at IS NOT NULL AS finished FROM _prisma_migrations ORDER BY 1',
    );
    return rows;
  };

  /** Every row of every table, as one text. */
  async function contents(): Promise<string> {
    const { rows } = await metadata.client.query<{ content: string }>(
      `SELECT string_agg(query_to_xml(format('SELECT * FROM %I t ORDER BY t::text', tablename), true, true, '')::text, '')
         AS content FROM (SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1) AS tables`,
    );
    return rows[0]!.content;
  }

  test('five that start at once apply each migration once, and all of them serve', async () => {
    const quarries = await Promise.all(Array.from({ length: 5 }, () => startQuarry({ env })));
    try {
      const known = (await readdir(join(import.meta.dirname, '../../prisma/migrations'), { withFileTypes: true }))
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => ({ name, finished: true }));
      expect(await migrations()).toEqual(known.sort((a, b) => (a.name < b.name ? -1 : 1)));
      expect(quarries.filter(({ log }) => log.some(({ msg }) => msg === 'metadata.migrated'))).toHaveLength(1);
      const ready = await Promise.all(quarries.map(({ url }) => fetch(new URL('/ready', url))));
      expect(ready.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      const roles = await Promise.all(quarries.map(async (quarry) => (await quarry.register()).user.role));
      expect(roles.filter((role) => role === 'ADMIN')).toHaveLength(1);
    } finally {
      // Also proves that none of their processes is left.
      await Promise.all(quarries.map((quarry) => quarry[Symbol.asyncDispose]()));
    }
  });

  test.each([
    ['another key under the same id', () => masterKey()],
    ['another id', () => masterKey('k2')],
  ])('a start with %s is refused before anything is written', async (_what, other) => {
    const before = await contents();
    const { code, output } = await runToEnd({ ...env, DATA_DIR: await folder(), MASTER_KEYS: other() });
    expect(code).toBe(1);
    expect(output).toContain('MASTER_KEYS');
    expect(output).not.toContain('quarry.ready');
    expect(await contents()).toBe(before);
  });

  test('with another key nothing is migrated either', async () => {
    await metadata.client.query(
      'BEGIN; CREATE TABLE kept AS TABLE _prisma_migrations; DELETE FROM _prisma_migrations; COMMIT',
    );
    const { code, output } = await runToEnd({ ...env, DATA_DIR: await folder(), MASTER_KEYS: masterKey() });
    expect(code).toBe(1);
    expect(output).toContain('MASTER_KEYS');
    expect(await migrations()).toEqual([]);
    await metadata.client.query('BEGIN; INSERT INTO _prisma_migrations TABLE kept; DROP TABLE kept; COMMIT');
  });

  test('one that a newer build has migrated is refused, and left as it is', async () => {
    await metadata.client.query(
      `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count)
       VALUES ('newer', repeat('0', 64), now(), '29990101000000_newer', 1)`,
    );
    const before = await contents();
    const { code, output } = await runToEnd({ ...env, DATA_DIR: await folder() });
    expect(code).toBe(1);
    expect(output).toContain('29990101000000_newer');
    expect(output).not.toContain('quarry.ready');
    expect(await contents()).toBe(before);
    await metadata.client.query(`DELETE FROM _prisma_migrations WHERE id = 'newer'`);
  });

  test('one that is not there ends the start, and its password is not printed', async () => {
    const closed = await takenPort();
    const { code, output } = await runToEnd({
      ...env,
      DATA_DIR: await folder(),
      DATABASE_URL: `postgresql://quarry:hunter2@localhost.invalid:${closed}/quarry`,
    });
    expect(code).toBe(1);
    expect(output).not.toContain('hunter2');
  });

  test('a port that is taken ends the start, and no process stays behind', async () => {
    const { code, output } = await runToEnd({ ...env, DATA_DIR: await folder(), PORT: String(await takenPort()) });
    expect(code).toBe(1);
    expect(output).toContain('EADDRINUSE');
    const pids = output.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line).pid as number] : []));
    expect(pids.length).toBeGreaterThan(0);
    await allGone([...new Set(pids)]);
  });

  test('with its lost key given up by name it starts under a new one, and everybody is still there', async () => {
    const registered = { email: 'stays@example.com', password: 'correct horse battery' };
    await using before = await startQuarry({ env });
    await before.ask(RegisterDocument, { input: registered });
    await before.stop();
    const again = { ...env, MASTER_KEYS: masterKey('k2') };
    const refused = await runToEnd({ ...again, DATA_DIR: await folder() });
    expect({ code: refused.code, told: refused.output.includes('(k1)') }).toEqual({ code: 1, told: true });
    await using after = await startQuarry({ env: { ...again, MASTER_KEYS_LOST: 'k1' } });
    const login = 'mutation ($input: LoginInput!) { login(input: $input) { user { email } } }';
    expect((await after.execute(login, { input: registered })).data).toMatchObject({
      login: { user: { email: registered.email } },
    });
    expect(after.log.some(({ msg }) => msg === 'keys.given_up')).toBe(true);
    env = again;
  });

  test('a DATA_DIR that is a file ends the start by name', async () => {
    const path = join(await folder(), 'file');
    await writeFile(path, '');
    const { code, output } = await runToEnd({ DATA_DIR: path });
    expect(code).toBe(1);
    expect(output).toContain(path);
  });
});

describe('a Quarry with everything of its own', () => {
  let quarry: Quarry;
  beforeAll(async () => {
    quarry = await startQuarry();
  });
  afterAll(() => quarry?.[Symbol.asyncDispose]());

  test('keeps its DATA_DIR to itself: a second one is refused, and the first goes on', async () => {
    const { code, output } = await runToEnd({ DATA_DIR: quarry.dataDir });
    expect(code).toBe(1);
    expect(output).toContain(`pid ${quarry.pid}`);
    expect((await quarry.execute('{ __typename }')).status).toBe(200);
  });

  test('answers what it had accepted when SIGTERM comes, lets jobs finish and names those that could not', async () => {
    const analyst = createAnalyst({ quarry, account: await quarry.register() });
    const databaseId = await analyst.host('Drained');
    const short = await analyst.submit(databaseId, 'select pg_sleep(2), 7 as kept');
    const long = await analyst.submit(databaseId, 'select pg_sleep(600)');
    await Promise.all([short, long].map((id) => analyst.follow(id, 'RUNNING')));

    const body = JSON.stringify({ query: '{ viewer { id } }' });
    const accepted = request(quarry.url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${analyst.account.token}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        expect: '100-continue',
      },
    });
    accepted.flushHeaders();
    await once(accepted, 'continue');
    const stopping = quarry.stop();
    await quarry.until('stopping');
    accepted.end(body);
    const [response] = await once(accepted, 'response');
    expect(JSON.parse(await text(response))).toEqual({ data: { viewer: { id: analyst.account.user.id } } });
    // No process is left, or this throws.
    await stopping;

    await quarry.restart();
    const [finished, cut] = await Promise.all(
      [short, long].map(async (id) => (await quarry.ask(OutcomeDocument, { id }, analyst.account)).job!),
    );
    expect(finished).toMatchObject({ status: 'SUCCEEDED', error: null });
    expect(finished!.results.nodes[0]!.rows!.rows).toEqual([['', 7]]);
    expect(cut).toMatchObject({ status: 'FAILED', error: { code: 'INTERRUPTED' } });
    const left = `select count(*)::int from pg_stat_activity where query like '%pg_sleep(600)' and pid <> pg_backend_pid()`;
    expect(await analyst.rows(databaseId, left)).toEqual([[[0]]]);
  });
});
