/** SQL kept under a name: saved, shared in a project, changed, run. What runs by itself is the scheduler's. */
import { isDeepStrictEqual } from 'node:util';
import DataLoader from 'dataloader';
import type pg from 'pg';
import { can, type ProjectRole, requireCan } from '../../accounts/policy.ts';
import { type Caller, databasesWithin, type Viewer } from '../../accounts/viewer.ts';
import { type AuditAction, record } from '../../audit/audit.ts';
import type { Databases } from '../../databases/databases.ts';
import { parseSearch } from '../../databases/input.ts';
import { transaction } from '../../db/metadata.ts';
import { ringInTransaction } from '../../db/notify.ts';
import type { Destinations, ExportInput } from '../../exports/destination.ts';
import type { Job } from '../../jobs/job.ts';
import type { Jobs } from '../../jobs/jobs.ts';
import { AppError, badInput, notFound } from '../../lib/errors.ts';
import { encodeId, isUuid, uuidv7 } from '../../lib/ids.ts';
import { type Connection, connectionOf, type PageArguments, pageOf } from '../../lib/pages.ts';
import type { Access } from '../../projects/access.ts';
import type { Queries } from '../queries.ts';
import { given, parseName, parseSql, savedQueryLimits } from './input.ts';
import { isScheduled, resourceOf, type SavedQuery, type VisibleSavedQuery } from './saved-query.ts';
import { nextRun, parseSchedule } from './schedule.ts';
import type { PrismaQuery, ProjectRow, SavedQueryStore } from './store.ts';
import { submissionOf } from './submission.ts';

export interface SavedQueriesDeps {
  pool: pg.Pool;
  store: SavedQueryStore;
  access: Pick<Access, 'roleOf'>;
  databases: Pick<Databases, 'requireDatabase' | 'load'>;
  queries: Pick<Queries, 'submit'>;
  destinations: Pick<Destinations, 'check'>;
  jobs: Pick<Jobs, 'findAll'>;
}

export interface CreateSavedQuery {
  name: string;
  sql: string;
  databaseId: string | null;
  projectId: string | null;
  schedule: string | null;
  export?: ExportInput | null;
}

/** What is absent stays, and null clears. */
export interface UpdateSavedQuery {
  id: string;
  name?: string | null | undefined;
  sql?: string | null | undefined;
  databaseId?: string | null | undefined;
  projectId?: string | null | undefined;
  schedule?: string | null | undefined;
  scheduleEnabled?: boolean | null | undefined;
  export?: ExportInput | null | undefined;
}

export interface RunSavedQuery {
  id: string;
  /** Null: the one that the saved query names. */
  databaseId: string | null;
  parameters: readonly unknown[] | null;
  idempotencyKey: string | null;
  /** Absent: as it is saved; null: its rows are kept. */
  export?: ExportInput | null | undefined;
}

export interface SavedQueryList extends PageArguments {
  search?: string | null | undefined;
  projectId?: string | null | undefined;
}

/** All ids are UUIDs. What the viewer does not see is NOT_FOUND, what his role in the project does not allow FORBIDDEN. */
export interface SavedQueries {
  /** His own and those of his projects, newest first. @throws AppError BAD_USER_INPUT */
  list(viewer: Viewer | null, list: SavedQueryList): Promise<Connection<VisibleSavedQuery>>;
  /** Null when it is absent or not the viewer's to see; what one `request` asks for in one tick is read together. */
  load(request: object, viewer: Viewer | null, id: string): Promise<VisibleSavedQuery | null>;
  /** @throws AppError BAD_USER_INPUT, NOT_FOUND for the database, LIMIT_EXCEEDED */
  create(viewer: Viewer | null, input: CreateSavedQuery, caller: Caller): Promise<VisibleSavedQuery>;
  /**
   * Whoever changes what it runs, where, when or for whom becomes its owner: a schedule never runs one person's SQL with
   * the rights of another. Its name is everybody's to change who may edit it, and so is a pause.
   * @throws AppError BAD_USER_INPUT, FORBIDDEN where the new owner may not query the database, LIMIT_EXCEEDED,
   * CONFLICT when somebody changed the same meanwhile, or what its new owner would answer for
   */
  update(viewer: Viewer | null, input: UpdateSavedQuery, caller: Caller): Promise<VisibleSavedQuery>;
  /** Its jobs stay. */
  delete(viewer: Viewer | null, id: string, caller: Caller): Promise<void>;
  /** A job of the viewer, with his rights. @throws AppError BAD_USER_INPUT, FORBIDDEN */
  run(viewer: Viewer | null, input: RunSavedQuery, caller?: Caller): Promise<Job>;
  /** The viewer's own last run of each, scheduled or not, in the order of the ids. */
  lastJobs(viewer: Viewer | null, ids: readonly string[]): Promise<(Job | null)[]>;
  projectOf(viewer: Viewer | null, saved: VisibleSavedQuery, query: PrismaQuery): Promise<ProjectRow | null>;
}

const maxBatch = 500;
/** A change that others overtake so often gives up. */
const maxReads = 5;

export function createSavedQueries({
  pool,
  store,
  access,
  databases,
  queries,
  destinations,
  jobs,
}: SavedQueriesDeps): SavedQueries {
  const loaders = new WeakMap<object, { userId: string; loader: DataLoader<string, VisibleSavedQuery | null> }>();

  function loaderOf(request: object, viewer: Viewer): DataLoader<string, VisibleSavedQuery | null> {
    const known = loaders.get(request);
    if (known?.userId === viewer.userId) return known.loader;
    const loader = new DataLoader<string, VisibleSavedQuery | null>(
      async (ids) => {
        const found = new Map((await store.find(viewer.userId, ids)).map((saved) => [saved.id, saved]));
        return ids.map((id) => {
          const saved = found.get(id);
          return saved && can(viewer, 'saved-query:see', resourceOf(saved)) ? saved : null;
        });
      },
      { maxBatchSize: maxBatch, cache: false },
    );
    loaders.set(request, { userId: viewer.userId, loader });
    return loader;
  }

  async function requireSaved(
    viewer: Viewer,
    action: 'saved-query:run' | 'saved-query:edit',
    id: string,
  ): Promise<VisibleSavedQuery> {
    const [saved] = isUuid(id) ? await store.find(viewer.userId, [id]) : [];
    if (!saved) throw notFound('Saved query');
    requireCan(viewer, action, resourceOf(saved));
    return saved;
  }

  /** What the viewer is in the project that he wants to put a saved query into. */
  async function requireProject(viewer: Viewer, projectId: string | null): Promise<ProjectRole | null> {
    if (projectId === null) return null;
    const role = isUuid(projectId) ? await access.roleOf(viewer.userId, projectId) : null;
    requireCan(viewer, 'project:edit', { kind: 'project', role });
    return role;
  }

  async function requireRoom(client: pg.PoolClient, ownerId: string): Promise<void> {
    const actual = await store.countOwned(client, ownerId);
    const limit = savedQueryLimits.owned;
    if (actual < limit) return;
    throw new AppError('LIMIT_EXCEEDED', `At most ${limit} saved queries of one user`, { details: { limit, actual } });
  }

  /** Names the fields only: SQL belongs into the saved query and its jobs. */
  const audited = (
    client: pg.PoolClient,
    viewer: Viewer,
    action: Extract<AuditAction, `saved_query.${string}`>,
    { id, name, projectId: project, databaseId: database, schedule }: Decided,
    caller: Caller,
    details: Record<string, unknown> = {},
  ) => {
    const projectId = project && encodeId('Project', project);
    const databaseId = database && encodeId('Database', database);
    return record(client, {
      actorId: viewer.userId,
      action,
      subject: encodeId('SavedQuery', id),
      outcome: 'success',
      caller,
      details: { name, projectId, databaseId, schedule, ...details },
    });
  };

  async function reread(viewer: Viewer, id: string, role: ProjectRole | null): Promise<VisibleSavedQuery> {
    const [saved] = await store.find(viewer.userId, [id]);
    if (!saved) throw notFound('Saved query'); // Somebody was faster to delete it.
    return { ...saved, role: saved.role ?? role };
  }

  return {
    async list(viewer, { search, projectId, ...args }) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const page = pageOf(args, { isKey: isUuid });
      const databaseIds = databasesWithin(viewer, null);
      const filter = { search: parseSearch(search), projectId: projectId ?? undefined, databaseIds };
      const rows = await store.list(viewer.userId, filter, page);
      return connectionOf(
        page,
        rows,
        ({ id }) => id,
        () => store.count(viewer.userId, filter),
      );
    },

    async load(request, viewer, id) {
      return viewer && isUuid(id) ? await loaderOf(request, viewer).load(id) : null;
    },

    async create(viewer, input, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const wanted = {
        id: uuidv7(),
        name: parseName(input.name),
        sql: parseSql(input.sql),
        ownerId: viewer.userId,
        databaseId: input.databaseId,
        projectId: input.projectId,
        schedule: input.schedule === null ? null : parseSchedule(input.schedule),
        scheduleEnabled: true,
        scheduleProblem: null,
        scheduleKeyId: viewer.key?.id ?? null,
        export: input.export ?? null,
      };
      if (wanted.export) await destinations.check(viewer, wanted.export);
      requireOwnPaths(wanted);
      const role = await requireProject(viewer, wanted.projectId);
      if (wanted.databaseId !== null) await databases.requireDatabase(viewer, 'database:query', wanted.databaseId);
      else if (wanted.schedule !== null) throw needsDatabase();
      requireCan(viewer, 'saved-query:edit', resourceOf({ ...wanted, role }));
      await transaction(pool, async (client) => {
        await requireRoom(client, viewer.userId);
        const nextRunAt = wanted.schedule === null ? null : nextRun(wanted.schedule, await store.now(client));
        await store.insert(client, { ...wanted, nextRunAt });
        await audited(client, viewer, 'saved_query.created', wanted, caller);
        if (nextRunAt) await ringInTransaction(client, [['schedules.changed', '*']]);
      });
      return await reread(viewer, wanted.id, role);
    },

    async update(viewer, input, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const first = await requireSaved(viewer, 'saved-query:edit', input.id);
      for (let now = first, reads = 1; reads <= maxReads; reads++) {
        const role = await change(viewer, input, caller, now);
        if (role !== 'overtaken') return await reread(viewer, now.id, role);
        now = await requireSaved(viewer, 'saved-query:edit', input.id);
        if (collides(viewer, input, first, now)) break;
      }
      throw new AppError('CONFLICT', 'Somebody else changed the saved query meanwhile');
    },

    async delete(viewer, id, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const saved = await requireSaved(viewer, 'saved-query:edit', id);
      await transaction(pool, async (client) => {
        if (!(await store.remove(client, id))) throw notFound('Saved query');
        await audited(client, viewer, 'saved_query.deleted', saved, caller);
      });
    },

    async run(viewer, { id, databaseId, parameters, idempotencyKey, export: given }, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const saved = await requireSaved(viewer, 'saved-query:run', id);
      const named = saved.databaseId && (await databases.load(saved, viewer, saved.databaseId));
      const target = databaseId ?? (named ? named.id : null);
      if (target === null) {
        throw badInput({
          path: 'input.databaseId',
          message: 'the saved query names no database that is yours to see: say which',
        });
      }
      const submission = submissionOf(saved, { databaseId: target, parameters, idempotencyKey, export: given });
      return (await queries.submit(viewer, submission, caller)).job;
    },

    async lastJobs(viewer, ids) {
      if (!viewer) return ids.map(() => null);
      const last = await store.lastJobs(viewer.userId, ids);
      const jobIds = ids.flatMap((id) => last.get(id) ?? []);
      const found = new Map((await jobs.findAll(viewer, jobIds)).map((job, i) => [jobIds[i]!, job]));
      return ids.map((id) => found.get(last.get(id) ?? '') ?? null);
    },

    projectOf: async (viewer, { projectId, role }, query) =>
      projectId === null || !can(viewer, 'project:see', { kind: 'project', role })
        ? null
        : await store.project(query, projectId),
  };

  /** Changes what is still as it was read: what was asked about `now` holds for nothing else. */
  async function change(
    viewer: Viewer,
    input: UpdateSavedQuery,
    caller: Caller,
    now: VisibleSavedQuery,
  ): Promise<ProjectRole | null | 'overtaken'> {
    const wanted = changed(now, input);
    const moved = wanted.projectId !== now.projectId;
    if (moved) await requireProject(viewer, wanted.projectId);
    const takes = decides(now, wanted);
    if (wanted.export && !isDeepStrictEqual(wanted.export, now.export)) await destinations.check(viewer, wanted.export);
    requireOwnPaths(wanted);
    const next = { ...wanted, ...(takes && { ownerId: viewer.userId, scheduleKeyId: viewer.key?.id ?? null }) };
    // A narrowed key puts nothing where it would not see it.
    requireCan(viewer, 'saved-query:edit', resourceOf({ ...now, databaseId: next.databaseId }));
    if (takes) await requireTarget(viewer, now, next);
    return await transaction(pool, async (client) => {
      if (next.ownerId === viewer.userId && now.ownerId !== viewer.userId) await requireRoom(client, viewer.userId);
      const projectIds = [now.projectId, next.projectId].filter((id) => id !== null);
      const roles = await store.holdRoles(client, viewer.userId, projectIds);
      const held = await store.hold(client, viewer.userId, now.id);
      if (!held) throw notFound('Saved query');
      if (!isSame(held, now)) return 'overtaken';
      // Asked again, now that nobody can send the viewer away before this is done.
      requireCan(viewer, 'saved-query:edit', resourceOf(held));
      const role = next.projectId === null ? null : (roles.get(next.projectId) ?? null);
      if (moved && next.projectId !== null) requireCan(viewer, 'project:edit', { kind: 'project', role });
      const nextRunAt = await nextRunOf(client, held, next);
      await store.replace(client, { ...next, nextRunAt });
      await audited(client, viewer, 'saved_query.updated', next, caller, { fields: fieldsOf(input) });
      if (nextRunAt) await ringInTransaction(client, [['schedules.changed', '*']]);
      return role;
    });
  }

  /** Where it runs by itself its owner may query there; elsewhere the database need only be seen by who names it. */
  async function requireTarget(viewer: Viewer, now: SavedQuery, next: Decided): Promise<void> {
    if (next.databaseId === null) {
      if (isScheduled(next)) throw needsDatabase();
      return;
    }
    if (next.databaseId !== now.databaseId) {
      await databases.requireDatabase(viewer, 'database:query', next.databaseId);
      return;
    }
    if (!isScheduled(next)) return;
    await databases.requireDatabase(viewer, 'database:query', next.databaseId).catch((error) => {
      if (!(error instanceof AppError) || error.code !== 'NOT_FOUND') throw error;
      throw new AppError(
        'FORBIDDEN',
        'The schedule would run with your rights, and its database is not yours to query: pause it, or name another',
      );
    });
  }

  /** The time stays where nothing has to do with it: a run that is due is not lost to another name. */
  async function nextRunOf(client: pg.PoolClient, now: SavedQuery, next: Decided): Promise<Date | null> {
    if (!isScheduled(next) || next.schedule === null || next.ownerId === null || next.databaseId === null) return null;
    const same = isScheduled(now) && next.schedule === now.schedule && now.nextRunAt;
    return same || nextRun(next.schedule, await store.now(client));
  }
}

type Decided = Omit<SavedQuery, 'createdAt' | 'updatedAt' | 'nextRunAt'>;

/** Each run of a schedule needs a place of its own, or writes over the last. @throws AppError BAD_USER_INPUT */
function requireOwnPaths({ schedule, export: exports }: Pick<SavedQuery, 'schedule' | 'export'>): void {
  if (schedule === null || !exports || exports.overwrite || exports.path === null) return;
  if (/\{(job|date|time)\}/.test(exports.path)) return;
  throw badInput({
    path: 'input.export.path',
    message: 'of a schedule: say overwrite, or have {job}, {date} or {time} in the path',
  });
}

const needsDatabase = () => badInput({ path: 'input.databaseId', message: 'a schedule needs a database' });

/** @throws AppError BAD_USER_INPUT */
function changed(now: VisibleSavedQuery, input: UpdateSavedQuery): Decided {
  const { name, sql, databaseId, projectId, schedule, scheduleEnabled } = input;
  const next = {
    id: now.id,
    ownerId: now.ownerId,
    scheduleKeyId: now.scheduleKeyId,
    name: typeof name === 'string' ? parseName(name) : given(name, 'name', now.name),
    sql: typeof sql === 'string' ? parseSql(sql) : given(sql, 'sql', now.sql),
    databaseId: databaseId === undefined ? now.databaseId : databaseId,
    projectId: projectId === undefined ? now.projectId : projectId,
    schedule: typeof schedule === 'string' ? parseSchedule(schedule) : schedule === undefined ? now.schedule : null,
    scheduleEnabled: given(scheduleEnabled, 'scheduleEnabled', now.scheduleEnabled),
    export: input.export === undefined ? now.export : input.export,
  };
  // Paused or resumed by a person, or without a schedule: it did not stop by itself any more.
  const answered = typeof scheduleEnabled === 'boolean' || next.schedule === null;
  return { ...next, scheduleProblem: answered ? null : now.scheduleProblem };
}

/** Whether the change decides what runs, where, when or for whom. */
const decides = (now: Decided, next: Decided): boolean =>
  (['sql', 'databaseId', 'projectId', 'schedule', 'export'] as const).some(
    (field) => !isDeepStrictEqual(next[field], now[field]),
  ) ||
  (next.scheduleEnabled && !now.scheduleEnabled);

const changeable = ['name', 'sql', 'databaseId', 'projectId', 'schedule', 'scheduleEnabled', 'export'] as const;

const fieldsOf = (input: UpdateSavedQuery) => changeable.filter((field) => input[field] !== undefined);

/** Its next run is the scheduler's to move. */
const isSame = (a: Decided, b: Decided): boolean =>
  ([...changeable, 'ownerId', 'scheduleProblem', 'scheduleKeyId'] as const).every((field) =>
    isDeepStrictEqual(a[field], b[field]),
  );

/** Whether what others made of `first` is what the change is about, or what the viewer would own with it, unread. */
function collides(viewer: Viewer, input: UpdateSavedQuery, first: VisibleSavedQuery, now: VisibleSavedQuery): boolean {
  const wanted = changed(now, input);
  if (
    fieldsOf(input).some(
      (field) => !isDeepStrictEqual(now[field], first[field]) && !isDeepStrictEqual(now[field], wanted[field]),
    )
  )
    return true;
  return decides(now, wanted) && now.ownerId !== viewer.userId && decides(first, now);
}
