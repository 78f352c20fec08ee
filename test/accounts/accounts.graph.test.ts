/** Accounts through GraphQL: bad input, who sees what of whom, and that nobody reaches anybody else's. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settingsBounds } from '../../src/accounts/settings.ts';
import { encodeId } from '../../src/lib/ids.ts';
import { createGraph } from './graph.ts';
import { caller, createWorld, password, type World } from './world.ts';

let world: World;
let run: ReturnType<typeof createGraph>;
type Person = Awaited<ReturnType<World['person']>>;
let admin: Person;
let ann: Person;
let bob: Person;

beforeAll(async () => {
  world = await createWorld();
  run = createGraph(world);
  admin = await world.person('admin');
  ann = await world.person('ann');
  bob = await world.person('bob');
});
afterAll(() => world[Symbol.asyncDispose]());

const userFields = `
  id email name role emailVerified disabled createdAt lastLoginAt
  settings { maxParallelJobs maxParallelJobsLimit queuePriority statementTimeoutMs maxRows }
  sessions { id current userAgent ipAddress createdAt lastUsedAt }`;
const register = `mutation ($input: RegisterInput!) { register(input: $input) { auth {
  accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt user { ${userFields} } } } }`;
const login = `mutation ($input: LoginInput!) { login(input: $input) { accessToken refreshToken user { ${userFields} } } }`;
const node = `query ($id: ID!) { node(id: $id) { __typename id
  ... on User { ${userFields} } ... on Session { current ipAddress } } }`;
const updateSettings = `mutation ($input: UpdateSettingsInput!) { updateSettings(input: $input) { user {
  settings { maxParallelJobs queuePriority statementTimeoutMs maxRows } } } }`;

describe('register', () => {
  test('answers with the pair and with the whole of the new account, to whom nobody has signed in yet', async () => {
    const { data, errors } = await run(null, register, {
      input: { email: 'new@example.com', password, name: ' New ' },
    });
    expect(errors).toBeUndefined();
    const { auth } = data.register;
    const viewer = await world.accounts.authenticate(auth.accessToken);
    expect(auth.user).toMatchObject({
      id: encodeId('User', viewer.userId),
      email: 'new@example.com',
      name: 'New',
      role: 'MEMBER',
      emailVerified: false,
      disabled: false,
      settings: {
        maxParallelJobs: 4,
        maxParallelJobsLimit: 4,
        queuePriority: 0,
        statementTimeoutMs: 60_000,
        maxRows: 10_000,
      },
      sessions: [{ id: encodeId('Session', viewer.sessionId), current: true, ipAddress: '192.0.2.1' }],
    });
    expect(new Date(auth.accessTokenExpiresAt)).toEqual(viewer.expiresAt);
  });

  test.each([
    ['email', { email: 'no address', password }, 'an address such as ann@example.com'],
    ['email', { email: `a@${'b'.repeat(250)}.com`, password }, 'at most 254 characters'],
    ['email', { email: 'a\0@example.com', password }, 'an address such as ann@example.com'],
    ['email', { email: '', password }, 'an address such as ann@example.com'],
    ['password', { email: 'x@example.com', password: 'a'.repeat(7) }, 'at least 8 characters'],
    ['password', { email: 'x@example.com', password: 'a'.repeat(1_025) }, 'at most 1024 bytes of UTF-8'],
    ['password', { email: 'x@example.com', password: 'password\ud800' }, 'text that is valid Unicode'],
    ['name', { email: 'x@example.com', password, name: '' }, 'at least one character'],
    ['name', { email: 'x@example.com', password, name: 'a'.repeat(101) }, 'at most 100 characters'],
    ['name', { email: 'x@example.com', password, name: 'a\0b' }, 'text without control characters'],
    ['name', { email: 'x@example.com', password, name: 'a\ud800' }, 'well-formed Unicode'],
  ])('refuses a bad %s: %j', async (path, input, message) => {
    expect(await run(null, register, { input })).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: `input.${path}`, message }] },
    });
  });

  test('tells all faults at once', async () => {
    const { details } = await run(null, register, { input: { email: 'x', password: 'y' } });
    expect(details).toMatchObject({ fields: [{ path: 'input.email' }, { path: 'input.password' }] });
  });

  test('takes an address of which the case differs only', async () => {
    const { code } = await run(null, register, { input: { email: 'ANN@example.com', password } });
    expect(code).toBe('CONFLICT');
  });
});

describe('login', () => {
  test('answers like register', async () => {
    const { data } = await run(null, login, { input: { email: 'ann@example.com', password } });
    expect(data.login.user).toMatchObject({ email: 'ann@example.com', role: 'MEMBER' });
    expect(data.login.user.sessions.filter((session: { current: boolean }) => session.current)).toHaveLength(1);
  });

  test('of another account shows that account, to whomever', async () => {
    const { data } = await run(bob.viewer, login, { input: { email: 'ann@example.com', password } });
    expect(data.login.user).toMatchObject({ email: 'ann@example.com', role: 'MEMBER' });
  });

  test.each([
    ['a NUL', 'a\0@example.com'],
    ['an address that is too long', `${'a'.repeat(300)}@example.com`],
  ])('refuses %s', async (_name, email) => {
    expect((await run(null, login, { input: { email, password } })).code).toBe('BAD_USER_INPUT');
  });

  test('refuses what is not there', async () => {
    expect((await run(null, login, { input: { email: "' OR 1=1 --", password } })).code).toBe('UNAUTHENTICATED');
  });
});

test('refreshSession gives the next pair, and refuses what it did not give', async () => {
  const refresh = `mutation ($t: String!) { refreshSession(input: { refreshToken: $t }) { accessToken refreshToken user { email } } }`;
  const { refreshToken } = await world.accounts.login({ email: 'ann@example.com', password }, caller);
  const { data } = await run(null, refresh, { t: refreshToken });
  expect(data.refreshSession).toMatchObject({ user: { email: 'ann@example.com' } });
  expect((await run(null, refresh, { t: data.refreshSession.accessToken })).code).toBe('UNAUTHENTICATED');
});

describe('viewer', () => {
  test('is null for an anonymous caller, and oneself otherwise', async () => {
    expect((await run(null, '{ viewer { id } }')).data).toEqual({ viewer: null });
    const { data } = await run(ann.viewer, '{ viewer { id email sessions { current } } }');
    expect(data.viewer).toMatchObject({ id: encodeId('User', ann.userId), email: 'ann@example.com' });
  });

  test('shows the live sessions, the last used first, and which one asks', async () => {
    const carl = await world.person('carl');
    const second = await world.accounts.login({ email: carl.email, password }, caller);
    const gone = await world.accounts.login({ email: carl.email, password }, caller);
    await world.accounts.logout(gone.viewer, {}, caller);
    const { data } = await run(carl.viewer, '{ viewer { sessions { id current } } }');
    expect(data.viewer.sessions).toEqual([
      { id: encodeId('Session', second.viewer.sessionId), current: false },
      { id: encodeId('Session', carl.viewer.sessionId), current: true },
    ]);
  });
});

describe('somebody else', () => {
  const idOf = (person: Person) => encodeId('User', person.userId);

  test('is not there for a stranger or an anonymous caller', async () => {
    for (const viewer of [bob.viewer, null])
      expect((await run(viewer, node, { id: idOf(ann) })).data).toEqual({ node: null });
  });

  test('is seen by a fellow of a project, the private part not', async () => {
    const project = await world.projects.create(ann.viewer, { name: 'Shared' }, caller);
    const member = { projectId: project.id, email: bob.email, role: 'viewer' } as const;
    const { id } = await world.projects.addMember(ann.viewer, member, caller);
    const { data } = await run(bob.viewer, node, { id: idOf(ann) });
    expect(data.node).toEqual({
      __typename: 'User',
      id: idOf(ann),
      email: 'ann@example.com',
      name: null,
      role: null,
      emailVerified: null,
      disabled: null,
      settings: null,
      sessions: null,
      createdAt: expect.any(String),
      lastLoginAt: null,
    });
    await world.projects.removeMember(ann.viewer, id, caller);
    expect((await run(bob.viewer, node, { id: idOf(ann) })).data).toEqual({ node: null });
  });

  test('is seen whole by an administrator', async () => {
    const { data } = await run(admin.viewer, node, { id: idOf(ann) });
    expect(data.node).toMatchObject({ email: 'ann@example.com', role: 'MEMBER', disabled: false });
    expect(data.node.sessions.length).toBeGreaterThan(0);
    expect(data.node.sessions.some((session: { current: boolean }) => session.current)).toBe(false);
  });

  test('keeps his sessions to himself and administrators', async () => {
    const id = encodeId('Session', ann.viewer.sessionId);
    const answers = await Promise.all([ann.viewer, admin.viewer, bob.viewer, null].map((v) => run(v, node, { id })));
    expect(answers.map(({ data }) => data.node)).toEqual([
      { __typename: 'Session', id, current: true, ipAddress: '192.0.2.1' },
      { __typename: 'Session', id, current: false, ipAddress: '192.0.2.1' },
      null,
      null,
    ]);
  });

  test('has sessions that nobody else ends', async () => {
    const logout = `mutation ($id: ID) { logout(input: { sessionId: $id }) { ok } }`;
    for (const id of [
      encodeId('Session', ann.viewer.sessionId),
      encodeId('User', bob.userId),
      ann.viewer.sessionId,
      '',
    ])
      expect((await run(bob.viewer, logout, { id })).code).toBe('NOT_FOUND');
    expect((await run(admin.viewer, logout, { id: encodeId('Session', ann.viewer.sessionId) })).code).toBe('NOT_FOUND');
    await world.accounts.authenticate(ann.accessToken);
  });

  test.each([
    ['a kind that is none', encodeId('Users', 'x')],
    ['a UUID of another kind', encodeId('Session', '01a1fc78-c6d6-7000-9e6c-a0d34fcdd831')],
    ['an id in upper case', encodeId('User', '01A1FC78-C6D6-7000-9E6C-A0D34FCDD831')],
    ['SQL', encodeId('User', "' OR true --")],
    ['one part too many', encodeId('Session', 'x', 'y')],
    ['text', 'hello'],
    ['nothing', ''],
  ])('is not found by %s', async (_name, id) => {
    const { data, errors } = await run(ann.viewer, node, { id });
    expect({ data, errors }).toEqual({ data: { node: null }, errors: undefined });
  });
});

describe('logout', () => {
  test('ends this session without any input', async () => {
    const signedIn = await world.accounts.login({ email: bob.email, password }, caller);
    expect((await run(signedIn.viewer, 'mutation { logout { ok } }')).data).toEqual({ logout: { ok: true } });
    await expect(world.accounts.authenticate(signedIn.accessToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('is refused to an anonymous caller', async () => {
    expect((await run(null, 'mutation { logout { ok } }')).code).toBe('UNAUTHENTICATED');
  });
});

describe('updateSettings', () => {
  const cases = Object.entries(settingsBounds).flatMap(([name, { min, max }]) => [
    [name, min - 1, min, max],
    [name, max + 1, min, max],
    [name, -2_147_483_648, min, max],
  ]) as [string, number, number, number][];

  test.each(cases)('refuses %s of %i', async (name, value, min, max) => {
    expect(await run(ann.viewer, updateSettings, { input: { [name]: value } })).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: `input.${name}`, message: `from ${min} to ${max}` }] },
    });
  });

  test('takes each bound, leaves what is absent, and clears with null', async () => {
    const set = (input: object) => run(bob.viewer, updateSettings, { input });
    const low = { maxParallelJobs: 1, queuePriority: -10, statementTimeoutMs: 100, maxRows: 1 };
    const high = { maxParallelJobs: 4, queuePriority: 10, statementTimeoutMs: 86_400_000, maxRows: 10_000_000 };
    for (const settings of [low, high])
      expect((await set(settings)).data).toEqual({ updateSettings: { user: { settings } } });
    expect((await set({ maxRows: null })).data.updateSettings.user.settings).toEqual({ ...high, maxRows: 10_000 });
    expect((await set({ maxParallelJobs: 5 })).details).toMatchObject({
      fields: [{ path: 'input.maxParallelJobs', message: 'at most 4, the ceiling of this account' }],
    });
  });

  test('is refused to an anonymous caller', async () => {
    expect((await run(null, updateSettings, { input: { maxRows: 5 } })).code).toBe('UNAUTHENTICATED');
  });
});

test('every mutation but those that open a session is refused to an anonymous caller', async () => {
  const id = encodeId('Project', ann.userId);
  const documents = [
    `mutation { logout { ok } }`,
    `mutation { updateSettings(input: {}) { user { id } } }`,
    `mutation { createProject(input: { name: "x" }) { project { id } } }`,
    `mutation { updateProject(input: { id: "${id}" }) { project { id } } }`,
    `mutation { deleteProject(input: { id: "${id}" }) { deletedProjectId } }`,
    `mutation { addMember(input: { projectId: "${id}", email: "a@example.com", role: VIEWER }) { member { id } } }`,
    `mutation { updateMember(input: { id: "${id}", role: VIEWER }) { member { id } } }`,
    `mutation { removeMember(input: { id: "${id}" }) { deletedMemberId } }`,
    `{ projects { nodes { id } } }`,
  ];
  for (const document of documents) expect((await run(null, document)).code).toBe('UNAUTHENTICATED');
});
