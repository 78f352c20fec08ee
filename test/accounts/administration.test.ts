/** Administrators: who is there, roles and ceilings, disabling, deleting, and the last of them. */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { parseKey } from '../../src/accounts/keys/secrets.ts';
import { createLifetimes } from '../../src/graph/lifetime.ts';
import { encodeId, uuidv7 } from '../../src/lib/ids.ts';
import { createGraph } from './graph.ts';
import { caller, createWorld, heardBy, password, type World } from './world.ts';

type Person = Awaited<ReturnType<World['person']>>;
let world: World;
let other: Awaited<ReturnType<World['startReplica']>>;
let run: ReturnType<typeof createGraph>;
let admin: Person;

beforeAll(async () => {
  world = await createWorld();
  other = await world.startReplica();
  run = createGraph(world);
  admin = await world.person('admin');
});
afterAll(() => world[Symbol.asyncDispose]());

const user = 'user { id role disabled settings { maxParallelJobs maxParallelJobsLimit } }';
const documents = {
  update: `mutation ($input: UpdateUserInput!) { updateUser(input: $input) { ${user} } }`,
  delete: 'mutation ($input: DeleteUserInput!) { deleteUser(input: $input) { deletedUserId } }',
};
const as = (person: Person | null, document: keyof typeof documents, input: Record<string, unknown>) =>
  run(person?.viewer ?? null, documents[document], { input });
const idOf = ({ userId }: Person) => encodeId('User', userId);
const login = ({ email }: Person) => world.accounts.login({ email, password }, caller);

/** A stream that is open on the other replica. */
async function openStream(token: string) {
  const lifetime = createLifetimes({ bus: other.bus, check: other.bearer })();
  lifetime.renew(await other.bearer(token), token);
  onTestFinished(() => lifetime[Symbol.dispose]());
  return { ended: once(lifetime.ended, 'abort', { signal: AbortSignal.timeout(20_000) }) };
}

/** Jobs of a user: one that waits, and one that a worker runs. */
async function jobsOf({ userId }: Person): Promise<string[]> {
  const ids = [uuidv7(), uuidv7()];
  await world.sql(
    `INSERT INTO jobs (id, kind, status, owner_id, target_key, target_label, sql, read_only, transaction, timeout_ms, max_rows,
       rank_ms, change_xid, change_seq, attempt, lease_until, started_at)
     SELECT id, 'query', status, $3, id, '', '', true, 'whole', 1, 1, 1, 1, 1, 1,
            CASE status WHEN 'running' THEN now() + interval '1 hour' END, now()
     FROM (VALUES ($1::uuid, 'queued'), ($2, 'running')) job (id, status)`,
    [...ids, userId],
  );
  return ids;
}

const connect = async ({ viewer }: Person, projectId: string | null = null) => {
  const { host, port, user: name, password: secret } = inject('postgres');
  const connection = { host, port, user: name, password: secret, database: 'postgres', ssl: 'DISABLE' } as const;
  const asked = { caller, signal: AbortSignal.timeout(20_000) };
  return (await world.databases.connect(viewer, { name: 'db', connection, projectId, readOnly: false }, asked)).database
    .id;
};

test('administrators look accounts up by a part of address or name, page by page, and nobody else does', async () => {
  for (const name of ['heron1', 'heron2', 'HERON_3']) await world.person(name);
  await world.sql(`UPDATE users SET name = 'Grey Heron' WHERE email_key = 'admin@example.com'`);
  const list = `query ($search: String, $first: Int, $after: String, $last: Int) { users(search: $search, first: $first, after: $after, last: $last) {
    totalCount pageInfo { hasNextPage endCursor } nodes { email } } }`;
  const found = async (variables: object) => (await run(admin.viewer, list, { ...variables })).data?.users;
  const emails = (page: { nodes: { email: string }[] }) => page.nodes.map(({ email }) => email.split('@')[0]);
  const all = await found({ search: 'Heron' });
  expect([emails(all), all.totalCount]).toEqual([['HERON_3', 'heron2', 'heron1', 'admin'], 4]);
  const first = await found({ search: 'heron', first: 3 });
  expect(first.pageInfo.hasNextPage).toBe(true);
  expect(emails(await found({ search: 'heron', first: 3, after: first.pageInfo.endCursor }))).toEqual(['admin']);
  expect(emails(await found({ search: 'heron', last: 2 }))).toEqual(['heron1', 'admin']);
  expect(emails(await found({ search: 'n_3' }))).toEqual(['HERON_3']);
  for (const variables of [{ search: 'a\0b' }, { search: 'x'.repeat(255) }, { after: 'bm8' }, { first: 501 }])
    expect((await run(admin.viewer, list, variables)).code).toBe('BAD_USER_INPUT');
  const member = await world.person();
  const attempts = (person: Person | null) =>
    Promise.all([
      run(person?.viewer ?? null, list),
      as(person, 'update', { id: idOf(admin), disabled: true }),
      as(person, 'delete', { id: idOf(admin) }),
    ]);
  expect((await attempts(member)).map(({ code }) => code)).toEqual(['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN']);
  expect((await attempts(null)).map(({ code }) => code)).toEqual(Array(3).fill('UNAUTHENTICATED'));
});

test('a ceiling bounds what its user may set, and what he had set', async () => {
  const member = await world.person();
  const set = (maxParallelJobs: number) =>
    world.accounts.updateSettings(member.viewer, { maxParallelJobs }, caller).then(
      () => 'set',
      (error) => error.code,
    );
  expect(await set(5)).toBe('BAD_USER_INPUT');
  expect((await as(admin, 'update', { id: idOf(member), maxParallelJobs: 9 })).data.updateUser.user.settings).toEqual({
    maxParallelJobs: 9,
    maxParallelJobsLimit: 9,
  });
  expect(await set(8)).toBe('set');
  expect((await as(admin, 'update', { id: idOf(member), maxParallelJobs: 2 })).data.updateUser.user.settings).toEqual({
    maxParallelJobs: 2,
    maxParallelJobsLimit: 2,
  });
  expect((await as(admin, 'update', { id: idOf(member), maxParallelJobs: null })).data.updateUser.user).toMatchObject({
    settings: { maxParallelJobs: 4, maxParallelJobsLimit: 4 },
  });
  expect((await world.auditOf('user.updated')).at(-1)).toMatchObject({
    actor_id: admin.userId,
    subject: idOf(member),
    details: { maxParallelJobs: null },
  });
});

test.each([[{ maxParallelJobs: 0 }], [{ maxParallelJobs: 257 }], [{ role: null }], [{ disabled: null }]])(
  'an account does not become %j',
  async (input) => {
    expect((await as(admin, 'update', { id: idOf(admin), ...input })).code).toBe('BAD_USER_INPUT');
  },
);

test('what is no account is not found', async () => {
  for (const id of [encodeId('User', uuidv7()), encodeId('Project', uuidv7()), '', 'x'.repeat(9_000)]) {
    expect((await as(admin, 'update', { id, disabled: true })).code).toBe('NOT_FOUND');
    expect((await as(admin, 'delete', { id })).code).toBe('NOT_FOUND');
  }
});

describe('a disabled user', () => {
  test('is signed out everywhere, his streams end, his jobs as well, and he signs in when he is enabled again', async () => {
    const member = await world.person();
    const [queued, running] = await jobsOf(member);
    const key = { name: 'k', scopes: ['read'] as const, expiresAt: null };
    const { secret } = await world.apiKeys.create(member.viewer, key, caller);
    const streams = await Promise.all([member.accessToken, secret].map(openStream));
    // Rung, and not found by asking again seconds later.
    const keyId = parseKey(secret)!.id;
    const heard = [member.viewer.sessionId, keyId].map((id) => heardBy(other, id));

    const since = performance.now();
    expect((await as(admin, 'update', { id: idOf(member), disabled: true })).data.updateUser.user.disabled).toBe(true);
    await expect(world.accounts.authenticate(member.accessToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await Promise.all(heard);
    for (const { ended } of streams) await ended;
    console.info(`AUTH-4 (d) seconds=${((performance.now() - since) / 1_000).toFixed(2)}`);
    for (const token of [member.accessToken, secret])
      await expect(other.bearer(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(world.accounts.refreshSession(member.refreshToken, caller)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    await expect(login(member)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await world.jobs.find(queued!)).toMatchObject({ status: 'cancelled' });
    expect(await world.jobs.find(running!)).toMatchObject({ status: 'running', cancelRequestedAt: expect.any(Date) });
    expect(await world.jobs.roleOfOwner(member.userId)).toBeNull();

    expect((await as(admin, 'update', { id: idOf(member), disabled: false })).data.updateUser.user.disabled).toBe(
      false,
    );
    await login(member);
    // What was ended stays so.
    await expect(world.accounts.authenticate(member.accessToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });
});

describe('an administrator', () => {
  test('is made of a member at once, and signs in anew when he is none any more', async () => {
    const member = await world.person();
    expect((await other.accounts.authenticate(member.accessToken)).role).toBe('member');
    const { ended } = await openStream(member.accessToken);
    await as(admin, 'update', { id: idOf(member), role: 'ADMIN' });
    // What was begun as a member does not go on as that.
    await ended;
    expect((await world.accounts.authenticate(member.accessToken)).role).toBe('admin');
    const { viewer } = await login(member);
    expect(viewer.role).toBe('admin');
    await as(admin, 'update', { id: idOf(member), role: 'MEMBER' });
    await expect(world.accounts.authenticate(member.accessToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect((await login(member)).viewer.role).toBe('member');
  });

  test('is always there: the last one is not disabled, demoted or deleted', async () => {
    const attempts = async () =>
      Promise.all([
        as(admin, 'update', { id: idOf(admin), role: 'MEMBER' }),
        as(admin, 'update', { id: idOf(admin), disabled: true }),
        as(admin, 'delete', { id: idOf(admin) }),
      ]);
    for (const { code } of await attempts()) expect(code).toBe('CONFLICT');
    // One who cannot sign in is none.
    const second = await world.person();
    await as(admin, 'update', { id: idOf(second), role: 'ADMIN', disabled: true });
    for (const { code } of await attempts()) expect(code).toBe('CONFLICT');
    expect((await world.accounts.authenticate(admin.accessToken)).role).toBe('admin');
  });

  test('is always there, also when two send each other away at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const second = await world.person();
      await as(admin, 'update', { id: idOf(second), role: 'ADMIN' });
      const [byFirst, bySecond] = await Promise.all(
        [
          world.administration.update(admin.viewer, second.userId, { role: 'member' }, caller),
          other.administration.update({ ...second.viewer, role: 'admin' }, admin.userId, { disabled: true }, caller),
        ].map((work) =>
          work.then(
            () => 'done',
            (error) => error.code,
          ),
        ),
      );
      expect([byFirst, bySecond].sort()).toEqual(['CONFLICT', 'done']);
      const left = await world.sql(`SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL`);
      expect(left).toHaveLength(1);
      // As it was, for the next round and test.
      await world.sql(`UPDATE users SET role = CASE id WHEN $1 THEN 'admin' ELSE 'member' END, disabled_at = NULL`, [
        admin.userId,
      ]);
      admin = { ...admin, ...(await login(admin)) };
    }
  });
});

describe('an account that is deleted', () => {
  test('goes with its jobs, databases and files; what is in a project stays, and so does the audit', async () => {
    const [gone, heir] = [await world.person(), await world.person()];
    const jobIds = await jobsOf(gone);
    await world.sql(`UPDATE jobs SET status = 'succeeded', lease_until = NULL WHERE id = $1`, [jobIds[1]]);
    const { id: projectId } = await world.projects.create(gone.viewer, { name: 'Left' }, caller);
    const add = { projectId, email: heir.email, role: 'owner' as const };
    await world.projects.addMember(gone.viewer, add, caller);
    const task = await world.tasks.create(heir.viewer, { projectId, title: 'his', assigneeId: gone.userId }, caller);
    const [own, shared] = [await connect(gone), await connect(gone, projectId)];
    await world.sql(
      `INSERT INTO buckets (id, name, owner_id, project_id, updated_at)
       VALUES (gen_random_uuid(), 'own', $1, NULL, now()), (gen_random_uuid(), 'shared', $1, $2, now())`,
      [gone.userId, projectId],
    );
    const events = world.tasks
      .events(heir.viewer, { projectId, after: null }, AbortSignal.timeout(20_000))
      [Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ task: { assigneeId: gone.userId } });

    expect(await as(admin, 'delete', { id: idOf(gone) })).toMatchObject({
      data: { deleteUser: { deletedUserId: idOf(gone) } },
    });
    expect((await events.next()).value).toMatchObject({ task: { id: task.id, assigneeId: null } });
    await events.return?.();
    await expect(other.accounts.authenticate(gone.accessToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(login(gone)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await world.jobs.findAll(jobIds)).toEqual([]);
    expect(await world.sql('SELECT id, owner_id FROM databases WHERE id = ANY($1::uuid[])', [[own, shared]])).toEqual([
      { id: shared, owner_id: heir.userId },
    ]);
    expect(await world.sql(`SELECT name, owner_id FROM buckets WHERE name IN ('own', 'shared')`)).toEqual([
      { name: 'shared', owner_id: null },
    ]);
    expect(await world.access.roleOf(heir.userId, projectId)).toBe('owner');
    const audit = await world.sql(`SELECT action, actor_id FROM audit_entries WHERE subject = $1 ORDER BY id`, [
      idOf(gone),
    ]);
    expect(audit).toEqual([
      { action: 'user.registered', actor_id: gone.userId },
      { action: 'user.deletion_begun', actor_id: admin.userId },
      { action: 'user.deleted', actor_id: admin.userId },
    ]);
    expect((await as(admin, 'delete', { id: idOf(gone) })).code).toBe('NOT_FOUND');
    await world.accounts.register({ email: gone.email, password }, caller);
  });

  test('is not the only owner of a project, and loses nothing when that is refused', async () => {
    const [owner, editor] = [await world.person(), await world.person()];
    const { id: projectId } = await world.projects.create(owner.viewer, { name: 'Mine' }, caller);
    const add = { projectId, email: editor.email, role: 'editor' as const };
    await world.projects.addMember(owner.viewer, add, caller);
    expect(await as(admin, 'delete', { id: idOf(owner) })).toMatchObject({
      code: 'CONFLICT',
      details: { projectIds: [encodeId('Project', projectId)] },
    });
    expect((await world.accounts.authenticate(owner.accessToken)).userId).toBe(owner.userId);
    expect((await as(admin, 'delete', { id: idOf(editor) })).errors).toBeUndefined();
    await world.projects.delete(owner.viewer, projectId, caller);
    expect((await as(admin, 'delete', { id: idOf(owner) })).errors).toBeUndefined();
  });
});

test('a project that its only owner leaves with his account goes to a member who is named, or with him where he was alone', async () => {
  const [owner, editor, other] = [await world.person(), await world.person(), await world.person()];
  const make = async (name: string) => (await world.projects.create(owner.viewer, { name }, caller)).id;
  const [shared, alone] = [await make('Shared'), await make('Alone')];
  await world.projects.addMember(owner.viewer, { projectId: shared, email: editor.email, role: 'editor' }, caller);
  const [database, lonely] = [await connect(owner, shared), await connect(owner, alone)];
  const remove = (successorId: string | null) => as(admin, 'delete', { id: idOf(owner), successorId });
  const conflict = { code: 'CONFLICT', details: { projectIds: [encodeId('Project', shared)] } };
  // An administrator lets nobody in who was not, himself least of all.
  for (const successor of [null, idOf(other), idOf(admin)]) expect(await remove(successor)).toMatchObject(conflict);
  expect(await remove(idOf(owner))).toMatchObject({ code: 'BAD_USER_INPUT' });
  for (const nobody of ['x', encodeId('User', uuidv7()), encodeId('Project', shared)])
    expect((await remove(nobody)).code).toBe('NOT_FOUND');
  await as(admin, 'update', { id: idOf(editor), disabled: true });
  expect(await remove(idOf(editor))).toMatchObject({
    code: 'BAD_USER_INPUT',
    details: { fields: [{ path: 'input.successorId', message: 'an account that is not disabled' }] },
  });
  await as(admin, 'update', { id: idOf(editor), disabled: false });
  // Nothing of it was begun.
  expect((await world.accounts.authenticate(owner.accessToken)).userId).toBe(owner.userId);
  expect(await world.projects.find(owner.viewer, alone)).not.toBeNull();

  const codes = await Promise.all([remove(idOf(editor)), remove(idOf(editor))]);
  expect(codes.map(({ code }) => code ?? 'done')).toContain('done');
  expect(await world.access.roleOf(editor.userId, shared)).toBe('owner');
  expect(
    await world.sql('SELECT id, owner_id FROM databases WHERE id = ANY($1::uuid[])', [[database, lonely]]),
  ).toEqual([{ id: database, owner_id: editor.userId }]);
  expect(await world.sql('SELECT id FROM projects WHERE id = ANY($1::uuid[])', [[shared, alone]])).toEqual([
    { id: shared },
  ]);
  const [project, from] = [encodeId('Project', shared), 'editor'];
  expect((await world.auditOf('member.updated')).at(-1)).toMatchObject({
    actor_id: admin.userId,
    details: { project, from, to: 'owner' },
  });
  expect((await world.auditOf('project.deleted')).at(-1)).toMatchObject({ subject: encodeId('Project', alone) });
});

test('who is disabled owns a project beside nobody: the one who does is not deleted', async () => {
  const [owner, disabled, second] = [await world.person(), await world.person(), await world.person()];
  const { id: projectId } = await world.projects.create(owner.viewer, { name: 'Ours' }, caller);
  const add = ({ email }: Person) =>
    world.projects.addMember(owner.viewer, { projectId, email, role: 'owner' as const }, caller);
  await add(disabled);
  await as(admin, 'update', { id: idOf(disabled), disabled: true });
  expect(await as(admin, 'delete', { id: idOf(owner) })).toMatchObject({
    code: 'CONFLICT',
    details: { projectIds: [encodeId('Project', projectId)] },
  });
  await add(second);
  expect((await as(admin, 'delete', { id: idOf(owner) })).errors).toBeUndefined();
  expect((await as(admin, 'delete', { id: idOf(disabled) })).errors).toBeUndefined();
  expect(await world.projects.find(second.viewer, projectId)).not.toBeNull();
});

test('an administrator who is changed waits for no job of his that is being submitted, nor the job for him', async () => {
  const [one, two] = [await world.person(), await world.person()];
  const both = [one.userId, two.userId];
  await world.sql(`UPDATE users SET role = 'admin' WHERE id = ANY($1)`, [both]);
  onTestFinished(async () => void (await world.sql(`UPDATE users SET role = 'member' WHERE id = ANY($1)`, [both])));
  const client = await world.pool.connect();
  try {
    // As a round of submissions does, which refers to its owners in an order of its own.
    await client.query(`BEGIN; SET LOCAL lock_timeout = '10s'`);
    await client.query('SELECT FROM users WHERE id = $1 FOR KEY SHARE', [two.userId]);
    const changed = await as(admin, 'update', { id: idOf(one), role: 'MEMBER' });
    expect(changed.errors).toBeUndefined();
    await client.query('SELECT FROM users WHERE id = $1 FOR KEY SHARE', [one.userId]);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
});
