/** What is due becomes one job of its owner: over replicas, crashes, missed times, and rights that were lost. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { type Executor, transaction } from '../../../src/db/metadata.ts';
import { uuidv7 } from '../../../src/lib/ids.ts';
import { createEndWorkOfKeys } from '../../../src/queries/ended-keys.ts';
import { createDueStore } from '../../../src/queries/saved/due.ts';
import { runDue } from '../../../src/queries/saved/scheduler.ts';
import { submissionOf } from '../../../src/queries/saved/submission.ts';
import { createSavedWorld, type SavedWorld } from './world.ts';

let world: SavedWorld;
beforeAll(async () => {
  world = await createSavedWorld();
});
// Else it is due as well, in a test that runs when a minute ends.
afterEach(async () => void (await world.rows('DELETE FROM saved_queries')));
afterAll(() => world[Symbol.asyncDispose]());

const everyMinute = '* * * * *';
/** As the id of a job of whose clock nobody is ahead. */
const lastOfAll = 'ffffffff-ffff-7fff-bfff-ffffffffffff';
const viewerOf = (userId: string): Viewer => ({ userId, role: 'member', sessionId: '', expiresAt: new Date(0) });

async function scheduled({ schedule = everyMinute, projectRole = null as 'editor' | null } = {}) {
  const owner = await world.person();
  const other = await world.person();
  const projectId = projectRole ? await world.project({ [projectRole]: owner, owner: other }) : null;
  const databaseId = await world.connect(owner);
  const { id } = await world.create(owner, { databaseId, projectId, schedule, sql: 'SELECT 42', name: 'nightly' });
  return { owner, other, projectId, databaseId, id };
}

test('what is due is a job of its owner, under its name, and the next time is behind now', async () => {
  const { owner, id } = await scheduled();
  const due = await world.makeDue(id);
  await world.runDue();
  expect(await world.jobsOf(id)).toMatchObject([
    {
      status: 'queued',
      ownerId: owner.userId,
      sql: 'SELECT 42',
      name: 'nightly',
      key: `schedule:${id}:${due.toISOString()}`,
    },
  ]);
  const [next] = await world.rows('SELECT next_run_at > now() AS ahead FROM saved_queries WHERE id = $1', [id]);
  expect(next).toEqual({ ahead: true });
});

test('what is not due yet is left alone', async () => {
  const { id } = await scheduled();
  const { nextRunAt } = (await world.row(id))!;
  await world.runDue();
  expect(await world.jobsOf(id)).toEqual([]);
  expect((await world.row(id))!.nextRunAt).toEqual(nextRunAt);
});

test('times that were missed while the server was down are made up for once', async () => {
  const { id } = await scheduled();
  await world.makeDue(id, 3 * 24 * 3_600_000);
  await world.runDue();
  const [job] = await world.jobsOf(id);
  await world.endJob(job!.id);
  await world.runDue();
  expect(await world.jobsOf(id)).toHaveLength(1);
});

test('several schedulers at once make one job of each', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => scheduled()));
  for (const { id } of all) await world.makeDue(id);
  await Promise.all([world.runDue(), world.runDue(), world.runDue()]);
  for (const { id } of all) expect(await world.jobsOf(id)).toHaveLength(1);
});

test('a scheduler that died behind the job makes no second one', async () => {
  const { id } = await scheduled();
  await world.makeDue(id);
  const { schedulerDeps } = world;
  const [taken] = await schedulerDeps.due.take({ limit: 1, holdMs: 60_000 });
  expect(taken?.id).toBe(id);
  // It submitted and died before it wrote that down; nobody else has it in hand meanwhile.
  await world.queries.submit(
    { userId: taken!.ownerId, role: 'member', sessionId: '', expiresAt: new Date(0) },
    {
      target: { databaseId: taken!.databaseId },
      sql: taken!.sql,
      parameters: null,
      name: null,
      timeoutMs: null,
      maxRows: null,
      readOnly: false,
      transaction: 'per_statement',
      priority: null,
      maxAttempts: 1,
      runAt: null,
      idempotencyKey: `schedule:${id}:${taken!.nextRunAt.toISOString()}`,
      savedQueryId: id,
    },
  );
  await world.runDue();
  expect((await world.row(id))!.nextRunAt).toEqual(taken!.nextRunAt);
  // Its hold has run out.
  await world.rows(`UPDATE saved_queries SET schedule_held_until = now() - interval '1 second' WHERE id = $1`, [id]);
  await world.runDue();
  expect(await world.jobsOf(id)).toHaveLength(1);
  expect((await world.row(id))!.nextRunAt).not.toEqual(taken!.nextRunAt);
});

test('one run at a time: the next waits for the last to end, and then runs once', async () => {
  const { id } = await scheduled();
  await world.makeDue(id);
  await world.runDue();
  const [first] = await world.jobsOf(id);
  const waits = await world.makeDue(id, 5 * 60_000);
  await world.runDue();
  expect(await world.jobsOf(id)).toHaveLength(1);
  await world.rows(`UPDATE jobs SET status = 'running', worker_id = id, lease_until = now() WHERE id = $1`, [
    first!.id,
  ]);
  await world.runDue();
  expect(await world.jobsOf(id)).toHaveLength(1);
  // It says since when it has been waiting.
  expect((await world.row(id))!.nextRunAt).toEqual(waits);

  await world.endJob(first!.id);
  await world.runDue();
  await world.runDue();
  const jobs = await world.jobsOf(id);
  expect(jobs.map(({ status }) => status)).toEqual(['succeeded', 'queued']);
});

test('one run at a time, also where the clock of another replica was ahead', async () => {
  const { id } = await scheduled();
  await world.rows('UPDATE saved_queries SET scheduled_job_id = $2 WHERE id = $1', [id, lastOfAll]);
  for (const agoMs of [60_000, 30_000]) {
    await world.makeDue(id, agoMs);
    await world.runDue();
  }
  expect(await world.jobsOf(id)).toHaveLength(1);
});

test('a run whose schedule was changed while it was in hand is waited for all the same', async () => {
  const { owner, id } = await scheduled();
  await world.rows('UPDATE saved_queries SET scheduled_job_id = $2 WHERE id = $1', [id, lastOfAll]);
  await world.makeDue(id);
  const { due, queries } = world.schedulerDeps;
  const [taken] = await due.take({ limit: 8, holdMs: 60_000 });
  const { job } = await queries.submit(
    viewerOf(owner.userId),
    submissionOf(taken!, { ...taken!, idempotencyKey: 'k' }),
  );
  await world.update(owner, { id, schedule: '0 0 1 1 *' });
  await due.ran(taken!, { jobId: job.id, nextRunAt: new Date() });
  await world.makeDue(id);
  await world.runDue();
  expect(await world.jobsOf(id)).toMatchObject([{ id: job.id }]);
});

test('a run by hand holds no schedule up', async () => {
  const { owner, id } = await scheduled();
  await world.saved.run(owner, { id, databaseId: null, parameters: null, idempotencyKey: null });
  await world.makeDue(id);
  await world.runDue();
  expect(await world.jobsOf(id)).toHaveLength(2);
});

test('a scheduler wakes when somebody changes a schedule', async () => {
  const { owner, id } = await scheduled();
  await using one = await world.startScheduler();
  await world.makeDue(id);
  // Nothing but the ring tells it.
  const elsewhere = await scheduled();
  const { jobId } = await one.until('schedule.ran', id);
  expect(await world.jobsOf(id)).toMatchObject([{ id: jobId, ownerId: owner.userId }]);
  expect(await world.jobsOf(elsewhere.id)).toEqual([]);
});

test('paused it does not run, and resumed it goes on from now', async () => {
  const { owner, id } = await scheduled();
  await world.makeDue(id);
  expect(await world.update(owner, { id, scheduleEnabled: false })).toMatchObject({
    scheduleEnabled: false,
    scheduleProblem: null,
    nextRunAt: null,
  });
  await world.runDue();
  expect(await world.jobsOf(id)).toEqual([]);
  const { nextRunAt } = await world.update(owner, { id, scheduleEnabled: true });
  const [{ now }] = (await world.rows('SELECT now()')) as [{ now: Date }];
  expect(nextRunAt!.getTime()).toBeGreaterThan(now.getTime() - 1_000);
});

test('who comes late to say that it ran takes nothing out of the hand of who has the next', async () => {
  const { id } = await scheduled();
  await world.makeDue(id);
  const { due } = world.schedulerDeps;
  const [late] = await due.take({ limit: 8, holdMs: 60_000 });
  await world.makeDue(id, 30_000);
  expect(await due.take({ limit: 8, holdMs: 60_000 })).toMatchObject([{ id }]);
  await due.ran(late!, { jobId: uuidv7(), nextRunAt: new Date() });
  expect(await due.take({ limit: 8, holdMs: 60_000 })).toEqual([]);
  // It goes on where the one who has it says so.
  await world.makeDue(id);
  const [mine] = await due.take({ limit: 8, holdMs: 60_000 });
  await due.ran(mine!, { jobId: uuidv7(), nextRunAt: mine!.nextRunAt });
  expect(await due.take({ limit: 8, holdMs: 60_000 })).toMatchObject([{ id }]);
  await world.rows('DELETE FROM saved_queries WHERE id = $1', [id]);
});

test('what is absent of a submission says nothing of rights: it is put off', async () => {
  const { id } = await scheduled();
  const due = await world.makeDue(id);
  await world.rows(
    `CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       RAISE foreign_key_violation USING CONSTRAINT = 'jobs_saved_query_id_fkey'; END $$;
     CREATE TRIGGER lose BEFORE INSERT ON jobs EXECUTE FUNCTION lose()`,
  );
  await world.runDue();
  await world.rows('DROP FUNCTION lose CASCADE');
  expect(await world.row(id)).toMatchObject({ scheduleEnabled: true, scheduleProblem: null, nextRunAt: due });
  await world.rows('UPDATE saved_queries SET schedule_held_until = NULL WHERE id = $1', [id]);
  await world.runDue();
  expect(await world.jobsOf(id)).toHaveLength(1);
});

test('a schedule that is changed while it is in hand keeps its new time', async () => {
  const { owner, id } = await scheduled();
  await world.makeDue(id);
  const [taken] = await world.schedulerDeps.due.take({ limit: 8, holdMs: 60_000 });
  const { nextRunAt } = await world.update(owner, { id, schedule: '0 0 1 1 *' });
  await world.schedulerDeps.due.ran(taken!, { jobId: taken!.id, nextRunAt: new Date() });
  expect((await world.row(id))!.nextRunAt).toEqual(nextRunAt);
  expect(await world.schedulerDeps.due.stop(taken!, 'forbidden')).toBe(false);
  expect(await world.row(id)).toMatchObject({ scheduleEnabled: true, scheduleProblem: null });
});

test('an owner who lost the database stops the schedule, which says why until it is resumed', async () => {
  const owner = await world.person();
  const host = await world.person();
  const projectId = await world.project({ owner: host, editor: owner });
  const databaseId = await world.connect(host, projectId);
  const { id } = await world.create(owner, { databaseId, schedule: everyMinute });
  await world.makeDue(id);
  await world.rows('DELETE FROM project_members WHERE user_id = $1', [owner.userId]);
  await world.runDue();
  const stopped = { scheduleEnabled: false, scheduleProblem: 'forbidden', nextRunAt: null };
  expect(await world.row(id)).toMatchObject(stopped);
  expect(await world.jobsOf(id)).toEqual([]);
  // A new name does not hide it.
  expect(await world.update(owner, { id, name: 'other' })).toMatchObject(stopped);
  const own = await world.connect(owner);
  expect(await world.update(owner, { id, databaseId: own, scheduleEnabled: true })).toMatchObject({
    scheduleEnabled: true,
    scheduleProblem: null,
    nextRunAt: expect.any(Date),
  });
});

test('who was sent away from a project leaves no schedule behind that runs in his name', async () => {
  const { owner, id } = await scheduled({ projectRole: 'editor' });
  await world.makeDue(id);
  await world.rows('DELETE FROM project_members WHERE user_id = $1', [owner.userId]);
  await world.runDue();
  expect(await world.row(id)).toMatchObject({ scheduleEnabled: false, scheduleProblem: 'forbidden' });
  expect(await world.jobsOf(id)).toEqual([]);
});

test('a disabled account stops its schedules', async () => {
  const { owner, id } = await scheduled();
  await world.makeDue(id);
  await world.rows('UPDATE users SET disabled_at = now() WHERE id = $1', [owner.userId]);
  await world.runDue();
  expect(await world.row(id)).toMatchObject({ scheduleEnabled: false, scheduleProblem: 'owner_gone', nextRunAt: null });
});

test('a deleted account takes its own saved queries along and leaves the project’s, stopped', async () => {
  const own = await scheduled();
  const shared = await scheduled({ projectRole: 'editor' });
  for (const { owner } of [own, shared]) await world.rows('DELETE FROM users WHERE id = $1', [owner.userId]);
  expect(await world.row(own.id)).toBeUndefined();
  const stopped = { ownerId: null, scheduleEnabled: false, nextRunAt: null };
  expect(await world.row(shared.id)).toMatchObject(stopped);
  const seen = await world.saved.load({}, shared.other, shared.id);
  expect(seen?.scheduleProblem).toMatch(/gone$/);
  // Somebody else of the project takes it over, with a database of his own.
  const databaseId = await world.connect(shared.other);
  expect(await world.update(shared.other, { id: shared.id, databaseId, scheduleEnabled: true })).toMatchObject({
    ownerId: shared.other.userId,
    scheduleProblem: null,
    nextRunAt: expect.any(Date),
  });
});

test('a database that is disconnected stops the schedules on it', async () => {
  const { owner, databaseId, id } = await scheduled();
  await world.databases.disconnect(
    owner,
    { id: databaseId, drop: false },
    { caller: { ipAddress: null, userAgent: null }, signal: AbortSignal.timeout(60_000) },
  );
  expect(await world.row(id)).toEqual({
    ownerId: owner.userId,
    databaseId: null,
    scheduleEnabled: false,
    scheduleProblem: 'database_gone',
    nextRunAt: null,
  });
});

test('a submission that fails is put off and tried again', async () => {
  const { id } = await scheduled();
  const due = await world.makeDue(id);
  await world.rows(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$;
     CREATE TRIGGER refuse BEFORE INSERT ON jobs EXECUTE FUNCTION refuse()`,
  );
  await using scheduler = await world.startScheduler();
  await scheduler.until('schedule.failed', id);
  expect((await world.row(id))!.nextRunAt).toEqual(due);
  expect(await world.jobsOf(id)).toEqual([]);
  await world.rows('DROP FUNCTION refuse CASCADE');
  // Its pause is over, and somebody rings.
  await world.rows('UPDATE saved_queries SET schedule_held_until = NULL WHERE id = $1', [id]);
  await scheduled();
  await scheduler.until('schedule.ran', id);
  expect(await world.jobsOf(id)).toHaveLength(1);
});

test('how long there is nothing to do is known: the next time, a pause, or the end of a run', async () => {
  await world.rows('DELETE FROM saved_queries');
  const { due } = world.schedulerDeps;
  const untilNextMs = () => due.untilNextMs({ waitingMs: 5_000 });
  expect(await untilNextMs()).toBeNull();
  const { id } = await scheduled({ schedule: '0 0 1 1 *' });
  expect(await untilNextMs()).toBeGreaterThan(60_000);
  await world.makeDue(id);
  expect(await untilNextMs()).toBe(0);
  await due.take({ limit: 8, holdMs: 60_000 });
  expect(await untilNextMs()).toBeGreaterThan(50_000);
  await world.makeDue(id);
  await world.runDue();
  await world.makeDue(id);
  expect(await untilNextMs()).toBe(5_000);
});

test('what is ahead is found without reading all that is ahead', async () => {
  const { owner, databaseId } = await scheduled();
  await world.rows(
    `INSERT INTO saved_queries (id, name, sql, owner_id, database_id, schedule, next_run_at, updated_at)
     SELECT gen_random_uuid(), 'x', 'select 1', $1, $2, '0 0 1 1 *', now() + i * interval '1 hour', now()
       FROM generate_series(1, 5000) i`,
    [owner.userId, databaseId],
  );
  await world.rows('ANALYZE saved_queries');
  let read = Number.NaN;
  const explaining = {
    async query(sql: string, values: unknown[]) {
      const { rows } = await world.pool.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, values);
      read = rowsRead(rows[0]['QUERY PLAN'][0].Plan);
      return { rows: [] };
    },
  } as unknown as Executor;
  await createDueStore(explaining).untilNextMs({ waitingMs: 5_000 });
  expect(read).toBeLessThan(50);
});

interface Plan {
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

const rowsRead = (plan: Plan): number =>
  (plan['Relation Name'] ? (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'] : 0) +
  (plan.Plans ?? []).reduce((sum, child) => sum + rowsRead(child), 0);

describe('a schedule that was set with an API key', () => {
  const stopped = { scheduleEnabled: false, scheduleProblem: 'key_ended', nextRunAt: null };
  const withKey = (owner: Viewer, id: string): Viewer => ({ ...owner, key: { id, scope: 'write' } });

  async function keyed() {
    const owner = await world.person();
    const keyId = uuidv7();
    await world.rows(
      `INSERT INTO api_keys (id, user_id, name, scopes, secret_hash) VALUES ($1, $2, 'nightly', '{write}', '\\x00')`,
      [keyId, owner.userId],
    );
    const databaseId = await world.connect(owner);
    const { id } = await world.create(withKey(owner, keyId), { databaseId, schedule: everyMinute });
    return { owner, keyId, databaseId, id };
  }
  /** As whoever revokes it does. */
  async function revoke({ owner, keyId }: Awaited<ReturnType<typeof keyed>>): Promise<void> {
    await world.rows('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [keyId]);
    await transaction(world.pool, (client) => createEndWorkOfKeys(world)(client, owner.userId, [keyId]));
  }

  test('ends when the key is revoked, its run too, and those of sessions and other keys go on', async () => {
    const [set, other] = [await keyed(), await keyed()];
    const own = await world.create(set.owner, { databaseId: set.databaseId, schedule: everyMinute });
    for (const { id } of [set, other, own]) await world.makeDue(id);
    await world.runDue();
    await revoke(set);
    expect(await world.row(set.id)).toMatchObject(stopped);
    expect(await world.jobsOf(set.id)).toMatchObject([{ status: 'cancelled' }]);
    for (const { id } of [other, own]) {
      expect(await world.row(id)).toMatchObject({ scheduleEnabled: true, scheduleProblem: null });
      expect(await world.jobsOf(id)).toMatchObject([{ status: 'queued' }]);
    }
  });

  test.each([`expires_at = now() - interval '1 second'`, 'revoked_at = now()'])(
    'does not run when it is due behind its end, %s',
    async (end) => {
      const { keyId, id } = await keyed();
      await world.makeDue(id);
      await world.rows(`UPDATE api_keys SET ${end} WHERE id = $1`, [keyId]);
      await world.runDue();
      expect(await world.row(id)).toMatchObject(stopped);
      expect(await world.jobsOf(id)).toEqual([]);
    },
  );

  test('nor when the key is forgotten', async () => {
    const { keyId, id } = await keyed();
    await world.makeDue(id);
    await world.rows('DELETE FROM api_keys WHERE id = $1', [keyId]);
    await world.runDue();
    expect(await world.row(id)).toMatchObject(stopped);
  });

  test('does not run either when the key is revoked while it is in hand', async () => {
    const set = await keyed();
    await world.makeDue(set.id);
    const { due } = world.schedulerDeps;
    const take: typeof due.take = async (options) => {
      const taken = await due.take(options);
      if (taken.length > 0) await revoke(set);
      return taken;
    };
    await runDue({ ...world.schedulerDeps, due: { ...due, take } }, new AbortController().signal);
    expect(await world.row(set.id)).toMatchObject(stopped);
    expect(await world.jobsOf(set.id)).toEqual([]);
  });

  test('is the user’s own when he resumes it, or decides anew what runs, and not when he names it otherwise', async () => {
    const [resumed, changed, named] = [await keyed(), await keyed(), await keyed()];
    await world.update(changed.owner, { id: changed.id, sql: 'SELECT 2' });
    await world.update(named.owner, { id: named.id, name: 'other' });
    for (const each of [resumed, changed, named]) await revoke(each);
    expect(await world.row(changed.id)).toMatchObject({ scheduleEnabled: true, scheduleProblem: null });
    expect(await world.row(named.id)).toMatchObject(stopped);
    expect(await world.update(resumed.owner, { id: resumed.id, scheduleEnabled: true })).toMatchObject({
      scheduleProblem: null,
      nextRunAt: expect.any(Date),
    });
    await world.makeDue(resumed.id);
    await world.runDue();
    expect(await world.jobsOf(resumed.id)).toMatchObject([{ status: 'queued' }]);
  });

  test('is one as well that a key has changed: what runs is what the key decided', async () => {
    const { owner, keyId, databaseId } = await keyed();
    const { id } = await world.create(owner, { databaseId, schedule: everyMinute });
    await world.update(withKey(owner, keyId), { id, sql: 'DELETE FROM orders' });
    await revoke({ owner, keyId, databaseId, id });
    expect(await world.row(id)).toMatchObject(stopped);
  });
});
