/** A feed run that is told by the test what happened, and when: what comes together, and what a database does seldom. */
import { onTestFinished } from 'vitest';
import type { ChangedTable, ChangeFeed, CommitPosition, FeedEvent } from '../../src/engines/changes.ts';
import type { RowAccess } from '../../src/engines/row-access.ts';
import { changeLogLimits } from '../../src/realtime/change-log.ts';
import { createFeedRun } from '../../src/realtime/feed-run.ts';
import { createPositions, newGeneration } from '../../src/realtime/positions.ts';
import { readOn } from '../../src/realtime/read-on.ts';
import type { RowChange } from '../../src/realtime/reader-group.ts';
import { createRowRights, type RowRightsDeps } from '../../src/realtime/row-rights.ts';
import { parseSources, type SourceInput } from '../../src/realtime/sources.ts';
import { silent } from '../support/metadata.ts';

type Column = RowAccess['columns'][number];
export const column = (name: string, dataType: string, type: Column['type']): Column => ({
  name,
  dataType,
  type,
  blankPadded: false,
  readable: true,
});

/** Of a table of an id and a text. */
export const access = (more: Partial<RowAccess> = {}): RowAccess => ({
  schema: 'public',
  name: 'things',
  id: '1',
  key: ['id'],
  readable: true,
  rowSecurity: false,
  columns: [column('id', 'integer', { kind: 'int32' }), column('name', 'text', { kind: 'text' })],
  ...more,
});

export const shape = (more: Partial<ChangedTable> = {}): ChangedTable => ({
  id: '1',
  schema: 'public',
  name: 'things',
  columns: [
    { name: 'id', dataType: 'integer', decode: Number, coding: null },
    { name: 'name', dataType: 'text', decode: null, coding: null },
  ],
  key: [0],
  identity: [0],
  old: 'IDENTITY',
  ...more,
});

const positionOf = (number: number): CommitPosition => number.toString(16).padStart(16, '0');

/** Changes of one row, without their places. */
type Row =
  | Omit<Extract<FeedEvent, { type: 'insert' }>, 'place'>
  | Omit<Extract<FeedEvent, { type: 'update' }>, 'place'>
  | Omit<Extract<FeedEvent, { type: 'delete' }>, 'place'>;

/** @param now what the credentials may read, at any time */
export function createToldRun(now: { access: RowAccess }, rowsSeen: RowRightsDeps['rowsSeen'] = async () => []) {
  const queue: (readonly FeedEvent[])[] = [];
  const closed = new AbortController();
  let wake = () => {};
  const feed: ChangeFeed = {
    start: positionOf(0),
    resumed: false,
    followed: new Map(),
    closed: closed.signal,
    confirm() {},
    status: () => ({
      retainedBytes: null,
      safeBytes: null,
      position: positionOf(0),
      confirmed: positionOf(0),
      heardAt: new Date(),
    }),
    follow: async (tables) =>
      tables.map((table) => ({ table, id: '1', after: positionOf(0), coverage: 'ALL', reason: null })),
    unfollow: async () => {},
    async *[Symbol.asyncIterator]() {
      while (!closed.signal.aborted) {
        const told = queue.shift();
        if (told) yield told;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    async [Symbol.asyncDispose]() {
      closed.abort();
      wake();
    },
  };
  const positions = createPositions('d', newGeneration(Date.now(), 1));
  const run = createFeedRun({
    databaseId: 'd',
    feed,
    kept: false,
    positions,
    rights: createRowRights({
      read: async (asked) => ('ids' in asked ? asked.ids : asked.names).map(() => now.access),
      rowsSeen,
      limits: { refreshMs: 10 },
    }),
    engine: 'POSTGRESQL',
    logLimits: { ...changeLogLimits, maxBytes: () => 2 ** 26 },
    readerLimits: { slowMs: 60_000, slowBytes: 2 ** 26 },
    onLost: () => undefined,
    lingerMs: 60_000,
    log: silent,
  });
  const left = new AbortController();
  onTestFinished(async () => {
    left.abort();
    await run[Symbol.asyncDispose]();
  });

  let transactions = 0;
  return {
    run,
    /** A transaction as the feed tells it. */
    transaction(...rows: Row[]): FeedEvent[] {
      transactions += 1;
      const position = positionOf(transactions * 100);
      return [
        { type: 'begin', transactionId: String(transactions), committedAt: new Date(), position },
        ...rows.map((row, index): FeedEvent => ({ ...row, place: index + 1 })),
        { type: 'commit', position },
      ];
    },
    /** At once. */
    tell(events: readonly FeedEvent[]): void {
      queue.push(events);
      wake();
    },
    /** Has begun; @returns the changes of the next batch that has some */
    async read(source: Omit<SourceInput, 'table'> = {}): Promise<() => Promise<readonly RowChange[]>> {
      const known = now.access;
      const sources = parseSources([{ table: known, ...source }], [known]);
      await run.tables.hold([known], left.signal);
      const { group } = run.groups.join(sources, [known]);
      const batches = readOn({
        run,
        group,
        begin: run.log.end.position,
        batchSize: 500,
        quietMs: 60_000,
        write: positions.write,
        lost: [],
        mayGoOn: () => void run.tables.require(known, 'INSERTS'),
        signal: left.signal,
      });
      await batches.next();
      return async () => {
        for (;;) {
          const { value } = await batches.next();
          if (!value) throw new Error('the stream has ended');
          if (value.changes.length > 0) return value.changes;
        }
      };
    },
  };
}
