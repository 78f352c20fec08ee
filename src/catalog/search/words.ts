/**
 * Names and comments taken apart into the words by which they are found. `snake_case`, `camelCase`, `HTTPServer2`,
 * kebab-case and dotted paths are split; case and accents are folded. What is asked for is split by the same rules.
 */

/** Of one word: what is longer is cut, in names and in what is asked alike. */
export const maxWordLetters = 64;

/**
 * In the order in which they are tried: a character that is a word by itself, digits, acronyms (their plural; without the
 * capital that begins the next word), a word in small letters or of a script without case. Marks go with their letter.
 */
const word =
  /\p{Script=Han}|\p{Extended_Pictographic}|\p{N}+|\p{Lu}{2,}s(?![\p{Ll}\p{M}])|[\p{Lu}\p{Lt}]+(?![\p{Ll}\p{M}])|[\p{Lu}\p{Lt}]?(?:(?!\p{Script=Han})[\p{Ll}\p{Lo}\p{Lm}\p{M}])+|\p{Lu}/gu;

/** Letters that are another one with a stroke, or two, which Unicode does not take apart. */
const strokes: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  ħ: 'h',
  ı: 'i',
  þ: 'th',
  ς: 'σ',
};
const stroked = /[ßæœøđðłħıþς]/g;
const ascii = /^[\0-\x7f]*$/;
const accents = /[\u0300-\u036f]/g;

/** Without accents, with the case that splits words. What Unicode writes in two ways is written in one. */
const bare = (text: string): string =>
  ascii.test(text) ? text : text.normalize('NFKD').replace(accents, '').normalize('NFC');

function folded(text: string): string {
  const lower = text.toLowerCase();
  return (ascii.test(lower) ? lower : lower.replace(stroked, (letter) => strokes[letter] ?? letter)).slice(
    0,
    maxWordLetters,
  );
}

/** In their order; a text of signs alone is one word, and blank text is none. */
export function wordsOf(text: string): string[] {
  const plain = bare(text);
  const words = plain.match(word);
  if (words) return words.map(folded);
  const signs = folded(plain.replace(/\s+/gu, ''));
  return signs === '' ? [] : [signs];
}

/** Words as one: `order_id`, `orderId` and `orderid` are the same name to who types it. */
export const joined = (words: readonly string[]): string => words.join('').slice(0, maxWordLetters);
