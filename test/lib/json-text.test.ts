/** How much is in JSON is told of its text. */
import { expect, test } from 'vitest';
import { exceededByText } from '../../src/lib/json-text.ts';

const limits = { names: 3, values: 3, depth: 3 };

test.each<[string, unknown]>([
  ['nothing', null],
  ['as many names as are taken', { a: 1, b: { c: 2 } }],
  ['as many values', [1, 2, 3, 4]],
  ['as many levels', [{ a: [1] }]],
  ['signs within text', [`,,,,::::[[[[{{{{`, 'a\\', '"\\",,,,', '\\\\']],
  ['names of such', { ',,,,[[[[': 1, '\\"::::': 2 }],
])('%s is within the limits', (_what, value) => {
  expect(exceededByText(JSON.stringify(value), limits)).toBeNull();
});

test.each<[string, string, unknown]>([
  ['names', 'more names', { a: 1, b: { c: 2, d: 3 } }],
  ['values', 'more values', [1, 2, 3, 4, 5]],
  ['depth', 'more levels', [[[[]]]]],
  ['values', 'values behind text that ends with a backslash', ['\\', 1, 2, 3, 4]],
])('beyond that of %s: %s', (limit, _what, value) => {
  expect(exceededByText(JSON.stringify(value), limits)).toBe(limit);
});

test('a text that is no JSON is the parser’s to refuse', () => {
  for (const text of ['', '"', '"\\', '}}}}]]]]', '"abc\\"']) expect(exceededByText(text, limits)).toBeNull();
});
