/** What somebody asks for: words, each of which an object must answer by its name, its path or its comment. */
import { badInput } from '../../lib/errors.ts';
import { createEditMeter, type EditMeter, editsAllowed, lettersOf } from './edits.ts';
import { joined, wordsOf } from './words.ts';

export const searchTextLimits = {
  /** Characters, as UTF-16 counts them. */
  length: 200,
  words: 16,
} as const;

/** Words of a search, a bit for each: `1 << place`. */
export type Terms = number;

export interface Term {
  readonly bit: Terms;
  readonly word: string;
  readonly letters: number;
  readonly maxEdits: 0 | 1 | 2;
  readonly meter: EditMeter;
}

export interface SearchText {
  /** Distinct, in their order. */
  readonly terms: readonly Term[];
  readonly all: Terms;
  /** Of a dotted path, the words of its last part, which an object's own name must have; null for any other text. */
  readonly last: { readonly terms: Terms; readonly whole: string } | null;
  /** What those words of the text are together, in its order. */
  wholeOf(terms: Terms): string;
}

/** @throws AppError BAD_USER_INPUT */
export function parseSearchText(text: string): SearchText {
  const { length, words: maxWords } = searchTextLimits;
  if (text.length > length) throw badInput({ path: 'text', message: `at most ${length} characters` });
  const parts = text
    .split('.')
    .map(wordsOf)
    .filter((words) => words.length > 0);
  // Dots alone are a name like any other.
  const words = parts.length > 0 ? parts.flat() : wordsOf(text);
  if (words.length === 0) throw badInput({ path: 'text', message: 'cannot be blank' });
  if (words.length > maxWords) throw badInput({ path: 'text', message: `at most ${maxWords} words` });

  const distinct = [...new Set(words)];
  const bitOf = (word: string): Terms => 1 << distinct.indexOf(word);
  const lastPart = parts.length > 1 ? parts.at(-1)! : null;
  return {
    terms: distinct.map((word) => {
      const maxEdits = editsAllowed(word);
      return { bit: bitOf(word), word, letters: lettersOf(word), maxEdits, meter: createEditMeter(word, maxEdits) };
    }),
    all: (1 << distinct.length) - 1,
    last: lastPart && { terms: lastPart.reduce((terms, word) => terms | bitOf(word), 0), whole: joined(lastPart) },
    wholeOf: (terms) => joined(words.filter((word) => (bitOf(word) & terms) !== 0)),
  };
}
