/**
 * Looks after a feed from its side: a message of ours in the log that has to come back, what the server keeps for us, and
 * whether what is followed can still be published. Whatever it finds wrong ends the feed.
 */
import { AppError } from '../../../lib/errors.ts';
import type { FeedLimits } from '../../changes.ts';
import type { Following } from './following.ts';
import type { Side } from './side.ts';
import { positionLost } from './slot.ts';
import type { WalStream } from './wal-stream.ts';

export interface Retained {
  /** Both null where the server does not tell. */
  readonly retainedBytes: number | null;
  readonly safeBytes: number | null;
}

export interface WatchDeps {
  readonly side: Side;
  readonly stream: Pick<WalStream, 'listening' | 'heardAtMs'>;
  readonly following: Pick<Following, 'check'>;
  readonly slot: string;
  readonly kept: boolean;
  readonly limits: FeedLimits;
  readonly retained: (found: Retained) => void;
}

/** One look. @throws AppError CONNECTION_FAILED, POSITION_LOST; whatever the side has run into */
export async function lookAfter(deps: WatchDeps, { signal }: { signal: AbortSignal }): Promise<void> {
  const { side, stream, following, slot, kept: keeps, limits } = deps;
  const patience = AbortSignal.timeout(limits.silentMs);
  const [row] = await side
    .query(slotSql, [slot], { signal: AbortSignal.any([signal, patience]) })
    .catch((error: unknown) => {
      throw patience.aborted ? silent(limits) : error;
    });
  if (row === undefined || row[0] === 'lost') throw positionLost();
  const [, safe, kept] = row;
  const found = { retainedBytes: numberOf(kept), safeBytes: numberOf(safe) };
  deps.retained(found);
  if (found.retainedBytes !== null && found.retainedBytes > mostRetained(found, limits, keeps)) throw tooMuch(found);
  await following.check({ signal });
  if (stream.listening && performance.now() - stream.heardAtMs > limits.silentMs) throw silent(limits);
}

/**
 * What comes first: ours, or half of what the server bears, so that it is we who end it and say so. A kept feed is there
 * so that nothing is missed: it goes on for as long as the server has it all, where the server has a limit.
 */
function mostRetained({ retainedBytes, safeBytes }: Retained, { maxRetainedBytes }: FeedLimits, kept: boolean): number {
  if (safeBytes === null) return maxRetainedBytes;
  if (kept) return Number.POSITIVE_INFINITY;
  return Math.min(maxRetainedBytes, ((retainedBytes ?? 0) + safeBytes) / 2);
}

/** Less than what would end it, by what the log may grow until the server has let go of the rest. */
export function mostTold({ retainedBytes, safeBytes }: Retained, { maxToldBytes }: FeedLimits): number {
  if (safeBytes === null) return maxToldBytes;
  return Math.min(maxToldBytes, ((retainedBytes ?? 0) + safeBytes) / 4);
}

const slotSql = `
  SELECT s.wal_status, s.safe_wal_size::text, pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::text,
         pg_logical_emit_message(false, 'quarry', '')
    FROM pg_replication_slots s WHERE s.slot_name = $1`;

const numberOf = (text: string | null | undefined): number | null => (text == null ? null : Number(text));

const tooMuch = ({ retainedBytes }: Retained): AppError =>
  new AppError('POSITION_LOST', 'The feed was read too slowly: what the server kept for it had become too much', {
    details: { retainedBytes },
  });

const silent = ({ silentMs }: FeedLimits): AppError =>
  new AppError('CONNECTION_FAILED', `The server has said nothing for ${silentMs} ms`, { details: { reason: 'TCP' } });
