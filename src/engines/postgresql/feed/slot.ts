/**
 * The replication slot of a feed: made, gone on with, or taken over from one of our own that was left behind. A temporary
 * one goes with the connection that made it.
 */
import { AppError } from '../../../lib/errors.ts';
import { pause, untilAborted } from '../../../lib/until-aborted.ts';
import type { CommitPosition } from '../../changes.ts';
import type { SessionIdentity } from '../../engine.ts';
import type { Connection } from '../connect.ts';
import { before, positionOf } from './lsn.ts';
import { type FeedNames, unsupported } from './names.ts';
import type { Side } from './side.ts';

export interface OpenedSlot {
  readonly name: string;
  /** Up to which the log will not be sent. */
  readonly start: CommitPosition;
}

interface Waiting {
  readonly signal: AbortSignal;
}

/** How often it is asked whether a session has ended. */
const pollMs = 50;

/**
 * Ends whoever reads a slot of this feed and waits until nobody does: only one of ours can, and it was given up.
 * @throws AppError UNSUPPORTED where somebody else holds it
 */
export async function takeOver(side: Side, names: FeedNames, { signal }: Waiting): Promise<void> {
  for (;;) {
    const [holder] = await side.query(holderSql, [[names.temporarySlot, names.keptSlot], names.label], { signal });
    if (holder === undefined) return;
    const [slot, label, ended] = holder;
    // Null: it has just ended.
    if (ended === 'f' && label !== null)
      throw unsupported(`Somebody else reads the replication slot ${slot}: ${label}`);
    await pause(pollMs, signal);
  }
}

const holderSql = `
  SELECT s.slot_name, a.application_name,
         CASE WHEN a.application_name = $2 THEN pg_terminate_backend(s.active_pid) ELSE false END
    FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
   WHERE s.slot_name = ANY ($1) AND s.active_pid IS NOT NULL
   LIMIT 1`;

/**
 * Ends the session that reads a slot, where it goes on without us, and waits for it to be gone: also another feed of the
 * same name may have one by now, which is left alone.
 */
export async function endReader(
  side: Side,
  { sessionId, startedAt }: SessionIdentity,
  { signal }: Waiting,
): Promise<void> {
  while ((await side.query(endSql, [sessionId, startedAt], { signal })).length > 0) await pause(pollMs, signal);
}

const endSql = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_get_activity($1::integer) WHERE backend_start = $2::timestamptz`;

/** A kept slot that is there. @throws AppError POSITION_LOST where its log is gone; then the slot is, too */
export async function findKeptSlot(
  side: Side,
  { keptSlot }: FeedNames,
  { signal }: Waiting,
): Promise<OpenedSlot | null> {
  const [row] = await side.query(keptSql, [keptSlot], { signal });
  if (row === undefined) return null;
  const [confirmed, lost] = row;
  if (lost === 'f' && confirmed != null) return { name: keptSlot, start: before(positionOf(confirmed)) };
  await dropSlots(side, [keptSlot], { signal });
  throw positionLost();
}

const keptSql = `
  SELECT confirmed_flush_lsn::text, coalesce(wal_status = 'lost', false)
    FROM pg_replication_slots WHERE slot_name = $1`;

export const positionLost = (): AppError =>
  new AppError('POSITION_LOST', 'The server no longer has all that was committed since the feed was read last');

/** Waits for the transactions that write just then, anywhere on the server: only behind them is the log whole. @throws DatabaseError */
export const makeSlot = (
  replication: Connection,
  names: FeedNames,
  { kept, signal }: Waiting & { kept: boolean },
): Promise<OpenedSlot> =>
  kept
    ? createSlot(replication, names.keptSlot, '', signal)
    : createSlot(replication, names.temporarySlot, 'TEMPORARY ', signal);

async function createSlot(
  { client }: Connection,
  name: string,
  temporary: 'TEMPORARY ' | '',
  signal: AbortSignal,
): Promise<OpenedSlot> {
  const command = `CREATE_REPLICATION_SLOT ${name} ${temporary}LOGICAL pgoutput NOEXPORT_SNAPSHOT`;
  const { rows } = await untilAborted(client.query<{ consistent_point: string }>(command), signal);
  return { name, start: before(positionOf(rows[0]!.consistent_point)) };
}

/** No-op where they are not; nobody may be reading them. @throws DatabaseError */
export async function dropSlots(side: Side, names: readonly string[], { signal }: Waiting): Promise<void> {
  await side.query(
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = ANY ($1)`,
    [names],
    { signal },
  );
}
