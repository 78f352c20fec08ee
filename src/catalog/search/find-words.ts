/** From the words of a search to the names and comments of one catalogue that answer them. */
import { type Answers, addAnswers, type Way } from './answers.ts';
import { type CatalogIndex, type WordRange, wordsFrom } from './catalog-index.ts';
import { countBits } from './edits.ts';
import type { SearchText, Term, Terms } from './search-text.ts';

/** In a comment shorter words count whole only: too many of its words begin with any two letters. */
const minCommentPrefix = 3;
/** One letter is the beginning of something everywhere: beside other words it counts whole only. */
const minPrefixAmongWords = 2;

export interface Into {
  readonly names: Answers;
  readonly comments: Answers;
}

/** Answers the words that anything answers; nothing is found where one of them is missing. */
export function findWords(index: CatalogIndex, text: SearchText, into: Into): Terms {
  const { terms, all } = text;
  const whole = terms.length > 1 ? wholeRange(index, text) : null;
  const ranges = terms.map(({ word }) => wordsFrom(index, word));
  let answered = whole && whole.range.from < whole.range.to ? whole.terms : 0;
  // Looked up before anything is marked: in most catalogues a rare word ends the search here.
  terms.forEach(({ bit, maxEdits }, place) => {
    const { from, to } = ranges[place]!;
    if (from < to || maxEdits > 0) answered |= bit;
  });
  if (answered !== all) return answered;

  answered = whole && whole.range.from < whole.range.to ? whole.terms : 0;
  terms.forEach((term, place) => {
    const shortest = terms.length > 1 ? minPrefixAmongWords : 1;
    if (findTerm(index, term, ranges[place]!, shortest, into)) answered |= term.bit;
  });
  if (whole) addNames(index, into, whole.range, whole.terms);
  return answered;
}

/** Who splits words as the name does not: `HTTPServer` finds `httpserver`. Of a dotted path, its last part. */
function wholeRange(index: CatalogIndex, { all, last, wholeOf }: SearchText): { range: WordRange; terms: Terms } {
  const asked = last ?? { terms: all, whole: wholeOf(all) };
  return { range: wordsFrom(index, asked.whole), terms: asked.terms };
}

/** Names and comments that have a word, or nearly; whether there are any. */
function findTerm(index: CatalogIndex, term: Term, range: WordRange, minPrefix: number, into: Into): boolean {
  const { word, bit, maxEdits } = term;
  const prefixed = word.length >= minPrefix ? range : { ...range, to: range.exact + 1 };
  addNames(index, into, prefixed, bit);
  if (range.exact >= 0) addComments(index, into, 'exact', range.exact, range.exact + 1, bit);
  if (word.length >= minCommentPrefix) addComments(index, into, 'prefix', behind(range), range.to, bit);
  const mistyped = maxEdits > 0 && findMistyped(index, term, range, into);
  return mistyped || prefixed.from < prefixed.to;
}

/** Where the words begin that only begin with it. */
const behind = ({ exact, from }: WordRange): number => (exact >= 0 ? exact + 1 : from);

/** Words that are not it, but may have been meant. */
function findMistyped(index: CatalogIndex, { word, bit, letters, maxEdits, meter }: Term, but: WordRange, into: Into) {
  const { wordUnits, wordStarts, plainWords, plainWordLetters, plainWordSizes, plainWordInitials } = index;
  const first = word.charCodeAt(0);
  const shortest = word.length - maxEdits;
  const longest = word.length + maxEdits;
  const count = plainWords.length;
  let any = false;
  for (let place = 0; place < count; place += 1) {
    const itsLetters = plainWordLetters[place]!;
    // Each edit takes or brings one letter: most words have too few of the right ones.
    if (countBits(letters & ~itsLetters) > maxEdits) continue;
    const size = plainWordSizes[place]!;
    if (size < shortest) continue;
    // A beginning that is nearly it counts where the first letter is right.
    const begins = plainWordInitials[place] === first;
    const whole = size <= longest && countBits(itsLetters & ~letters) <= maxEdits;
    if (!begins && !whole) continue;
    const candidate = plainWords[place]!;
    if (candidate >= but.from && candidate < but.to) continue;
    const from = wordStarts[candidate]!;
    const edits = meter.measure(wordUnits, from, from + Math.min(size, longest));
    // Of a word that is too long only a beginning was measured.
    const isWhole = size <= longest && edits <= maxEdits;
    if (!isWhole && !(begins && meter.begun() <= maxEdits)) continue;
    const way = isWhole && edits === 1 ? 'near' : 'far';
    any = true;
    addWord(index.wordNames, index.wordNameStarts, into.names, way, candidate, bit);
    addWord(index.wordComments, index.wordCommentStarts, into.comments, way, candidate, bit);
  }
  return any;
}

function addNames({ wordNames, wordNameStarts }: CatalogIndex, { names }: Into, range: WordRange, terms: Terms): void {
  if (range.exact >= 0) addWord(wordNames, wordNameStarts, names, 'exact', range.exact, terms);
  // Words that stand side by side: their lists do, too.
  const from = behind(range);
  if (from < range.to) addAnswers(names, 'prefix', wordNames, wordNameStarts[from]!, wordNameStarts[range.to]!, terms);
}

function addComments(
  { wordComments, wordCommentStarts }: CatalogIndex,
  { comments }: Into,
  way: Way,
  from: number,
  to: number,
  terms: Terms,
): void {
  if (from < to) addAnswers(comments, way, wordComments, wordCommentStarts[from]!, wordCommentStarts[to]!, terms);
}

const addWord = (items: Uint32Array, starts: Uint32Array, into: Answers, way: Way, word: number, terms: Terms): void =>
  addAnswers(into, way, items, starts[word]!, starts[word + 1]!, terms);
