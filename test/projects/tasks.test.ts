/** Tasks of a project: who may what, what is taken, limits, and how they are followed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProjectRole } from '../../src/accounts/policy.ts';
import { encodeId, uuidv7 } from '../../src/lib/ids.ts';
import { taskLimits } from '../../src/projects/tasks/task.ts';
import { createGraph } from '../accounts/graph.ts';
import { caller, createWorld, type World } from '../accounts/world.ts';

type Person = Awaited<ReturnType<World['person']>>;
let world: World;
let run: ReturnType<typeof createGraph>;
let people: Record<'admin' | ProjectRole | 'stranger', Person>;

beforeAll(async () => {
  world = await createWorld();
  run = createGraph(world);
  people = {
    admin: await world.person('admin'),
    owner: await world.person('owner'),
    editor: await world.person('editor'),
    viewer: await world.person('viewer'),
    stranger: await world.person('stranger'),
  };
});
afterAll(() => world[Symbol.asyncDispose]());

const fields = 'id title description status assignee { id email } dueAt project { id viewerRole }';
const documents = {
  create: `mutation ($input: CreateTaskInput!) { createTask(input: $input) { task { ${fields} } } }`,
  update: `mutation ($input: UpdateTaskInput!) { updateTask(input: $input) { task { ${fields} } } }`,
  delete:
    'mutation ($input: DeleteTaskInput!) { deleteTask(input: $input) { deletedTaskId project { id viewerRole } } }',
};
const as = (person: Person | null, document: keyof typeof documents, input: Record<string, unknown>) =>
  run(person?.viewer ?? null, documents[document], { input });

/** A project of the owner with an editor and a viewer. */
async function shared() {
  const { owner, editor, viewer } = people;
  const { id: uuid } = await world.projects.create(owner.viewer, { name: 'Shared' }, caller);
  const add = async ({ email }: Person, role: ProjectRole) =>
    (await world.projects.addMember(owner.viewer, { projectId: uuid, email, role }, caller)).id;
  const members = { editor: await add(editor, 'editor'), viewer: await add(viewer, 'viewer') };
  return { uuid, id: encodeId('Project', uuid), members };
}

async function task(projectId: string, input: Record<string, unknown> = {}) {
  const { data, errors } = await as(people.owner, 'create', { projectId, title: 'Count the birds', ...input });
  expect(errors).toBeUndefined();
  return data.createTask.task;
}

describe('a task', () => {
  test('is made, changed in parts, and goes', async () => {
    const { id: projectId } = await shared();
    const made = await task(projectId, { title: '  Count the birds ', dueAt: '2026-12-01T10:00:00.000Z' });
    expect(made).toMatchObject({
      title: 'Count the birds',
      description: null,
      status: 'TODO',
      assignee: null,
      dueAt: '2026-12-01T10:00:00.000Z',
      project: { id: projectId, viewerRole: 'OWNER' },
    });
    const { id } = made;
    const assigneeId = encodeId('User', people.viewer.userId);
    const begun = await as(people.editor, 'update', { id, status: 'IN_PROGRESS', assigneeId, description: 'All' });
    expect(begun.data.updateTask.task).toEqual({
      ...made,
      status: 'IN_PROGRESS',
      description: 'All',
      assignee: { id: assigneeId, email: people.viewer.email },
      project: { id: projectId, viewerRole: 'EDITOR' },
    });
    const cleared = await as(people.owner, 'update', { id, description: null, assigneeId: null, dueAt: null });
    expect(cleared.data.updateTask.task).toEqual({ ...made, status: 'IN_PROGRESS', dueAt: null });
    expect((await as(people.editor, 'delete', { id })).data.deleteTask).toEqual({
      deletedTaskId: id,
      project: { id: projectId, viewerRole: 'EDITOR' },
    });
    expect((await as(people.editor, 'delete', { id })).code).toBe('NOT_FOUND');
    for (const action of ['task.created', 'task.updated', 'task.deleted'])
      expect((await world.auditOf(action)).at(-1)).toMatchObject({ subject: id, details: { project: projectId } });
  });

  test.each([
    ['title', { title: ' ' }, 'at least one character'],
    ['title', { title: 'a\nb' }, 'text without control characters'],
    ['title', { title: 'x'.repeat(201) }, 'at most 200 characters'],
    ['description', { description: 'x'.repeat(10_001) }, 'at most 10000 characters'],
    ['description', { description: '\0' }, 'text without NUL'],
    ['assigneeId', { assigneeId: 'nonsense' }, 'a member of the project'],
    ['assigneeId', { assigneeId: encodeId('User', uuidv7()) }, 'a member of the project'],
  ])('has a sound %s: not %j', async (path, input, message) => {
    const { id: projectId } = await shared();
    const { id } = await task(projectId);
    const refused = { code: 'BAD_USER_INPUT', details: { fields: [{ path: `input.${path}`, message }] } };
    expect(await as(people.owner, 'create', { projectId, title: 'x', ...input })).toMatchObject(refused);
    expect(await as(people.owner, 'update', { id, ...input })).toMatchObject(refused);
  });

  test('has always a title and a status, and nobody to do it but a member', async () => {
    const { id: projectId } = await shared();
    const { id } = await task(projectId);
    for (const input of [{ title: null }, { status: null }, { assigneeId: encodeId('User', people.stranger.userId) }])
      expect((await as(people.owner, 'update', { id, ...input })).code).toBe('BAD_USER_INPUT');
  });

  test('is one of a bounded number of a project', async () => {
    const { id: projectId, uuid } = await shared();
    await world.sql(
      `INSERT INTO tasks (id, project_id, title, status, updated_at, position)
       SELECT gen_random_uuid(), $1, 't', 'todo', now(), nextval('task_changes') FROM generate_series(1, $2)`,
      [uuid, taskLimits.tasks - 1],
    );
    const answers = await Promise.all([1, 2, 3].map(() => as(people.owner, 'create', { projectId, title: 'x' })));
    expect(answers.map(({ code }) => code).sort()).toEqual(['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED', undefined]);
    expect(answers.find(({ code }) => code)).toMatchObject({
      details: { limit: taskLimits.tasks, actual: taskLimits.tasks },
    });
  });

  test('is nobody’s when who was to do it leaves the project, however he leaves', async () => {
    const { id: projectId, members } = await shared();
    const assigneeId = encodeId('User', people.viewer.userId);
    const { id } = await task(projectId, { assigneeId });
    const kept = await task(projectId, { assigneeId: encodeId('User', people.editor.userId) });
    await world.projects.removeMember(people.viewer.viewer, members.viewer, caller);
    const assignees = async () =>
      (
        await run(
          people.owner.viewer,
          'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Task { assignee { id } } } }',
          {
            ids: [id, kept.id],
          },
        )
      ).data.nodes;
    expect(await assignees()).toEqual([{ assignee: null }, { assignee: { id: kept.assignee.id } }]);
    await world.sql('DELETE FROM project_members WHERE id = $1', [members.editor]);
    expect(await assignees()).toEqual([{ assignee: null }, { assignee: null }]);
  });

  test('is not given to a member who leaves at the same moment', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id: projectId, uuid, members } = await shared();
      const { id } = await task(projectId);
      const assigneeId = encodeId('User', people.viewer.userId);
      const [given] = await Promise.all([
        as(people.owner, 'update', { id, assigneeId }),
        world.projects.removeMember(people.owner.viewer, members.viewer, caller),
      ]);
      expect([undefined, 'BAD_USER_INPUT']).toContain(given.code);
      expect(await world.sql('SELECT assignee_id FROM tasks WHERE project_id = $1', [uuid])).toEqual([
        { assignee_id: null },
      ]);
    }
  });
});

test('a role decides who plans, and everybody in the project sees', async () => {
  const { id: projectId } = await shared();
  const { id } = await task(projectId);
  const told: Record<string, unknown> = {};
  for (const [name, person] of Object.entries({ ...people, nobody: null })) {
    const node = await run(person?.viewer ?? null, 'query ($id: ID!) { node(id: $id) { id } }', { id });
    const attempts = [
      await as(person, 'create', { projectId, title: 'x' }),
      await as(person, 'update', { id, title: 'x' }),
      await as(person, 'delete', { id: (await task(projectId)).id }),
    ];
    told[name] = [node.data.node && 'seen', ...attempts.map(({ code }) => code ?? 'ok')];
  }
  const refused = (code: string) => [null, code, code, code];
  expect(told).toEqual({
    owner: ['seen', 'ok', 'ok', 'ok'],
    editor: ['seen', 'ok', 'ok', 'ok'],
    viewer: ['seen', 'FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN'],
    stranger: refused('NOT_FOUND'),
    admin: refused('NOT_FOUND'),
    nobody: refused('UNAUTHENTICATED'),
  });
});

test('the list of a project is walked in pages, newest first, and by status', async () => {
  const { id } = await shared();
  const made = [];
  for (const title of ['a', 'b', 'c', 'd']) made.push(await task(id, { title }));
  await as(people.owner, 'update', { id: made[1].id, status: 'DONE' });
  await as(people.owner, 'update', { id: made[2].id, status: 'IN_PROGRESS' });
  const document = `query ($id: ID!, $status: [TaskStatus!], $first: Int, $after: String, $last: Int) { node(id: $id) { ... on Project {
    tasks(status: $status, first: $first, after: $after, last: $last) { totalCount pageInfo { hasNextPage endCursor } nodes { title } } } } }`;
  const page = async (variables: object) => {
    const { data, code } = await run(people.viewer.viewer, document, { id, ...variables });
    const tasks = data?.node?.tasks;
    return tasks ? { ...tasks, titles: tasks.nodes.map(({ title }: { title: string }) => title).join('') } : code;
  };
  const first = await page({ first: 3 });
  expect(first).toMatchObject({ titles: 'dcb', totalCount: 4, pageInfo: { hasNextPage: true } });
  expect(await page({ first: 3, after: first.pageInfo.endCursor })).toMatchObject({
    titles: 'a',
    pageInfo: { hasNextPage: false },
  });
  expect(await page({ last: 2 })).toMatchObject({ titles: 'ba' });
  expect(await page({ status: ['DONE', 'IN_PROGRESS'] })).toMatchObject({ titles: 'cb', totalCount: 2 });
  expect(await page({ status: [] })).toMatchObject({ titles: '', totalCount: 0 });
  expect(await page({ after: 'bm8' })).toBe('BAD_USER_INPUT');
});

/** Whoever waits longer than this waits for nothing. */
const patience = () => AbortSignal.timeout(20_000);
const follow = (person: Person, projectId: string, after: string | null = null, tasks = world.tasks) =>
  tasks.events(person.viewer, { projectId, after }, patience())[Symbol.asyncIterator]();
type Events = ReturnType<typeof follow>;
const told = async (events: Events, count: number) => {
  const values = [];
  for (let i = 0; i < count; i += 1) values.push((await events.next()).value);
  return values.map((event) => event.task?.title ?? event.deletedTaskId);
};
const titled = (uuid: string, title: string) =>
  world.tasks.create(people.owner.viewer, { projectId: uuid, title }, caller);
const renamed = (id: string, title: string) => world.tasks.update(people.owner.viewer, id, { title }, caller);

describe('who follows the tasks of a project', () => {
  test('hears what is there, then every change and deletion, also over another replica', async () => {
    const { uuid } = await shared();
    const other = await world.startReplica();
    const [one, two] = [await titled(uuid, 'one'), await titled(uuid, 'two')];
    await renamed(one.id, 'one again');
    const gone = await titled(uuid, 'never heard of');
    await world.tasks.delete(people.owner.viewer, gone.id, caller);
    const readers = [follow(people.viewer, uuid), follow(people.viewer, uuid, null, other.tasks)];
    for (const events of readers) expect(await told(events, 2)).toEqual(['two', 'one again']);
    await titled(uuid, 'three');
    await world.tasks.delete(people.owner.viewer, two.id, caller);
    for (const events of readers) {
      expect(await told(events, 2)).toEqual(['three', two.id]);
      await events.return?.();
    }
  });

  test('goes on behind the position that he has, and is told the newest state alone', async () => {
    const { uuid } = await shared();
    const [one, two] = [await titled(uuid, 'one'), await titled(uuid, 'two')];
    const events = follow(people.viewer, uuid);
    const { position } = (await events.next()).value;
    await events.return?.();
    await renamed(one.id, 'first');
    await renamed(one.id, 'second');
    await world.tasks.delete(people.owner.viewer, two.id, caller);
    const again = follow(people.viewer, uuid, position);
    expect(await told(again, 2)).toEqual(['second', two.id]);
    await again.return?.();
  });

  test('misses nothing while many change at once, and hears the last of each', async () => {
    const { uuid } = await shared();
    const made = await Promise.all(Array.from({ length: 12 }, (_, i) => titled(uuid, `task ${i}`)));
    const events = follow(people.viewer, uuid);
    const newest = new Map<string, string>();
    const all = (async () => {
      while (newest.size < 12 || [...newest.values()].some((title) => title !== 'done')) {
        const { task: changed } = (await events.next()).value;
        newest.set(changed.id, changed.title);
      }
    })();
    await Promise.all(
      made.map(async ({ id }) => {
        await renamed(id, 'going');
        await renamed(id, 'done');
      }),
    );
    await all;
    await events.return?.();
  });

  test('hears that a task is nobody’s when its member leaves, and is ended himself when he leaves', async () => {
    const { uuid, members } = await shared();
    const { id } = await titled(uuid, 'his');
    await world.tasks.update(people.owner.viewer, id, { assigneeId: people.editor.userId }, caller);
    const [owners, editors] = [follow(people.owner, uuid), follow(people.editor, uuid)];
    expect((await owners.next()).value.task.assigneeId).toBe(people.editor.userId);
    expect((await editors.next()).value.task.assigneeId).toBe(people.editor.userId);
    await world.projects.removeMember(people.owner.viewer, members.editor, caller);
    await expect(editors.next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await owners.next()).value.task.assigneeId).toBeNull();
    await world.projects.delete(people.owner.viewer, uuid, caller);
    await expect(owners.next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('who is no member is told that there is nothing, and a wrong position is refused', async () => {
    const { uuid } = await shared();
    await titled(uuid, 'one');
    for (const [person, projectId] of [
      [people.stranger, uuid],
      [people.admin, uuid],
      [people.owner, uuidv7()],
    ] as const)
      await expect(follow(person, projectId).next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const ahead = Buffer.from('999999999999').toString('base64url');
    for (const after of ['nonsense', '', ahead])
      await expect(follow(people.owner, uuid, after).next()).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  test('who resumes behind deletions that are forgotten is told to begin anew', async () => {
    const { uuid } = await shared();
    const { id } = await titled(uuid, 'kept');
    const events = follow(people.viewer, uuid);
    const { position } = (await events.next()).value;
    await events.return?.();
    await world.sql(
      `INSERT INTO task_deletions (task_id, project_id, position)
       SELECT gen_random_uuid(), $1, nextval('task_changes') FROM generate_series(1, $2)`,
      [uuid, taskLimits.deletionsKept],
    );
    await world.tasks.delete(people.owner.viewer, (await titled(uuid, 'last')).id, caller);
    const kept = await world.sql('SELECT FROM task_deletions WHERE project_id = $1', [uuid]);
    expect(kept).toHaveLength(taskLimits.deletionsKept);
    await expect(follow(people.viewer, uuid, position).next()).rejects.toMatchObject({ code: 'POSITION_LOST' });
    const anew = follow(people.viewer, uuid);
    expect((await anew.next()).value.task.id).toBe(id);
    await anew.return?.();
  });
});
