/** Projects through GraphQL: who may what, the last owner, limits, pages, and strangers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProjectRole } from '../../src/accounts/policy.ts';
import { encodeId } from '../../src/lib/ids.ts';
import { maxMembers, maxOwnedProjects, maxUnknownPerHour } from '../../src/projects/projects.ts';
import { createGraph } from '../accounts/graph.ts';
import { caller, createWorld, type World } from '../accounts/world.ts';

type Person = Awaited<ReturnType<World['person']>>;
let world: World;
let run: ReturnType<typeof createGraph>;
let admin: Person;
let owner: Person;
let editor: Person;
let reader: Person;
let stranger: Person;

beforeAll(async () => {
  world = await createWorld();
  run = createGraph(world);
  admin = await world.person('admin');
  owner = await world.person('owner');
  editor = await world.person('editor');
  reader = await world.person('reader');
  stranger = await world.person('stranger');
});
afterAll(() => world[Symbol.asyncDispose]());

const documents = {
  create: `mutation ($input: CreateProjectInput!) { createProject(input: $input) { project { id name description viewerRole members { role user { id email } } } } }`,
  update: `mutation ($input: UpdateProjectInput!) { updateProject(input: $input) { project { id name description } } }`,
  delete: `mutation ($input: DeleteProjectInput!) { deleteProject(input: $input) { deletedProjectId } }`,
  add: `mutation ($input: AddMemberInput!) { addMember(input: $input) { member { id role joinedAt user { id email } } } }`,
  updateMember: `mutation ($input: UpdateMemberInput!) { updateMember(input: $input) { member { id role } } }`,
  removeMember: `mutation ($input: RemoveMemberInput!) { removeMember(input: $input) { deletedMemberId project { id viewerRole members { role } } } }`,
  node: `query ($id: ID!) { node(id: $id) { __typename id ... on Project { name viewerRole } ... on ProjectMember { role user { email } } } }`,
};
const list = `query ($first: Int, $after: String, $last: Int, $before: String) {
  projects(first: $first, after: $after, last: $last, before: $before) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } nodes { id name viewerRole } edges { cursor node { id } } } }`;

const as = (person: Person | null, document: keyof typeof documents, input: Record<string, unknown>) =>
  run(person?.viewer ?? null, documents[document], document === 'node' ? input : { input });

/** A project of the owner, with an editor and a viewer; its id and those of its members. */
async function shared(name = 'Shared') {
  const project = await world.projects.create(owner.viewer, { name }, caller);
  const add = async ({ email }: Person, role: ProjectRole) =>
    (await world.projects.addMember(owner.viewer, { projectId: project.id, email, role }, caller)).id;
  const members = { editor: await add(editor, 'editor'), reader: await add(reader, 'viewer') };
  const [own] = await world.sql<{ id: string }>(
    'SELECT id FROM project_members WHERE project_id = $1 AND user_id = $2',
    [project.id, owner.userId],
  );
  const memberId = (id: string) => encodeId('ProjectMember', id);
  return {
    uuid: project.id,
    id: encodeId('Project', project.id),
    ownerMember: memberId(own!.id),
    editorMember: memberId(members.editor),
    readerMember: memberId(members.reader),
  };
}

describe('a project', () => {
  test('is made by whoever is signed in, who is its first owner', async () => {
    const { data } = await as(editor, 'create', { name: ' Sales ', description: 'Numbers' });
    expect(data.createProject.project).toMatchObject({
      name: 'Sales',
      description: 'Numbers',
      viewerRole: 'OWNER',
      members: [{ role: 'OWNER', user: { id: encodeId('User', editor.userId), email: editor.email } }],
    });
    expect((await world.auditOf('project.created')).at(-1)).toMatchObject({
      actor_id: editor.userId,
      subject: data.createProject.project.id,
      details: { name: 'Sales' },
    });
  });

  test.each([
    ['name', { name: '' }, 'at least one character'],
    ['name', { name: '   ' }, 'at least one character'],
    ['name', { name: 'a'.repeat(101) }, 'at most 100 characters'],
    ['name', { name: 'a\nb' }, 'text without control characters'],
    ['description', { name: 'x', description: 'a'.repeat(2_001) }, 'at most 2000 characters'],
    ['description', { name: 'x', description: 'a\0b' }, 'text without NUL'],
  ])('has a sound %s: not %j', async (path, input, message) => {
    expect(await as(owner, 'create', input)).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: `input.${path}`, message }] },
    });
  });

  test('keeps what an update leaves out, and loses a description that is null', async () => {
    const { id } = await shared('Before');
    expect((await as(owner, 'update', { id, description: 'Some' })).data.updateProject.project).toEqual({
      id,
      name: 'Before',
      description: 'Some',
    });
    expect((await as(editor, 'update', { id, name: 'After' })).data.updateProject.project).toEqual({
      id,
      name: 'After',
      description: 'Some',
    });
    expect((await as(owner, 'update', { id, description: null })).data.updateProject.project.description).toBeNull();
    expect(await as(owner, 'update', { id, name: null })).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect((await as(owner, 'update', { id })).data.updateProject.project.name).toBe('After');
  });

  test('goes with its members, and leaves an entry in the audit', async () => {
    const { id, uuid, editorMember } = await shared('Gone');
    expect((await as(owner, 'delete', { id })).data).toEqual({ deleteProject: { deletedProjectId: id } });
    expect(await world.sql('SELECT FROM project_members WHERE project_id = $1', [uuid])).toHaveLength(0);
    for (const gone of [id, editorMember]) expect((await as(owner, 'node', { id: gone })).data.node).toBeNull();
    expect((await as(owner, 'delete', { id })).code).toBe('NOT_FOUND');
    expect((await world.auditOf('project.deleted')).at(-1)).toMatchObject({ subject: id, details: { name: 'Gone' } });
  });

  test('is one of a bounded number of an owner', async () => {
    const rich = await world.person();
    await world.sql(
      `WITH made AS (
         INSERT INTO projects (id, name, updated_at) SELECT gen_random_uuid(), 'p', now() FROM generate_series(1, $2)
         RETURNING id
       )
       INSERT INTO project_members (id, project_id, user_id, role)
       SELECT gen_random_uuid(), id, $1::uuid, 'owner' FROM made`,
      [rich.userId, maxOwnedProjects - 1],
    );
    const answers = await Promise.all([1, 2, 3].map(() => as(rich, 'create', { name: 'x' })));
    expect(answers.map(({ code }) => code).sort()).toEqual(['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED', undefined]);
    expect(answers.find(({ code }) => code)).toMatchObject({
      details: { limit: maxOwnedProjects, actual: maxOwnedProjects },
    });
  });
});

describe('a role decides', () => {
  test('what a member may do, for each of them', async () => {
    const attempts: [keyof typeof documents, (ids: Awaited<ReturnType<typeof shared>>) => Record<string, unknown>][] = [
      ['update', ({ id }) => ({ id, name: 'New' })],
      ['add', ({ id }) => ({ projectId: id, email: stranger.email, role: 'VIEWER' })],
      ['updateMember', ({ readerMember: id }) => ({ id, role: 'EDITOR' })],
      ['removeMember', ({ readerMember: id }) => ({ id })],
      ['delete', ({ id }) => ({ id })],
    ];
    const allowed: Record<string, unknown> = {};
    for (const [name, person] of Object.entries({ owner, editor, stranger, admin, nobody: null })) {
      allowed[name] = [];
      for (const [document, inputOf] of attempts) {
        const { code } = await as(person, document, inputOf(await shared()));
        (allowed[name] as unknown[]).push(code ?? 'ok');
      }
    }
    const reading = [];
    for (const [document, inputOf] of attempts.filter(([name]) => name !== 'removeMember'))
      reading.push((await as(reader, document, inputOf(await shared()))).code);
    const all = (code: string) => Array.from({ length: 5 }, () => code);
    expect(allowed).toEqual({
      owner: all('ok'),
      editor: ['ok', ...all('FORBIDDEN').slice(1)],
      stranger: all('NOT_FOUND'),
      admin: all('NOT_FOUND'),
      nobody: all('UNAUTHENTICATED'),
    });
    expect(reading).toEqual(all('FORBIDDEN').slice(1));
  });

  test('nothing for an id of another kind, or none', async () => {
    const { id, readerMember } = await shared();
    const broken = (other: string) => [
      other,
      encodeId('Project', 'x'),
      encodeId('User', owner.userId),
      '',
      'x'.repeat(9_000),
    ];
    for (const wrong of broken(readerMember)) {
      expect((await as(owner, 'update', { id: wrong, name: 'New' })).code).toBe('NOT_FOUND');
      expect((await as(owner, 'delete', { id: wrong })).code).toBe('NOT_FOUND');
      expect((await as(owner, 'add', { projectId: wrong, email: stranger.email, role: 'VIEWER' })).code).toBe(
        'NOT_FOUND',
      );
    }
    for (const wrong of broken(id)) {
      expect((await as(owner, 'updateMember', { id: wrong, role: 'VIEWER' })).code).toBe('NOT_FOUND');
      expect((await as(owner, 'removeMember', { id: wrong })).code).toBe('NOT_FOUND');
    }
  });

  test('who sees the project and its members by their ids', async () => {
    const { id, readerMember } = await shared();
    const seen = async (person: Person | null) =>
      Promise.all([id, readerMember].map(async (one) => (await as(person, 'node', { id: one })).data.node));
    expect(await seen(reader)).toEqual([
      { __typename: 'Project', id, name: 'Shared', viewerRole: 'VIEWER' },
      { __typename: 'ProjectMember', id: readerMember, role: 'VIEWER', user: { email: reader.email } },
    ]);
    for (const person of [stranger, admin, null]) expect(await seen(person)).toEqual([null, null]);
  });
});

describe('members', () => {
  test('are added by the address of an account, in any case', async () => {
    const { id } = await shared();
    const input = { projectId: id, email: stranger.email.toUpperCase(), role: 'EDITOR' };
    const { data } = await as(owner, 'add', input);
    expect(data.addMember.member).toMatchObject({ role: 'EDITOR', user: { email: stranger.email } });
    expect((await world.auditOf('member.added')).at(-1)).toMatchObject({
      actor_id: owner.userId,
      subject: data.addMember.member.id,
      details: { project: id, user: encodeId('User', stranger.userId), role: 'editor' },
    });
    expect((await as(owner, 'add', input)).code).toBe('CONFLICT');
    expect(await as(owner, 'add', { ...input, email: 'nobody@example.com' })).toMatchObject({
      code: 'NOT_FOUND',
      errors: [{ message: 'There is no account with this address' }],
    });
    expect((await as(owner, 'add', { ...input, email: 'a\0b' })).code).toBe('BAD_USER_INPUT');
    expect((await as(owner, 'add', { ...input, role: 'KING' })).code).toBe('BAD_USER_INPUT');
  });

  test('are accounts that are not disabled, and that have confirmed the address where the server asks for that', async () => {
    const { uuid: projectId } = await shared();
    const { email, userId } = await world.person();
    const strict = await world.startReplica({ requireVerifiedEmail: true });
    const add = (by: Pick<World, 'projects'>) =>
      by.projects.addMember(owner.viewer, { projectId, email, role: 'viewer' }, caller);
    const unknown = { code: 'NOT_FOUND', message: 'There is no account with this address' };
    await expect(add(strict)).rejects.toMatchObject(unknown);
    await world.sql('UPDATE users SET email_verified_at = now(), disabled_at = now() WHERE id = $1', [userId]);
    for (const server of [world, strict]) await expect(add(server)).rejects.toMatchObject(unknown);
    await world.sql('UPDATE users SET disabled_at = NULL WHERE id = $1', [userId]);
    expect(await add(strict)).toMatchObject({ userId, role: 'viewer' });
  });

  test('are looked for by addresses that have no account so often an hour, at once as well, and no further', async () => {
    const [eve, somebody] = [await world.person(), await world.person()];
    const { id: projectId } = await world.projects.create(eve.viewer, { name: 'Guessed' }, caller);
    const add = (email: string, viewer = eve.viewer) =>
      world.projects.addMember(viewer, { projectId, email, role: 'viewer' }, caller).then(
        () => 'added',
        ({ code }) => code,
      );
    expect(await add('nobody0@example.com')).toBe('NOT_FOUND');
    await world.sql(`UPDATE rate_limits SET points = $1 WHERE key LIKE 'members.unknown:%' || $2`, [
      maxUnknownPerHour - 2,
      eve.userId,
    ]);
    // Who has an account is none of them, however often.
    expect(await add(somebody.email)).toBe('added');
    for (const _again of [1, 2, 3]) expect(await add(somebody.email)).toBe('CONFLICT');
    const codes = await Promise.all([1, 2, 3, 4, 5].map((n) => add(`nobody${n}@example.com`)));
    expect(codes.sort()).toEqual(['NOT_FOUND', 'NOT_FOUND', 'RATE_LIMITED', 'RATE_LIMITED', 'RATE_LIMITED']);
    expect(await add((await world.person()).email)).toBe('RATE_LIMITED');
    expect(await add(somebody.email, somebody.viewer)).toBe('FORBIDDEN');
  });

  test('are bounded in number', async () => {
    const { id, uuid } = await shared();
    await world.sql(
      `WITH made AS (
         INSERT INTO users (id, email, email_key, role, password_hash)
         SELECT gen_random_uuid(), 'm' || n, 'm' || n, 'member', '' FROM generate_series(1, $2::int) n RETURNING id
       )
       INSERT INTO project_members (id, project_id, user_id, role)
       SELECT gen_random_uuid(), $1::uuid, id, 'viewer' FROM made`,
      [uuid, maxMembers - 3],
    );
    expect(await as(owner, 'add', { projectId: id, email: stranger.email, role: 'VIEWER' })).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { limit: maxMembers, actual: maxMembers },
    });
  });

  test('leave by themselves, with what they had, and see nothing afterwards', async () => {
    const { id, readerMember } = await shared();
    const { data, errors } = await as(reader, 'removeMember', { id: readerMember });
    expect(errors).toBeUndefined();
    expect(data.removeMember).toMatchObject({ deletedMemberId: readerMember, project: { id, viewerRole: 'VIEWER' } });
    expect((await as(reader, 'node', { id })).data.node).toBeNull();
    expect((await as(reader, 'removeMember', { id: readerMember })).code).toBe('NOT_FOUND');
    expect((await world.auditOf('member.removed')).at(-1)).toMatchObject({
      actor_id: reader.userId,
      subject: readerMember,
      details: { project: id, user: encodeId('User', reader.userId), role: 'viewer' },
    });
  });

  test('always have an owner among them', async () => {
    const { ownerMember, editorMember } = await shared();
    expect((await as(owner, 'removeMember', { id: ownerMember })).code).toBe('CONFLICT');
    expect((await as(owner, 'updateMember', { id: ownerMember, role: 'EDITOR' })).code).toBe('CONFLICT');
    expect((await as(owner, 'updateMember', { id: ownerMember, role: 'OWNER' })).data.updateMember.member.role).toBe(
      'OWNER',
    );
    await as(owner, 'updateMember', { id: editorMember, role: 'OWNER' });
    expect((await as(owner, 'updateMember', { id: ownerMember, role: 'VIEWER' })).data.updateMember.member.role).toBe(
      'VIEWER',
    );
    expect((await as(owner, 'updateMember', { id: editorMember, role: 'VIEWER' })).code).toBe('FORBIDDEN');
    expect((await as(editor, 'removeMember', { id: editorMember })).code).toBe('CONFLICT');
  });

  test('always have an owner among them who is not disabled', async () => {
    const { ownerMember, id } = await shared();
    const second = await world.person();
    const added = await as(owner, 'add', { projectId: id, email: second.email, role: 'OWNER' });
    await world.sql('UPDATE users SET disabled_at = now() WHERE id = $1', [second.userId]);
    expect((await as(owner, 'removeMember', { id: ownerMember })).code).toBe('CONFLICT');
    expect((await as(owner, 'updateMember', { id: ownerMember, role: 'EDITOR' })).code).toBe('CONFLICT');
    expect((await as(owner, 'removeMember', { id: added.data.addMember.member.id })).code).toBeUndefined();
  });

  test('always have an owner among them, also when two go at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { ownerMember, editorMember, uuid } = await shared();
      await as(owner, 'updateMember', { id: editorMember, role: 'OWNER' });
      const answers = await Promise.all([
        as(owner, 'removeMember', { id: ownerMember }),
        as(editor, 'updateMember', { id: editorMember, role: 'VIEWER' }),
      ]);
      expect(answers.map(({ code }) => code).sort()).toEqual(['CONFLICT', undefined]);
      const owners = `SELECT FROM project_members WHERE project_id = $1 AND role = 'owner'`;
      expect(await world.sql(owners, [uuid])).toHaveLength(1);
    }
  });
});

describe('the list', () => {
  let many: Person;
  beforeAll(async () => {
    many = await world.person('many');
    for (let i = 1; i <= 5; i += 1) await as(many, 'create', { name: `p${i}` });
  });
  const names = (data: { projects: { nodes: { name: string }[] } }) => data.projects.nodes.map(({ name }) => name);

  test('has the viewer’s projects only, newest first', async () => {
    const { data } = await run(many.viewer, list);
    expect(names(data)).toEqual(['p5', 'p4', 'p3', 'p2', 'p1']);
    expect(data.projects).toMatchObject({ totalCount: 5, pageInfo: { hasNextPage: false, hasPreviousPage: false } });
    expect(new Set(data.projects.nodes.map((node: { viewerRole: string }) => node.viewerRole))).toEqual(
      new Set(['OWNER']),
    );
  });

  test('is walked in pages, forwards and backwards', async () => {
    const one = (await run(many.viewer, list, { first: 2 })).data;
    expect(names(one)).toEqual(['p5', 'p4']);
    const two = (await run(many.viewer, list, { first: 2, after: one.projects.pageInfo.endCursor })).data;
    expect(names(two)).toEqual(['p3', 'p2']);
    expect(two.projects.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
    const back = (await run(many.viewer, list, { last: 2, before: two.projects.pageInfo.startCursor })).data;
    expect(names(back)).toEqual(['p5', 'p4']);
    expect(names((await run(many.viewer, list, { last: 2 })).data)).toEqual(['p2', 'p1']);
  });

  test.each([
    [{ first: 501 }],
    [{ first: -1 }],
    [{ last: 501 }],
    [{ first: 1, last: 1 }],
    [{ after: 'nonsense' }],
    [{ after: Buffer.from('not an id').toString('base64url') }],
    [{ before: Buffer.from("' OR true --").toString('base64url') }],
  ])('refuses %j', async (variables) => {
    expect((await run(many.viewer, list, variables)).code).toBe('BAD_USER_INPUT');
  });

  test('costs the same number of statements for one project and for many, with all of their members', async () => {
    const document = '{ projects { nodes { viewerRole members { role user { id name email } } } } }';
    let statements = 0;
    const count = () => {
      statements += 1;
    };
    const measured = async (person: Person) => {
      statements = 0;
      world.pool.on('acquire', count);
      const { data } = await run(person.viewer, document);
      world.pool.off('acquire', count);
      return { statements, projects: data.projects.nodes.length };
    };
    const solo = await world.person();
    await as(solo, 'create', { name: 'one' });
    await shared();
    const small = await measured(solo);
    const large = await measured(owner);
    expect(small.projects).toBe(1);
    expect(large.projects).toBeGreaterThan(10);
    expect(large.statements).toBeLessThanOrEqual(small.statements + 1);
    expect(large.statements).toBeLessThanOrEqual(6);
  });
});
