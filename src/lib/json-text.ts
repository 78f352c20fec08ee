/**
 * How much is in a text of JSON, told before it is parsed: objects of many names of their own take a hundred times as long
 * as text of the same length. Whether it is JSON at all, the parser says.
 */

export interface JsonTextLimits {
  /** Of all objects. */
  readonly names: number;
  /** Of all lists and objects. */
  readonly values: number;
  /** Lists and objects within each other. */
  readonly depth: number;
}

/** Which limit it is beyond, found in time of its length; null where it keeps to all. */
export function exceededByText(text: string, limits: JsonTextLimits): keyof JsonTextLimits | null {
  let names = 0;
  let values = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfString(text, at);
    else if (code === colon) {
      names += 1;
      if (names > limits.names) return 'names';
    } else if (code === comma) {
      values += 1;
      if (values > limits.values) return 'values';
    } else if (code === openList || code === openObject) {
      depth += 1;
      if (depth > limits.depth) return 'depth';
    } else if (code === closeList || code === closeObject) depth -= 1;
  }
  return null;
}

const [quote, colon, comma, backslash] = [0x22, 0x3a, 0x2c, 0x5c];
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/** The place of the quote that ends the string that begins here; of one without end, that of the text. */
function endOfString(text: string, begin: number): number {
  for (let end = text.indexOf('"', begin + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === backslash) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}
