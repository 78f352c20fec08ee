/** JSON: one array of objects, a row each. */
import type { Format } from './format.ts';
import { createJsonRow } from './json-row.ts';
import { createTextWriter } from './text-writer.ts';

export const json: Format = {
  name: 'json',
  extension: 'json',
  mimeType: 'application/json; charset=utf-8',
  canBeSafe: false,
  sheets: false,
  open: (sink, options) =>
    createTextWriter(sink, options, ({ columns }) => {
      const object = createJsonRow(columns, 'any');
      let before = '\n';
      return {
        head: '[',
        row(row) {
          const text = before + object(row);
          before = ',\n';
          return text;
        },
        tail: () => (before === '\n' ? ']\n' : '\n]\n'),
      };
    }),
};
