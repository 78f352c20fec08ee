/** Rows read from the bytes of the protocol, as a server may send them. */
import { expect, test } from 'vitest';
import { NotPostgresql } from '../../../src/engines/postgresql/errors.ts';
import { createRowTexts } from '../../../src/engines/postgresql/row-texts.ts';

type Row = readonly (string | null)[];

function bytesOf(row: Row): Buffer {
  const number = (value: number, bytes: number) => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeIntBE(value, 0, bytes);
    return buffer;
  };
  const values = row.flatMap((value) => {
    if (value === null) return [number(-1, 4)];
    const text = Buffer.from(value);
    return [number(text.length, 4), text];
  });
  return Buffer.concat([number(row.length, 2), ...values]);
}

function read(rows: readonly Buffer[]): Row[] {
  const found: Row[] = [];
  const taker = createRowTexts()((row) => found.push([...row]));
  for (const row of rows) taker(row, 0, row.length);
  return found;
}

const many = Array.from({ length: 20_000 }, (_, n) => [`${n % 3}`, `name_${n}`, n % 2 ? null : 'x'.repeat(n % 70)]);
// As many units as others have bytes, and one that is another in bytes.
const beyondAscii = [['é'], ['Ã©'], ['éa'], ['ab'], ['日本'], ['abcdef'], ['😀'], ['\u0000'], ['\u0080']];

test.each<[what: string, rows: Row[]]>([
  ['nothing', [[], [null], [''], [null, '', null]]],
  ['others in number', [['a', 'b'], ['a'], ['a', 'b', 'c'], []]],
  ['beyond ASCII', beyondAscii],
  ['more than are remembered', many],
  [
    'the same and others in turn',
    [
      ['a', 'b'],
      ['b', 'a'],
      ['a', 'b'],
      [null, 'b'],
      ['a', null],
      ['ab', 'ba'],
    ],
  ],
])('values are what was sent: %s', (_, rows) => {
  expect(read([...rows, ...rows].map(bytesOf))).toEqual([...rows, ...rows]);
});

const lying: [what: string, bytes: number[]][] = [
  ['a value that is longer than its row', [0, 1, 0, 0, 0, 5, 97]],
  ['a value of a length below none', [0, 1, 255, 255, 255, 254]],
  ['less than it tells of', [0, 2, 0, 0, 0, 1, 97]],
  ['more than it tells of', [0, 1, 0, 0, 0, 1, 97, 97]],
];
test.each(lying)('a row with %s is none', (_, bytes) => {
  const row = Buffer.from(bytes);
  // Behind it stands what is not its.
  const message = Buffer.concat([row, Buffer.alloc(100, 1)]);
  const taker = createRowTexts()(() => undefined);
  expect(() => taker(message, 0, row.length)).toThrow(NotPostgresql);
});
