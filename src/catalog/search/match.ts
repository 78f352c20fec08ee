/**
 * Finds what of one catalogue answers a text. It goes from words to names to objects: what is there as often as `id` is
 * looked at once, and its objects are counted and not visited, unless the paths to them decide.
 */
import { createAnswers } from './answers.ts';
import { type CatalogIndex, type WordRange, wordsFrom } from './catalog-index.ts';
import { countBits } from './edits.ts';
import { findWords } from './find-words.ts';
import type { Hits } from './hits.ts';
import { catalogKinds } from './kinds.ts';
import {
  exactPathPoints,
  type Place,
  places,
  pointsOfComment,
  pointsOfKind,
  pointsOfName,
  pointsWithin,
  type Tier,
  tiers,
} from './score.ts';
import type { SearchText, Terms } from './search-text.ts';

export interface Matching {
  readonly text: SearchText;
  /** By their places in catalogKinds. */
  readonly kinds: ReadonlySet<number>;
}

/** Of each holder with those above: words that their names answer at all, without typing errors, to the letter. */
interface Paths {
  readonly any: Uint16Array;
  readonly sure: Uint16Array;
  readonly exact: Uint16Array;
}

const pathsOf = (size: number): Paths => ({
  any: new Uint16Array(size),
  sure: new Uint16Array(size),
  exact: new Uint16Array(size),
});

/** It keeps its room from one catalogue to the next; each `match` is done when it returns. */
export function createMatcher() {
  const names = createAnswers();
  const comments = createAnswers();
  let paths = pathsOf(0);

  /** The hits in one catalogue are put behind those that are there. */
  function match(index: CatalogIndex, { text, kinds }: Matching, hits: Hits): void {
    const { all, last } = text;
    const { nameObjects, nameObjectStarts, holders } = index;
    names.begin(index.nameStarts.length - 1);
    comments.begin(index.commented.length);
    if (findWords(index, text, { names, comments }) !== all) return;
    const ofPaths = text.terms.length > 1 ? walkPaths(index) : 0;
    const wholes = createWholes(index, text);
    const add = createAdder(index, kinds, hits);
    const touched = names.touched();
    for (let place = 0; place < names.count(); place += 1) matchName(touched[place]!);
    const commented = comments.touched();
    for (let place = 0; place < comments.count(); place += 1) matchComment(commented[place]!);

    function matchName(name: number): void {
      const own = names.of(name);
      const dotted = last !== null && (own & last.terms) === last.terms && (all & ~last.terms & ~ofPaths) === 0;
      if (own === all && !dotted) {
        const tier = tierOf(name, own, places.name);
        if (add.matters(tier, places.name)) add.name(name, pointsOf(name, own, tier, places.name));
        else add.count(name);
      } else if (dotted || (own | ofPaths) === all) matchByPaths(name, own, dotted);
    }

    /** The paths decide, so the objects are visited: few of most names are in the right place. */
    function matchByPaths(name: number, own: Terms, dotted: boolean): void {
      const rest = all & ~own;
      let points: ((holder: number) => number) | null = null;
      for (let place = nameObjectStarts[name]!; place < nameObjectStarts[name + 1]!; place += 1) {
        const object = nameObjects[place]!;
        const holder = holders[object]!;
        if ((rest & ~paths.any[holder]!) !== 0) continue;
        points ??= createPathPoints(name, own, dotted);
        add.object(object, points(holder));
      }
    }

    /** What the dots of the text do not find may be found as other words are. */
    function createPathPoints(name: number, own: Terms, dotted: boolean): (holder: number) => number {
      const otherwise = createRestPoints(name, own, own === all ? places.name : places.path);
      if (!dotted) return otherwise;
      const byDots = createRestPoints(name, last!.terms, places.dotted);
      const rest = all & ~last!.terms;
      return (holder) => ((rest & ~paths.any[holder]!) === 0 ? byDots(holder) : otherwise(holder));
    }

    /** Points of objects of a name by how surely the path answers the rest; reckoned when first needed. */
    function createRestPoints(name: number, own: Terms, place: Place): (holder: number) => number {
      const tier = tierOf(name, own, place);
      // They are only counted, and it is all the same how little they are worth.
      if (!add.matters(tier, place)) return none;
      const rest = all & ~own;
      let sure = 0;
      let unsure = 0;
      return (holder) => {
        if ((rest & ~paths.sure[holder]!) !== 0) {
          unsure ||= pointsOf(name, own, tiers.typos, place);
          return unsure;
        }
        sure ||= pointsOf(name, own, tier, place);
        return rest !== 0 && (rest & ~paths.exact[holder]!) === 0 ? sure + exactPathPoints : sure;
      };
    }

    function tierOf(name: number, own: Terms, place: Place): Tier {
      if ((own & ~names.sure(name)) !== 0) return tiers.typos;
      const { exact, from, to, letters } = wholes(own, place);
      const word = index.nameWholes[name]!;
      if (word === exact) return tiers.exact;
      // The same words in another order.
      if (index.nameLetters[name] === letters && (own & ~names.exact(name)) === 0) return tiers.exact;
      return word >= from && word < to ? tiers.prefix : tiers.words;
    }

    function pointsOf(name: number, own: Terms, tier: Tier, place: Place): number {
      const nameLetters = index.nameLetters[name]!;
      const whole = wholes(own, place);
      const reordered = tier === tiers.exact && index.nameWholes[name] !== whole.exact;
      const exactTerms = reordered ? 0 : own & names.exact(name);
      const askedLetters =
        tier === tiers.exact ? nameLetters : Math.min(whole.letters, nameLetters) * sureness(name, own);
      return pointsOfName({ tier, place, askedLetters, nameLetters, terms: own, exactTerms });
    }

    /** A word that is nearly there counts for half of it, one that only begins so for a quarter. */
    function sureness(name: number, own: Terms): number {
      const unsure = own & ~names.sure(name);
      if (unsure === 0) return 1;
      const near = countBits(unsure & names.near(name));
      return 1 - (near / 2 + ((countBits(unsure) - near) * 3) / 4) / countBits(own);
    }

    function matchComment(comment: number): void {
      const object = index.commented[comment]!;
      const own = comments.of(comment);
      const ofName = names.of(index.names[object]!);
      const ofPath = ofPaths === 0 ? 0 : paths.any[holders[object]!]!;
      if ((own | ofName | ofPath) !== all) return;
      // Its name and path answer without the comment: it is found already.
      if (ofName !== 0 && (ofName | ofPath) === all) return;
      add.object(object, pointsOfComment({ terms: own, exactTerms: comments.exact(comment) }));
    }
  }

  /** Fills `paths`, and answers the words that any of them answers. */
  function walkPaths({ holderNames, holderParents }: CatalogIndex): Terms {
    const count = holderNames.length;
    if (count > paths.any.length) paths = pathsOf(count);
    let all = 0;
    for (let holder = 0; holder < count; holder += 1) {
      const name = holderNames[holder]!;
      const any = names.of(name);
      all |= any;
      paths.exact[holder] = names.exact(name);
      paths.sure[holder] = names.sure(name);
      paths.any[holder] = any;
      // The database has nothing above it.
      if (holder === 0) continue;
      const above = holderParents[holder]!;
      paths.exact[holder]! |= paths.exact[above]!;
      paths.sure[holder]! |= paths.sure[above]!;
      paths.any[holder]! |= paths.any[above]!;
    }
    return all;
  }

  return { match };
}

const none = (): number => 0;

interface Whole extends WordRange {
  readonly letters: number;
}

/** Where in the order of words those are that begin with some words of the text; looked up once for each choice of them. */
function createWholes(index: CatalogIndex, { last, wholeOf }: SearchText) {
  const ofTerms = new Map<Terms, Whole>();
  const wholeFor = (whole: string): Whole => ({ ...wordsFrom(index, whole), letters: whole.length });
  const ofLast = last && wholeFor(last.whole);
  let lastTerms = 0;
  let lastWhole: Whole | null = null;

  return (terms: Terms, place: Place): Whole => {
    if (place === places.dotted && ofLast) return ofLast;
    // Most names of a search answer the same words.
    if (lastWhole && terms === lastTerms) return lastWhole;
    const found = ofTerms.get(terms) ?? wholeFor(wholeOf(terms));
    ofTerms.set(terms, found);
    lastTerms = terms;
    lastWhole = found;
    return found;
  };
}

/** Puts into the hits what is of the kinds that are asked for. */
function createAdder(index: CatalogIndex, kinds: ReadonlySet<number>, hits: Hits) {
  const { kinds: kindOf, nameObjects, nameObjectStarts } = index;
  const everything = kinds.size === catalogKinds.length;
  const least = hits.least();
  return {
    /** Whether anything of this tier may come to the page. */
    matters: (tier: Tier, place: Place): boolean => tier + place + pointsWithin >= least,
    /** All that have a name, and do not matter. */
    count(name: number): void {
      if (everything) hits.addCount(nameObjectStarts[name + 1]! - nameObjectStarts[name]!);
      else this.name(name, 0);
    },
    /** All that have a name: a run for each kind. */
    name(name: number, points: number): void {
      const to = nameObjectStarts[name + 1]!;
      for (let from = nameObjectStarts[name]!; from < to; ) {
        const kind = kindOf[nameObjects[from]!]!;
        const end = endOfKind(from, to, kind);
        if (everything || kinds.has(kind)) hits.addRun(points + pointsOfKind(kind), from, end);
        from = end;
      }
    },
    object(object: number, points: number): void {
      const kind = kindOf[object]!;
      if (everything || kinds.has(kind)) hits.addObject(points + pointsOfKind(kind), object);
    },
  };

  function endOfKind(from: number, to: number, kind: number): number {
    if (kindOf[nameObjects[to - 1]!] === kind) return to;
    let low = from + 1;
    let high = to - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (kindOf[nameObjects[middle]!] === kind) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
