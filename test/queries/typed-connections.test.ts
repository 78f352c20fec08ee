/** Credentials for one job alone: what may be typed, where they are kept and until when, and who can open them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { graphql } from '../generated/gql.ts';
import type { ConnectionInput, QueryTarget, SubmitQueryInput } from '../generated/graphql.ts';
import { CancelDocument, JobUpdatedDocument } from '../support/operations.ts';
import type { Account } from '../support/server.ts';
import { type Submission, startSubmission } from './server.ts';

const TypedDocument = graphql(`
  mutation Typed($input: SubmitQueryInput!) {
    submitQuery(input: $input) {
      created
      job {
        id
        status
        targetLabel
        readOnly
        database {
          id
        }
      }
    }
  }
`);

const TypedOutcomeDocument = graphql(`
  query TypedOutcome($id: ID!) {
    job(id: $id) {
      status
      targetLabel
      database {
        id
      }
      error {
        code
        message
        hint
      }
      result(index: 0) {
        rows {
          rows
        }
      }
    }
  }
`);

const canary = 'canary-3f9c';
const password = `${canary}:&/ü`;
let world: Submission;
let admin: Account;
let ann: Account;
let own: ConnectionInput;
beforeAll(async () => {
  world = await startSubmission();
  admin = await world.quarry.register();
  ann = await world.quarry.register();
  const user = `typed_${world.connection.database}`;
  await world.target.query(`CREATE ROLE ${user} LOGIN PASSWORD '${password}'`);
  await world.target.query('CREATE TABLE written (i int); GRANT ALL ON written TO PUBLIC');
  own = { ...world.connection, user, password };
});
afterAll(async () => {
  await world?.target.query(`DROP OWNED BY ${own.user}; DROP ROLE ${own.user}`);
  await world?.[Symbol.asyncDispose]();
});

const inputOf = (connection: ConnectionInput, fields: Partial<SubmitQueryInput> = {}) => ({
  input: { target: { connection }, sql: 'select current_user::text', ...fields },
});

const later = () => new Date(Date.now() + 3_600_000).toISOString();

const submit = async (connection: ConnectionInput, fields: Partial<SubmitQueryInput> = {}, account = ann) =>
  (await world.quarry.ask(TypedDocument, inputOf(connection, fields), account)).submitQuery.job;

async function outcome(id: string, account = ann) {
  for await (const _ of world.quarry.subscribe(JobUpdatedDocument, { id }, account)); // Completes with the job.
  return (await world.quarry.ask(TypedOutcomeDocument, { id }, account)).job!;
}

const run = async (connection: ConnectionInput, fields: Partial<SubmitQueryInput> = {}) =>
  outcome((await submit(connection, fields)).id);

const uuid = (id: string) => (JSON.parse(Buffer.from(id, 'base64url').toString()) as string[])[1]!;

async function kept(id: string): Promise<{ sealed_connection: string | null; target_key: string }> {
  const { rows } = await world.metadata.query('SELECT sealed_connection, target_key FROM jobs WHERE id = $1', [
    uuid(id),
  ]);
  return rows[0];
}

/** Lets a job that was for later start now. */
const release = (...ids: string[]) =>
  world.metadata.query('UPDATE jobs SET held_until = NULL WHERE id = ANY($1::uuid[])', [ids.map(uuid)]);

/** Every row of every table. */
async function metadataText(): Promise<string> {
  const { rows: tables } = await world.metadata.query<{ name: string }>(
    `SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'`,
  );
  const texts = [];
  for (const { name } of tables) {
    const { rows } = await world.metadata.query(`SELECT string_agg(t::text, E'\\n') AS text FROM ${name} t`);
    texts.push(rows[0].text);
  }
  return texts.join('\n');
}

describe('a job with credentials of its own', () => {
  test('runs with them, on no database that anybody keeps, and says where', async () => {
    const targetLabel = `PostgreSQL 127.0.0.1:${own.port}/${own.database}`;
    expect(await submit(own)).toMatchObject({ targetLabel, database: null, readOnly: false });
    expect(await run(own)).toEqual({
      status: 'SUCCEEDED',
      targetLabel,
      database: null,
      error: null,
      result: { rows: { rows: [[own.user]] } },
    });
  });

  test('takes them as a URL, too', async () => {
    const { host, port, user, database } = own;
    const url = `postgresql://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}?sslmode=disable`;
    expect(await run({ url })).toMatchObject({ status: 'SUCCEEDED', result: { rows: { rows: [[user]] } } });
  });

  test('is read-only where that is asked, and only there', async () => {
    const sql = 'insert into written values (1)';
    expect(await run(own, { sql, readOnly: true })).toMatchObject({ status: 'FAILED', error: { code: 'READ_ONLY' } });
    expect(await run(own, { sql })).toMatchObject({ status: 'SUCCEEDED' });
  });

  test('has one key for one database, however its host is written, and another for another', async () => {
    const keyOf = async (connection: ConnectionInput) =>
      (await kept((await submit({ ...own, ...connection }, { runAt: later() })).id)).target_key;
    const key = await keyOf({ host: 'db.example.com' });
    expect(await keyOf({ host: 'DB.example.com.', user: 'other', password: 'other' })).toBe(key);
    const others = [{ host: 'db2.example.com' }, { port: 1 }, { database: 'other' }];
    const keys = await Promise.all(others.map((other) => keyOf({ host: 'db.example.com', ...other })));
    expect(new Set([key, ...keys]).size).toBe(4);
  });

  test('fails with the reason where the target does not take them', async () => {
    const { status, error } = await run({ ...own, password: 'wrong' });
    expect({ status, error }).toMatchObject({ status: 'FAILED', error: { code: 'CONNECTION_FAILED' } });
    expect(JSON.stringify(error)).not.toContain('wrong');
  });

  test.each<[string, () => ConnectionInput, string]>([
    ['a private network', () => ({ host: '10.0.0.1' }), 'leads to an address that is not public'],
    ['the metadata of Quarry', () => ({ port: world.metadata.port }), 'is part of Quarry'],
  ])('does not reach %s', async (_what, to, message) => {
    const { status, error } = await run({ ...own, ...to() });
    expect({ status, error }).toMatchObject({
      status: 'FAILED',
      error: { code: 'CONNECTION_FAILED', message: expect.stringContaining(message) },
    });
  });

  test('is FORBIDDEN when its user may no longer use the server at its start', async () => {
    const eve = await world.quarry.register();
    const { id } = await submit(own, { runAt: later() }, eve);
    await world.metadata.query('UPDATE users SET disabled_at = now() WHERE id = $1', [uuid(eve.user.id)]);
    await release(id);
    expect(await outcome(id, admin)).toMatchObject({ status: 'FAILED', error: { code: 'FORBIDDEN' } });
    expect((await kept(id)).sealed_connection).toBeNull();
  });
});

describe('what was typed', () => {
  const faulty: [string, ConnectionInput, string][] = [
    ['host', { host: 'not a host' }, 'host'],
    ['host with a path', { host: '/var/run/postgresql' }, 'host'],
    ['absent host', { host: null }, 'host'],
    ['port', { port: 0 }, 'port'],
    ['port', { port: 65_536 }, 'port'],
    ['absent database', { database: null }, 'database'],
    ['absent user', { user: '' }, 'user'],
    ['password', { password: `${password}\0` }, 'password'],
    ['certificate', { sslRootCertificate: 'none' }, 'sslRootCertificate'],
    ['URL beside its parts', { url: 'postgresql://a:b@c/d' }, 'url'],
  ];
  test.each(faulty)('a faulty %s is told at its field, without what it was', async (_what, change, field) => {
    const { errors } = await world.quarry.execute(TypedDocument, inputOf({ ...own, ...change }), ann);
    expect(errors?.[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: `input.target.connection.${field}` }] },
    });
    expect(JSON.stringify(errors)).not.toContain(canary);
  });

  test('in a URL that is none is not repeated', async () => {
    const { errors } = await world.quarry.execute(TypedDocument, inputOf({ url: `mysql://a:${password}@c/d` }), ann);
    expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect(JSON.stringify(errors)).not.toContain(canary);
  });

  test.each<[string, object]>([
    ['neither', {}],
    ['both', { databaseId: 'x', connection: { host: 'db.example.com' } }],
    ['null', { connection: null }],
  ])('of %s target is refused', async (_what, target) => {
    const input = { target: target as QueryTarget, sql: 'select 1' };
    const { code } = await world.quarry.execute(TypedDocument, { input }, ann);
    expect(code).toBe('BAD_USER_INPUT');
  });

  test('by nobody in particular is refused', async () => {
    expect((await world.quarry.execute(TypedDocument, inputOf(own))).code).toBe('UNAUTHENTICATED');
  });

  test('is kept sealed while the job waits, and nowhere when it has ended', async () => {
    const { id: ran } = await submit(own, { runAt: later() });
    const { id: cancelled } = await submit(own, { runAt: later() });
    for (const id of [ran, cancelled]) expect((await kept(id)).sealed_connection).toMatch(/^v1\./);
    expect(await metadataText()).not.toContain(canary);
    await release(ran);
    expect(await outcome(ran)).toMatchObject({ status: 'SUCCEEDED' });
    await world.quarry.ask(CancelDocument, { input: { id: cancelled } }, ann);
    for (const id of [ran, cancelled]) expect((await kept(id)).sealed_connection).toBeNull();
    expect(await metadataText()).not.toContain(canary);
  });

  test('does not replace what was typed with the same key before', async () => {
    const fields = { idempotencyKey: 'typed', runAt: later() };
    const first = await submit(own, fields);
    const { sealed_connection: sealed } = await kept(first.id);
    expect((await submit({ ...own, password: 'other' }, fields)).id).toBe(first.id);
    expect((await kept(first.id)).sealed_connection).toBe(sealed);
  });

  test('does not open in the row of another job', async () => {
    const jobs = [await submit(own, { runAt: later() }), await submit(own, { runAt: later() })];
    const [a, b] = jobs.map(({ id }) => uuid(id));
    await world.metadata.query(
      `UPDATE jobs SET sealed_connection = other.sealed_connection FROM jobs other
        WHERE (jobs.id, other.id) IN (($1, $2), ($2, $1))`,
      [a, b],
    );
    await release(...jobs.map(({ id }) => id));
    for (const { id } of jobs) {
      expect(await outcome(id)).toMatchObject({
        status: 'FAILED',
        error: { code: 'CONNECTION_FAILED', message: 'The credentials of this job cannot be opened' },
        result: null,
      });
    }
  });

  test('is in no line of the log', () => {
    expect(world.quarry.log.length).toBeGreaterThan(0);
    expect(JSON.stringify(world.quarry.log)).not.toContain(canary);
  });
});
