/**
 * What a search has found so far, before any of it is looked at: runs of objects that are equally good, and how many
 * objects there are. What cannot come to the page that is asked for is only counted.
 */
import { maxPoints } from './score.ts';

/** Numbers of one run: its points, and where its objects are. */
const runSize = 3;
const single = 0xffff_ffff;

export type Hits = ReturnType<typeof createHits>;

/** Objects of a run: those from `from` to `to` of an index's `nameObjects`, or one alone. */
export type Run = { readonly from: number; readonly to: number } | { readonly object: number };

export interface HitsWanted {
  /** So many hits with fewer points than `below`, the best ones. */
  readonly wanted: number;
  readonly below: number;
}

export function createHits({ wanted, below }: HitsWanted) {
  let runs = new Uint32Array(1_024 * runSize);
  let count = 0;
  let total = 0;
  let least = 0;
  /** Objects with points from `least` to `below`. */
  let found = 0;
  const ofPoints = new Uint32Array(maxPoints);

  function push(points: number, first: number, second: number, objects: number): void {
    total += objects;
    if (points < least) return;
    if ((count + 1) * runSize > runs.length) {
      const larger = new Uint32Array(runs.length * 2);
      larger.set(runs);
      runs = larger;
    }
    const at = count * runSize;
    runs[at] = points;
    runs[at + 1] = first;
    runs[at + 2] = second;
    count += 1;
    ofPoints[points]! += objects;
    if (points < below) found += objects;
  }

  return {
    /** Objects that are equally good: a part of `nameObjects`. */
    addRun: (points: number, from: number, to: number) => push(points, from, to, to - from),
    addObject: (points: number, object: number) => push(points, object, single, 1),
    /** Objects that are not good enough. */
    addCount(objects: number): void {
      total += objects;
    },

    /** Raises the points that a hit needs to matter by what is found so far. */
    settle(): void {
      while (least < below && found - ofPoints[least]! >= wanted) {
        found -= ofPoints[least]!;
        least += 1;
      }
    },
    least: () => least,
    /** Runs so far. */
    count: () => count,
    /** Objects so far. */
    total: () => total,
    pointsOf: (run: number): number => runs[run * runSize]!,
    run(run: number): Run {
      const first = runs[run * runSize + 1]!;
      const second = runs[run * runSize + 2]!;
      return second === single ? { object: first } : { from: first, to: second };
    },
  };
}
