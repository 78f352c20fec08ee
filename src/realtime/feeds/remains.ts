/**
 * What feeds left in targets that did not answer when they were let go: a slot there would keep its server's log for ever. So
 * how to reach them is remembered, sealed, and what was left is taken out when they answer again.
 */
import type { Executor } from '../../db/metadata.ts';
import type { SealedColumn } from '../../db/rotation.ts';
import type { Engine, Target } from '../../engines/engine.ts';
import type { Engines } from '../../engines/registry.ts';
import { uuidv7 } from '../../lib/ids.ts';
import type { Keyring } from '../../lib/keyring.ts';
import type { Log } from '../../lib/log.ts';
import type { FeedStore } from './store.ts';

export interface Remains {
  /** To be taken out another time. @throws whatever the metadata do */
  remember(feedId: string, left: LeftTarget): Promise<void>;
  /** Tries those that are due. @throws whatever the metadata do; the signal's reason */
  clean(options: { signal: AbortSignal }): Promise<void>;
}

export interface LeftTarget {
  /** Its kind. */
  readonly engine: string;
  readonly target: Target;
}

export interface RemainsDeps<Database> {
  readonly db: Executor;
  readonly keyring: Pick<Keyring, 'seal' | 'open'>;
  readonly engines: Engines;
  readonly store: Pick<FeedStore, 'take' | 'release'>;
  readonly databases: {
    /** Those that are there, as they are now. */
    findAll(ids: readonly string[]): Promise<readonly Database[]>;
    targetOf(
      database: Database,
      principal: 'feed',
      options: { signal: AbortSignal },
    ): Promise<{ engine: Engine; target: Target }>;
  };
  readonly log: Log;
  readonly limits?: Partial<RemainsLimits> | undefined;
}

export interface RemainsLimits {
  /** Until it is tried again: so long at first, then for as long as it has been left, up to the most. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
  /** A target that has not answered for so long is forgotten, with how to reach it. */
  readonly forgetMs: number;
  /** Targets that are remembered; what is left in others is only logged. */
  readonly most: number;
  readonly atOnce: number;
  /** What cleaning up one target may take. */
  readonly cleanMs: number;
}

const remainsLimits: RemainsLimits = {
  retryMs: 60_000,
  maxRetryMs: 3_600_000,
  forgetMs: 7 * 86_400_000,
  most: 1_000,
  atOnce: 4,
  cleanMs: 10_000,
};

interface Row {
  readonly id: string;
  readonly feedId: string;
  readonly sealedTarget: string;
  readonly last: boolean;
}

const contextOf = ({ id, feedId }: Pick<Row, 'id' | 'feedId'>) =>
  ['change_feed_remains', 'target', id, feedId] as const;

/** For a rotation of the keys. */
export const sealedRemains: SealedColumn = {
  table: 'change_feed_remains',
  column: 'sealed_target',
  key: { id: 'uuid' },
  boundTo: ['id', 'feed_id'],
  context: (id, feedId) => contextOf({ id, feedId }),
};

export function createRemains<Database>(allDeps: RemainsDeps<Database>): Remains {
  const { db, keyring, engines, store, databases, log, ...deps } = allDeps;
  const limits = { ...remainsLimits, ...deps.limits };
  const holderId = uuidv7();

  async function cleanOne(row: Row, stopping: AbortSignal): Promise<void> {
    const { id, feedId } = row;
    const { engine, target } = JSON.parse(keyring.open(row.sealedTarget, contextOf(row))) as LeftTarget;
    const where = { databaseId: feedId, host: target.host, port: target.port, database: target.database };
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(limits.cleanMs)]);
    try {
      const remove = async () => void (await engineOf(engine)?.changes?.remove(target, { feedId, signal }));
      if (await leadsTo(engine, target, { feedId, signal })) await unlessUsed(feedId, remove);
      else await remove();
      await forget(id);
      log.info(where, 'realtime.remains_removed');
    } catch (error) {
      stopping.throwIfAborted();
      log.debug({ ...where, error: String(error) }, 'realtime.remains_not_removed');
      if (!row.last) return;
      await forget(id);
      log.warn(where, 'realtime.remains_given_up');
    }
  }

  /** Also by another name of the same server: what is left has the names there that a feed of today has. */
  async function leadsTo(kind: string, target: Target, { feedId, signal }: { feedId: string; signal: AbortSignal }) {
    const [database] = await databases.findAll([feedId]);
    if (database === undefined) return false;
    const now = await databases.targetOf(database, 'feed', { signal });
    const changes = engineOf(kind)?.changes;
    if (now.engine.kind !== kind || !changes) return false;
    const [there, here] = await Promise.all([target, now.target].map((one) => changes.identify(one, { signal })));
    return there === here;
  }

  /** A feed that somebody holds or keeps began anew there, and took what was left for its own. Nobody begins one meanwhile. */
  async function unlessUsed(feedId: string, remove: () => Promise<void>): Promise<void> {
    const held = await store.take(feedId, { holderId, leaseMs: limits.cleanMs * 2 });
    if (held === null) return;
    try {
      if (!held.kept) await remove();
    } finally {
      await store.release(feedId, holderId);
    }
  }

  const engineOf = (kind: string) => Object.values(engines).find((engine) => engine.kind === kind);
  const forget = (id: string) => db.query('DELETE FROM change_feed_remains WHERE id = $1', [id]);

  return {
    async remember(feedId, { engine, target }) {
      const { host, port, database } = target;
      const id = uuidv7();
      const sealed = keyring.seal(JSON.stringify({ engine, target }), contextOf({ id, feedId }));
      const { rowCount } = await db.query(
        `INSERT INTO change_feed_remains (id, feed_id, sealed_target, next_at)
         SELECT $1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond'
          WHERE (SELECT count(*) FROM change_feed_remains) < $5`,
        [id, feedId, sealed, limits.retryMs, limits.most],
      );
      log.warn({ databaseId: feedId, host, port, database, remembered: rowCount === 1 }, 'realtime.remains_left');
    },

    async clean({ signal }) {
      const { rows } = await db.query<Row>(
        `UPDATE change_feed_remains AS r SET next_at = clock_timestamp() + least(greatest(
                clock_timestamp() - left_at, $1 * interval '1 millisecond'), $2 * interval '1 millisecond')
          WHERE id IN (SELECT id FROM change_feed_remains WHERE next_at <= clock_timestamp()
                        ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, feed_id AS "feedId", sealed_target AS "sealedTarget",
                   left_at < clock_timestamp() - $4 * interval '1 millisecond' AS last`,
        [Math.max(limits.retryMs, limits.cleanMs * 2), limits.maxRetryMs, limits.atOnce, limits.forgetMs],
      );
      await Promise.all(rows.map((row) => cleanOne(row, signal)));
    },
  };
}
