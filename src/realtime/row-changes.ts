/** Committed changes of rows as a stream: who may follow them, of which tables, and from where. The rest is read-on.ts. */
import type { Viewer } from '../accounts/viewer.ts';
import { AppError, badInput, notFound } from '../lib/errors.ts';
import type { FeedRun } from './feed-run.ts';
import type { FollowedTable, WantedCoverage } from './followed-tables.ts';
import type { Hub, HubDatabase } from './hub.ts';
import { comparePositions, laterOf, type Position, readPosition } from './positions.ts';
import { readOn } from './read-on.ts';
import type { GroupBatch } from './reader-group.ts';
import type { Source } from './row-change.ts';
import { checkSources, parseSources, type SourceInput } from './sources.ts';
import type { ReadDatabase, ViewerRights } from './viewer-rights.ts';

export interface RowChangesInput {
  readonly databaseId: string;
  readonly tables: readonly SourceInput[];
  readonly after: string | null;
  readonly batchSize: number;
}

export interface RowChangesDeps<Database extends HubDatabase & ReadDatabase> {
  readonly hub: Pick<Hub<Database>, 'look' | 'withRun'>;
  readonly rights: ViewerRights<Database>;
  readonly limits?: Partial<RowChangesLimits> | undefined;
}

export interface RowChangesLimits {
  /** A quiet reader is told where he is so often, so that his position stays young. */
  readonly quietMs: number;
  /** Streams of one viewer, and of this process. */
  readonly readersOfViewer: number;
  readonly readers: number;
}

const rowChangesLimits: RowChangesLimits = { quietMs: 25_000, readersOfViewer: 10_000, readers: 20_000 };

export const maxBatchSize = 1_000;

export interface RowChanges {
  /**
   * The first batch comes at once; then one whenever something is committed, and an empty one while all is quiet. A batch
   * ends with what there is: it is never waited for more. Who is told the same is given the same object.
   * @throws AppError UNAUTHENTICATED; NOT_FOUND, also when the right, the table or the database goes; FORBIDDEN for what the
   * credentials may not read; BAD_USER_INPUT; UNSUPPORTED where not all that is wanted is told; CONNECTION_FAILED, TIMEOUT;
   * LIMIT_EXCEEDED; CONFLICT where a column of a filter is another now; POSITION_LOST; SLOW_CONSUMER with the position
   * behind which the reader goes on
   * @param give while the reader waits for the next batch, gives it to him without his coming for it; false: he comes
   */
  follow(
    viewer: Viewer | null,
    input: RowChangesInput,
    signal: AbortSignal,
    give?: (batch: GroupBatch) => boolean,
  ): AsyncGenerator<GroupBatch, void>;
}

export function createRowChanges<Database extends HubDatabase & ReadDatabase>({
  hub,
  rights,
  ...deps
}: RowChangesDeps<Database>): RowChanges {
  const limits = { ...rowChangesLimits, ...deps.limits };
  const readers = new Map<string, number>();
  let all = 0;

  /** @throws AppError LIMIT_EXCEEDED */
  function count({ userId }: Viewer): Disposable {
    const own = readers.get(userId) ?? 0;
    requireBelow(own, limits.readersOfViewer, 'of one user');
    requireBelow(all, limits.readers, 'of this server');
    readers.set(userId, own + 1);
    all += 1;
    return {
      [Symbol.dispose]() {
        all -= 1;
        const left = (readers.get(userId) ?? 1) - 1;
        if (left === 0) readers.delete(userId);
        else readers.set(userId, left);
      },
    };
  }

  return {
    async *follow(viewer, { databaseId, tables, after, batchSize }, signal, give) {
      if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
      if (batchSize < 1 || batchSize > maxBatchSize)
        throw badInput({ path: 'batchSize', message: `from 1 to ${maxBatchSize}` });
      checkSources(tables);
      using held = new DisposableStack();
      held.use(count(viewer));
      const right = held.use(await rights.watch(viewer, databaseId));
      const { database } = right;
      const asked = after === null ? null : readPosition(databaseId, after);
      const names = tables.map(({ table }) => {
        if (!table) throw notFound('Table');
        return table;
      });
      const accesses = await hub.look(database, names, signal);
      const sources = parseSources(tables, accesses);
      const known = accesses.filter((access) => access !== null);
      const run = await hub.withRun(
        database,
        async (current) => {
          held.use(await current.tables.hold(known, signal));
          return current;
        },
        signal,
      );
      const wanted = sources.map((source, place) => {
        const [table, coverage] = [known[place]!, wantedOf(source)];
        return { table, coverage, begun: run.tables.require(table, coverage) };
      });
      const begin = beginOf(
        run,
        asked,
        wanted.map(({ begun }) => begun.since),
      );
      const { group } = held.use(run.groups.join(sources, known));
      let covered = Number.NaN;
      yield* readOn({
        run,
        group,
        begin,
        batchSize,
        quietMs: limits.quietMs,
        write: run.positions.write,
        lost: [right.lost, right.moved],
        mayGoOn: () => {
          const { revision } = run.tables;
          if (revision !== covered) {
            for (const { table, coverage, begun } of wanted)
              requireNoGap(coverage, begun, run.tables.require(table, coverage));
            covered = revision;
          }
          return right.fresh() ?? undefined;
        },
        give,
        signal,
      });
    },
  };
}

function requireBelow(actual: number, limit: number, whose: string): void {
  if (actual < limit) return;
  throw new AppError('LIMIT_EXCEEDED', `At most ${limit} streams of row changes ${whose}`, {
    details: { limit, actual: actual + 1 },
  });
}

/** @throws AppError POSITION_LOST where some of what is wanted of the table may have been untold meanwhile */
function requireNoGap(wanted: WantedCoverage, begun: FollowedTable, now: FollowedTable): void {
  const gap = now.gaps[wanted];
  if (gap === begun.gaps[wanted]) return;
  const { schema, name } = now.name;
  throw new AppError(
    'POSITION_LOST',
    `Not all that changed in ${schema}.${name} could be told, as ${gap.reason}: read the rows again, then subscribe without \`after\``,
  );
}

const wantedOf = ({ events }: Source): WantedCoverage =>
  events.has('UPDATE') || events.has('DELETE') ? 'ALL' : 'INSERTS';

/** @param since of each table, the place behind which nothing of it is missed @throws AppError POSITION_LOST */
function beginOf(
  { positions, log }: Pick<FeedRun, 'positions' | 'log'>,
  asked: { readonly generation: string; readonly position: Position } | null,
  since: readonly Position[],
): Position {
  if (asked === null) return since.reduce(laterOf, log.end.position);
  const missed = since.some((begin) => comparePositions(asked.position, begin) < 0);
  if (asked.generation !== positions.generation || missed)
    throw new AppError(
      'POSITION_LOST',
      'The tables were not listened to all the time since this position: read the rows again, then subscribe without `after`',
    );
  log.find(asked.position);
  return asked.position;
}
