/**
 * How many rows to ask a portal for at once. The server keeps what it has answered until it has come to the end of what
 * it was asked, or has 8 KiB of it: so it is asked for as much as it makes in a moment, where rows come slowly for one at
 * a time; and for that in a few portions, since it may turn slow in the middle.
 */

/** Rows are shown about so long after they were made. */
const targetMs = 200;
/** So many times the rows of the last round: a statement that only begins fast does not keep rows back for minutes. */
const maxGrowth = 50;

const portions = 4;

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

/** Takes a number of rows apart; zero, which is all of them, stays whole. */
export function inPortions(rows: number): number[] {
  const most = Math.max(1, Math.ceil(rows / portions));
  const sizes = [Math.min(rows, most)];
  for (let left = rows - most; left > 0; left -= most) sizes.push(Math.min(left, most));
  return sizes;
}
