/** What makes one list of rows of another: which are gone, and which are put where. As few of them as can be. */

/** Its key is the only one in its list. A row that is another object is another row. */
export interface Keyed {
  readonly key: string;
}

export interface Placed<Row> {
  /** In the new list, from 0. */
  readonly index: number;
  readonly row: Row;
}

/**
 * To be applied so: the rows of `removed` and those of `upserted` are taken out, then these are put in at their index,
 * in rising order. It comes to the same when each of `upserted` is taken out only when it is put in: a row that would
 * then stand in the way of others, as it goes further down past them, is in `removed` as well.
 */
export interface Difference<Row> {
  /** Keys. */
  readonly removed: readonly string[];
  /** New, changed, or only moved; in rising order. */
  readonly upserted: readonly Placed<Row>[];
}

export function differenceOf<Row extends Keyed>(before: readonly Row[], after: readonly Row[]): Difference<Row> {
  const oldIndexes = new Map(before.map(({ key }, index) => [key, index]));
  /** Of each new row where it was; -1 of one that is new. */
  const origins = after.map(({ key }) => oldIndexes.get(key) ?? -1);
  const staying = longestRise(origins);
  const stays = new Set(staying);
  const upserted: Placed<Row>[] = [];
  for (const [index, row] of after.entries()) {
    if (!stays.has(index) || before[origins[index]!] !== row) upserted.push({ index, row });
  }
  const kept = new Set(after.map(({ key }) => key));
  const removed = before.flatMap(({ key }) => (kept.has(key) ? [] : [key]));
  const places = upserted.map(({ index }) => index);
  const stayingOrigins = staying.map((index) => origins[index]!);
  for (const { index, row } of upserted) {
    if (origins[index] === -1 || stays.has(index)) continue;
    const passed = staying[countUpTo(stayingOrigins, origins[index]!)];
    if (passed !== undefined && passed < index && isAnyBetween(places, passed, index)) removed.push(row.key);
  }
  return { removed, upserted };
}

const isAnyBetween = (rising: readonly number[], low: number, high: number): boolean => {
  const first = rising[countUpTo(rising, low)];
  return first !== undefined && first < high;
};

/** How many are at most `limit`. */
function countUpTo(rising: readonly number[], limit: number): number {
  let [low, high] = [0, rising.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rising[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The indexes of a longest rising subsequence, without those whose value is -1. Patience sorting with the pile before
 * (Fredman 1975), n log n.
 */
function longestRise(values: readonly number[]): number[] {
  /** Of each length the index of the smallest value that a rise of this length ends with. */
  const ends: number[] = [];
  const previous = new Int32Array(values.length);
  for (const [index, value] of values.entries()) {
    if (value === -1) continue;
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[ends[middle]!]! < value) low = middle + 1;
      else high = middle;
    }
    previous[index] = ends[low - 1] ?? -1;
    ends[low] = index;
  }
  const rise: number[] = [];
  for (let index = ends.at(-1) ?? -1; index !== -1; index = previous[index]!) rise.push(index);
  return rise.reverse();
}
