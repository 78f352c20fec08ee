/** Rows of COPY as another server may send them: what is no line reaches nobody who reads lines. */
import { expect, test } from 'vitest';
import { parseCopyText } from '../../../src/engines/copy-text.ts';
import { createCopyGatherer } from '../../../src/engines/postgresql/copy-lines.ts';
import { NotPostgresql } from '../../../src/engines/postgresql/errors.ts';

function gather(...rows: string[]) {
  const gatherer = createCopyGatherer({
    bytes: 100,
    maxRows: 10,
    onBegun: () => undefined,
    onFull: () => undefined,
  });
  for (const row of rows) {
    const bytes = Buffer.from(row);
    gatherer.begin(bytes.length);
    gatherer.piece(bytes, 0, bytes.length);
    gatherer.end();
  }
  return gatherer.take();
}

test('a row is a line', () => {
  expect(gather('a\tb\n', '\n')).toMatchObject({ lines: Buffer.from('a\tb\n\n'), rows: 2 });
});

test.each([[['a\tb']], [['']], [['a\n', '']], [['a\n', 'b']]])(
  'rows that are no lines, %j, end the session',
  (rows) => {
    expect(() => gather(...rows)).toThrow(NotPostgresql);
  },
);

test('lines without an end, or with another number of values, are refused', () => {
  expect(() => parseCopyText(Buffer.from('a\tb'), 2)).toThrow(RangeError);
  expect(() => parseCopyText(Buffer.from('a\tb\nc\n'), 2)).toThrow(RangeError);
  expect(() => parseCopyText(Buffer.from('a\n'), 0)).toThrow(RangeError);
  expect(parseCopyText(Buffer.from('\n\n'), 0)).toEqual([[], []]);
});
