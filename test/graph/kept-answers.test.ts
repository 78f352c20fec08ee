/** Answers that are kept: who is given one, and when it is true no longer. Through a whole server. */
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { type Basis, createKeptAnswers } from '../../src/graph/kept-answers.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { type Account, type Quarry, startQuarry } from '../support/server.ts';

/** TEN-3 (2): CI asks a part; ISOLATION_SCALE=full as many as a hundred a second are in a minute. */
const questions = process.env.ISOLATION_SCALE === 'full' ? 6_000 : 300;

describe('a store of answers', () => {
  const viewer: Viewer = { userId: 'u1', role: 'member', sessionId: 's1', expiresAt: new Date() };
  const basis: Basis = { databases: new Map([['d', 'row']]), snapshots: new Map([['d', 'v1']]) };
  const answer = Buffer.from('{"data":{}}');
  const asked: { viewer: Viewer; basis: Basis }[] = [];
  const store = (stands = true, limits = {}) =>
    createKeptAnswers({
      stands: async (viewer, basis) => {
        asked.push({ viewer, basis });
        return stands;
      },
      limits,
    });

  test('gives an answer to the same question of the same viewer, after asking whether it stands', async () => {
    const answers = store();
    answers.keep(viewer, '{ a }', answer, basis);
    asked.length = 0;
    expect(await answers.find({ ...viewer, sessionId: 's2' }, '{ a }')).toBe(answer);
    expect(asked).toEqual([{ viewer: { ...viewer, sessionId: 's2' }, basis }]);
  });

  test.each([
    ['to somebody else', { ...viewer, userId: 'u2' }, '{ a }'],
    ['to the same one in another role', { ...viewer, role: 'admin' as const }, '{ a }'],
    ['to the same one who may do less', { ...viewer, scopes: ['read'] }, '{ a }'],
    ['to another question', viewer, '{ b }'],
  ])('gives none %s', async (_what, asker, question) => {
    const answers = store();
    answers.keep(viewer, '{ a }', answer, basis);
    asked.length = 0;
    expect(await answers.find(asker, question)).toBeNull();
    expect(asked).toEqual([]);
  });

  test('forgets what no longer stands', async () => {
    const answers = store(false);
    answers.keep(viewer, '{ a }', answer, basis);
    asked.length = 0;
    expect(await answers.find(viewer, '{ a }')).toBeNull();
    expect(await answers.find(viewer, '{ a }')).toBeNull();
    expect(asked).toHaveLength(1);
  });

  test('lets go of what was asked for longest ago when it is full, and takes nothing that is too large', async () => {
    const answers = store(true, { bytes: 3_000, answerBytes: 500, questionCharacters: 10 });
    answers.keep(viewer, '{ a }', answer, basis);
    answers.keep(viewer, '{ b }', answer, basis);
    await answers.find(viewer, '{ a }');
    answers.keep(viewer, '{ c }', answer, basis);
    expect(await answers.find(viewer, '{ b }')).toBeNull();
    expect(await answers.find(viewer, '{ a }')).toBe(answer);
    expect(await answers.find(viewer, '{ c }')).toBe(answer);
    answers.keep(viewer, '{ d }', Buffer.alloc(501), basis);
    answers.keep(viewer, '{ too long }', answer, basis);
    expect(await answers.find(viewer, '{ d }')).toBeNull();
    expect(await answers.find(viewer, '{ too long }')).toBeNull();
  });

  test('has one answer to a question, the newest', async () => {
    const answers = store();
    answers.keep(viewer, '{ a }', answer, basis);
    const newer = Buffer.from('{"data":null}');
    answers.keep(viewer, '{ a }', newer, basis);
    expect(await answers.find(viewer, '{ a }')).toBe(newer);
  });
});

describe('asked again', () => {
  let quarry: Quarry;
  let target: TestDatabase;
  let owner: Account;
  let projectId: string;
  let databaseId: string;

  const tables = 'query ($id: ID!) { database(id: $id) { name tables(first: 9) { nodes { name columns { name } } } } }';

  /** Throws for an answer with errors. */
  async function done(query: string, variables: object, { token }: Account): Promise<Record<string, never>> {
    const { data, errors } = await quarry.execute<Record<string, never>, object>(query, variables, { token });
    if (!data || errors) throw new Error(JSON.stringify(errors));
    return data;
  }

  const ask = async (as: Account) => quarry.execute(tables, { id: databaseId }, { token: as.token });

  /** As often as an answer needs to be kept, and to be known to stand without a look, and once more. */
  async function askedOften(as: Account): Promise<unknown> {
    for (let times = 0; times < 5; times += 1) await ask(as);
    return (await ask(as)).data;
  }

  const refresh = () =>
    done(
      'mutation ($input: RefreshCatalogInput!) { refreshCatalog(input: $input) { database { id } } }',
      { input: { databaseId } },
      owner,
    );

  beforeAll(async () => {
    quarry = await startQuarry();
    target = await createTestDatabase('create table t (a int, b int)');
    owner = await quarry.register();
    const project = await done(
      'mutation ($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }',
      { input: { name: 'Shop' } },
      owner,
    );
    projectId = (project as { createProject?: { project: { id: string } } }).createProject?.project.id ?? '';
    const { host, port, user, password, database } = target;
    const connected = await done(
      'mutation ($input: ConnectDatabaseInput!) { connectDatabase(input: $input) { database { id } } }',
      {
        input: {
          name: 'shop',
          projectId,
          connection: { engine: 'POSTGRESQL', host, port, user, password, database },
        },
      },
      owner,
    );
    databaseId = (connected as { connectDatabase?: { database: { id: string } } }).connectDatabase?.database.id ?? '';
    await refresh();
  });

  afterAll(async () => {
    await quarry[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  });

  const shop = (name: string, columns: string[]) => ({
    database: { name, tables: { nodes: [{ name: 't', columns: columns.map((column) => ({ name: column })) }] } },
  });

  async function member(): Promise<{ account: Account; memberId: string }> {
    const account = await quarry.register();
    const added = await done(
      'mutation ($input: AddMemberInput!) { addMember(input: $input) { member { id } } }',
      { input: { projectId, email: account.email, role: 'VIEWER' } },
      owner,
    );
    const memberId = (added as { addMember?: { member: { id: string } } }).addMember?.member.id ?? '';
    return { account, memberId };
  }

  test('the answer is the same, byte for byte, and so are its headers', async () => {
    const body = JSON.stringify({ query: tables, variables: { id: databaseId } });
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${owner.token}` };
    const post = async (more: Record<string, string>) => {
      const response = await fetch(quarry.url, { method: 'POST', body, headers: { ...headers, ...more } });
      const { 'x-request-id': id, date, ...rest } = Object.fromEntries(response.headers);
      expect(id).toBeDefined();
      expect(date).toBeDefined();
      return { status: response.status, headers: rest, text: await response.text() };
    };
    for (const accept of ['application/json', 'application/graphql-response+json', '*/*']) {
      // Only the other way knows this type of a body.
      const other = await post({ accept, 'content-type': 'application/json;charset=UTF-8' });
      for (let times = 0; times < 5; times += 1) expect(await post({ accept })).toEqual(other);
    }
  });

  test('somebody without the right gets nothing of it, and one with it an answer of his own', async () => {
    expect(await askedOften(owner)).toEqual(shop('shop', ['a', 'b']));
    const stranger = await quarry.register();
    expect(await askedOften(stranger)).toEqual({ database: null });
    const { account } = await member();
    expect(await askedOften(account)).toEqual(shop('shop', ['a', 'b']));
    expect(await askedOften(stranger)).toEqual({ database: null });
  });

  test('what is asked otherwise each time is answered by the rights of that time', async () => {
    let count = 0;
    const askOtherwise = async (as: Account) => {
      count += 1;
      return quarry.execute(tables, { id: databaseId, count }, { token: as.token });
    };
    const often = async (as: Account) =>
      Promise.all(Array.from({ length: 20 }, async () => (await askOtherwise(as)).data));
    const seen = Array(20).fill(shop('shop', ['a', 'b']));
    const stranger = await quarry.register();
    const { account, memberId } = await member();
    for (let round = 0; round < 2; round += 1) {
      expect(await often(account)).toEqual(seen);
      expect(await often(stranger)).toEqual(Array(20).fill({ database: null }));
    }
    await done(
      'mutation ($input: RemoveMemberInput!) { removeMember(input: $input) { deletedMemberId } }',
      { input: { id: memberId } },
      owner,
    );
    expect((await askOtherwise(account)).data).toEqual({ database: null });
    expect(await often(owner)).toEqual(seen);
    await target.client.query('alter table t add column c int');
    await refresh();
    expect((await askOtherwise(owner)).data).toEqual(shop('shop', ['a', 'b', 'c']));
    await target.client.query('alter table t drop column c');
    await refresh();
    expect(await often(owner)).toEqual(seen);
    await done('mutation { logout { ok } }', {}, account);
    expect((await askOtherwise(account)).code).toBe('UNAUTHENTICATED');
  });

  test('nobody who is not signed in gets one', async () => {
    await askedOften(owner);
    expect((await quarry.execute(tables, { id: databaseId })).code).toBe('UNAUTHENTICATED');
  });

  test('a right that is taken between two questions is gone at the second, and back when it is given again', async () => {
    const { account, memberId } = await member();
    expect(await askedOften(account)).toEqual(shop('shop', ['a', 'b']));
    await done(
      'mutation ($input: RemoveMemberInput!) { removeMember(input: $input) { deletedMemberId } }',
      { input: { id: memberId } },
      owner,
    );
    expect((await ask(account)).data).toEqual({ database: null });
    expect(await askedOften(account)).toEqual({ database: null });
    await done(
      'mutation ($input: AddMemberInput!) { addMember(input: $input) { member { id } } }',
      { input: { projectId, email: account.email, role: 'VIEWER' } },
      owner,
    );
    expect((await ask(account)).data).toEqual(shop('shop', ['a', 'b']));
  });

  test('a session that has ended is refused at once', async () => {
    const { account } = await member();
    await askedOften(account);
    await done('mutation { logout { ok } }', {}, account);
    expect((await ask(account)).code).toBe('UNAUTHENTICATED');
  });

  test('another name of the database is seen at once', async () => {
    expect(await askedOften(owner)).toEqual(shop('shop', ['a', 'b']));
    const rename = (name: string) =>
      done(
        'mutation ($input: UpdateDatabaseInput!) { updateDatabase(input: $input) { database { name } } }',
        { input: { id: databaseId, name } },
        owner,
      );
    await rename('store');
    expect((await ask(owner)).data).toEqual(shop('store', ['a', 'b']));
    await rename('shop');
  });

  test('another catalogue is seen as soon as it was read', async () => {
    await refresh();
    expect(await askedOften(owner)).toEqual(shop('shop', ['a', 'b']));
    await target.client.query('alter table t add column c int');
    await refresh();
    expect((await ask(owner)).data).toEqual(shop('shop', ['a', 'b', 'c']));
    expect(await askedOften(owner)).toEqual(shop('shop', ['a', 'b', 'c']));
    await target.client.query('alter table t drop column c');
    await refresh();
  });

  test('what is read anew each time is read anew', async () => {
    const live = 'query ($id: ID!) { database(id: $id) { table(name: "t") { name estimatedRows } } }';
    const rows = async () =>
      (
        await quarry.execute<{ database: { table: { estimatedRows: number | null } } }, object>(
          live,
          { id: databaseId },
          owner,
        )
      ).data?.database.table.estimatedRows;
    await target.client.query('truncate t; analyze t');
    for (let turn = 0; turn < 4; turn += 1) await rows();
    await target.client.query('insert into t select 1, 2 from generate_series(1, 1000); analyze t');
    expect(await rows()).toBe(1_000);
    await target.client.query('truncate t');
  });

  test('two who ask the same at once are answered each for himself', async () => {
    const stranger = await quarry.register();
    await askedOften(owner);
    await askedOften(stranger);
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, turn) => (await ask(turn % 2 === 0 ? owner : stranger)).data),
    );
    answers.forEach((data, turn) => {
      expect(data).toEqual(turn % 2 === 0 ? shop('shop', ['a', 'b']) : { database: null });
    });
  });

  test('who asks for the same ids under load, each with other rights, is never answered with what another may see', async () => {
    const document = `query ($ids: [ID!]!) { nodes(ids: $ids) {
      ... on Database { name connection { host } }
      ... on Project { name viewerRole } } }`;
    const ids = [databaseId, projectId];
    const { account: viewer } = await member();
    const people = [
      {
        as: owner,
        sees: [
          { name: 'shop', connection: { host: target.host } },
          { name: 'Shop', viewerRole: 'OWNER' },
        ],
      },
      {
        as: viewer,
        sees: [
          { name: 'shop', connection: null },
          { name: 'Shop', viewerRole: 'VIEWER' },
        ],
      },
      { as: await quarry.register(), sees: [null, null] },
    ];
    let asked = 0;
    let crossed = 0;
    const begun = performance.now();
    const client = async () => {
      while (asked < questions) {
        const { as, sees } = people[asked++ % people.length]!;
        const { data } = await quarry.execute(document, { ids }, { token: as.token });
        if (!isDeepStrictEqual(data, { nodes: sees })) crossed += 1;
      }
    };
    await Promise.all(Array.from({ length: 12 }, client));
    const seconds = (performance.now() - begun) / 1_000;
    console.info(`TEN-3 (2) questions=${asked} a_second=${(asked / seconds).toFixed(0)} crossed=${crossed}`);
    expect(crossed).toBe(0);
  });
});
