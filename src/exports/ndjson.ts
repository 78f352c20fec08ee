/** NDJSON: a JSON object a line. */
import type { Format } from './format.ts';
import { createJsonRow } from './json-row.ts';
import { createTextWriter } from './text-writer.ts';

export const ndjson: Format = {
  name: 'ndjson',
  extension: 'ndjson',
  mimeType: 'application/x-ndjson; charset=utf-8',
  canBeSafe: false,
  sheets: false,
  open: (sink, options) =>
    createTextWriter(sink, options, ({ columns }) => {
      const object = createJsonRow(columns, 'line');
      return { head: '', row: (row) => `${object(row)}\n`, tail: () => '' };
    }),
};
