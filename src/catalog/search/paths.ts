/**
 * Which words of a search the paths of one catalogue answer, and where. Objects are numbered by their paths, so what is in
 * one place stands together: where a path decides, it does so for a range of objects at once.
 */
import { type Answers, exactTermsOf, sureTermsOf, termsOf } from './answers.ts';
import type { CatalogIndex } from './catalog-index.ts';
import type { SearchText, Terms } from './search-text.ts';

/**
 * How a path answers the words that a name does not: with typing errors, without, or to the letter; and the same where
 * the name is what the last part of a dotted text asks for, and the path all the rest.
 */
export const ways = { unsure: 0, sure: 1, exact: 2, dottedUnsure: 3, dottedSure: 4, dottedExact: 5 } as const;
export type PathWay = (typeof ways)[keyof typeof ways];

/** Where objects are found by names that answer the same words: ranges that rise and do not overlap. */
export interface Region {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly ways: readonly PathWay[];
  /** Objects. */
  readonly size: number;
}

export type Paths = ReturnType<typeof createPaths>;

/** It keeps its room from one catalogue to the next. */
export function createPaths() {
  // Of each holder with those above: words that their names answer at all, without typing errors, to the letter.
  let any = new Uint16Array(0);
  let sure = new Uint16Array(0);
  let exact = new Uint16Array(0);
  // Stretches of objects, one behind the other: where each ends, and the holder whose path is as good as theirs.
  let ends = new Uint32Array(0);
  let holders = new Uint32Array(0);
  let count = 0;
  /** Words that any path answers. */
  let answered: Terms = 0;

  function grow(size: number): void {
    any = new Uint16Array(size);
    sure = new Uint16Array(size);
    exact = new Uint16Array(size);
    ends = new Uint32Array(2 * size);
    holders = new Uint32Array(2 * size);
  }

  /** Puts a stretch behind the last one; there is none where that reaches as far. */
  function reach(end: number, holder: number): void {
    if (end <= (count === 0 ? 0 : ends[count - 1]!)) return;
    const last = holders[count - 1]!;
    const isAlike =
      count > 0 && any[last] === any[holder] && sure[last] === sure[holder] && exact[last] === exact[holder];
    if (!isAlike) count += 1;
    ends[count - 1] = end;
    holders[count - 1] = holder;
  }

  /** Null where it does not. */
  function wayOf(holder: number, own: Terms, { all, last }: SearchText): PathWay | null {
    const rest = all & ~own;
    if ((rest & ~any[holder]!) !== 0) return null;
    const isDotted = last !== null && (last.terms & ~own) === 0 && (all & ~last.terms & ~any[holder]!) === 0;
    return isDotted ? dotted[surenessOf(holder, all & ~last.terms)] : surenessOf(holder, rest);
  }

  function surenessOf(holder: number, rest: Terms): 0 | 1 | 2 {
    if ((rest & ~sure[holder]!) !== 0) return ways.unsure;
    return rest !== 0 && (rest & ~exact[holder]!) === 0 ? ways.exact : ways.sure;
  }

  return {
    /** Forgets the last catalogue: from now on it is about this one, and what its names answer. */
    walk(index: CatalogIndex, names: Answers): void {
      const { holderNames, holderParents, holderStarts, holderEnds } = index;
      const size = holderNames.length;
      if (size > any.length) grow(size);
      count = 0;
      answered = 0;
      let schema = 0;
      for (let holder = 0; holder < size; holder += 1) {
        const name = holderNames[holder]!;
        const own = termsOf(names, name);
        answered |= own;
        any[holder] = own;
        sure[holder] = sureTermsOf(names, name);
        exact[holder] = exactTermsOf(names, name);
        if (holder === 0) continue;
        const above = holderParents[holder]!;
        any[holder]! |= any[above]!;
        sure[holder]! |= sure[above]!;
        exact[holder]! |= exact[above]!;
        if (above === 0) {
          if (schema !== 0) reach(holderEnds[schema]!, schema);
          reach(holderStarts[holder]!, 0);
          schema = holder;
        } else if (own !== 0) {
          reach(holderStarts[holder]!, above);
          reach(holderEnds[holder]!, holder);
        }
      }
      if (schema !== 0) reach(holderEnds[schema]!, schema);
      reach(index.kinds.length, 0);
    },

    /** The words that the path to what a holder holds answers. */
    termsOf: (holder: number): Terms => any[holder]!,

    /** Of names that answer just these words. */
    regionOf(own: Terms, text: SearchText): Region {
      const region = { starts: [] as number[], ends: [] as number[], ways: [] as PathWay[], size: 0 };
      if ((text.all & ~own & ~answered) !== 0) return region;
      for (let stretch = 0, start = 0; stretch < count; stretch += 1) {
        const end = ends[stretch]!;
        const way = wayOf(holders[stretch]!, own, text);
        if (way !== null) {
          region.size += end - start;
          if (region.ends.at(-1) === start && region.ways.at(-1) === way) region.ends[region.ends.length - 1] = end;
          else {
            region.starts.push(start);
            region.ends.push(end);
            region.ways.push(way);
          }
        }
        start = end;
      }
      return region;
    },
  };
}

const dotted = [ways.dottedUnsure, ways.dottedSure, ways.dottedExact] as const;

/** Of names that answer all words by themselves: wherever they are. */
export const everywhere = ({ kinds: { length } }: CatalogIndex): Region => ({
  starts: [0],
  ends: [length],
  ways: [ways.sure],
  size: length,
});
