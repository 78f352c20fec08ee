/**
 * Finds what of one catalogue answers a text. It goes from words to names to objects, and names that answer the same words
 * are looked at together: what is there as often as `id` costs a few nanoseconds a name. What cannot come to the page is
 * only counted.
 */
import {
  type Answers,
  beginAnswers,
  createAnswers,
  createGrouper,
  exactTermsOf,
  type Group,
  termsOf,
  wholeGroup,
} from './answers.ts';
import { type CatalogIndex, firstFrom, partition } from './catalog-index.ts';
import { findWords } from './find-words.ts';
import type { Hits } from './hits.ts';
import { catalogKinds } from './kinds.ts';
import { createPaths, everywhere, type Paths, type Region, ways } from './paths.ts';
import { rateName, type Scale, scaleOf } from './rate.ts';
import { mostKindPoints, pointsOfComment, pointsOfKind } from './score.ts';
import type { SearchText } from './search-text.ts';

export interface Matching {
  readonly text: SearchText;
  /** See kindBit(). */
  readonly kinds: number;
}

/** @param kind its place in catalogKinds */
export const kindBit = (kind: number): number => 1 << kind;
export const everyKind = kindBit(catalogKinds.length) - 1;

interface Search extends Matching {
  readonly index: CatalogIndex;
  readonly names: Answers;
  readonly comments: Answers;
  /** Null where names alone decide. */
  readonly paths: Paths | null;
  readonly hits: Hits;
}

/** It keeps its room from one catalogue to the next; each `match` is done when it returns. */
export function createMatcher() {
  const names = createAnswers();
  const comments = createAnswers();
  const walked = createPaths();
  const groupsOf = createGrouper();

  return {
    /** The hits in one catalogue are put behind those that are there. */
    match(index: CatalogIndex, { text, kinds }: Matching, hits: Hits): void {
      beginAnswers(names, index.nameStarts.length - 1);
      beginAnswers(comments, index.commented.length);
      if (findWords(index, text, { names, comments }) !== text.all) return;
      // One word is answered by a name, and not by a path; that of `id.id` is the last part of one, too.
      const paths = text.terms.length > 1 || text.last !== null ? walked : null;
      paths?.walk(index, names);
      const search = { index, text, kinds, names, comments, paths, hits };
      const groups = text.terms.length > 1 ? groupsOf(names) : [wholeGroup(names, text.all)];
      for (const group of groups) matchGroup(search, group);
      matchComments(search);
    },
  };
}

function matchGroup(search: Search, group: Group): void {
  const { index, text, paths } = search;
  const region = paths?.regionOf(group.terms, text) ?? everywhere(index);
  if (region.size === 0) return;
  const scales = [...new Set(region.ways)].map((way) => scaleOf(index, text, group.terms, way));
  // Whichever is less to look at: what is in the right places, or what has a right name.
  if (region.size < group.to - group.from) matchRegion(search, group, region, scales);
  else matchNames(search, group, region, scales);
}

function matchNames(search: Search, group: Group, region: Region, scales: readonly Scale[]): void {
  const { index, names, hits } = search;
  const { things, from, to } = group;
  /** Of a name, by way. */
  const pointsOf = Object.values(ways).map(() => 0);
  let count = 0;
  let least = hits.least();
  for (let place = from; place < to; place += 1) {
    const name = things[place]!;
    let most = 0;
    for (let at = 0; at < scales.length; at += 1) {
      const scale = scales[at]!;
      const points = rateName(index, names, scale, name, least);
      pointsOf[scale.way] = points;
      if (points > most) most = points;
    }
    if (most + mostKindPoints < least) {
      count += countObjects(search, name, region);
      continue;
    }
    addRuns(search, name, region, pointsOf);
    hits.settle();
    least = hits.least();
  }
  hits.addCount(count);
}

/** The same from the other end: what is where the path answers the rest. */
function matchRegion(search: Search, group: Group, region: Region, scales: readonly Scale[]): void {
  const { index, names, hits, kinds } = search;
  const least = hits.least();
  const byWay = new Map(scales.map((scale) => [scale.way, scale]));
  for (let range = 0; range < region.starts.length; range += 1) {
    const scale = byWay.get(region.ways[range]!)!;
    const end = region.ends[range]!;
    for (let object = region.starts[range]!; object < end; object += 1) {
      const name = index.names[object]!;
      if (termsOf(names, name) !== group.terms || (kinds & kindBit(index.kinds[object]!)) === 0) continue;
      hits.addObject(rateName(index, names, scale, name, least) + pointsOfKind(index.kinds[object]!), object);
    }
  }
}

/** How many objects of a name are found. */
function countObjects({ index, kinds }: Search, name: number, region: Region): number {
  const { nameObjects, nameObjectKinds, nameObjectStarts } = index;
  const from = nameObjectStarts[name]!;
  const to = nameObjectStarts[name + 1]!;
  if (kinds === everyKind && region.size === index.kinds.length) return to - from;
  let count = 0;
  for (let place = from; place < to; place += 1) {
    if ((kinds & kindBit(nameObjectKinds[place]!)) === 0) continue;
    const object = nameObjects[place]!;
    const range = rangeAt(region, object);
    if (range < region.starts.length && region.starts[range]! <= object) count += 1;
  }
  return count;
}

/** The range that ends behind an object: it is in it, or before it. */
function rangeAt({ ends }: Region, object: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle]! <= object) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Objects of a name that are found: a run for each kind and range. @param pointsOf by way */
function addRuns({ index, kinds, hits }: Search, name: number, region: Region, pointsOf: readonly number[]): void {
  const { nameObjects, nameObjectKinds, nameObjectStarts } = index;
  const to = nameObjectStarts[name + 1]!;
  for (let from = nameObjectStarts[name]!; from < to; ) {
    const kind = nameObjectKinds[from]!;
    const end = endOfKind(nameObjectKinds, from, to);
    if ((kinds & kindBit(kind)) !== 0) {
      for (let place = from; place < end; ) {
        const range = rangeAt(region, nameObjects[place]!);
        if (range === region.ends.length) break;
        const first = firstFrom(nameObjects, region.starts[range]!, place, end);
        place = firstFrom(nameObjects, region.ends[range]!, first, end);
        if (first < place) hits.addRun(pointsOf[region.ways[range]!]! + pointsOfKind(kind), first, place);
      }
    }
    from = end;
  }
}

/** Where the kind ends that a list of kinds, which rise, begins with. */
function endOfKind(kinds: Uint8Array, from: number, to: number): number {
  const kind = kinds[from]!;
  return kinds[to - 1] === kind ? to : partition(from, to, (place) => kinds[place] === kind);
}

function matchComments({ index, text, names, comments, paths, hits, kinds }: Search): void {
  const { commented, commentedNames, commentedHolders } = index;
  const { all } = text;
  const { touched, count } = comments;
  for (let place = 0; place < count; place += 1) {
    const comment = touched[place]!;
    const terms = termsOf(comments, comment);
    const ofName = termsOf(names, commentedNames[comment]!);
    const ofPath = paths === null ? 0 : paths.termsOf(commentedHolders[comment]!);
    if ((terms | ofName | ofPath) !== all) continue;
    // Its name and path answer without the comment: it is found already.
    if (ofName !== 0 && (ofName | ofPath) === all) continue;
    const object = commented[comment]!;
    const kind = index.kinds[object]!;
    if ((kinds & kindBit(kind)) === 0) continue;
    const points = pointsOfComment({ terms, exactTerms: exactTermsOf(comments, comment) });
    hits.addObject(points + pointsOfKind(kind), object);
  }
}
