/** The best hits behind a place: only those are looked at, however many there are. */
import { type CatalogIndex, firstFrom, identityAt, kindAt, namesTo, partition } from './catalog-index.ts';
import type { Hits, HitsWanted } from './hits.ts';
import { type CatalogKind, catalogKinds } from './kinds.ts';
import { maxPoints } from './score.ts';

/** A catalogue, and the runs of hits that were found in it. */
export interface Searched {
  readonly databaseId: string;
  readonly databaseName: string;
  readonly index: CatalogIndex;
  readonly endRun: number;
}

export interface RankedHit {
  readonly searched: Searched;
  readonly object: number;
  readonly points: number;
}

/**
 * Where a hit is in the order of all hits, told so that it is found again in another state of the catalogues: points,
 * then the database by name and id, then the path, then the kind, then which of several functions of one name.
 */
export interface Position {
  readonly points: number;
  readonly databaseName: string;
  readonly databaseId: string;
  /** See namesTo(). */
  readonly names: readonly string[];
  readonly kind: CatalogKind;
  readonly identity: string;
}

export function positionOf({ searched: { index, databaseId, databaseName }, object, points }: RankedHit): Position {
  return {
    points,
    databaseName,
    databaseId,
    names: namesTo(index, object),
    kind: kindAt(index, object),
    identity: identityAt(index, object) ?? '',
  };
}

const inOrder = <Value>(a: Value, b: Value): number => (a < b ? -1 : a > b ? 1 : 0);

/** The order in which the catalogues must be searched. */
export const byDatabase = (
  a: { databaseName: string; databaseId: string },
  b: { databaseName: string; databaseId: string },
): number => inOrder(a.databaseName, b.databaseName) || inOrder(a.databaseId, b.databaseId);

/** What hits must be collected for such a page. Those that are as good as `after` may all be before it: they do not count. */
export const hitsWanted = (wanted: number, after: Position | null): HitsWanted => ({
  wanted,
  below: after?.points ?? maxPoints,
});

/** At most `wanted` hits in their order, behind `after`. @param searched by database */
export function pageOfHits(
  hits: Hits,
  searched: readonly Searched[],
  wanted: number,
  after: Position | null,
): RankedHit[] {
  const most = after?.points ?? maxPoints - 1;
  const found: RankedHit[] = [];
  for (const [points, runs] of runsByPoints(hits, hits.least(), most)) {
    for (const { one, from, to } of byCatalogue(runs, searched)) {
      const behind = after !== null && points === after.points ? objectBehind(one, after) : 0;
      for (const object of firstObjects(hits, one.index, runs.subarray(from, to), behind, wanted - found.length)) {
        found.push({ searched: one, object, points });
      }
      if (found.length >= wanted) return found;
    }
  }
  return found;
}

/** The runs with these points, the best first, and each list in the order in which they were found. */
function* runsByPoints(hits: Hits, least: number, most: number): Generator<[number, Uint32Array]> {
  const starts = new Uint32Array(Math.max(most - least + 2, 1));
  const count = hits.count();
  for (let run = 0; run < count; run += 1) {
    const points = hits.pointsOf(run);
    if (points >= least && points <= most) starts[points - least + 1]! += 1;
  }
  for (let place = 1; place < starts.length; place += 1) starts[place]! += starts[place - 1]!;
  const next = starts.slice();
  const runs = new Uint32Array(starts.at(-1)!);
  for (let run = 0; run < count; run += 1) {
    const points = hits.pointsOf(run);
    if (points >= least && points <= most) runs[next[points - least]!++] = run;
  }
  for (let points = most; points >= least; points -= 1) {
    const list = runs.subarray(starts[points - least], starts[points - least + 1]);
    if (list.length > 0) yield [points, list];
  }
}

/** Which of the runs, which rise, are of which catalogue. */
function* byCatalogue(
  runs: Uint32Array,
  searched: readonly Searched[],
): Generator<{ one: Searched; from: number; to: number }> {
  for (let from = 0; from < runs.length; ) {
    const run = runs[from]!;
    const one = searched[partition(0, searched.length, (place) => searched[place]!.endRun <= run)]!;
    const to = firstFrom(runs, one.endRun, from);
    yield { one, from, to };
    from = to;
  }
}

/** The first object of a catalogue that comes behind a position with the same points; beyond all of them when none does. */
function objectBehind({ databaseId, databaseName, index }: Searched, after: Position): number {
  const database = byDatabase({ databaseName, databaseId }, after);
  if (database !== 0) return database < 0 ? index.kinds.length : 0;
  const kind = catalogKinds.indexOf(after.kind);
  return partition(0, index.kinds.length, (object) => {
    const path = compareNames(namesTo(index, object), after.names);
    if (path !== 0) return path < 0;
    return (index.kinds[object]! - kind || inOrder(identityAt(index, object) ?? '', after.identity)) <= 0;
  });
}

function compareNames(a: readonly string[], b: readonly string[]): number {
  for (let place = 0; place < a.length && place < b.length; place += 1) {
    const difference = inOrder(a[place]!, b[place]!);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The first `wanted` objects of some runs that are not before `behind`. A long list is not sorted whole. */
function firstObjects(
  hits: Hits,
  { nameObjects }: CatalogIndex,
  runs: Uint32Array,
  behind: number,
  wanted: number,
): number[] {
  let found: number[] = [];
  let bound = Number.POSITIVE_INFINITY;
  const cut = () => {
    found = found.sort((a, b) => a - b).slice(0, wanted);
    if (found.length === wanted) bound = found.at(-1)!;
  };
  const take = (object: number) => {
    if (object < behind || object >= bound) return;
    found.push(object);
    if (found.length >= 4 * wanted + 1_000) cut();
  };
  for (const number of runs) {
    const run = hits.run(number);
    if ('object' in run) take(run.object);
    else {
      const from = firstFrom(nameObjects, behind, run.from, run.to);
      const to = Math.min(run.to, from + wanted);
      for (let place = from; place < to; place += 1) take(nameObjects[place]!);
    }
  }
  cut();
  return found;
}
