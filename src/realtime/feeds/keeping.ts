/** Keeping of changes while nobody listens: what it takes is put into the target, and taken out again without a trace. */
import type { Executor } from '../../db/metadata.ts';
import type { ChangeSource } from '../../engines/changes.ts';
import type { Engine, Target } from '../../engines/engine.ts';
import type { Bus } from '../../lib/bus.ts';
import { AppError } from '../../lib/errors.ts';
import { uuidv7 } from '../../lib/ids.ts';
import type { Topic } from '../../lib/topics.ts';
import { type Hub, type HubDatabase, nowKept } from '../hub.ts';
import type { FeedStore } from './store.ts';

export interface KeepingDeps<Database extends HubDatabase> {
  readonly store: Pick<FeedStore, 'kept' | 'change' | 'keep' | 'remove'>;
  readonly hub: Pick<Hub<Database>, 'end'>;
  readonly databases: {
    targetOf(
      database: Database,
      principal: 'feed',
      options: { signal: AbortSignal },
    ): Promise<{ engine: Engine; target: Target }>;
  };
  readonly pool: Executor;
  readonly bus: Bus<Topic>;
}

/** Done in the transaction that says so. @returns false: it was taken for left behind meanwhile */
type Settle = (client: Executor) => Promise<boolean>;

export interface Keeping<Database extends HubDatabase> {
  /** Of these, those whose changes are kept. */
  of(databaseIds: readonly string[]): Promise<Set<string>>;
  /**
   * Who reads without it is ended. @returns what is left to do; null where changes are kept already
   * @throws AppError UNSUPPORTED with what the administrator would have to set, NOT_FOUND, CONFLICT, CONNECTION_FAILED,
   * TIMEOUT, SQL_ERROR; nothing is left in the target then
   */
  install(database: Database, options: { signal: AbortSignal }): Promise<Settle | null>;
  /** The same the other way; changes are kept as before where it fails. @throws AppError CONFLICT, CONNECTION_FAILED, SQL_ERROR */
  uninstall(database: Database, options: { signal: AbortSignal }): Promise<Settle | null>;
  /** It has been settled, or will not be: others may look again. */
  changed(): void;
}

/** Longer than it takes; behind it whoever changes it is taken for dead. */
const changeMs = 120_000;
const removeMs = 10_000;

export function createKeeping<Database extends HubDatabase>(deps: KeepingDeps<Database>): Keeping<Database> {
  const { store, hub, databases, pool, bus } = deps;

  async function begin(database: Database, reason: AppError): Promise<string> {
    const holderId = uuidv7();
    if (!(await store.change(database.id, { holderId, leaseMs: changeMs })))
      throw new AppError('CONFLICT', 'Change tracking of this database is being changed just now: try again');
    await hub.end(database.id, reason);
    return holderId;
  }

  async function reach(database: Database, options: { signal: AbortSignal }) {
    const { engine, target } = await databases.targetOf(database, 'feed', options);
    if (engine.changes) return { changes: engine.changes, target };
    throw new AppError('UNSUPPORTED', `${engine.displayName} does not tell of changed rows`, {
      details: { engine: engine.kind.toUpperCase(), capability: 'ROW_CHANGES' },
    });
  }

  return {
    of: (databaseIds) => store.kept(databaseIds),

    async install(database, { signal }) {
      if ((await store.kept([database.id])).has(database.id)) return null;
      const { changes, target } = await reach(database, { signal });
      const holderId = await begin(database, nowKept());
      try {
        await makeKept(changes, target, database.id, signal);
      } catch (error) {
        const within = AbortSignal.timeout(removeMs);
        // What could not be removed is swept, by the row that says so.
        await changes
          .remove(target, { feedId: database.id, signal: within })
          .then(() => store.remove(pool, database.id))
          .catch(() => undefined);
        throw error;
      }
      return (client) => store.keep(client, database.id, holderId);
    },

    async uninstall(database, { signal }) {
      if (!(await store.kept([database.id])).has(database.id)) return null;
      const holderId = await begin(database, keptNoLonger());
      try {
        const { changes, target } = await reach(database, { signal });
        await changes.remove(target, { feedId: database.id, signal });
      } catch (error) {
        await store.keep(pool, database.id, holderId);
        bus.ring('feeds.changed', '*');
        throw error;
      }
      return async (client) => {
        await store.remove(client, database.id);
        return true;
      };
    },

    changed: () => bus.ring('feeds.changed', '*'),
  };
}

/** From here on the target keeps what is committed; by triggers where there is no log to be had. */
async function makeKept(changes: ChangeSource, target: Target, feedId: string, signal: AbortSignal): Promise<void> {
  const options = { feedId, kept: true, signal };
  try {
    await (await changes.open(target, options))[Symbol.asyncDispose]();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'UNSUPPORTED' || error.details?.setting !== undefined)
      throw error;
    await changes.install(target, { feedId, signal });
    await (await changes.open(target, options))[Symbol.asyncDispose]();
  }
}

const keptNoLonger = (): AppError =>
  new AppError('POSITION_LOST', 'Changes are kept no longer: read the rows again, then subscribe without `after`');
