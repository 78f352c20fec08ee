/** Row changes without their HTTP: real metadata, a real target, and one process that listens to it. */
import type { Viewer } from '../../src/accounts/viewer.ts';
import type { Database, VisibleDatabase } from '../../src/databases/databases.ts';
import type { HubLimits } from '../../src/realtime/hub.ts';
import type { GroupBatch, RowChange } from '../../src/realtime/reader-group.ts';
import { createRowChanges, type RowChanges, type RowChangesLimits } from '../../src/realtime/row-changes.ts';
import type { SourceInput } from '../../src/realtime/sources.ts';
import { createViewerRights, type ViewerRightsLimits } from '../../src/realtime/viewer-rights.ts';
import { asked, createWorld, type World } from '../databases/world.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { startProcess } from './process.ts';

export interface StageLimits {
  hub?: Partial<HubLimits>;
  changes?: Partial<RowChangesLimits>;
  rights?: Partial<ViewerRightsLimits>;
}

export type Table = Omit<SourceInput, 'table'> & { table: string };

export interface Asking {
  after?: string | null;
  batchSize?: number;
  viewer?: Viewer | null;
  databaseId?: string;
  give?: (batch: GroupBatch) => boolean;
}

export async function createStage(sql = '', { hub: hubLimits, ...limits }: StageLimits = {}) {
  const [world, target] = await Promise.all([createWorld(), createTestDatabase(sql)]);
  const viewer = await world.person();
  const database = await connectTo(world, viewer, target, {});
  const { hub, stop } = startProcess(world, { hub: hubLimits });
  const changes = createRowChanges<VisibleDatabase>({
    hub,
    rights: createViewerRights({ load: world.databases.load, limits: limits.rights }),
    limits: limits.changes,
  });
  const { read, leave } = createReading({ changes, viewer, databaseId: database.id });

  return {
    world,
    target,
    viewer,
    database,
    hub,
    changes,
    read,
    leave,
    sql: (text: string, values: unknown[] = []) => target.client.query(text, values),
    async [Symbol.asyncDispose]() {
      await leave();
      await stop();
      await world[Symbol.asyncDispose]();
      await target[Symbol.asyncDispose]();
    },
  };
}

export type Stage = Awaited<ReturnType<typeof createStage>>;

export interface Reading {
  readonly changes: RowChanges;
  readonly viewer: Viewer;
  readonly databaseId: string;
}

/** Readers of one process, as many as are wanted. */
export function createReading({ changes, ...usual }: Reading) {
  const readers: { stop(): Promise<void> }[] = [];

  /** Tables of the schema public, by name. */
  function read(tables: readonly Table[], asking: Asking = {}) {
    const { after = null, batchSize = 500, viewer: who = usual.viewer, databaseId = usual.databaseId, give } = asking;
    const left = new AbortController();
    const sources = tables.map(({ table, ...source }) => ({ ...source, table: { schema: 'public', name: table } }));
    const stream = changes.follow(who, { databaseId, tables: sources, after, batchSize }, left.signal, give);
    const reader = {
      /** The next batch. @throws what the stream ends with */
      async next(): Promise<GroupBatch> {
        const { value, done } = await stream.next();
        if (done) throw new Error('the stream has ended');
        return value;
      },
      /** As many changes, from as many batches as it takes. */
      async take(count: number): Promise<RowChange[]> {
        const taken: RowChange[] = [];
        while (taken.length < count) taken.push(...(await reader.next()).changes);
        return taken;
      },
      /** Has begun: whatever is committed from now on is told. */
      async begun() {
        await reader.next();
        return reader;
      },
      async stop() {
        left.abort();
        await stream.return();
      },
    };
    readers.push(reader);
    return reader;
  }

  return {
    read,
    /** Ends all who read. */
    async leave() {
      await Promise.all(readers.splice(0).map((reader) => reader.stop()));
    },
  };
}

/** As a user with these credentials. */
export async function connectTo(
  world: World,
  viewer: Viewer,
  target: TestDatabase,
  credentials: { user?: string; password?: string },
): Promise<Database> {
  const { host, port, user, password, database } = target;
  const connection = { host, port, user, password, database, ssl: 'DISABLE' as const, ...credentials };
  const input = { name: 'target', connection, projectId: null, readOnly: false };
  return (await world.databases.connect(viewer, input, asked())).database;
}

/** The part of a change that tests compare. */
export const told = ({ event, table, old, new: now }: RowChange) => ({ event, table: table.name, old, new: now });
