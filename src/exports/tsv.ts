/** TSV: byte for byte what PostgreSQL's COPY writes with `FORMAT text, HEADER`. */
import type { ExportRow, Format } from './format.ts';
import { createTextWriter } from './text-writer.ts';

/** Null is `\N`; tabs, line breaks, other such controls and backslashes are escaped by a backslash. */
export const tsv: Format = {
  name: 'tsv',
  extension: 'tsv',
  mimeType: 'text/tab-separated-values; charset=utf-8',
  sheets: false,
  open: (sink, options) =>
    createTextWriter(sink, options, ({ columns }) => ({
      head: line(columns.map(({ name }) => name)),
      row: line,
      tail: () => '',
    })),
};

function line(values: ExportRow): string {
  let text = '';
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as string | null;
    if (i > 0) text += '\t';
    text += value === null ? '\\N' : special.test(value) ? value.replace(everySpecial, escapeOf) : value;
  }
  return `${text}\n`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what COPY escapes
const special = /[\\\u0008-\u000d]/;
const everySpecial = new RegExp(special, 'g');
const escapes: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\\': '\\\\',
};
const escapeOf = (character: string) => escapes[character] as string;
