/** TSV: byte for byte what PostgreSQL's COPY writes with `FORMAT text, HEADER`. */
import type { Format, ResultSet } from './format.ts';
import { isPlain } from './plain-kinds.ts';
import { createTextWriter, type TextSet } from './text-writer.ts';

/** Null is `\N`; tabs, line breaks, other such controls and backslashes are escaped by a backslash. */
export const tsv: Format = {
  name: 'tsv',
  extension: 'tsv',
  mimeType: 'text/tab-separated-values; charset=utf-8',
  canBeSafe: false,
  sheets: false,
  open: (sink, options) => createTextWriter(sink, options, lines, 'TSV'),
};

function lines({ columns }: ResultSet): TextSet {
  const plain = columns.map(({ type }) => isPlain(type));
  return {
    head: `${columns.map(({ name }) => escaped(name)).join('\t')}\n`,
    row(values) {
      let line = '';
      for (let i = 0; i < values.length; i++) {
        const value = values[i] as string | null;
        if (i > 0) line += '\t';
        line += value === null ? '\\N' : plain[i] ? value : escaped(value);
      }
      return `${line}\n`;
    },
    tail: () => '',
  };
}

/** A value as COPY's text format escapes it. */
export const escaped = (value: string): string => (special.test(value) ? value.replace(everySpecial, escapeOf) : value);

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
