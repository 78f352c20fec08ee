/**
 * How many rows to ask a portal for at once. The server keeps what it has answered until it has come to the end of what
 * it was asked, or has 8 KiB of it: so it is asked for as much as it makes in a moment, where rows come slowly for one at
 * a time.
 */

/** Rows are shown about so long after they were made. */
const targetMs = 200;
/** So many times the rows of the last round: a statement that only begins fast does not keep rows back for minutes. */
const maxGrowth = 50;

/** Rows of one Execute; what is smaller than 8 KiB waits for its end. */
const maxPortion = 250;

export interface Pace {
  /** To ask for now, in one round; at least one. */
  readonly rows: number;
  /** `rows` have come, and the server had the word for so long. */
  took(rows: number, busyMs: number): void;
}

/** @param latencyMs of the connection: what of a round is not the server's work */
export function createPace({
  firstRows,
  maxRows,
  latencyMs,
}: Readonly<Record<'firstRows' | 'maxRows' | 'latencyMs', number>>): Pace {
  let rows = firstRows;
  return {
    get rows() {
      return rows;
    },
    took(count, busyMs) {
      const rowMs = Math.max(0, busyMs - latencyMs) / count;
      rows = Math.max(1, Math.floor(Math.min(count * maxGrowth, targetMs / rowMs, maxRows)));
    },
  };
}

/**
 * Takes the rows of a round apart, so that a statement which turns slow in the middle keeps few of them back: no more
 * than it has `given` before. Zero, which is all of them, stays whole.
 */
export function inPortions(rows: number, given: number): number[] {
  const sizes: number[] = [];
  let left = rows;
  do {
    const size = Math.min(left, maxPortion, Math.max(1, given + rows - left));
    sizes.push(size);
    left -= size;
  } while (left > 0);
  return sizes;
}
