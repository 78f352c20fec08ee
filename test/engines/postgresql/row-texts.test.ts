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
  const taker = createRowTexts()({ take: (row) => found.push([...row] as Row) });
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

test('a value is read in the way that is asked for it, and as text where none is', () => {
  const found: unknown[][] = [];
  const taker = createRowTexts()({ ways: ['NUMBER', 'OWN', 'TEXT', 'NUMBER'], take: (row) => found.push([...row]) });
  const rows = [
    ['0', '1', '2', '-1', '3'],
    ['4294967295', 'é', 'é', null, null],
    [null, null, null, '7', '7'],
    ['4294967295', 'é', 'é', '-32768', 'x'],
    ['12'],
  ];
  for (const row of rows.map(bytesOf)) taker(row, 0, row.length);
  expect(found).toEqual([
    [0, '1', '2', -1, '3'],
    [4294967295, 'é', 'é', null, null],
    [null, null, null, 7, '7'],
    [4294967295, 'é', 'é', -32768, 'x'],
    [12],
  ]);
});

test.each(['', '-', 'a', '1.5', '1e3', '12345678901', ' 1', '1\u0000'])('%j is no number', (text) => {
  const row = bytesOf([text]);
  const taker = createRowTexts()({ ways: ['NUMBER'], take: () => undefined });
  expect(() => taker(row, 0, row.length)).toThrow(NotPostgresql);
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
  const taker = createRowTexts()({ take: () => undefined });
  expect(() => taker(message, 0, row.length)).toThrow(NotPostgresql);
});
