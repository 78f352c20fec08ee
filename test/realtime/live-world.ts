/** Live queries of an installation without its HTTP: real metadata, a real target, the real feed between them. */
import { EventEmitter, once } from 'node:events';
import { pino } from 'pino';
import type { Viewer } from '../../src/accounts/viewer.ts';
import type { Cell } from '../../src/engines/engine.ts';
import type { LiveInput } from '../../src/realtime/live/input.ts';
import { createLiveQueries, type LiveQueryLimits } from '../../src/realtime/live/live-queries.ts';
import type { LiveResult } from '../../src/realtime/live/results.ts';
import { createViewerRights } from '../../src/realtime/viewer-rights.ts';
import { createWatching } from '../../src/realtime/watching.ts';
import { asked, createWorld, type WorldOptions } from '../databases/world.ts';
import { createTestDatabase, type TestServer } from '../support/databases.ts';
import { silent } from '../support/metadata.ts';
import { startProcess } from './process.ts';

interface LiveWorldOptions extends WorldOptions {
  readonly limits?: Partial<LiveQueryLimits>;
  /** Of the target. */
  readonly sql?: string;
  /** Absent: the shared one. */
  readonly server?: TestServer;
}

export async function createLiveWorld({ limits, sql = '', server, ...options }: LiveWorldOptions = {}) {
  const [world, target] = await Promise.all([createWorld(options), createTestDatabase(sql, server)]);
  const { databases } = world;
  const told = new EventEmitter();
  let followed = 0;
  const log = pino(
    { level: 'debug' },
    {
      write(line) {
        if ((JSON.parse(line) as { msg: string }).msg !== 'live_query.followed') return;
        followed += 1;
        told.emit('followed');
      },
    },
  );
  const { hub, stop } = startProcess(world);
  const watching = createWatching({ hub, log: silent });
  let statementTimeoutMs = 30_000;
  const live = createLiveQueries({
    databases,
    rights: createViewerRights({ load: databases.load, limits: { recheckMs: 200 } }),
    watching,
    settingsOf: async () => ({ statementTimeoutMs }),
    log,
    limits,
  });
  const { host, port, user, password, database } = target;
  const connection = { host, port, user, password, database, ssl: 'DISABLE' } as const;

  return {
    ...world,
    target,
    hub,
    live,
    sql: async (text: string, values: unknown[] = []) => (await target.client.query(text, values)).rows,
    /** How many queries have come to follow all that they read. */
    get followed() {
      return followed;
    },
    async untilFollowed(count: number): Promise<void> {
      while (followed < count) await once(told, 'followed');
    },
    setStatementTimeoutMs(ms: number) {
      statementTimeoutMs = ms;
    },
    async connect(
      viewer: Viewer,
      more: { projectId?: string; user?: string; password?: string } = {},
    ): Promise<string> {
      const { projectId = null, ...credentials } = more;
      const input = { name: 'shop', connection: { ...connection, ...credentials }, projectId, readOnly: false };
      return (await databases.connect(viewer, input, asked())).database.id;
    },
    /** Sessions of live queries that are open in the target. */
    async sessions(): Promise<number> {
      const { rows } = await target.client.query(
        `SELECT FROM pg_stat_activity WHERE application_name = 'quarry live query' AND datname = current_database()`,
      );
      return rows.length;
    },
    async [Symbol.asyncDispose]() {
      await live.stop();
      await stop();
      await world[Symbol.asyncDispose]();
      await target[Symbol.asyncDispose]();
    },
  };
}

export type LiveWorld = Awaited<ReturnType<typeof createLiveWorld>>;

/** A reader who keeps the rows as the contract says. */
export class LiveReader implements Disposable {
  readonly #results: AsyncGenerator<LiveResult>;
  readonly #leaving = new AbortController();
  rows: { key: string; values: readonly Cell[] }[] = [];
  version = 0;

  constructor({ live }: Pick<LiveWorld, 'live'>, viewer: Viewer | null, databaseId: string, input: Partial<LiveInput>) {
    const whole = { sql: 'SELECT 1', parameters: [], maxRows: 1_000, key: null, ...input };
    this.#results = live.follow(viewer, databaseId, whole, this.#leaving.signal);
  }

  /** @throws Error where there is no other result, and what ended the stream */
  async next(): Promise<LiveResult> {
    const { done, value } = await this.#results.next();
    if (done) throw new Error('the stream has ended');
    this.version += 1;
    if (value.version !== this.version) throw new Error(`version ${value.version} behind ${this.version - 1}`);
    const removed = new Set([...value.removed, ...value.upserted.map(({ row }) => row.key)]);
    const kept = value.rows ? [] : this.rows.filter(({ key }) => !removed.has(key));
    for (const { index, row } of value.rows ?? value.upserted) {
      kept.splice(index, 0, { key: row.key, values: row.values });
    }
    this.rows = kept;
    return value;
  }

  get values(): (readonly Cell[])[] {
    return this.rows.map(({ values }) => values);
  }

  /** Reads on until the rows are these. */
  async until(isReached: (values: (readonly Cell[])[]) => boolean): Promise<void> {
    while (!isReached(this.values)) await this.next();
  }

  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.#results.return(undefined);
  }

  [Symbol.dispose](): void {
    void this.leave();
  }
}
