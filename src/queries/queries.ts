/** SQL as jobs: what may be submitted, by whom, and the rows that came of it. */
import { can, requireCan } from '../accounts/policy.ts';
import type { Settings } from '../accounts/settings.ts';
import type { Caller, Viewer } from '../accounts/viewer.ts';
import { resourceOf } from '../databases/access.ts';
import type { Databases, VisibleDatabase } from '../databases/databases.ts';
import type { ConnectionInput } from '../databases/input.ts';
import { isTyped, type TypedConnections } from '../databases/typed-connections.ts';
import type { Destinations, ExportInput, ExportSettings } from '../exports/destination.ts';
import type { FormatName } from '../exports/registry.ts';
import { type Job, type JobExport, jobResource, type NewJob, priorities } from '../jobs/job.ts';
import type { JobQuota } from '../jobs/quota.ts';
import { isFinal, type TransactionMode } from '../jobs/states.ts';
import type { JobStore } from '../jobs/store.ts';
import { AppError, badInput, type FieldFault, notFound } from '../lib/errors.ts';
import { uuidv7 } from '../lib/ids.ts';
import { isDeeperThan, maxJsonDepth, valuesIn } from '../lib/json-depth.ts';
import type { Page } from '../lib/pages.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { OperationBudget } from './chunk-readers.ts';
import type { LongReads } from './long-reads.ts';
import { type RowPage, readRows } from './results.ts';
import type { ResultSet, ResultStore } from './store.ts';

export const queryLimits = {
  sqlBytes: 1_048_576,
  parameters: 32_767,
  parametersBytes: 8_388_608,
  /** Lists and objects within each other. */
  parametersDepth: maxJsonDepth,
  nameLength: 200,
  idempotencyKeyLength: 200,
  timeoutMs: 24 * 3_600_000,
  /** Of an export that names none: nobody waits before a screen for it. */
  exportTimeoutMs: 24 * 3_600_000,
  maxRows: 10_000_000,
  /** Nothing of them is kept here. */
  exportedRows: 2_147_483_646,
  attempts: 10,
  /** So far ahead a job may be put. */
  runAtDays: 366,
  pageRows: 1_000,
} as const;

/** A stored database, or credentials for this job alone. */
export type QueryTarget = { readonly databaseId: string } | { readonly connection: ConnectionInput };

export interface SubmitQuery {
  target: QueryTarget;
  sql: string;
  parameters: readonly unknown[] | null;
  name: string | null;
  timeoutMs: number | null;
  maxRows: number | null;
  readOnly: boolean;
  transaction: TransactionMode;
  /** Null: as the settings of the user say. */
  priority: number | null;
  maxAttempts: number;
  /** Not before; null, or one that has passed: now. */
  runAt: Date | null;
  idempotencyKey: string | null;
  /** Absent: its rows are kept as its results. */
  export?: ExportInput | null;
  /** What it is a run of; the viewer sees it. */
  savedQueryId?: string;
}

/** Where a job runs, as it is kept, and whether it may only read there. */
type Place = Pick<NewJob, 'id' | 'databaseId' | 'targetKey' | 'targetLabel' | 'sealedConnection' | 'readOnly'>;

export interface QueriesDeps {
  jobs: JobStore;
  quota: JobQuota;
  /** True while what a job writes may not find room. */
  diskLow: () => boolean;
  results: ResultStore;
  blobs: BlobStore;
  longReads: LongReads;
  databases: Pick<Databases, 'requireDatabase' | 'labelOf'>;
  connections: TypedConnections;
  destinations: Destinations;
  settingsOf(
    viewer: Viewer,
  ): Promise<Pick<Settings, 'statementTimeoutMs' | 'maxRows' | 'queuePriority'> & ExportSettings>;
}

export interface Queries {
  /** @throws AppError BAD_USER_INPUT, NOT_FOUND, FORBIDDEN, LIMIT_EXCEEDED, CONFLICT for a file that is there */
  submit(viewer: Viewer | null, input: SubmitQuery, caller?: Caller): Promise<{ job: Job; created: boolean }>;
  /**
   * A new job like one that has ended, and each call is another one. Whether the viewer may is asked anew; what the old
   * one was not allowed to write, the new one is not either.
   * @throws AppError NOT_FOUND, FORBIDDEN, LIMIT_EXCEEDED, CONFLICT while it runs and where its target is gone
   */
  retry(viewer: Viewer | null, id: string, caller?: Caller): Promise<Job>;
  /** What others have made a job of; for the room that there is. @throws AppError LIMIT_EXCEEDED, NOT_FOUND */
  insert(job: NewJob): Promise<{ job: Job; created: boolean }>;
  /** Null when it is absent or its job is not the viewer's. */
  findResult(viewer: Viewer | null, id: string): Promise<ResultSet | null>;
  resultAt(job: Job, index: number): Promise<ResultSet | null>;
  results(job: Job, page: Page): Promise<{ sets: ResultSet[]; count: () => Promise<number> }>;
  /** Null when they have been thrown away. @throws AppError BAD_USER_INPUT, LIMIT_EXCEEDED when the budget has no row left, TIMEOUT */
  rows(
    set: ResultSet,
    page: { first: number; after: string | null; offset: number | null },
    budget: OperationBudget,
  ): Promise<RowPage | null>;
}

export function createQueries({
  jobs,
  quota,
  diskLow,
  results,
  blobs,
  longReads,
  databases,
  connections,
  destinations,
  settingsOf,
}: QueriesDeps): Queries {
  /** What a job keeps of where it runs; asks whether the viewer may run SQL there. */
  async function placeOf(viewer: Viewer | null, target: QueryTarget): Promise<Place> {
    if ('connection' in target) {
      const settings = connections.parse(viewer, target.connection);
      const id = uuidv7();
      const sealedConnection = connections.seal(id, settings);
      const readOnly = isReadOnlyTyped(viewer);
      return { id, databaseId: null, ...connections.describe(settings), sealedConnection, readOnly };
    }
    const database = await databases.requireDatabase(viewer, 'database:query', target.databaseId);
    const { id } = database;
    const targetLabel = databases.labelOf(database);
    return { databaseId: id, targetKey: id, targetLabel, readOnly: isReadOnly(viewer, database) };
  }

  /** @throws AppError LIMIT_EXCEEDED */
  async function takeRoom(ownerId: string): Promise<void> {
    if (diskLow())
      throw new AppError('LIMIT_EXCEEDED', 'The disk of this server is almost full: no job until it has room');
    await quota.take(ownerId);
  }

  /** @throws AppError LIMIT_EXCEEDED, NOT_FOUND for what went while it was on its way */
  async function insert(job: NewJob): Promise<{ job: Job; created: boolean }> {
    try {
      await takeRoom(job.ownerId);
    } catch (refused) {
      // The job of then needs no room.
      const known = job.idempotencyKey === null ? null : await jobs.findByKey(job.ownerId, job.idempotencyKey);
      if (!known) throw refused;
      return { job: known, created: false };
    }
    try {
      return await jobs.insert(job);
    } catch (error) {
      const gone = goneBy(error);
      throw gone ? notFound(gone) : error;
    }
  }

  /** The file of its first submission may be there by now, which is no conflict. */
  const knownByKey = async (ownerId: string, { export: exports, idempotencyKey }: SubmitQuery): Promise<Job | null> =>
    exports && idempotencyKey !== null ? await jobs.findByKey(ownerId, idempotencyKey) : null;

  /** An API key for one database is not told of a job on another. @throws AppError CONFLICT */
  function seenBy(viewer: Viewer, submitted: { job: Job; created: boolean }): { job: Job; created: boolean } {
    if (submitted.created || can(viewer, 'job:see', jobResource(submitted.job))) return submitted;
    throw new AppError('CONFLICT', 'This idempotency key is that of another job');
  }

  return {
    insert,

    async submit(viewer, input, caller) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      const [place, settings] = await Promise.all([placeOf(viewer, input.target), settingsOf(viewer)]);
      const faults = faultsOf(input);
      if (faults.length > 0) throw badInput(...(faults as [FieldFault]));
      const ownerId = viewer.userId;
      const id = place.id ?? uuidv7();
      const known = await knownByKey(ownerId, input);
      if (known) return seenBy(viewer, { job: known, created: false });
      const exporting = { id, name: input.name, at: laterOf(input.runAt, new Date()) };
      const submitted = await insert({
        ...place,
        id,
        ...(caller && { caller }),
        kind: 'query',
        ownerId,
        name: input.name,
        sql: input.sql,
        parameters: input.parameters,
        readOnly: input.readOnly || place.readOnly,
        transaction: input.transaction,
        timeoutMs: input.timeoutMs ?? (input.export ? queryLimits.exportTimeoutMs : settings.statementTimeoutMs),
        // What is kept is limited, not what goes into a file.
        maxRows: input.maxRows ?? (input.export ? null : settings.maxRows),
        export: input.export ? await destinations.resolve(viewer, input.export, settings, exporting) : null,
        priority: input.priority ?? settings.queuePriority,
        maxAttempts: input.maxAttempts,
        runAt: input.runAt,
        idempotencyKey: input.idempotencyKey,
        savedQueryId: input.savedQueryId ?? null,
      });
      return seenBy(viewer, submitted);
    },

    async retry(viewer, id, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const source = await jobs.find(id);
      if (!source) throw notFound('Job');
      requireCan(viewer, 'job:retry', jobResource(source));
      if (source.kind === 'export')
        throw new AppError('CONFLICT', 'This job ran no SQL: export its source once more instead');
      const place = await placeOf(viewer, { databaseId: databaseToRetryOn(source) });
      const { ownerId, name, sql, parameters, transaction, timeoutMs, maxRows, priority, maxAttempts, savedQueryId } =
        source;
      const newId = uuidv7();
      const again = source.export && repeated(source.export);
      const exporting = { id: newId, name, at: new Date() };
      const { job } = await insert({
        ...place,
        id: newId,
        ...(caller && { caller }),
        kind: 'query',
        ownerId,
        export: again && (await destinations.resolve(viewer, again, await settingsOf(viewer), exporting)),
        name,
        sql,
        parameters,
        // What it was not allowed to write then it does not write now.
        readOnly: source.readOnly || place.readOnly,
        transaction,
        timeoutMs,
        maxRows,
        priority,
        maxAttempts,
        sourceId: source.id,
        savedQueryId,
        idempotencyKey: null,
      });
      return job;
    },

    async findResult(viewer, id) {
      const set = await results.find(id);
      const job = set && (await jobs.find(set.jobId));
      return job && can(viewer, 'job:see', jobResource(job)) ? set : null;
    },

    resultAt: (job, index) => results.at(job.id, index),

    results: async (job, page) => ({ sets: await results.list(job.id, page), count: () => results.count(job.id) }),

    async rows(set, { first, after, offset }, budget) {
      if (first < 0 || first > queryLimits.pageRows)
        throw badInput({ path: 'first', message: `from 0 to ${queryLimits.pageRows}` });
      if (after !== null && offset !== null) throw badInput({ path: 'offset', message: 'not together with after' });
      if (offset !== null && offset < 0) throw badInput({ path: 'offset', message: 'from 0' });
      if (set.dropped) return null;
      const read = budget.linesFrom({ blobs, longReads });
      return readRows({ store: results, blobs, read }, set, after === null ? (offset ?? 0) : behind(after), first);
    },
  };
}

/** @throws AppError CONFLICT */
function databaseToRetryOn({ status, targetKey, databaseId }: Job): string {
  if (!isFinal(status)) throw new AppError('CONFLICT', 'The job has not ended yet');
  if (isTyped(targetKey)) {
    throw new AppError('CONFLICT', 'The credentials of this job went with its end: submit its SQL with them again');
  }
  if (databaseId === null) throw new AppError('CONFLICT', 'The database of this job is gone');
  return databaseId;
}

/** The same once more: its path is filled in anew. */
const repeated = ({ format, safe, compression, bucketId, template, overwrite }: JobExport): ExportInput => ({
  format: format as FormatName,
  safe,
  compression: compression as ExportInput['compression'],
  bucketId,
  path: template,
  overwrite,
});

const laterOf = (a: Date | null, b: Date): Date => (a !== null && a > b ? a : b);

/** What a job names, by the constraint that misses it. */
const named: Readonly<Record<string, string>> = {
  jobs_database_id_fkey: 'Database',
  jobs_source_id_fkey: 'Job',
  jobs_saved_query_id_fkey: 'Saved query',
};

const goneBy = (error: unknown): string | undefined =>
  error instanceof Error && 'constraint' in error ? named[String(error.constraint)] : undefined;

/** The database's own rule, or that of the viewer's role in its project. */
export const isReadOnly = (viewer: Viewer | null, database: VisibleDatabase): boolean =>
  database.readOnly || !can(viewer, 'database:write', resourceOf(database));

/** That of a key which may not write: whose the credentials are nobody knows. */
export const isReadOnlyTyped = (viewer: Viewer | null): boolean => !can(viewer, 'connection:write', { kind: 'server' });

/** A cursor of rows is the number of the row, opaque to clients. */
export const rowCursor = (offset: number): string => Buffer.from(`row:${offset}`).toString('base64url');

function behind(cursor: string): number {
  const [, offset] = /^row:(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (offset === undefined) throw badInput({ path: 'after', message: 'not a cursor of these rows' });
  return Number(offset) + 1;
}

const dayMs = 24 * 3_600_000;

/** PostgreSQL's text knows neither. @param value no deeper than maxJsonDepth */
function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return !value.includes('\0') && value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, inner]) => isStorable(key) && isStorable(inner));
}

export function faultsOfSql(sql: string): FieldFault[] {
  const messages: string[] = [];
  if (sql.trim() === '') messages.push('must not be empty');
  if (Buffer.byteLength(sql) > queryLimits.sqlBytes) messages.push(`at most ${queryLimits.sqlBytes} bytes`);
  if (!isStorable(sql)) messages.push('must not hold the character NUL or half a surrogate pair');
  return messages.map((message) => ({ path: 'input.sql', message }));
}

/** What may be run at all, whatever is to be done with it. */
export function faultsOfStatement({ sql, parameters }: Pick<SubmitQuery, 'sql' | 'parameters'>): FieldFault[] {
  const faults = faultsOfSql(sql);
  const check = (sound: boolean, message: string) => {
    if (!sound) faults.push({ path: 'input.parameters', message });
  };
  check((parameters?.length ?? 0) <= queryLimits.parameters, `at most ${queryLimits.parameters}`);
  if (parameters?.some((parameter) => isDeeperThan(parameter, queryLimits.parametersDepth, valuesIn))) {
    check(false, `at most ${queryLimits.parametersDepth} levels deep`);
    // What follows walks them to their ends.
    return faults;
  }
  const encoded = JSON.stringify(parameters ?? []);
  check(encoded.length <= queryLimits.parametersBytes, `at most ${queryLimits.parametersBytes} bytes`);
  check(isStorable(parameters ?? []), 'must not hold the character NUL or half a surrogate pair');
  return faults;
}

function faultsOf(input: SubmitQuery): FieldFault[] {
  const { name, timeoutMs, maxRows, priority, maxAttempts, runAt, idempotencyKey } = input;
  const faults = faultsOfStatement(input);
  const check = (sound: boolean, field: string, message: string) => {
    if (!sound) faults.push({ path: `input.${field}`, message });
  };
  check(
    name === null || (name.trim() !== '' && name.length <= queryLimits.nameLength && isStorable(name)),
    'name',
    `1 to ${queryLimits.nameLength} characters`,
  );
  check(
    timeoutMs === null || (timeoutMs >= 1 && timeoutMs <= queryLimits.timeoutMs),
    'timeoutMs',
    `from 1 to ${queryLimits.timeoutMs}`,
  );
  const mostRows = input.export ? queryLimits.exportedRows : queryLimits.maxRows;
  check(maxRows === null || (maxRows >= 0 && maxRows <= mostRows), 'maxRows', `from 0 to ${mostRows}`);
  check(
    priority === null || (priority >= priorities.min && priority <= priorities.max),
    'priority',
    `from ${priorities.min} to ${priorities.max}`,
  );
  check(maxAttempts >= 1 && maxAttempts <= queryLimits.attempts, 'maxAttempts', `from 1 to ${queryLimits.attempts}`);
  check(
    runAt === null || runAt.getTime() - Date.now() <= queryLimits.runAtDays * dayMs,
    'runAt',
    `at most ${queryLimits.runAtDays} days ahead`,
  );
  check(
    idempotencyKey === null ||
      (idempotencyKey !== '' &&
        idempotencyKey.length <= queryLimits.idempotencyKeyLength &&
        isStorable(idempotencyKey)),
    'idempotencyKey',
    `1 to ${queryLimits.idempotencyKeyLength} characters`,
  );
  return faults;
}
