/** Values as PostgreSQL prints them, turned into JSON without loss: what JSON cannot hold exactly stays text. */
import type { Cell } from '../engine.ts';

/** What has to be known of a type to read its values. */
export interface ValueType {
  /** Of a domain: what it is made of. */
  readonly oid: number;
  /** Of an array: what it holds, and what stands between. */
  readonly array?: { readonly element: number; readonly delimiter: string } | undefined;
}

/** From the text of a value that is not null. */
export type Decode = (text: string) => Cell;

/** Null where the text itself is the value: that is most types, and costs nothing. */
export function decoderOf({ oid, array }: ValueType): Decode | null {
  if (array === undefined) return scalars[oid] ?? null;
  const element = scalars[array.element] ?? null;
  return (text) => decodeArray(text, element, array.delimiter);
}

/** A text that decoderOfCoding() understands; null where there is no decoder. */
export const codingOf = (type: ValueType): string | null =>
  decoderOf(type) === null ? null : JSON.stringify([type.oid, ...(type.array ? [type.array] : [])]);

/** @throws Error for a text that codingOf() did not make */
export function decoderOfCoding(coding: string): Decode {
  const [oid, array] = JSON.parse(coding) as [number, ValueType['array']];
  const decode = decoderOf({ oid, array });
  if (decode === null) throw new Error(`not the coding of a type: ${coding}`);
  return decode;
}

const number: Decode = (text) => {
  const value = Number(text);
  // NaN and the infinities have no JSON, and of -0 JSON.stringify() drops the sign.
  return Number.isFinite(value) && !Object.is(value, -0) ? value : text;
};

const scalars: Readonly<Record<number, Decode>> = {
  16: (text) => text === 't',
  17: decodeBytea,
  21: number, // smallint
  23: number, // integer
  26: number, // oid
  700: number, // real
  701: number, // double precision
};

/** Hexadecimal, unless the script has set `bytea_output`: `escape` never begins so, as it doubles every backslash. */
function decodeBytea(text: string): string {
  const bytes = text.startsWith('\\x')
    ? Buffer.from(text.slice(2), 'hex')
    : Buffer.from(
        text.replace(/\\(\\|[0-7]{3})/g, (_, of) => (of === '\\' ? of : octet(of))),
        'latin1',
      );
  return bytes.toString('base64');
}

const octet = (octal: string): string => String.fromCharCode(Number.parseInt(octal, 8));

/** An array that begins elsewhere than at 1 names its bounds, `[5:6]={1,2}`; JSON has no place for them. */
function decodeArray(text: string, element: Decode | null, delimiter: string): Cell {
  if (!text.startsWith('{')) return text;
  // The arrays that are open, the innermost last.
  const open: Cell[][] = [];
  let root: Cell[] | null = null;
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if (character === '{') {
      const array: Cell[] = [];
      open.at(-1)?.push(array);
      root ??= array;
      open.push(array);
      at++;
    } else if (character === '}') {
      open.pop();
      at++;
    } else if (character === delimiter) {
      at++;
    } else if (character === '"') {
      const [value, end] = quoted(text, at + 1);
      open.at(-1)?.push(element === null ? value : element(value));
      at = end;
    } else {
      const end = endOfBare(text, at, delimiter);
      const value = text.slice(at, end);
      // Only a bare NULL is one: the text "NULL" is printed in quotes.
      open.at(-1)?.push(value === 'NULL' ? null : element === null ? value : element(value));
      at = end;
    }
  }
  return root ?? text;
}

function quoted(text: string, start: number): [value: string, end: number] {
  let value = '';
  let from = start;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === '"') return [value + text.slice(from, at), at + 1];
    if (character === '\\') {
      value += text.slice(from, at);
      from = ++at;
    }
  }
  return [value + text.slice(from), text.length];
}

function endOfBare(text: string, start: number, delimiter: string): number {
  let at = start;
  while (at < text.length && text[at] !== delimiter && text[at] !== '}') at++;
  return at;
}
