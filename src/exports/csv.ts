/** CSV: byte for byte what PostgreSQL's COPY writes with `FORMAT csv, HEADER`, so that it reads back as it was. */
import type { ExportRow, Format, ResultSet } from './format.ts';
import { createTextWriter, type TextSet } from './text-writer.ts';

/**
 * Null is nothing and an empty text is `""`. With `safe`, cells and names that a spreadsheet would run as a formula get
 * an apostrophe in front, plain numbers aside: the file is then no longer what the database holds, and what reads it
 * back reads the apostrophes too.
 */
export const csv: Format = {
  name: 'csv',
  extension: 'csv',
  mimeType: 'text/csv; charset=utf-8',
  sheets: false,
  open: (sink, options) => createTextWriter(sink, options, options.safe ? safeLines : lines),
};

function lines({ columns }: ResultSet): TextSet {
  const single = columns.length === 1;
  const row = (values: ExportRow) => {
    let line = '';
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as string | null;
      if (i > 0) line += ',';
      if (value === null) continue;
      line += value === '' || special.test(value) ? quoted(value) : value;
    }
    return `${line}\n`;
  };
  // Alone on its line it ends the data for readers up to PostgreSQL 17.
  const alone = ([value]: ExportRow) => (value === '\\.' ? '"\\."\n' : row([value ?? null]));
  const line = single ? alone : row;
  return { head: line(columns.map(({ name }) => name)), row: line, tail: () => '' };
}

function safeLines(set: ResultSet): TextSet {
  const inert = ({ name, ...column }: ResultSet['columns'][number]) => ({ ...column, name: text(name) });
  const { head, row, tail } = lines({ ...set, columns: set.columns.map(inert) });
  return { head, row: (values) => row(values.map((value) => (value === null ? null : text(value)))), tail };
}

const special = /[",\n\r]/;
const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;

/** What begins a formula, in the wide forms of East Asian keyboards too, or is skipped before one. */
const formula = /^[=+\-@\t\r\n＝＋－＠]/;
const plainNumber = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;
const text = (value: string) => (formula.test(value) && !plainNumber.test(value) ? `'${value}` : value);
