/**
 * Reads rows from the bytes in which they come, each value as the text that the server sent or as the number that it says.
 * Texts of a catalogue come again and again: one that was there lately is not made again.
 */
import { NotPostgresql } from './errors.ts';
import type { RowTaker } from './guard.ts';

/** Texts that are remembered, each at the place that its bytes lead to; a power of two. */
const remembered = 8_192;
/** What is longer is not looked for: it hardly comes again. */
const maxRememberedBytes = 48;

/** `NUMBER`: of a whole one. `OWN`: a text that hardly comes again, as a name does that is one object's alone. */
export type Way = 'TEXT' | 'OWN' | 'NUMBER';

export interface EachRow {
  /** Of the values, in their order; TEXT where there is none. */
  readonly ways?: readonly Way[];
  /** Takes a row, only during the call: the next one is read into the same. */
  take(row: readonly (string | number | null)[]): void;
}

/** Of the statements of one transaction: what one of them has made need not be made by the next. */
export function createRowTexts(): (each: EachRow) => RowTaker {
  const texts: string[] = new Array(remembered).fill('');

  function textOf(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > maxRememberedBytes) return bytes.toString('utf8', start, end);
    let hash = length;
    let letters = 0;
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at]!;
      hash = (Math.imul(hash, 31) + byte) | 0;
      letters |= byte;
    }
    if (letters > 0x7f) return bytes.toString('utf8', start, end);
    const place = (hash ^ (hash >>> 15)) & (remembered - 1);
    const known = texts[place]!;
    if (isText(known, bytes, start, length)) return known;
    const text = bytes.toString('latin1', start, end);
    texts[place] = text;
    return text;
  }

  return (each) => {
    const { ways = [] } = each;
    const row: (string | number | null)[] = [];
    return (bytes, start, end) => {
      const count = bytes.readUInt16BE(start);
      let at = start + 2;
      if (row.length !== count) row.length = count;
      for (let place = 0; place < count; place += 1) {
        const length = int32At(bytes, at);
        at += 4;
        if (length === -1) {
          row[place] = null;
          continue;
        }
        if (length < 0 || at + length > end) throw new NotPostgresql();
        const way = ways[place];
        const before = row[place];
        if (way === 'NUMBER') row[place] = numberAt(bytes, at, length);
        else if (way === 'OWN') row[place] = bytes.toString('utf8', at, at + length);
        // Rows of one relation stand together: most values are those of the row before.
        else if (typeof before !== 'string' || !isText(before, bytes, at, length))
          row[place] = textOf(bytes, at, at + length);
        at += length;
      }
      if (at !== end) throw new NotPostgresql();
      each.take(row);
    };
  };
}

const int32At = (bytes: Buffer, at: number): number =>
  (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;

/** Of an oid: what has more is no number that anybody asked for. */
const maxDigits = 10;
const minus = 0x2d;
const zero = 0x30;

function numberAt(bytes: Buffer, start: number, length: number): number {
  const negative = bytes[start] === minus;
  const first = negative ? start + 1 : start;
  const end = start + length;
  if (first === end || end - first > maxDigits) throw new NotPostgresql();
  let number = 0;
  for (let at = first; at < end; at += 1) {
    const digit = bytes[at]! - zero;
    if (digit < 0 || digit > 9) throw new NotPostgresql();
    number = number * 10 + digit;
  }
  return negative ? -number : number;
}

/** Of a text that is ASCII; one that is not is longer than it has units, or has other ones. */
function isText(text: string, bytes: Buffer, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let place = 0; place < length; place += 1) {
    if (text.charCodeAt(place) !== bytes[start + place]) return false;
  }
  return true;
}
