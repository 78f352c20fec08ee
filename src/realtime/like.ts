/** SQL's LIKE over a text: `%` is anything, `_` one character, a backslash takes what follows as it is. */

/** A character of the pattern; null: any one; 'ANY': as many as there are. */
type Part = string | null | typeof many;
const many = Symbol('as many characters as there are');

/** ILIKE compares in lower case, as JavaScript makes it. At worst as many steps as pattern times text. */
export function patternOf({
  pattern,
  ignoreCase,
}: {
  readonly pattern: string;
  readonly ignoreCase: boolean;
}): (text: string) => boolean {
  const folded = (text: string) => (ignoreCase ? text.toLowerCase() : text);
  const parts = partsOf(folded(pattern));
  return (text) => matches(parts, folded(text));
}

function partsOf(pattern: string): Part[] {
  const parts: Part[] = [];
  let escaped = false;
  for (const character of pattern) {
    if (escaped) parts.push(character);
    else if (character === '%') parts.push(many);
    else if (character === '_') parts.push(null);
    else if (character !== '\\') parts.push(character);
    escaped = !escaped && character === '\\';
  }
  return parts;
}

/** Only the last `%` is ever tried again with more: an earlier one could not lead further. */
function matches(parts: readonly Part[], text: string): boolean {
  let part = 0;
  let at = 0;
  let retry: { readonly part: number; at: number } | null = null;
  while (at < text.length) {
    const wanted = parts[part];
    const character = characterAt(text, at);
    if (wanted === many) {
      retry = { part, at };
      part += 1;
    } else if (wanted === null || wanted === character) {
      part += 1;
      at += character.length;
    } else if (retry) {
      retry.at += characterAt(text, retry.at).length;
      at = retry.at;
      part = retry.part + 1;
    } else return false;
  }
  while (parts[part] === many) part += 1;
  return part === parts.length;
}

const characterAt = (text: string, at: number): string => String.fromCodePoint(text.codePointAt(at)!);
