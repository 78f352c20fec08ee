/** GraphQL over HTTP as the specification has it, and what is refused before anything is executed. */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { buildSchema } from 'graphql';
import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { naughtyTexts } from '../exports/naughty.ts';
import {
  AuditLogDocument,
  CreateApiKeyDocument,
  JobDocument,
  JobUpdatedDocument,
  SubmitDocument,
} from '../support/operations.ts';
import { type Account, answerOf, type Quarry, startQuarry } from '../support/server.ts';
import { randomOf } from './random-documents.ts';
import { randomOperation } from './random-operations.ts';

/** CI asks a part; GRAPH_SCALE=full a thousand. */
const operations = process.env.GRAPH_SCALE === 'full' ? 1_000 : 320;
const app = 'https://app.example.com';
const other = 'https://other.example.com';
const json = { 'content-type': 'application/json', accept: 'application/graphql-response+json' };
const typename = JSON.stringify({ query: '{ __typename }' });
const register =
  'mutation { register(input: { email: "csrf@example.com", password: "12345678" }) { auth { accessToken } } }';

let quarry: Quarry;
let account: Account;

beforeAll(async () => {
  quarry = await startQuarry({ env: { CORS_ORIGINS: `${app},${other}`, LOG_LEVEL: 'trace' } });
  account = await quarry.register();
});

afterAll(() => quarry[Symbol.asyncDispose]());

const get = async (query: string, headers: Record<string, string> = {}) =>
  answerOf(
    await fetch(`${quarry.url}?query=${encodeURIComponent(query)}`, { headers: { accept: json.accept, ...headers } }),
  );

const post = (body: object, headers: Record<string, string> = {}) =>
  quarry.post(JSON.stringify(body), { ...json, ...headers });

test('graphql-http’s audits find no error and nothing to warn of', async () => {
  const found: string[] = [];
  const counts = { ok: 0, notice: 0, warn: 0, error: 0 };
  const audits = serverAudits({ url: quarry.url, fetchFn: fetch });
  for (const audit of audits) {
    const result = await audit.fn();
    counts[result.status] += 1;
    if (result.status === 'error' || result.status === 'warn')
      found.push(`${audit.id} ${audit.name}: ${result.reason}`);
    if ('response' in result && !result.response.bodyUsed) await result.response.body?.cancel();
  }
  const { ok, notice, warn, error } = counts;
  console.info(`GQL-1 (1) audits=${audits.length} ok=${ok} notice=${notice} warn=${warn} error=${error}`);
  expect(audits.length).toBeGreaterThan(50);
  expect(found).toEqual([]);
});

describe('media types', () => {
  test.each([
    ['application/graphql-response+json', 'application/graphql-response+json; charset=utf-8'],
    ['application/json', 'application/json; charset=utf-8'],
    ['*/*', 'application/json; charset=utf-8'],
  ])('accept %s is answered with %s', async (accept, type) => {
    const { status, headers, data } = await quarry.post(typename, { ...json, accept });
    expect({ status, data }).toEqual({ status: 200, data: { __typename: 'Query' } });
    expect(headers.get('content-type')).toBe(type);
  });

  test('what is accepted by nobody is 406', async () => {
    expect((await quarry.post(typename, { ...json, accept: 'application/xml' })).status).toBe(406);
  });

  test('a body of another type is 415', async () => {
    expect((await quarry.post('<query/>', { ...json, 'content-type': 'application/xml' })).status).toBe(415);
  });
});

describe('GET', () => {
  test('answers queries', async () => {
    expect(await get('{ __typename }')).toMatchObject({ status: 200, data: { __typename: 'Query' } });
  });

  test.each(['application/json', json.accept, 'text/event-stream'])(
    'refuses mutations with 405, accepting %s',
    async (accept) => {
      const { status, headers } = await get(register, { accept });
      expect(status).toBe(405);
      expect(headers.get('allow')).toBe('POST');
    },
  );

  test('refused mutations were not executed', async () => {
    const login = 'mutation { login(input: { email: "csrf@example.com", password: "12345678" }) { accessToken } }';
    expect((await post({ query: login })).code).toBe('UNAUTHENTICATED');
  });

  test.each(['PUT', 'PATCH', 'DELETE'])('%s is 405', async (method) => {
    const { status, code } = await answerOf(await fetch(quarry.url, { method, headers: json, body: typename }));
    expect({ status, code }).toEqual({ status: 405, code: 'BAD_USER_INPUT' });
  });
});

describe('a document by its hash alone', () => {
  const query = '{ server { name } }';
  const named = { extensions: { persistedQuery: { version: 1, sha256Hash: hash('sha256', query) } } };
  const unknown = { status: 400, code: 'PERSISTED_QUERY_NOT_FOUND' };
  const answer = { status: 200, data: { server: { name: 'Quarry' } } };

  test('is executed when it has come with its text once, as Apollo’s and urql’s clients send it', async () => {
    const first = await post(named);
    expect(first).toMatchObject({ ...unknown, errors: [{ message: 'PersistedQueryNotFound' }] });
    // Whoever asks for the older media type has 200, and the code.
    expect(await post(named, { accept: 'application/json' })).toMatchObject({ ...unknown, status: 200 });
    expect(await post({ query, ...named })).toMatchObject(answer);
    expect(await post(named)).toMatchObject(answer);
    const address = `${quarry.url}?extensions=${encodeURIComponent(JSON.stringify(named.extensions))}`;
    expect(await answerOf(await fetch(address, { headers: { accept: json.accept } }))).toMatchObject(answer);
  });

  test('is that of no other text', async () => {
    const other = { query: '{ __typename }', extensions: named.extensions };
    expect(await post(other)).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
  });

  test('is not known by an id where there is no manifest', async () => {
    expect(await post({ documentId: 'x' })).toMatchObject(unknown);
    expect(await post({ documentId: 7 })).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
  });
});

describe('what a page of somebody else could send', () => {
  const form = () => {
    const data = new FormData();
    data.set('operations', JSON.stringify({ query: register }));
    data.set('map', '{}');
    return data;
  };

  test.each([
    ['text/plain', JSON.stringify({ query: register })],
    ['text/plain; a=application/json', JSON.stringify({ query: register })],
    ['application/x-www-form-urlencoded', `query=${encodeURIComponent(register)}`],
  ])('%s without our header is refused', async (type, body) => {
    const { status, code } = await quarry.post(body, { accept: json.accept, 'content-type': type });
    expect({ status, code }).toEqual({ status: 403, code: 'FORBIDDEN' });
  });

  test('GQL-6: of a mutation in every shape that needs no question before it, nothing is executed', async () => {
    const fields = `query=${encodeURIComponent(register)}`;
    const asked = ['https://evil.example', 'null', ''].flatMap((origin) => {
      const headers: Record<string, string> = {
        cookie: `authorization=Bearer ${account.token}`,
        ...(origin && { origin }),
      };
      return [
        ...['text/plain', 'text/plain; a=application/json'].map((type) =>
          quarry.post(JSON.stringify({ query: register }), { ...headers, 'content-type': type }),
        ),
        quarry.post(fields, { ...headers, 'content-type': 'application/x-www-form-urlencoded' }),
        quarry.post(form(), headers),
        get(register, headers),
      ];
    });
    const answers = await Promise.all(asked);
    const executed = answers.filter(({ status, data }) => data || (status !== 403 && status !== 405));
    console.info(`GQL-6 sent=${answers.length} executed=${executed.length}`);
    expect(executed).toEqual([]);
  });

  test('multipart alone is refused, and says what it lacks', async () => {
    const answer = await quarry.post(form(), {});
    expect(answer).toMatchObject({ status: 403, code: 'FORBIDDEN' });
    expect(answer.errors?.[0]?.message).toContain('apollo-require-preflight');
  });

  test('multipart with a header that a form cannot send is executed', async () => {
    const headers: Record<string, string>[] = [
      { authorization: `Bearer ${account.token}` },
      { 'graphql-require-preflight': '1' },
      { 'apollo-require-preflight': 'true' },
      { 'x-graphql-yoga-csrf': '1' },
    ];
    for (const header of headers) {
      const data = form();
      data.set('operations', typename);
      expect(await quarry.post(data, header)).toMatchObject({ status: 200, data: { __typename: 'Query' } });
    }
  });

  test('a batch is refused, whatever is in it', async () => {
    const { status, code } = await quarry.post(`[${typename},${typename}]`, json);
    expect({ status, code }).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
  });
});

test('no cookie speaks for anybody, whatever is in it', async () => {
  const cookie = `authorization=Bearer ${account.token}; token=${account.token}; session=${account.refreshToken}`;
  const { status, data, headers } = await post({ query: '{ viewer { id } }' }, { cookie });
  expect({ status, data }).toEqual({ status: 200, data: { viewer: null } });
  expect(headers.get('set-cookie')).toBeNull();
});

describe('other origins', () => {
  const allowed = async (origin: string, method = 'POST') => {
    const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' };
    const response = await fetch(quarry.url, {
      method,
      headers: { ...json, origin, ...(method === 'OPTIONS' && preflight) },
      ...(method === 'POST' && { body: typename }),
    });
    await response.body?.cancel();
    return response.headers;
  };

  test.each(['POST', 'OPTIONS'])('a configured one may call (%s), without cookies', async (method) => {
    for (const origin of [app, other]) {
      const headers = await allowed(origin, method);
      expect(headers.get('access-control-allow-origin')).toBe(origin);
      expect(headers.get('access-control-allow-credentials')).toBeNull();
      if (method === 'POST') expect(headers.get('vary')).toBe('origin');
    }
  });

  test.each(['https://evil.example', 'null', `${app}.evil.example`, 'http://app.example.com'])(
    '%s is told nothing',
    async (origin) => {
      for (const method of ['POST', 'OPTIONS']) {
        const names = [...(await allowed(origin, method)).keys()];
        expect(names.filter((name) => name.startsWith('access-control-'))).toEqual([]);
      }
    },
  );
});

describe('tokens', () => {
  test.each([
    ['is no JWT', 'Bearer nonsense'],
    ['is of another scheme', 'Basic dXNlcjpwYXNz'],
    ['is empty', 'Bearer '],
    ['is not signed', `Bearer ${btoa('{"alg":"none"}').replaceAll('=', '')}.e30.`],
  ])('one that %s is 401 before anything is executed', async (_what, authorization) => {
    for (const accept of [json.accept, 'application/json']) {
      const answer = await post({ query: '{ __typename }' }, { authorization, accept });
      expect(answer).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
      expect(answer.data).toBeUndefined();
    }
  });

  test('one with a changed letter is 401', async () => {
    const [head, payload, signature] = account.token.split('.');
    const forged = `${head}.${payload}.${signature!.startsWith('A') ? 'B' : 'A'}${signature!.slice(1)}`;
    const { status } = await post({ query: '{ __typename }' }, { authorization: `Bearer ${forged}` });
    expect(status).toBe(401);
  });

  test('an anonymous caller is told to sign in by the field, not by the status', async () => {
    const { status, code } = await post({ query: '{ databases { totalCount } }' });
    expect({ status, code }).toEqual({ status: 200, code: 'UNAUTHENTICATED' });
  });
});

describe('errors', () => {
  const node = 'query($id: ID!) { node(id: $id) { id } }';

  test.each<[string, object, number, string]>([
    ['a document that does not parse', { query: '{' }, 400, 'GRAPHQL_PARSE_FAILED'],
    ['a field that is not there', { query: '{ nothing }' }, 400, 'GRAPHQL_VALIDATION_FAILED'],
    ['a variable that is missing', { query: node }, 400, 'BAD_USER_INPUT'],
    ['a variable of another type', { query: node, variables: { id: { a: 1 } } }, 400, 'BAD_USER_INPUT'],
    ['an argument out of range', { query: '{ databases(first: 501) { totalCount } }' }, 200, 'BAD_USER_INPUT'],
    ['variables that are no object', { query: node, variables: 'x' }, 400, 'BAD_USER_INPUT'],
    ['an operation that is not there', { query: 'query A { __typename }', operationName: 'B' }, 400, 'BAD_USER_INPUT'],
    ['a query that is no text', { query: 5 }, 400, 'BAD_USER_INPUT'],
    ['no query', {}, 400, 'BAD_USER_INPUT'],
    ['a parameter that nobody knows', { query: '{ __typename }', sudo: true }, 400, 'BAD_USER_INPUT'],
  ])('%s has its code', async (_what, body, status, code) => {
    const answer = await post(body, { authorization: `Bearer ${account.token}` });
    expect({ status: answer.status, code: answer.code }).toEqual({ status, code });
  });

  test('of a value that looks like the error about it are told in time of its length', async () => {
    // By an expression that looked for its end from every beginning this took an hour.
    const value = `${' got invalid value [; at "'.repeat(200_000)};`;
    for (const [type, given] of [
      ['LoginInput!', { email: value, password: 1 }],
      ['LoginInput!', value],
    ] as const) {
      const document = `mutation ($x: ${type}) { login(input: $x) { accessToken } }`;
      const { status, code } = await quarry.execute(document, { x: given });
      expect({ status, code }).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
    }
  });

  test('a value that cannot be is not repeated where it is an object, and its path and its fault are', async () => {
    const document = 'mutation ($x: LoginInput!) { login(input: $x) { accessToken } }';
    const messageOf = async (x: object) => (await quarry.execute(document, { x })).errors![0]!.message;
    expect(await messageOf({ email: 'a@example.com', password: { was: 'x' } })).toMatch(
      /^Variable "\$x" got an invalid value at "x.password"; String cannot represent a non string value/,
    );
    const missing = await messageOf({ password: 'canary-pw' });
    expect(missing).toMatch(/^Variable "\$x" got an invalid value; Field "email"/);
    expect(missing).not.toContain('canary-pw');
  });

  test('a body that is not JSON is not repeated', async () => {
    const { status, code, errors } = await quarry.post('{ "password": "hunter2', json);
    expect({ status, code }).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
    expect(JSON.stringify(errors)).not.toContain('hunter2');
  });

  test('what is no JSON in an address, a form or a multipart is BAD_USER_INPUT, and not repeated', async () => {
    const form = { ...json, 'content-type': 'application/x-www-form-urlencoded', 'graphql-require-preflight': '1' };
    const multipart = (operations: string, map: string) => {
      const body = new FormData();
      body.set('operations', operations);
      body.set('map', map);
      body.set('0', new Blob(['x']), 'a.txt');
      return quarry.post(body, { accept: json.accept, 'graphql-require-preflight': '1' });
    };
    const fields = ['variables', 'extensions'].map((name) => `query={__typename}&${name}={"password":hunter2`);
    const answers = await Promise.all([
      ...fields.map(async (asked) => answerOf(await fetch(`${quarry.url}?${encodeURI(asked)}`, { headers: json }))),
      ...fields.map((asked) => quarry.post(asked, form)),
      ...['{"0":5}', '{"0":null}', '{"0":[5]}'].map((map) => multipart(typename, map)),
      ...['null', '"hunter2"'].map((operations) => multipart(operations, '{"0":["variables.f"]}')),
    ]);
    for (const { status, code, errors } of answers) {
      expect({ status, code }).toEqual({ status: 400, code: 'BAD_USER_INPUT' });
      expect(JSON.stringify(errors)).not.toContain('hunter2');
    }
  });

  test('a form is as long as a form may be, whatever else its type says, and holds as much as a body of JSON', async () => {
    const preflight = { ...json, 'graphql-require-preflight': '1' };
    const type = 'application/x-www-form-urlencoded; x=json';
    const names = (count: number) =>
      `{${Array.from({ length: count }, (_, i) => `"${i.toString(36).padStart(4, 'a')}":0`).join()}}`;
    for (const variables of [names(400_000), names(30_000), encodeURIComponent(names(30_000))]) {
      const answer = await quarry.post(`x="&query={__typename}&variables=${variables}`, {
        ...preflight,
        'content-type': type,
      });
      expect(answer).toMatchObject({ status: 413, code: 'LIMIT_EXCEEDED' });
    }
  });

  test('a body over the limit is 413, with and without a length', async () => {
    const large = JSON.stringify({ query: '{ __typename }', variables: { a: 'x'.repeat(10_000_000) } });
    expect(await quarry.post(large, json)).toMatchObject({ status: 413, code: 'LIMIT_EXCEEDED' });
    const response = await fetch(quarry.url, {
      method: 'POST',
      headers: json,
      body: new Blob([large]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(await answerOf(response)).toMatchObject({ status: 413, code: 'LIMIT_EXCEEDED' });
  });

  test('a fault of the server is masked, and the log has it under the id that the client got', async () => {
    await quarry.until('sample.ready');
    const { data } = await post(
      { query: '{ databases(first: 1) { nodes { id } } }' },
      { authorization: `Bearer ${account.token}` },
    );
    const [{ id: databaseId }] = (data as { databases: { nodes: [{ id: string }] } }).databases.nodes;
    const input = { target: { databaseId }, sql: 'select 1' };
    const { submitQuery } = await quarry.ask(SubmitDocument, { input }, account);
    const { id } = submitQuery.job;
    for await (const { jobUpdated } of quarry.subscribe(JobUpdatedDocument, { id }, account)) {
      if (jobUpdated.status === 'SUCCEEDED') break;
    }
    // The rows go bad on the disk.
    const results = join(quarry.dataDir, 'files', 'results');
    for (const entry of await readdir(results, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) await writeFile(join(entry.parentPath, entry.name), 'not zstd');
    }
    const requestId = 'the-request-of-this-test';
    const answer = await quarry.execute(JobDocument, { id }, { ...account, headers: { 'x-request-id': requestId } });
    expect(answer).toMatchObject({
      status: 200,
      code: 'INTERNAL_SERVER_ERROR',
      data: { job: { status: 'SUCCEEDED' } },
    });
    expect(answer.errors![0]!.extensions.details).toEqual({ requestId });
    expect(answer.errors![0]!.message).not.toMatch(/zstd|zlib|frame/i);
    const entry = await quarry.until('request.failed', { of: (candidate) => candidate.requestId === requestId });
    expect(entry.err).toMatchObject({ stack: expect.stringContaining('ZstdDecompress') });
  });
});

describe('GQL-5: of a hundred errors', () => {
  const canaries = {
    password: 'canary-password-7f3a',
    parameter: 'canary-parameter-91bc',
    literal: 'canary-literal-4d20',
    variable: 'canary-variable-c8e1',
  };
  /** Of the program, the machine and the metadata, which are nobody's business. */
  const inside =
    /\\n\s+at |node_modules|\.ts:\d|file:\/\/|\/src\/|refresh_tokens|password_hash|sealed_password|_prisma|prisma\.|postgres\/(meta|playground)|quarry_(owner|app)/;
  const asker = () => ({ authorization: `Bearer ${account.token}` });
  const told: string[] = [];

  async function ask(query: string, variables: object = {}, headers: Record<string, string> = asker()) {
    const { data, errors } = await post({ query, variables }, headers);
    told.push(JSON.stringify({ data, errors }));
    return data;
  }

  async function misuse(): Promise<void> {
    const { password, variable } = canaries;
    const login = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
    const register = 'mutation ($input: RegisterInput!) { register(input: $input) { auth { accessToken } } }';
    const connect = 'mutation ($input: ConnectDatabaseInput!) { connectDatabase(input: $input) { database { id } } }';
    for (const text of naughtyTexts.slice(0, 30)) {
      await ask('query ($id: String) { databases(after: $id) { totalCount } }', { id: text });
      await ask('query ($id: ID!) { savedQueries(projectId: $id, first: 1000) { totalCount } }', { id: text });
      await ask(register, { input: { email: text, password } }, {});
    }
    await ask(login, { input: { email: account.email, password } }, {});
    await ask(login, { input: { email: account.email, password, remember: true } }, {});
    await ask(register, { input: { email: account.email, password } }, {});
    for (const wrong of [{ a: variable }, [variable], variable, true]) {
      await ask('query ($first: Int) { databases(first: $first) { totalCount } }', { first: wrong });
      await ask('query ($kinds: [CatalogKind!]) { search(text: "x", kinds: $kinds) { totalCount } }', { kinds: wrong });
      await ask('query ($since: DateTime) { auditLog(since: $since) { totalCount } }', { since: wrong });
    }
    const at = { host: '127.0.0.1', port: 1, database: 'x', user: 'x', password };
    for (const connection of [
      at,
      { ...at, host: '10.0.0.1' },
      { ...at, host: 'no such host' },
      { ...at, port: 99_999 },
      { url: `postgresql://x:${password}@127.0.0.1:1/x?sslrootcert=/etc/passwd` },
      { url: `mysql://x:${password}@127.0.0.1/x` },
    ]) {
      await ask(connect, { input: { name: 'x', connection } });
    }
  }

  /** SQL that fails, each time another way. */
  async function fail(databaseId: string): Promise<void> {
    const { literal, parameter } = canaries;
    const statements = [
      `SELECT '${literal}' FRM x`,
      `SELECT '${literal}'::int`,
      'SELECT $1::int',
      'SELECT nothing FROM posts',
      'SELECT 1 / 0',
      'SELECT pg_sleep(60)',
      'INSERT INTO posts DEFAULT VALUES',
      'SELECT * FROM pg_authid',
    ];
    for (const sql of statements) {
      const parameters = sql.includes('$1') ? [parameter] : null;
      const input = { target: { databaseId }, sql, timeoutMs: 200, ...(parameters && { parameters }) };
      const { submitQuery } = await quarry.ask(SubmitDocument, { input }, account);
      const { id } = submitQuery.job;
      for await (const { jobUpdated } of quarry.subscribe(JobUpdatedDocument, { id }, account)) {
        if (jobUpdated.status === 'FAILED') break;
      }
      const job = 'query ($id: ID!) { job(id: $id) { status error { code message sqlState position } } }';
      expect(await ask(job, { id })).toMatchObject({ job: { status: 'FAILED', error: { code: expect.any(String) } } });
    }
  }

  test('none tells of the inside, and the log has no secret of anybody', async () => {
    await quarry.until('sample.ready');
    const from = quarry.log.length;
    const databases = await ask('{ databases(first: 1) { nodes { id } } }');
    await misuse();
    await fail((databases as { databases: { nodes: [{ id: string }] } }).databases.nodes[0].id);

    const failed = told.filter((text) => /"errors":\[|"FAILED"/.test(text));
    expect(failed.length).toBeGreaterThan(100);
    expect(failed.filter((text) => inside.test(text))).toEqual([]);
    expect(told.filter((text) => text.includes(canaries.password))).toEqual([]);
    const log = JSON.stringify(quarry.log);
    const secrets = [...Object.values(canaries), account.token, account.refreshToken];
    expect(secrets.filter((secret) => log.includes(secret))).toEqual([]);
    // What nobody had expected would be in it.
    expect(quarry.log.slice(from).filter(({ msg }) => msg === 'request.failed')).toEqual([]);
    console.log(`GQL-5 errors=${failed.length} leaks=0`);
  });
});

test('GQL-4: operations of chance, with texts that programs trip over, and none is a fault of the server', async () => {
  const schema = buildSchema(await readFile(join(import.meta.dirname, '../../schema.graphql'), 'utf8'));
  const random = randomOf(4);
  const somebody = await quarry.register();
  const texts = [...naughtyTexts, somebody.user.id, '\0', '\ud800', 'x'.repeat(10_000), '2026-01-01T00:00:00Z'];
  // Those that take the time of a password or of a database to be made, and the session that asks.
  const leaveOut = new Set(['register', 'login', 'logout', 'refreshSession', 'changePassword', 'createHostedDatabase']);
  const from = quarry.log.length;
  const codes = new Map<string, number>();
  for (let asked = 0; asked < operations; asked += 8) {
    const some = Array.from({ length: 8 }, () => randomOperation(schema, random, { texts, leaveOut }));
    const answers = await Promise.all(some.map((each) => quarry.execute(each.query, each.variables, somebody)));
    for (const [at, { status, code = 'OK' }] of answers.entries()) {
      const told = JSON.stringify(some[at]);
      expect(status, told).toBeLessThan(500);
      expect(code, told).not.toBe('INTERNAL_SERVER_ERROR');
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
  }
  expect(quarry.log.slice(from).filter(({ msg }) => msg === 'request.failed')).toEqual([]);
  // Not all of them were stopped at the door.
  expect(codes.get('OK')).toBeGreaterThan(operations / 20);
  console.log(
    `GQL-4 operations=${operations} faults=0 ${[...codes].map(([code, count]) => `${code}=${count}`).join(' ')}`,
  );
});

describe('the request’s id', () => {
  test('is the caller’s own when it is sound', async () => {
    const { headers } = await post({ query: '{ __typename }' }, { 'x-request-id': 'trace.0123-abc' });
    expect(headers.get('x-request-id')).toBe('trace.0123-abc');
  });

  test.each(['short', 'with blanks in it', '<script>alert(1)</script>', 'x'.repeat(65)])(
    'is not “%s”',
    async (given) => {
      const { headers } = await post({ query: '{ __typename }' }, { 'x-request-id': given });
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    },
  );
});

test('every answer tells the browser not to guess, and to tell nobody where it came from', async () => {
  for (const path of ['/graphql', '/health', '/ready', '/metrics', '/.well-known/jwks.json', '/nothing']) {
    const { headers } = await fetch(new URL(path, quarry.url));
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
  }
});

test('what Prometheus reads names nobody, no database and no query', async () => {
  const databases = await post(
    { query: '{ databases { nodes { id name } } }' },
    { authorization: `Bearer ${account.token}` },
  );
  expect(databases.status).toBe(200);
  const text = await (await fetch(new URL('/metrics', quarry.url))).text();
  expect(text).toContain('quarry_http_request_seconds');
  const [, uuid = 'none'] = JSON.parse(Buffer.from(account.user.id, 'base64url').toString()) as string[];
  for (const secret of [account.email, account.user.id, uuid, 'MAKEYOURSPACE', 'databases {', quarry.dataDir])
    expect(text).not.toContain(secret);
});

test('health, readiness, metrics and the public keys answer beside /graphql', async () => {
  const at = (path: string) => fetch(new URL(path, quarry.url));
  expect(await (await at('/health')).json()).toEqual({ status: 'ok', version: expect.any(String) });
  expect(await (await at('/ready')).json()).toEqual({ status: 'ok', failing: [] });
  expect(await (await at('/metrics')).text()).toContain('# TYPE');
  const { keys } = (await (await at('/.well-known/jwks.json')).json()) as { keys: object[] };
  expect(keys).toEqual([expect.objectContaining({ alg: 'EdDSA', kty: 'OKP' })]);
  for (const key of keys) expect(key).not.toHaveProperty('d');
  expect((await at('/graphql/more')).status).toBe(404);
});

describe('GET /audit', () => {
  const url = () => new URL('/audit', quarry.url);
  const bearer = () => ({ authorization: `Bearer ${account.token}` });

  test('streams the audit as lines, with a verdict at its end', async () => {
    const { data } = await quarry.execute(AuditLogDocument, { first: 1 }, account);
    const response = await fetch(url(), { headers: bearer() });
    expect(response.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    const lines = (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const { verdict } = lines.pop();
    expect(lines.map(({ id }) => id)).toContain(data?.auditLog.nodes[0]?.id);
    expect(verdict).toMatchObject({ entries: lines.length, faults: [], complete: true });
  });

  test('is in the audit with the key that was shown', async () => {
    const input = { name: 'auditor', scopes: ['ADMIN' as const] };
    const { apiKey, secret } = (await quarry.ask(CreateApiKeyDocument, { input }, account)).createApiKey;
    const response = await fetch(new URL('?action=audit.exported', url()), {
      headers: { authorization: `Bearer ${secret}` },
    });
    const last = JSON.parse((await response.text()).trim().split('\n').at(-1)!);
    expect(last).toMatchObject({ action: 'audit.exported', details: { apiKey: apiKey.id } });
  });

  test.each([
    ['', {}, 401, 'UNAUTHENTICATED'],
    ['', { authorization: 'Bearer nonsense' }, 401, 'UNAUTHENTICATED'],
    ['?since=yesterday', undefined, 400, 'BAD_USER_INPUT'],
    ['?actorId=1', undefined, 400, 'BAD_USER_INPUT'],
  ] as const)('%s with %o is %i', async (query, headers, status, error) => {
    const response = await fetch(new URL(query, url()), { headers: headers ?? bearer() });
    expect({ status: response.status, body: await response.json() }).toMatchObject({ status, body: { error } });
  });
});

test('a page whose name was made to lead here reaches nothing, over HTTP and WebSocket', async () => {
  const { port } = new URL(quarry.url);
  const headers = { host: `rebound.example:${port}`, origin: `http://rebound.example:${port}` };
  for (const path of ['/graphql?query={__typename}', '/graphql', '/health', '/files/x']) {
    const sent = request({ port, host: '127.0.0.1', path, headers: { accept: 'text/html', ...headers } });
    sent.end();
    const [response] = await once(sent, 'response');
    response.resume();
    expect({ path, status: response.statusCode }).toEqual({ path, status: 421 });
  }
  const socket = new WebSocket(quarry.wsUrl, 'graphql-transport-ws', { headers });
  const [error] = await once(socket, 'error');
  expect(String(error)).toContain('421');
});

test('AUTH-8: a link in a mail begins with the public address, whatever a request calls this server', async () => {
  const { port } = new URL(quarry.url);
  const query = `mutation { requestPasswordReset(input: { email: "${account.email}" }) { ok } }`;
  // Not by fetch, which sets its own Host.
  async function ask(headers: Record<string, string>): Promise<number> {
    const sent = request({
      port,
      host: '127.0.0.1',
      path: '/graphql',
      method: 'POST',
      headers: { ...json, ...headers },
    });
    sent.end(JSON.stringify({ query }));
    const [response] = await once(sent, 'response');
    response.resume();
    return response.statusCode;
  }
  expect(await ask({ host: 'evil.example.com' })).toBe(421);
  expect(await ask({ 'x-forwarded-host': 'evil.example.com', forwarded: 'host=evil.example.com' })).toBe(200);
  const { link, file } = await quarry.until('mail.written', { of: ({ template }) => template === 'passwordReset' });
  expect(link).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:${port}/#/reset-password\\?token=[\\w-]{43}$`));
  expect(await readFile(String(file), 'utf8')).not.toContain('evil.example.com');
});
