import { expect, test } from 'vitest';
import { connectionOf, pageOf } from '../../src/lib/pages.ts';

const cursor = (key: string) => Buffer.from(key).toString('base64url');

test('a cursor of another list is BAD_USER_INPUT, not a failure of the store', () => {
  const rules = { isKey: (key: string) => /^\d+$/.test(key) };
  expect(pageOf({ after: cursor('7') }, rules)).toMatchObject({ after: '7', limit: 50 });
  for (const after of [cursor('abc'), cursor('1\0'), '%%', 'a'.repeat(9_000)]) {
    expect(() => pageOf({ after }, rules)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
    expect(() => pageOf({ before: after }, rules)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
  }
});

test('a page has from none to 500, from one end', () => {
  expect(pageOf({ first: 0 })).toMatchObject({ limit: 0 });
  for (const page of [{ first: -1 }, { first: 501 }, { last: 501 }, { first: 1, last: 1 }]) {
    expect(() => pageOf(page)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
  }
});

test('the odd row tells of more at the end that it is read from', () => {
  const forward = connectionOf(pageOf({ first: 2 }), [1, 2, 3], String, () => 9);
  expect(forward.edges.map(({ node }) => node)).toEqual([1, 2]);
  expect(forward.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  const backward = connectionOf(pageOf({ last: 2 }), [1, 2, 3], String, () => 9);
  expect(backward.edges.map(({ node }) => node)).toEqual([2, 3]);
  expect(backward.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
});
