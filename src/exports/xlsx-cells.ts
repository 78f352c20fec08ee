/**
 * One value as one cell of SpreadsheetML (ECMA-376 part 1, 18.3.1.4 `c`). A cell is a number, a date or a boolean only
 * where a spreadsheet then shows the same value that the database has; everything else is text, and text is an inline
 * string, which no spreadsheet evaluates.
 */
import { withoutTrailing } from '../lib/trim.ts';
import type { ExportType } from './format.ts';
import { styles } from './xlsx-styles.ts';

/** UTF-16 units of one cell; Excel repairs a file that holds more by cutting it. */
export const maxCellLength = 32_767;

/** The cell at `place` (`B7`) of a text that is not null. @throws CellTooLong */
export type WriteCell = (place: string, text: string) => string;

export class CellTooLong extends Error {}

const number = (place: string, digits: string) => `<c r="${place}"><v>${digits}</v></c>`;
const styled = (place: string, style: number, value: number) => `<c r="${place}" s="${style}"><v>${value}</v></c>`;

/** Also of the names of columns, in the style of a header. */
export function headerCell(place: string, name: string): string {
  return `<c r="${place}" s="${styles.header}" t="inlineStr"><is>${textElement(name)}</is></c>`;
}

const textCell: WriteCell = (place, text) => {
  // Inert as it is; the style keeps it so when somebody edits the cell and presses Enter.
  const style = evaluates.test(text) ? ` s="${styles.quoted}"` : '';
  return `<c r="${place}"${style} t="inlineStr"><is>${textElement(text)}</is></c>`;
};

/** What a spreadsheet that is typed into takes for the start of a formula. */
const evaluates = /^[=+\-@\t\r]/;

function textElement(text: string): string {
  if (text.length > maxCellLength) throw new CellTooLong();
  if (!delicate.test(text)) return `<t>${text}</t>`;
  return `<t xml:space="preserve">${text.replace(literalEscape, '_x005F_').replace(unwritable, escapeCharacter)}</t>`;
}

/** Few texts match, and only those are looked at again. */
const delicate = /[<>&\p{Cc}\p{Cs}\uFFFE\uFFFF]|_x|^ | $/u;
/** A text that looks like the escape below (ECMA-376 part 1, 22.9.2.19 ST_Xstring): its underscore is escaped. */
const literalEscape = /_(?=x[0-9A-Fa-f]{4}_)/g;
/** What XML 1.0 cannot hold, and CR, which a parser of XML makes LF; of surrogates those without the other half. */
const unwritable = /[<>&]|(?![\t\n\x7F-\x9F])[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu;

function escapeCharacter(character: string): string {
  if (character === '<') return '&lt;';
  if (character === '>') return '&gt;';
  if (character === '&') return '&amp;';
  return `_x${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`;
}

const booleanCell: WriteCell = (place, text) =>
  text === 't' || text === 'f' ? `<c r="${place}" t="b"><v>${text === 't' ? 1 : 0}</v></c>` : textCell(place, text);

/** Spreadsheets keep 15 significant digits: an integer or decimal of more stays text, digit for digit. */
const exactNumber: WriteCell = (place, text) => {
  if (text.length > 15 && significantDigits(text) > 15) return textCell(place, text);
  return plainNumber.test(text) ? number(place, text) : textCell(place, text);
};
const plainNumber = /^-?\d+(\.\d+)?$/;

/** Zeros behind the last other digit of a fraction are none: an average has 16 digits behind the point. */
function significantDigits(text: string): number {
  const shortest = text.includes('.') ? withoutTrailing(withoutTrailing(text, '0'), '.') : text;
  return shortest.replace(/^-?[0.]*/, '').replace('.', '').length;
}

/** Written as the engine prints it: the shortest text that reads back as the same double. */
const floatCell: WriteCell = (place, text) => {
  const value = Number(text);
  const size = Math.abs(value);
  const holds = size <= largestDouble && (size >= smallestDouble || (value === 0 && !text.startsWith('-')));
  return holds && text !== '' ? number(place, text) : textCell(place, text);
};
/** Of Excel: less range than a double has, and no negative zero. */
const largestDouble = 9.99999999999999e307;
const smallestDouble = 2.2251e-308;

const dateCell: WriteCell = (place, text) => {
  const day = text.length === 10 ? dayOf(text) : null;
  return day === null ? textCell(place, text) : styled(place, styles.date, day);
};

/** Without an offset as it is; with one in UTC, as our sessions ask for it anyway. */
const timestampCell: WriteCell = (place, text) => {
  const day = dayOf(text);
  const offset = timestampShape.exec(text)?.[1];
  if (day === null || offset === undefined) return textCell(place, text);
  const seconds = secondsOf(text, 11, text.length - offset.length) - (offset === '' ? 0 : offsetSeconds(offset));
  return styled(place, styles.timestamp, day + seconds / secondsOfDay);
};
const timestampShape = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?((?:[+-]\d\d(?::\d\d(?::\d\d)?)?)?)$/;

/** A fraction of a day, as spreadsheets have it; 24:00:00 would read as midnight. */
const timeCell: WriteCell = (place, text) =>
  timeShape.test(text)
    ? styled(place, styles.time, secondsOf(text, 0, text.length) / secondsOfDay)
    : textCell(place, text);
const timeShape = /^(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,6})?$/;

const secondsOfDay = 86_400;
/** Serial of 1970-01-01 where 1900-01-01 is 1. */
const unixDay = 25_569;
/** 1900-03-01: before it spreadsheets differ by a day, for Excel has a 29th of February 1900. */
const firstDay = 61;

/** The serial of the date that a text begins with; null where it is none, or none that spreadsheets have. */
function dayOf(text: string): number | null {
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45) return null;
  // Date.UTC takes the years of the first century for those of the twentieth.
  if (text.startsWith('0')) return null;
  const milliseconds = Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)) - 1, Number(text.slice(8, 10)));
  const day = milliseconds / (secondsOfDay * 1_000) + unixDay;
  return day >= firstDay ? day : null;
}

function secondsOf(text: string, start: number, end: number): number {
  const minutes = Number(text.slice(start, start + 2)) * 60 + Number(text.slice(start + 3, start + 5));
  return minutes * 60 + Number(text.slice(start + 6, end));
}

/** `+02`, `-03:30`, `+00:19:32`. */
function offsetSeconds(offset: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = offset.slice(1).split(':').map(Number);
  return (offset.startsWith('-') ? -1 : 1) * ((hours * 60 + minutes) * 60 + seconds);
}

const writers: Readonly<Record<ExportType['kind'], WriteCell>> = {
  boolean: booleanCell,
  int16: exactNumber,
  int32: exactNumber,
  int64: exactNumber,
  decimal: exactNumber,
  float32: floatCell,
  float64: floatCell,
  date: dateCell,
  time: timeCell,
  timestamp: timestampCell,
  timestamptz: timestampCell,
  // A spreadsheet has no value for these.
  timetz: textCell,
  interval: textCell,
  text: textCell,
  binary: textCell,
  json: textCell,
  uuid: textCell,
  list: textCell,
  other: textCell,
};

export const cellWriter = (type: ExportType): WriteCell => writers[type.kind];
