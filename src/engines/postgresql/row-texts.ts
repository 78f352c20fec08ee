/**
 * Reads rows from the bytes in which they come, each value as the text that the server sent. Those of a catalogue come again
 * and again, names as well as numbers: one that was there lately is not made again.
 */
import { NotPostgresql } from './errors.ts';
import type { RowTaker } from './guard.ts';

/** Texts that are remembered, each at the place that its bytes lead to; a power of two. */
const remembered = 8_192;
/** What is longer is not looked for: it hardly comes again. */
const maxRememberedBytes = 48;

/** A row, only during the call: the next one is read into the same. */
export type EachRow = (row: readonly (string | null)[]) => void;

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
    const row: (string | null)[] = [];
    return (bytes, start, end) => {
      const count = bytes.readUInt16BE(start);
      let at = start + 2;
      row.length = count;
      for (let place = 0; place < count; place += 1) {
        const length = int32At(bytes, at);
        at += 4;
        if (length === -1) {
          row[place] = null;
          continue;
        }
        if (length < 0 || at + length > end) throw new NotPostgresql();
        const before = row[place];
        // Rows of one relation stand together: most values are those of the row before.
        if (typeof before !== 'string' || !isText(before, bytes, at, length))
          row[place] = textOf(bytes, at, at + length);
        at += length;
      }
      if (at !== end) throw new NotPostgresql();
      each(row);
    };
  };
}

const int32At = (bytes: Buffer, at: number): number =>
  (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;

/** Of a text that is ASCII; one that is not is longer than it has units, or has other ones. */
function isText(text: string, bytes: Buffer, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let place = 0; place < length; place += 1) {
    if (text.charCodeAt(place) !== bytes[start + place]) return false;
  }
  return true;
}
