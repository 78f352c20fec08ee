/** CSV: byte for byte what PostgreSQL's COPY writes with `FORMAT csv, HEADER`, so that it reads back as it was. */
import type { Format, ResultSet } from './format.ts';
import { isPlain } from './plain-kinds.ts';
import { createTextWriter, type TextSet } from './text-writer.ts';

/**
 * Null is nothing and an empty text is `""`. With `safe`, what a spreadsheet would run as a formula gets an apostrophe in
 * front, plain numbers aside, at the beginning of a cell or a name and behind whatever some spreadsheets split at: the
 * file is then no longer what the database holds, and what reads it back reads the apostrophes too.
 */
export const csv: Format = {
  name: 'csv',
  extension: 'csv',
  mimeType: 'text/csv; charset=utf-8',
  canBeSafe: true,
  sheets: false,
  open: (sink, options) =>
    options.safe ? createTextWriter(sink, options, safeLines) : createTextWriter(sink, options, lines, 'CSV'),
};

function lines({ columns }: ResultSet): TextSet {
  const plain = columns.map(({ type }) => isPlain(type));
  const cell = columns.length === 1 ? loneCell : anyCell;
  return {
    head: `${columns.map(({ name }) => cell(name)).join(',')}\n`,
    row(values) {
      let line = '';
      for (let i = 0; i < values.length; i++) {
        const value = values[i] as string | null;
        if (i > 0) line += ',';
        if (value !== null) line += plain[i] ? value : cell(value);
      }
      return `${line}\n`;
    },
    tail: () => '',
  };
}

function safeLines(set: ResultSet): TextSet {
  // A name is any text, and so is a time with an apostrophe in front.
  const columns = set.columns.map(({ name }) => ({ name: inert(name), type: { kind: 'text' } as const }));
  const { head, row, tail } = lines({ ...set, columns });
  return { head, row: (values) => row(values.map((value) => (value === null ? null : inert(value)))), tail };
}

const special = /[",\n\r]/;
const anyCell = (value: string) => (value === '' || special.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
/** Alone on its line `\.` ends the data for readers up to PostgreSQL 17. */
const loneCell = (value: string) => (value === '\\.' ? '"\\."' : anyCell(value));

/**
 * Where a formula begins, in the wide forms of East Asian keyboards too: in a cell, or behind what ends one where a comma
 * ends none. What is skipped before one counts as one. A file that begins with `sep=` says itself what it is split at.
 */
const formula = /^(?=[\t\r\n]|sep=)|(?<=^|[;|\t\r\n])(?=[=+\-@＝＋－＠])/giu;
const plainNumber = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;
const inert = (value: string) => (plainNumber.test(value) ? value : value.replace(formula, "'"));
