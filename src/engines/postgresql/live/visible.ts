/** Whether a snapshot sees a transaction of which only the 32 bits are known that the log has of it. */

/** What `pg_current_snapshot()` prints, taken apart; all in 64 bits. */
export interface Snapshot {
  /** All before it have ended. */
  readonly min: bigint;
  /** This one and all behind it have not begun, or are not seen. */
  readonly max: bigint;
  /** Between the two, and under way. */
  readonly running: ReadonlySet<bigint>;
}

/** `xmin:xmax:xip,xip…`, as of 13. @throws Error for anything else */
export function parseSnapshot(text: string): Snapshot {
  const [, min, max, running] = /^(\d+):(\d+):((?:\d+(?:,\d+)*)?)$/.exec(text) ?? [];
  if (min === undefined || max === undefined) throw new Error('Not a snapshot');
  return { min: BigInt(min), max: BigInt(max), running: new Set((running || null)?.split(',').map(BigInt)) };
}

const epoch = 2n ** 32n;

/** @param transactionId decimal; of 32 bits, or of 64 */
export function isVisible({ min, max, running }: Snapshot, transactionId: string): boolean {
  const id = BigInt(transactionId);
  const full = id >= epoch ? id : nearest(id, max);
  if (full < min) return true;
  return full < max && !running.has(full);
}

/** The one of all that end in these 32 bits that is nearest: no two that are compared are 2^31 apart. */
function nearest(id: bigint, to: bigint): bigint {
  const full = (to / epoch) * epoch + id;
  if (full > to + epoch / 2n) return full - epoch;
  return full < to - epoch / 2n ? full + epoch : full;
}
