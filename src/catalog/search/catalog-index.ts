/**
 * One database's catalogue made ready to be searched: plain arrays of numbers, so that a thread can hand it over without
 * a copy, and its size is known. Made by build-index.ts, read by match.ts and by the functions here.
 *
 * Objects are numbered in the order of their paths, name by name; the database itself is 0. Names and words are numbered
 * in their order as JavaScript compares texts, and are there once, however many objects have them. A list of lists is one
 * array and the places where each begins: that of `i` goes from `starts[i]` to `starts[i + 1]`.
 */
import { type CatalogKind, catalogKinds } from './kinds.ts';

export interface CatalogIndex {
  /** Of each object: its place in catalogKinds, its name, and the holder that it is in. */
  readonly kinds: Uint8Array;
  readonly names: Uint32Array;
  readonly holders: Uint32Array;

  /**
   * Schemas and relations hold others, and the database, which is holder 0, all of them; they are in the order of their
   * paths, so each comes behind its own.
   */
  readonly holderNames: Uint32Array;
  readonly holderParents: Uint32Array;
  /** Objects in it, and in what it holds, stand together: the first of them, and where they end. */
  readonly holderStarts: Uint32Array;
  readonly holderEnds: Uint32Array;

  /** UTF-8. */
  readonly nameText: Uint8Array;
  readonly nameStarts: Uint32Array;
  /** The word that all words of a name make together. */
  readonly nameWholes: Uint32Array;
  /** Of that word. */
  readonly nameLetters: Uint8Array;
  /** The objects of a name, by kind, then in their order; and the kind of each. */
  readonly nameObjects: Uint32Array;
  readonly nameObjectKinds: Uint8Array;
  readonly nameObjectStarts: Uint32Array;

  /** UTF-16. */
  readonly wordUnits: Uint16Array;
  readonly wordStarts: Uint32Array;
  /** Those that are not only a name's words together, rising; typing errors are forgiven in them. See lettersOf(). */
  readonly plainWords: Uint32Array;
  readonly plainWordLetters: Uint32Array;
  readonly plainWordSizes: Uint8Array;
  readonly plainWordInitials: Uint16Array;
  /** The names that a word is in, or is the whole of. */
  readonly wordNames: Uint32Array;
  readonly wordNameStarts: Uint32Array;

  /** Objects that have a comment, rising. */
  readonly commented: Uint32Array;
  /** Their names and holders once more: to go to each object for them is slow where many comments have a word. */
  readonly commentedNames: Uint32Array;
  readonly commentedHolders: Uint32Array;
  /** UTF-8, cut where it is long. */
  readonly commentText: Uint8Array;
  readonly commentStarts: Uint32Array;
  /** The comments, by their place in `commented`, that a word is in. */
  readonly wordComments: Uint32Array;
  readonly wordCommentStarts: Uint32Array;

  /** Functions, rising, and the types of their arguments; UTF-8. */
  readonly identified: Uint32Array;
  readonly identityText: Uint8Array;
  readonly identityStarts: Uint32Array;
}

export const bytesOf = (index: CatalogIndex): number =>
  Object.values(index).reduce((bytes: number, { byteLength }: Uint8Array) => bytes + byteLength, 0);

const decoder = new TextDecoder();

const textAt = (text: Uint8Array, starts: Uint32Array, place: number): string =>
  decoder.decode(text.subarray(starts[place], starts[place + 1]));

export const nameAt = (index: CatalogIndex, name: number): string => textAt(index.nameText, index.nameStarts, name);

export const kindAt = ({ kinds }: CatalogIndex, object: number): CatalogKind => catalogKinds[kinds[object]!]!;

/** The names that lead to an object, without the database's; its own is the last one. Empty for the database. */
export function namesTo(index: CatalogIndex, object: number): string[] {
  if (object === 0) return [];
  const names = [nameAt(index, index.names[object]!)];
  for (let holder = index.holders[object]!; holder !== 0; holder = index.holderParents[holder]!) {
    names.unshift(nameAt(index, index.holderNames[holder]!));
  }
  return names;
}

export function commentAt({ commented, commentText, commentStarts }: CatalogIndex, object: number): string | null {
  const place = firstFrom(commented, object);
  return commented[place] === object ? textAt(commentText, commentStarts, place) : null;
}

/** The types of a function's arguments; null for what is none. */
export function identityAt({ identified, identityText, identityStarts }: CatalogIndex, object: number): string | null {
  const place = firstFrom(identified, object);
  return identified[place] === object ? textAt(identityText, identityStarts, place) : null;
}

/** Where in a rising list, or in the part of it from `from` to `to`, the first value is that is not less. */
export function firstFrom(values: Uint32Array, least: number, from = 0, to = values.length): number {
  return partition(from, to, (place) => values[place]! < least);
}

/** The first place for which it does not hold, where it holds for a beginning of the places. */
export function partition(from: number, to: number, holds: (place: number) => boolean): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The same where the place is likely near: what is far is not looked at. */
export function nearPartition(from: number, to: number, holds: (place: number) => boolean): number {
  let known = from;
  for (let step = 1; known < to; step *= 2) {
    const next = Math.min(known + step, to) - 1;
    if (!holds(next)) return partition(known, next, holds);
    known = next + 1;
  }
  return to;
}

export interface WordRange {
  /** The word that is the text; -1 where there is none. */
  readonly exact: number;
  /** The words that begin with it, itself among them. */
  readonly from: number;
  readonly to: number;
}

/** Words are not decoded for it: a search looks at thousands. */
export function wordsFrom({ wordUnits, wordStarts }: CatalogIndex, text: string): WordRange {
  const count = wordStarts.length - 1;
  const { length } = text;
  /** Negative: the word is before the text. 0: it begins with it. */
  const compare = (word: number): number => {
    const from = wordStarts[word]!;
    const letters = Math.min(wordStarts[word + 1]! - from, length);
    for (let place = 0; place < letters; place += 1) {
      const difference = wordUnits[from + place]! - text.charCodeAt(place);
      if (difference !== 0) return difference;
    }
    return letters - length;
  };
  const from = partition(0, count, (word) => compare(word) < 0);
  const to = nearPartition(from, count, (word) => compare(word) === 0);
  const exact = to > from && wordStarts[from + 1]! - wordStarts[from]! === length ? from : -1;
  return { exact, from, to };
}
