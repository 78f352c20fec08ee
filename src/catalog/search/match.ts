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
    const { ofPaths, within } = text.terms.length > 1 ? walkPaths(index) : nowhere;
    // Whichever is less to look at: what is in the right places, or what has a right name.
    const byHolders = within < names.count();
    const wholes = createWholes(index, text);
    const add = createAdder(index, kinds, hits);
    const touched = names.touched();
    for (let place = 0; place < names.count(); place += 1) matchName(touched[place]!);
    if (byHolders) matchInHolders();
    const commented = comments.touched();
    for (let place = 0; place < comments.count(); place += 1) matchComment(commented[place]!);

    function matchName(name: number): void {
      const own = names.of(name);
      if (own === all && !isDotted(own)) {
        const tier = tierOf(name, own, places.name);
        if (add.matters(tier, places.name)) add.name(name, pointsOf(name, own, tier, places.name));
        else add.count(name);
      } else if (own === all || (!byHolders && (own | ofPaths) === all)) matchByPaths(name, own);
    }

    /** Whether it answers the last part of a dotted text, and the rest may be in some path. */
    function isDotted(own: Terms): boolean {
      return last !== null && (own & last.terms) === last.terms && (all & ~last.terms & ~ofPaths) === 0;
    }

    /** The paths decide, so the objects of a name are visited. */
    function matchByPaths(name: number, own: Terms): void {
      const rest = all & ~own;
      const matters = own === all || isDotted(own) || add.matters(tierOf(name, own, places.path), places.path);
      let points: ((holder: number) => number) | null = matters ? null : none;
      for (let place = nameObjectStarts[name]!; place < nameObjectStarts[name + 1]!; place += 1) {
        const object = nameObjects[place]!;
        const holder = holders[object]!;
        if ((rest & ~paths.any[holder]!) !== 0) continue;
        points ??= createPathPoints(name, own);
        add.object(object, points(holder));
      }
    }

    /** The same from the other end: what the places hold whose paths answer anything. */
    function matchInHolders(): void {
      const { holderObjects, holderObjectStarts } = index;
      for (let holder = 0; holder < index.holderNames.length; holder += 1) {
        const any = paths.any[holder]!;
        if (any === 0) continue;
        for (let place = holderObjectStarts[holder]!; place < holderObjectStarts[holder + 1]!; place += 1) {
          const object = holderObjects[place]!;
          const name = index.names[object]!;
          const own = names.of(name);
          if (own === 0 || own === all || (own | any) !== all) continue;
          add.object(object, createPathPoints(name, own)(holder));
        }
      }
    }

    /** What the dots of the text do not find may be found as other words are. */
    function createPathPoints(name: number, own: Terms): (holder: number) => number {
      const otherwise = createRestPoints(name, own, own === all ? places.name : places.path);
      if (!isDotted(own)) return otherwise;
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

  /** Fills `paths`; the words that any of them answers, and how many objects are where any word is answered. */
  function walkPaths({ holderNames, holderParents, holderObjectStarts }: CatalogIndex) {
    const count = holderNames.length;
    if (count > paths.any.length) paths = pathsOf(count);
    let ofPaths = 0;
    let within = 0;
    for (let holder = 0; holder < count; holder += 1) {
      const name = holderNames[holder]!;
      const any = names.of(name);
      ofPaths |= any;
      paths.exact[holder] = names.exact(name);
      paths.sure[holder] = names.sure(name);
      paths.any[holder] = any;
      if (holder > 0) {
        const above = holderParents[holder]!;
        paths.exact[holder]! |= paths.exact[above]!;
        paths.sure[holder]! |= paths.sure[above]!;
        paths.any[holder]! |= paths.any[above]!;
      }
      if (paths.any[holder] !== 0) within += holderObjectStarts[holder + 1]! - holderObjectStarts[holder]!;
    }
    return { ofPaths, within };
  }

  return { match };
}

const none = (): number => 0;
/** One word is answered by a name, and not by a path. */
const nowhere = { ofPaths: 0, within: Number.POSITIVE_INFINITY };

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
