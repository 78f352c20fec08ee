/**
 * Change tracking is switched on and off here: of DDL, for which something is put into the target and taken out again, and
 * of rows, whose changes are kept then (realtime/feeds/keeping.ts).
 */
import type pg from 'pg';
import type { Caller, Viewer } from '../../accounts/viewer.ts';
import { type AuditAction, record } from '../../audit/audit.ts';
import { transaction } from '../../db/metadata.ts';
import type { Engine, Target } from '../../engines/engine.ts';
import type { Bus } from '../../lib/bus.ts';
import { AppError, badInput, notFound } from '../../lib/errors.ts';
import { encodeId } from '../../lib/ids.ts';
import type { Topic } from '../../lib/topics.ts';
import type { TrackingStore } from './store.ts';

export const trackingKinds = ['DDL', 'ROWS'] as const;
export type TrackingKind = (typeof trackingKinds)[number];

export interface TrackedDatabase {
  readonly id: string;
  readonly name: string;
  /** Users reach it through Quarry alone, whose jobs tell what they change: nothing has to be put into it. */
  readonly hosted: boolean;
  readonly readOnly: boolean;
  readonly sealedPassword: string;
}

export type Reach = (options: { signal: AbortSignal }) => Promise<{ engine: Engine; target: Target }>;

export interface TrackingDeps<Database extends TrackedDatabase> {
  readonly pool: pg.Pool;
  readonly store: TrackingStore;
  readonly databases: {
    /** @throws AppError UNAUTHENTICATED, NOT_FOUND, FORBIDDEN */
    requireDatabase(viewer: Viewer | null, action: 'database:manage', id: string): Promise<Database>;
    targetOf(
      database: Database,
      principal: 'catalogue',
      options: { signal: AbortSignal },
    ): Promise<{ engine: Engine; target: Target }>;
  };
  readonly rows: RowsKept<Database>;
  readonly bus: Bus<Topic>;
}

/** What is left to do, in the transaction that says so. @returns false: it was undone meanwhile */
type Settle = (client: pg.PoolClient) => Promise<boolean>;

/** Null: it is so already. */
interface RowsKept<Database> {
  of(databaseIds: readonly string[]): Promise<Set<string>>;
  install(database: Database, options: { signal: AbortSignal }): Promise<Settle | null>;
  uninstall(database: Database, options: { signal: AbortSignal }): Promise<Settle | null>;
  changed(): void;
}

interface Asked {
  readonly viewer: Viewer | null;
  readonly caller: Caller;
  readonly signal: AbortSignal;
}

export const trackingLabel = 'quarry tracking';

export type Tracking = ReturnType<typeof createTracking>;

export function createTracking<Database extends TrackedDatabase>({
  pool,
  store,
  databases,
  rows,
  bus,
}: TrackingDeps<Database>) {
  async function audited(
    client: pg.PoolClient,
    action: Extract<AuditAction, `database.tracking_${string}`>,
    { id, name }: Database,
    { viewer, caller }: Asked,
    what: readonly TrackingKind[],
  ): Promise<void> {
    const subject = encodeId('Database', id);
    const actorId = viewer?.userId ?? null;
    await record(client, { actorId, action, subject, outcome: 'success', caller, details: { name, what } });
  }

  /** @throws AppError CONFLICT where somebody else has undone it */
  async function settleRows(
    settle: Settle | null,
    done: 'enabled' | 'disabled',
    database: Database,
    asked: Asked,
  ): Promise<void> {
    if (!settle) return;
    await transaction(pool, async (client) => {
      if (!(await settle(client))) throw new AppError('CONFLICT', 'Somebody else changed its tracking meanwhile');
      await audited(client, `database.tracking_${done}`, database, asked, ['ROWS']);
    }).finally(rows.changed);
  }

  async function enableDdl(database: Database, asked: Asked): Promise<void> {
    const { signal } = asked;
    const reached = () => databases.targetOf(database, 'catalogue', { signal });
    await store.begin(database.id);
    if (!database.hosted) await install(store, pool, database.id, reached, signal);
    await transaction(pool, async (client) => {
      if (!(await store.installed(client, database.id))) throw notFound('Database');
      await audited(client, 'database.tracking_enabled', database, asked, ['DDL']);
    });
    bus.ring('tracking.changed', '*');
  }

  async function disableDdl(database: Database, asked: Asked): Promise<void> {
    const { signal } = asked;
    if (!database.hosted) {
      const { engine, target } = await databases.targetOf(database, 'catalogue', { signal });
      await engine.tracking?.remove(target, { trackingId: database.id, signal, label: trackingLabel });
    }
    await transaction(pool, async (client) => {
      await store.remove(client, database.id);
      await audited(client, 'database.tracking_disabled', database, asked, ['DDL']);
    });
    bus.ring('tracking.changed', '*');
  }

  function requireSome(what: readonly TrackingKind[]): void {
    if (what.length === 0) throw badInput({ path: 'input.what', message: 'name what to track' });
  }

  return {
    /** Of each of the databases, in their order. */
    async of(databaseIds: readonly string[]): Promise<TrackingKind[][]> {
      const [tracked, kept] = await Promise.all([store.tracked(databaseIds), rows.of(databaseIds)]);
      return databaseIds.map((id) => trackingKinds.filter((kind) => (kind === 'DDL' ? tracked : kept).has(id)));
    },

    /**
     * Again is no change but puts back what somebody took out of the target.
     * @throws AppError NOT_FOUND, FORBIDDEN; READ_ONLY; UNSUPPORTED with what is missing; CONNECTION_FAILED, SQL_ERROR
     */
    async enable(asked: Asked, databaseId: string, what: readonly TrackingKind[]): Promise<void> {
      const database = await databases.requireDatabase(asked.viewer, 'database:manage', databaseId);
      requireSome(what);
      if (database.readOnly && !database.hosted)
        throw new AppError('READ_ONLY', 'The database is connected for reading: nothing is put into it');
      if (what.includes('ROWS')) await settleRows(await rows.install(database, asked), 'enabled', database, asked);
      if (what.includes('DDL')) await enableDdl(database, asked);
    },

    /** No-op when it is not tracked. @throws AppError NOT_FOUND, FORBIDDEN; CONNECTION_FAILED, SQL_ERROR, and then it still is */
    async disable(asked: Asked, databaseId: string, what: readonly TrackingKind[]): Promise<void> {
      const database = await databases.requireDatabase(asked.viewer, 'database:manage', databaseId);
      requireSome(what);
      if (what.includes('ROWS')) await settleRows(await rows.uninstall(database, asked), 'disabled', database, asked);
      if (what.includes('DDL') && (await store.has(database.id))) await disableDdl(database, asked);
    },
  };
}

async function install(
  store: TrackingStore,
  pool: pg.Pool,
  trackingId: string,
  reach: () => ReturnType<Reach>,
  signal: AbortSignal,
): Promise<void> {
  const known = (await store.tracked([trackingId])).has(trackingId);
  try {
    const { engine, target } = await reach();
    if (!engine.tracking)
      throw new AppError('UNSUPPORTED', `${engine.displayName} does not tell of DDL`, {
        details: { engine: engine.kind.toUpperCase(), capability: 'CHANGE_TRACKING' },
      });
    await engine.tracking.install(target, { trackingId, signal, label: trackingLabel });
  } catch (error) {
    // One transaction of the target: what failed left nothing there.
    if (!known) await store.remove(pool, trackingId).catch(() => undefined);
    throw error;
  }
}

/** How long a target may keep somebody from letting it go. */
const removeTimeoutMs = 5_000;

/** Takes out of a target what is there, as far as it can be reached; never throws for the target. */
export async function removeTracking(
  { store, pool }: { store: TrackingStore; pool: pg.Pool },
  { id, hosted }: Pick<TrackedDatabase, 'id' | 'hosted'>,
  reach: Reach,
  options: { signal: AbortSignal },
): Promise<void> {
  if (!(await store.has(id))) return;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(removeTimeoutMs)]);
  try {
    if (!hosted) {
      const { engine, target } = await reach({ signal });
      await engine.tracking?.remove(target, { trackingId: id, signal, label: trackingLabel });
    }
  } catch {
    // It is not there, or does not let us in: its owner finds a schema that says whose it is.
  }
  await store.remove(pool, id);
}
