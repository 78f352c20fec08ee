/** Makes a CatalogIndex of a snapshot: a second for 100,000 objects, so it is done in a thread; see index-builder.ts. */
import type { CatalogIndex } from './catalog-index.ts';
import { lettersOf } from './edits.ts';
import { catalogKinds } from './kinds.ts';
import { collectObjects, type Found, type Holder, type Searchable } from './objects.ts';
import { joined, wordsOf } from './words.ts';

/** Of a comment: what is longer is cut, and ends with an ellipsis. */
export const maxCommentLetters = 1_000;

interface Holding {
  readonly parent: Holder;
  readonly name: string;
  /** Of the names that lead to it, its own being the last; the database has none. */
  readonly path: readonly string[];
}

interface Listed extends Found {
  readonly holder: Holder;
}

export function buildIndex(searchable: Searchable): CatalogIndex {
  const { objects, holdings } = listed(searchable);
  const names = numbered([...objects, ...holdings].map(({ name }) => name));
  const order = inOrderOfPaths(objects, holdings, names);
  const at = (place: number): Listed => objects[order[place]!]!;
  const holdingOrder = holdingsInOrder(holdings, names);
  const held = holdingOrder.map((place) => holdings[place]!);
  const holderOf = new Uint32Array(holdings.length);
  holdingOrder.forEach((place, holder) => {
    holderOf[place] = holder;
  });

  const kinds = new Uint8Array(objects.length);
  const objectNames = new Uint32Array(objects.length);
  const holders = new Uint32Array(objects.length);
  const comments: Text[] = [];
  const identities: Text[] = [];
  for (let object = 0; object < objects.length; object += 1) {
    const { kind, name, holder, comment, identity } = at(object);
    kinds[object] = catalogKinds.indexOf(kind);
    objectNames[object] = names.get(name)!;
    holders[object] = holderOf[holder]!;
    if (comment !== null && comment !== '') comments.push({ object, text: cut(comment) });
    if (identity !== undefined) identities.push({ object, text: identity });
  }
  const nameTexts = [...names.keys()];
  const holderParents = Uint32Array.from(held, ({ parent }) => holderOf[parent]!);
  return {
    kinds,
    names: objectNames,
    holders,
    holderNames: Uint32Array.from(held, ({ name }) => names.get(name)!),
    holderParents,
    ...rangesOfHolders(holders, holderParents),
    ...texts('name', nameTexts),
    ...objectsOfNames(kinds, objectNames, nameTexts.length),
    ...wordsIn(nameTexts, comments),
    commented: Uint32Array.from(comments, ({ object }) => object),
    commentedNames: Uint32Array.from(comments, ({ object }) => objectNames[object]!),
    commentedHolders: Uint32Array.from(comments, ({ object }) => holders[object]!),
    ...texts('comment', comments.map(textOf)),
    identified: Uint32Array.from(identities, ({ object }) => object),
    ...texts('identity', identities.map(textOf)),
  };
}

interface Text {
  readonly object: number;
  readonly text: string;
}
const textOf = ({ text }: Text): string => text;

function cut(comment: string): string {
  if (comment.length <= maxCommentLetters) return comment;
  // Half of a character of two units is none.
  return `${comment.slice(0, maxCommentLetters - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

function listed(searchable: Searchable): { objects: Listed[]; holdings: Holding[] } {
  const objects: Listed[] = [];
  const holdings: Holding[] = [];
  const add = (holder: Holder, { kind, name, comment, identity }: Found) => {
    objects.push({ kind, name, comment, holder, ...(identity !== undefined && { identity }) });
  };
  collectObjects(searchable, {
    add,
    hold(holder, found) {
      add(holder ?? 0, found);
      const path = holder === null ? [] : [...holdings[holder]!.path, found.name];
      return holdings.push({ parent: holder ?? 0, name: found.name, path }) - 1;
    },
  });
  return { objects, holdings };
}

/** Distinct texts in their order, each with its number. */
function numbered(texts: Iterable<string>): Map<string, number> {
  return new Map([...new Set(texts)].sort(inOrder).map((text, number) => [text, number]));
}

const inOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The places of the objects by the names of their paths, then kind; functions of one name by their arguments. */
function inOrderOfPaths(
  objects: readonly Listed[],
  holdings: readonly Holding[],
  names: ReadonlyMap<string, number>,
): Uint32Array {
  const depth = 3;
  // A name more than its number, so that 0 is the end of a shorter path.
  const paths = new Uint32Array(objects.length * depth);
  objects.forEach(({ kind, name, holder }, place) => {
    if (kind === 'DATABASE') return;
    const path = [...holdings[holder]!.path, name];
    path.forEach((part, level) => {
      paths[place * depth + level] = names.get(part)! + 1;
    });
  });
  return Uint32Array.from(objects, (_, place) => place).sort((a, b) => {
    for (let level = 0; level < depth; level += 1) {
      const difference = paths[a * depth + level]! - paths[b * depth + level]!;
      if (difference !== 0) return difference;
    }
    const [one, other] = [objects[a]!, objects[b]!];
    const kind = catalogKinds.indexOf(one.kind) - catalogKinds.indexOf(other.kind);
    return kind || inOrder(one.identity ?? '', other.identity ?? '');
  });
}

/** The places of the holdings by the names of their paths. */
function holdingsInOrder(holdings: readonly Holding[], names: ReadonlyMap<string, number>): number[] {
  const keys = Float64Array.from(holdings, ({ path }) =>
    [0, 1].reduce((key, level) => {
      const part = path[level];
      return key * (names.size + 1) + (part === undefined ? 0 : names.get(part)! + 1);
    }, 0),
  );
  return [...holdings.keys()].sort((a, b) => keys[a]! - keys[b]!);
}

/** Where those begin and end that are in a holder, or in one that is in it. */
function rangesOfHolders(holders: Uint32Array, parents: Uint32Array) {
  const holderStarts = new Uint32Array(parents.length);
  const holderEnds = new Uint32Array(parents.length);
  holders.forEach((own, object) => {
    for (let holder = own; ; holder = parents[holder]!) {
      if (holderEnds[holder] === 0) holderStarts[holder] = object;
      holderEnds[holder] = object + 1;
      if (holder === 0) break;
    }
  });
  return { holderStarts, holderEnds };
}

function objectsOfNames(kinds: Uint8Array, names: Uint32Array, count: number) {
  // By kind first: each list of a name is filled in that order.
  const objects = Uint32Array.from(kinds, (_, object) => object).sort((a, b) => kinds[a]! - kinds[b]! || a - b);
  const lists = listsOf(
    count,
    objects.map((object) => names[object]!),
    objects,
  );
  const nameObjectKinds = Uint8Array.from(lists.items, (object) => kinds[object]!);
  return { nameObjects: lists.items, nameObjectKinds, nameObjectStarts: lists.starts };
}

/** Every word of names and comments with where it is. A name's words together are a word of it, too. */
function wordsIn(names: readonly string[], comments: readonly Text[]) {
  const found = new Map<string, number>();
  const numberOf = (word: string): number => {
    const known = found.get(word) ?? found.size;
    if (known === found.size) found.set(word, known);
    return known;
  };
  const plain = new Set<string>();
  const plainNumberOf = (word: string): number => {
    plain.add(word);
    return numberOf(word);
  };
  const ofNames = createPairs();
  const wholes = names.map((name, number) => {
    const words = wordsOf(name);
    const whole = numberOf(joined(words));
    for (const word of new Set([...words.map(plainNumberOf), whole])) ofNames.add(word, number);
    return whole;
  });
  const ofComments = createPairs();
  comments.forEach(({ text }, place) => {
    for (const word of new Set(wordsOf(text).map(plainNumberOf))) ofComments.add(word, place);
  });

  const words = [...found.keys()].sort(inOrder);
  const sorted = new Uint32Array(words.length);
  words.forEach((word, number) => {
    sorted[found.get(word)!] = number;
  });
  const inNames = ofNames.lists(words.length, sorted);
  const inComments = ofComments.lists(words.length, sorted);
  const wordStarts = startsOf(words, (word) => word.length);
  const wordUnits = new Uint16Array(wordStarts.at(-1)!);
  words.forEach((word, number) => {
    const from = wordStarts[number]!;
    for (let place = 0; place < word.length; place += 1) wordUnits[from + place] = word.charCodeAt(place);
  });
  const nameWholes = Uint32Array.from(wholes, (word) => sorted[word]!);
  const plainWords = Uint32Array.from(plain, (word) => sorted[found.get(word)!]!).sort();
  return {
    nameWholes,
    nameLetters: Uint8Array.from(nameWholes, (word) => words[word]!.length),
    wordUnits,
    wordStarts,
    plainWords,
    plainWordLetters: Uint32Array.from(plainWords, (word) => lettersOf(words[word]!)),
    plainWordSizes: Uint8Array.from(plainWords, (word) => words[word]!.length),
    plainWordInitials: Uint16Array.from(plainWords, (word) => words[word]!.charCodeAt(0)),
    wordNames: inNames.items,
    wordNameStarts: inNames.starts,
    wordComments: inComments.items,
    wordCommentStarts: inComments.starts,
  };
}

/** Pairs of a word and where it is, in the order in which they come. */
function createPairs() {
  const words: number[] = [];
  const places: number[] = [];
  return {
    add(word: number, place: number) {
      words.push(word);
      places.push(place);
    },
    lists: (count: number, sorted: Uint32Array) =>
      listsOf(
        count,
        Uint32Array.from(words, (word) => sorted[word]!),
        Uint32Array.from(places),
      ),
  };
}

/** One list for each of `count` keys; values keep their order. */
function listsOf(count: number, keys: Uint32Array, values: Uint32Array): { starts: Uint32Array; items: Uint32Array } {
  const starts = new Uint32Array(count + 1);
  for (const key of keys) starts[key + 1]! += 1;
  for (let key = 0; key < count; key += 1) starts[key + 1]! += starts[key]!;
  const next = starts.slice();
  const items = new Uint32Array(values.length);
  values.forEach((value, place) => {
    items[next[keys[place]!]!++] = value;
  });
  return { starts, items };
}

function startsOf<Item>(items: readonly Item[], lengthOf: (item: Item) => number): Uint32Array {
  const starts = new Uint32Array(items.length + 1);
  items.forEach((item, place) => {
    starts[place + 1] = starts[place]! + lengthOf(item);
  });
  return starts;
}

/** `nameText` and `nameStarts` for `name`. */
function texts<Of extends string>(of: Of, values: readonly string[]) {
  const text = Buffer.from(values.join(''));
  const exact = new Uint8Array(text.length);
  exact.set(text);
  return { [`${of}Text`]: exact, [`${of}Starts`]: startsOf(values, Buffer.byteLength) } as {
    [Key in `${Of}Text`]: Uint8Array;
  } & { [Key in `${Of}Starts`]: Uint32Array };
}
