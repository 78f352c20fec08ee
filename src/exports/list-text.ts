/** The text of a list, `{1,NULL,"a b"}`, taken apart. What its elements are is the reader's to know. */

/** Elements as raw text; a list of more dimensions holds lists. */
export type ListItems = (string | null | ListItems)[];

/** Null for a list that does not begin at 1, `[5:6]={1,2}`: most formats have no place for its bounds. */
export function parseList(text: string, delimiter = ','): ListItems | null {
  if (!text.startsWith('{')) return null;
  // The lists that are open, the innermost last.
  const open: ListItems[] = [[]];
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if (character === '{') {
      const list: ListItems = [];
      open.at(-1)?.push(list);
      open.push(list);
      at++;
    } else if (character === '}') {
      open.pop();
      at++;
    } else if (character === delimiter) {
      at++;
    } else if (character === '"') {
      const end = endOfQuoted(text, at + 1);
      const inner = text.slice(at + 1, end);
      open.at(-1)?.push(inner.includes('\\') ? inner.replace(/\\(.)/gs, '$1') : inner);
      at = end + 1;
    } else {
      const end = endOfBare(text, at, delimiter);
      const value = text.slice(at, end);
      // Only a bare NULL is one: the text "NULL" is printed in quotes.
      open.at(-1)?.push(value === 'NULL' ? null : value);
      at = end;
    }
  }
  return open[0]?.[0] as ListItems;
}

function endOfQuoted(text: string, start: number): number {
  let at = start;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function endOfBare(text: string, start: number, delimiter: string): number {
  let at = start;
  while (at < text.length && text[at] !== delimiter && text[at] !== '}') at++;
  return at;
}
