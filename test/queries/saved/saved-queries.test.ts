/** Who may do what with a saved query, with whose rights it runs, and what is refused. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import type { ErrorCode } from '../../../src/lib/errors.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { encodeId, uuidv7 } from '../../../src/lib/ids.ts';
import { savedQueryLimits } from '../../../src/queries/saved/input.ts';
import type { UpdateSavedQuery } from '../../../src/queries/saved/saved-queries.ts';
import { asked, failure, pathsOf } from '../../databases/world.ts';
import { caller, createSavedWorld, type SavedWorld } from './world.ts';

let world: SavedWorld;
beforeAll(async () => {
  world = await createSavedWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const everyMinute = '* * * * *';
const run = (
  viewer: Viewer | null,
  id: string,
  databaseId: string | null = null,
  idempotencyKey: string | null = null,
) => world.saved.run(viewer, { id, databaseId, parameters: null, idempotencyKey });

/** A project, what everybody is in it, and a saved query in it that its editor made. */
async function team({ schedule = null as string | null } = {}) {
  const people = {
    maker: await world.person(),
    owner: await world.person(),
    editor: await world.person(),
    viewer: await world.person(),
    stranger: await world.person(),
  };
  const { maker, owner, editor, viewer } = people;
  const projectId = await world.project({ owner, editor, viewer });
  await world.rows('INSERT INTO project_members (id, project_id, user_id, role) VALUES ($1, $2, $3, $4)', [
    uuidv7(),
    projectId,
    maker.userId,
    'editor',
  ]);
  const databaseId = await world.connect(maker, projectId);
  const { id } = await world.create(maker, { projectId, databaseId, schedule });
  return { ...people, projectId, databaseId, id };
}

const outcome = (work: Promise<unknown>): Promise<'ok' | ErrorCode> =>
  work.then(
    () => 'ok' as const,
    (error) => (error instanceof AppError ? error.code : Promise.reject(error)),
  );

describe('in a project', () => {
  const people = ['maker', 'owner', 'editor', 'viewer', 'stranger'] as const;
  type Team = Awaited<ReturnType<typeof team>>;
  const everybody = { maker: 'ok', owner: 'ok', editor: 'ok', viewer: 'ok', stranger: 'NOT_FOUND' };
  const editors = { ...everybody, viewer: 'FORBIDDEN' };
  test.each<[string, (viewer: Viewer, of: Team) => Promise<unknown>, Record<(typeof people)[number], string>]>([
    ['run it', (viewer, { id }) => run(viewer, id), everybody],
    ['rename it', (viewer, { id }) => world.update(viewer, { id, name: 'other' }), editors],
    ['change its SQL', (viewer, { id }) => world.update(viewer, { id, sql: `SELECT '${viewer.userId}'` }), editors],
    ['take it out', (viewer, { id }) => world.update(viewer, { id, projectId: null }), editors],
    ['delete it', (viewer, { id }) => world.saved.delete(viewer, id, caller), editors],
    ['put another one in', (viewer, { projectId }) => world.create(viewer, { projectId }), editors],
  ])('who may %s', async (_name, work, expected) => {
    for (const person of people) {
      const of = await team();
      expect([person, await outcome(work(of[person], of))]).toEqual([person, expected[person]]);
    }
  });

  test('members see it, and it goes with their role', async () => {
    const { id, maker, viewer, stranger, projectId } = await team();
    expect(await world.saved.load({}, viewer, id)).toMatchObject({ id, role: 'viewer' });
    expect(await world.saved.load({}, stranger, id)).toBeNull();
    expect(await world.saved.load({}, null, id)).toBeNull();
    await world.rows('DELETE FROM project_members WHERE project_id = $1 AND user_id = $2', [projectId, maker.userId]);
    expect(await world.saved.load({}, maker, id)).toBeNull();
    expect(await outcome(world.update(maker, { id, name: 'mine' }))).toBe('NOT_FOUND');
  });

  test('a project that goes leaves it to its owner alone', async () => {
    const { id, maker, editor, projectId } = await team();
    await world.rows('DELETE FROM projects WHERE id = $1', [projectId]);
    expect(await world.saved.load({}, maker, id)).toMatchObject({ id, projectId: null });
    expect(await world.saved.load({}, editor, id)).toBeNull();
  });

  test('it goes into no project of others', async () => {
    const { maker, id } = await team();
    const foreign = await world.project({ owner: await world.person() });
    const asViewer = await world.project({ owner: await world.person(), viewer: maker });
    expect(await outcome(world.update(maker, { id, projectId: foreign }))).toBe('NOT_FOUND');
    expect(await outcome(world.update(maker, { id, projectId: uuidv7() }))).toBe('NOT_FOUND');
    expect(await outcome(world.update(maker, { id, projectId: asViewer }))).toBe('FORBIDDEN');
  });
});

test('outside a project it is its owner’s alone', async () => {
  const [owner, other] = [await world.person(), await world.person()];
  const { id } = await world.create(owner);
  const administrator: Viewer = { ...other, role: 'admin' };
  for (const viewer of [other, administrator]) {
    expect(await world.saved.load({}, viewer, id)).toBeNull();
    expect(await outcome(run(viewer, id))).toBe('NOT_FOUND');
    expect(await outcome(world.update(viewer, { id, name: 'x' }))).toBe('NOT_FOUND');
    expect(await outcome(world.saved.delete(viewer, id, caller))).toBe('NOT_FOUND');
  }
  expect(await outcome(world.update(null, { id, name: 'x' }))).toBe('UNAUTHENTICATED');
  await world.saved.delete(owner, id, caller);
  expect(await outcome(world.saved.delete(owner, id, caller))).toBe('NOT_FOUND');
});

describe('whose rights a scheduled run has:', () => {
  test.each<
    [string, (of: Awaited<ReturnType<typeof team>>) => Partial<UpdateSavedQuery> | Promise<Partial<UpdateSavedQuery>>]
  >([
    ['new SQL', () => ({ sql: 'DELETE FROM orders' })],
    ['another time', () => ({ schedule: '0 0 * * *' })],
    ['another database', async ({ editor }) => ({ databaseId: await world.connect(editor) })],
    ['another project', async ({ editor }) => ({ projectId: await world.project({ owner: editor }) })],
  ])('%s makes who wrote it the owner', async (_name, change) => {
    const of = await team({ schedule: everyMinute });
    const next = await world.update(of.editor, { id: of.id, ...(await change(of)) });
    expect(next).toMatchObject({ ownerId: of.editor.userId, nextRunAt: expect.any(Date) });
  });

  test('a new name and a pause change no owner, to go on again does', async () => {
    const { id, maker, editor } = await team({ schedule: everyMinute });
    const before = await world.row(id);
    expect(await world.update(editor, { id, name: 'other' })).toMatchObject({
      ownerId: maker.userId,
      nextRunAt: before!.nextRunAt,
    });
    expect(await world.update(editor, { id, scheduleEnabled: false })).toMatchObject({ ownerId: maker.userId });
    expect(await world.update(editor, { id, scheduleEnabled: true })).toMatchObject({ ownerId: editor.userId });
  });

  test('the same again is no change', async () => {
    const { id, maker, editor, databaseId, projectId } = await team({ schedule: everyMinute });
    const same = { sql: 'SELECT 1', databaseId, projectId, schedule: everyMinute, scheduleEnabled: true };
    expect(await world.update(editor, { id, ...same })).toMatchObject({ ownerId: maker.userId });
  });

  test('who may not query its database changes nothing of a schedule that runs', async () => {
    const owner = await world.person();
    const editor = await world.person();
    const projectId = await world.project({ owner, editor });
    const databaseId = await world.connect(owner);
    const { id } = await world.create(owner, { projectId, databaseId, schedule: everyMinute, sql: 'SELECT 1' });
    const before = await world.row(id);
    expect((await failure(world.update(editor, { id, sql: 'DROP TABLE x' }), 'FORBIDDEN')).message).toContain(
      'your rights',
    );
    expect(await world.row(id)).toEqual(before);
    // Nor does it go on behind his change, when he pauses it with the change and resumes it.
    await world.update(editor, { id, sql: 'DROP TABLE x', scheduleEnabled: false });
    await failure(world.update(editor, { id, scheduleEnabled: true }), 'FORBIDDEN');
    await world.runDue();
    expect(await world.jobsOf(id)).toEqual([]);
    // And it takes its owner to say so: from then on with what he sees.
    expect(await world.update(owner, { id, scheduleEnabled: true })).toMatchObject({
      ownerId: owner.userId,
      sql: 'DROP TABLE x',
    });
  });

  test('of two who change the same at once the first holds and the other is told', async () => {
    const { id, editor, owner } = await team({ schedule: everyMinute });
    const outcomes = await atOnce(id, [
      () => world.update(editor, { id, sql: 'SELECT 2' }),
      () => world.update(owner, { id, sql: 'SELECT 3' }),
      () => world.update(editor, { id, sql: 'SELECT 4' }),
    ]);
    expect(outcomes).toEqual(['ok', 'CONFLICT', 'CONFLICT']);
    expect(await world.saved.load({}, owner, id)).toMatchObject({ sql: 'SELECT 2', ownerId: editor.userId });
  });

  test('what somebody else wrote at that moment is not run with the rights of who names the database', async () => {
    const { id, editor, owner } = await team({ schedule: everyMinute });
    const databaseId = await world.connect(owner);
    const outcomes = await atOnce(id, [
      () => world.update(editor, { id, sql: 'DELETE FROM orders' }),
      () => world.update(owner, { id, databaseId }),
    ]);
    expect(outcomes).toEqual(['ok', 'CONFLICT']);
    expect((await world.row(id))!.ownerId).toBe(editor.userId);
  });
});

describe('of changes at the same moment', () => {
  test.each<[string, Partial<UpdateSavedQuery>, Partial<UpdateSavedQuery>]>([
    ['a name and a pause', { name: 'new' }, { scheduleEnabled: false }],
    ['a pause and a name', { scheduleEnabled: false }, { name: 'new' }],
    ['SQL and a time', { sql: 'SELECT 2' }, { schedule: '0 0 1 1 *' }],
    ['a pause and SQL', { scheduleEnabled: false }, { sql: 'SELECT 2' }],
    ['the same name twice', { name: 'new' }, { name: 'new' }],
  ])('%s both hold', async (_name, one, other) => {
    const { id, maker } = await team({ schedule: everyMinute });
    const changes = [one, other].map((change) => () => world.update(maker, { id, ...change }));
    expect(await atOnce(id, changes)).toEqual(['ok', 'ok']);
    expect(await world.saved.load({}, maker, id)).toMatchObject({ ...one, ...other });
  });

  test('a new name does not hide that the schedule stopped, nor bring back the time that was', async () => {
    const { id, maker } = await team({ schedule: everyMinute });
    await world.whileHeld(
      (client) =>
        client.query(
          `UPDATE saved_queries SET schedule_enabled = false, schedule_problem = 'forbidden', next_run_at = NULL WHERE id = $1`,
          [id],
        ),
      [() => world.update(maker, { id, name: 'new' })],
    );
    expect(await world.saved.load({}, maker, id)).toMatchObject({
      name: 'new',
      scheduleEnabled: false,
      scheduleProblem: 'forbidden',
      nextRunAt: null,
    });
  });

  test('who is sent away from the project changes nothing more', async () => {
    for (const [sql, told] of [
      ['DELETE FROM project_members WHERE user_id = $1', 'NOT_FOUND'],
      [`UPDATE project_members SET role = 'viewer' WHERE user_id = $1`, 'FORBIDDEN'],
    ] as const) {
      const { id, editor, owner } = await team({ schedule: everyMinute });
      const outcomes = await world.whileHeld(
        (client) => client.query(sql, [editor.userId]),
        [() => outcome(world.update(editor, { id, sql: 'DROP TABLE x' }))],
      );
      expect(outcomes).toEqual([told]);
      expect(await world.saved.load({}, owner, id)).toMatchObject({ sql: 'SELECT 1' });
    }
  });
});

/** All have read it before the first of them writes, and write in this order. */
const atOnce = (id: string, changes: readonly (() => Promise<unknown>)[]) =>
  world.whileHeld(
    (client) => client.query('SELECT FROM saved_queries WHERE id = $1 FOR UPDATE', [id]),
    changes.map((change) => () => outcome(change())),
  );

describe('a run', () => {
  test('is a job of who runs it, under the name and with the rights that he has', async () => {
    const { id, viewer, databaseId } = await team();
    const job = await run(viewer, id);
    expect(job).toMatchObject({
      ownerId: viewer.userId,
      databaseId,
      savedQueryId: id,
      sql: 'SELECT 1',
      name: 'daily',
      readOnly: true,
      status: 'queued',
    });
    expect(await world.saved.lastJobs(viewer, [uuidv7(), id])).toMatchObject([null, { id: job.id }]);
    // It is nobody else's.
    const { editor } = await team();
    expect(await world.saved.lastJobs(editor, [id])).toEqual([null]);
    expect(await world.saved.lastJobs(null, [id])).toEqual([null]);
  });

  test('names a database where the saved query names none, or none that is the viewer’s to see', async () => {
    const owner = await world.person();
    const viewer = await world.person();
    const projectId = await world.project({ owner, viewer });
    const [named, unnamed] = [
      await world.create(owner, { projectId, databaseId: await world.connect(owner) }),
      await world.create(owner, { projectId }),
    ];
    for (const { id } of [named, unnamed]) {
      expect(pathsOf(await failure(run(viewer, id), 'BAD_USER_INPUT'))).toEqual(['input.databaseId']);
      const own = await world.connect(viewer);
      expect(await run(viewer, id, own)).toMatchObject({ databaseId: own });
      await failure(run(viewer, id, named.databaseId), 'NOT_FOUND');
      await failure(run(viewer, id, uuidv7()), 'NOT_FOUND');
    }
  });

  test('twice with one key is one job', async () => {
    const { id, viewer, maker } = await team();
    const jobs = await Promise.all([run(viewer, id, null, 'k'), run(viewer, id, null, 'k'), run(maker, id, null, 'k')]);
    expect(new Set(jobs.map((job) => job.id)).size).toBe(2);
    expect(jobs[0].id).toBe(jobs[1].id);
  });

  test('stays when what it ran is deleted', async () => {
    const { id, viewer, editor } = await team();
    const job = await run(viewer, id);
    await world.saved.delete(editor, id, caller);
    expect(await world.jobs.find(job.id)).toMatchObject({ id: job.id, savedQueryId: null });
  });
});

describe('what is refused', () => {
  test.each([
    [{ name: ' ' }, 'input.name'],
    [{ name: 'n'.repeat(201) }, 'input.name'],
    [{ name: 'a\nb' }, 'input.name'],
    [{ name: '\ud800' }, 'input.name'],
    [{ sql: ' \n' }, 'input.sql'],
    [{ sql: `SELECT '${'x'.repeat(1_048_576)}'` }, 'input.sql'],
    [{ sql: "SELECT '\0'" }, 'input.sql'],
    [{ schedule: 'sometimes' }, 'input.schedule'],
    [{ schedule: '0 0 30 2 *' }, 'input.schedule'],
    [{ schedule: everyMinute }, 'input.databaseId'],
  ])('%o', async (input, path) => {
    const owner = await world.person();
    expect(pathsOf(await failure(world.create(owner, input), 'BAD_USER_INPUT'))).toEqual([path]);
    const { id } = await world.create(owner);
    expect(pathsOf(await failure(world.update(owner, { id, ...input }), 'BAD_USER_INPUT'))).toEqual([path]);
  });

  test('a database that is not the viewer’s to see', async () => {
    const owner = await world.person();
    const foreign = await world.connect(await world.person());
    const { id } = await world.create(owner);
    for (const databaseId of [foreign, uuidv7()]) {
      await failure(world.create(owner, { databaseId }), 'NOT_FOUND');
      await failure(world.update(owner, { id, databaseId }), 'NOT_FOUND');
      await failure(world.create(owner, { databaseId, schedule: everyMinute }), 'NOT_FOUND');
    }
  });

  test('more than so many of one owner, also when they are made at once', async () => {
    const owner = await world.person();
    await world.rows(
      `INSERT INTO saved_queries (id, name, sql, owner_id, updated_at)
       SELECT gen_random_uuid(), 'x', 'x', $1, now() FROM generate_series(1, $2)`,
      [owner.userId, savedQueryLimits.owned - 2],
    );
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => outcome(world.create(owner))));
    expect(outcomes.sort()).toEqual(['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED', 'ok', 'ok']);
    // Nor does he become the owner of another one's.
    const editor = await world.person();
    const projectId = await world.project({ owner, editor });
    const { id } = await world.create(editor, { projectId });
    await failure(world.update(owner, { id, sql: 'SELECT 2' }), 'LIMIT_EXCEEDED');
  });
});

test('what is absent stays, null clears what can be cleared', async () => {
  const owner = await world.person();
  const databaseId = await world.connect(owner);
  const projectId = await world.project({ owner });
  const made = await world.create(owner, { databaseId, projectId, schedule: '*/5 * * * *' });
  const { id } = made;
  expect(await world.update(owner, { id })).toEqual({ ...made, updatedAt: expect.any(Date) });
  for (const field of ['name', 'sql', 'scheduleEnabled'] as const)
    expect(pathsOf(await failure(world.update(owner, { id, [field]: null }), 'BAD_USER_INPUT'))).toEqual([
      `input.${field}`,
    ]);
  // A schedule does not run nowhere.
  expect(pathsOf(await failure(world.update(owner, { id, databaseId: null }), 'BAD_USER_INPUT'))).toEqual([
    'input.databaseId',
  ]);
  expect(await world.update(owner, { id, schedule: null })).toMatchObject({
    schedule: null,
    nextRunAt: null,
    databaseId,
  });
  expect(await world.update(owner, { id, databaseId: null, projectId: null })).toMatchObject({
    databaseId: null,
    projectId: null,
    role: null,
  });
});

test('a list shows what is one’s own or shared, newest first, page by page and by name', async () => {
  const { viewer, stranger, id, projectId, maker } = await team();
  const mine = await world.create(viewer, { name: '100% Orders' });
  const later = await world.create(maker, { projectId, name: 'monthly' });
  const idsOf = async (who: Viewer, list: object = {}) =>
    (await world.saved.list(who, list)).edges.map(({ node }) => node.id);
  expect(await idsOf(viewer)).toEqual([later.id, mine.id, id]);
  expect(await idsOf(maker)).toEqual([later.id, id]);
  expect(await idsOf(stranger)).toEqual([]);
  expect(await idsOf(viewer, { projectId })).toEqual([later.id, id]);
  expect(await idsOf(stranger, { projectId })).toEqual([]);
  expect(await idsOf(viewer, { search: '100% oRDERS' })).toEqual([mine.id]);
  expect(await idsOf(viewer, { search: '%' })).toEqual([mine.id]);
  expect(await idsOf(viewer, { search: '_' })).toEqual([]);

  const first = await world.saved.list(viewer, { first: 2 });
  expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  expect(await first.totalCount()).toBe(3);
  expect(await idsOf(viewer, { first: 2, after: first.pageInfo.endCursor })).toEqual([id]);
  expect(await idsOf(viewer, { last: 1 })).toEqual([id]);
  expect(await (await world.saved.list(viewer, { search: 'monthly' })).totalCount()).toBe(1);
  for (const [list, path] of [
    [{ first: 501 }, 'first'],
    [{ after: 'nonsense' }, 'after'],
    [{ search: 'a\0' }, 'search'],
  ] as const) {
    expect(pathsOf(await failure(world.saved.list(viewer, list), 'BAD_USER_INPUT'))).toEqual([path]);
  }
});

test('who did what is in the audit, without the SQL', async () => {
  const owner = await world.person();
  const { id } = await world.create(owner, { sql: "SELECT 'a secret'" });
  const [projectId, databaseId] = [await world.project({ owner }), await world.connect(owner)];
  await world.update(owner, { id, name: 'other', sql: "SELECT 'another secret'", schedule: undefined });
  await world.update(owner, { id, projectId, databaseId });
  await world.saved.delete(owner, id, asked().caller);
  const entries = await world.rows(
    'SELECT actor_id, action, details FROM audit_entries WHERE subject = $1 ORDER BY id',
    [encodeId('SavedQuery', id)],
  );
  expect(entries).toMatchObject([
    { actor_id: owner.userId, action: 'saved_query.created', details: { projectId: null, databaseId: null } },
    { action: 'saved_query.updated', details: { fields: ['name', 'sql'] } },
    {
      action: 'saved_query.updated',
      details: {
        fields: ['databaseId', 'projectId'],
        projectId: encodeId('Project', projectId),
        databaseId: encodeId('Database', databaseId),
      },
    },
    { action: 'saved_query.deleted' },
  ]);
  expect(JSON.stringify(entries)).not.toContain('secret');
});
