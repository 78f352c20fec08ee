/** What jobs write into files, as people ask for it: the results of a job that has ended, in another format. */
import { requireCan } from '../accounts/policy.ts';
import type { Caller, Viewer } from '../accounts/viewer.ts';
import type { Destinations, ExportInput, ExportSettings } from '../exports/destination.ts';
import { type Exported, type Job, jobResource } from '../jobs/job.ts';
import { isFinal } from '../jobs/states.ts';
import type { JobStore } from '../jobs/store.ts';
import { AppError, notFound } from '../lib/errors.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { BucketAccess } from '../storage/files/access.ts';
import type { StoredFile } from '../storage/files/store.ts';
import { type Queries, queryLimits } from './queries.ts';
import type { ResultStore } from './store.ts';

export interface Exports {
  /**
   * A new job of the viewer's that writes the rows which a job has kept, and runs nothing.
   * @throws AppError BAD_USER_INPUT, NOT_FOUND, FORBIDDEN, LIMIT_EXCEEDED, CONFLICT while the job runs, where it keeps no
   * rows or they have been thrown away, and for a file that is there
   */
  exportJob(viewer: Viewer | null, id: string, input: ExportInput, caller?: Caller): Promise<Job>;
  /** Those that are there and the viewer sees; what one `request` asks for in one tick is read together. */
  files(request: object, viewer: Viewer | null, exported: Exported | null): Promise<StoredFile[]>;
  /** The n-th of them, from 0; null where it is not there, or not the viewer's to see. */
  file(request: object, viewer: Viewer | null, exported: Exported | null, n: number): Promise<StoredFile | null>;
}

export interface ExportsDeps {
  readonly jobs: Pick<JobStore, 'find'>;
  readonly results: Pick<ResultStore, 'hasColumns'>;
  readonly queries: Pick<Queries, 'insert'>;
  readonly destinations: Destinations;
  readonly access: Pick<BucketAccess, 'loadFile'>;
  settingsOf(viewer: Viewer): Promise<ExportSettings & { queuePriority: number }>;
}

/** Reading what is kept does no harm: a worker that is lost is followed by another. */
const attempts = 3;

export function createExports({ jobs, results, queries, destinations, access, settingsOf }: ExportsDeps): Exports {
  const ready = async (request: object, viewer: Viewer | null, id: string | undefined): Promise<StoredFile | null> => {
    const file = id === undefined ? null : await access.loadFile(request, viewer, id);
    return file?.status === 'ready' ? file : null;
  };

  return {
    async files(request, viewer, exported) {
      const found = await Promise.all((exported?.files ?? []).map((id) => ready(request, viewer, id)));
      return found.filter((file) => file !== null);
    },

    file: (request, viewer, exported, n) => ready(request, viewer, exported?.files[n]),

    async exportJob(viewer, id, input, caller) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const source = await jobs.find(id);
      if (!source) throw notFound('Job');
      requireCan(viewer, 'job:see', jobResource(source));
      if (!isFinal(source.status)) throw new AppError('CONFLICT', 'The job has not ended yet');
      if (source.export !== null)
        throw new AppError('CONFLICT', 'The job has kept no rows: it has written them into files');
      if (source.resultsDropped)
        throw new AppError('CONFLICT', 'The rows of the job have been thrown away: run it again');
      if (!(await results.hasColumns(source.id)))
        throw new AppError('CONFLICT', 'The job has kept no rows: none of its statements has returned any');
      const settings = await settingsOf(viewer);
      const newId = uuidv7();
      const exporting = { id: newId, name: source.name, at: new Date() };
      const { job } = await queries.insert({
        id: newId,
        ...(caller && { caller }),
        kind: 'export',
        ownerId: viewer.userId,
        databaseId: source.databaseId,
        // It asks nothing of the database, and counts for none.
        targetKey: newId,
        targetLabel: source.targetLabel,
        name: source.name,
        sql: source.sql,
        parameters: source.parameters,
        readOnly: true,
        transaction: source.transaction,
        timeoutMs: queryLimits.exportTimeoutMs,
        maxRows: null,
        priority: settings.queuePriority,
        maxAttempts: attempts,
        sourceId: source.id,
        export: await destinations.resolve(viewer, input, settings, exporting),
        idempotencyKey: null,
      });
      return job;
    },
  };
}
