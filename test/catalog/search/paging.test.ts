/** Pages of hits, whatever is between two of them. */
import { afterEach, describe, expect, test } from 'vitest';
import { seededDatabase } from '../../../bench/search/seed.ts';
import type { SearchHit } from '../../../src/catalog/search/search.ts';
import { createFinder, type Finder } from './finder.ts';

let finder: Finder;
afterEach(() => finder[Symbol.asyncDispose]());

const told = ({ kind, path, identity, score }: SearchHit) => `${score} ${kind} ${path} ${identity}`;

async function seeded(databases: number, objects: number): Promise<void> {
  finder = createFinder();
  for (let number = 0; number < databases; number += 1) {
    const { name, snapshot } = seededDatabase(number, objects);
    await finder.put(name, snapshot);
  }
}

describe('pages', () => {
  test('together have every hit once, in one order, and as many as the total says', async () => {
    await seeded(4, 300);
    for (const text of ['id', 'created', 'custmer', 'public id', 'the', 'a', 'order.id', 'invoice payment', 'e']) {
      const { edges, total } = await finder.search({ text, first: 500 });
      const whole = edges.map(({ node }) => told(node));
      const paged = (await finder.pages(text, 7)).map(told);
      expect(paged.length, text).toBe(total);
      expect(new Set(paged).size, text).toBe(total);
      expect(paged.slice(0, 500), text).toEqual(whole);
      const byScore = paged.toSorted((a, b) => Number.parseFloat(b) - Number.parseFloat(a));
      expect(paged.map(Number.parseFloat), text).toEqual(byScore.map(Number.parseFloat));
    }
  });

  test('say whether there is more', async () => {
    await seeded(1, 200);
    const { total } = await finder.search({ text: 'id', first: 0 });
    const all = await finder.search({ text: 'id', first: total });
    expect(all.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false });
    const most = await finder.search({ text: 'id', first: total - 1 });
    expect(most.pageInfo.hasNextPage).toBe(true);
    const rest = await finder.search({ text: 'id', first: 10, after: most.pageInfo.endCursor });
    expect(rest.edges.map(({ node }) => told(node))).toEqual(all.edges.slice(-1).map(({ node }) => told(node)));
    expect(rest.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
  });

  test('go on where they were when catalogues have changed: what is behind comes, what is before does not', async () => {
    finder = createFinder();
    const tables = (names: string[]) => ({
      schemas: [{ name: 'public', tables: names.map((name) => ({ name, columns: ['id'] })) }],
    });
    await finder.put('b', tables(['a1', 'c1', 'e1']));
    await finder.put('d', tables(['a2']));
    const first = await finder.search({ text: 'id', first: 2 });
    expect(first.edges.map(({ node }) => node.path)).toEqual(['b.public.a1.id', 'b.public.c1.id']);
    await finder.put('b', tables(['b1', 'd1', 'e1']));
    await finder.put('a', tables(['x']));
    await finder.put('c', tables(['y']));
    finder.drop('d');
    const next = await finder.search({ text: 'id', first: 10, after: first.pageInfo.endCursor });
    expect(next.edges.map(({ node }) => node.path)).toEqual(['b.public.d1.id', 'b.public.e1.id', 'c.public.y.id']);
    expect(next.total).toBe(5);
  });

  test('two databases of one name, and objects of one path, keep their places', async () => {
    finder = createFinder();
    await finder.put('twin', {
      schemas: [
        { name: 'same', tables: ['same', 'Same'], enums: ['same'], functions: ['same(a)', 'same(b)', 'same()'] },
      ],
    });
    const pages = await finder.pages('same', 1);
    const { edges } = await finder.search({ text: 'same', first: 100 });
    expect(pages.map(told)).toEqual(edges.map(({ node }) => told(node)));
    expect(pages).toHaveLength(7);
  });
});

describe('what is no page is refused with its reason', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['blank text', { text: ' \t' }, 'text'],
    ['no text', { text: '' }, 'text'],
    ['a text of 201 characters', { text: 'x'.repeat(201) }, 'text'],
    [
      'a text of 17 words',
      { text: Array.from({ length: 17 }, (_, place) => `w${'abcdefghijklmnopq'[place]}`).join(' ') },
      'text',
    ],
    ['a page of more than 500', { text: 'id', first: 501 }, 'first'],
    ['a page of less than none', { text: 'id', first: -1 }, 'first'],
    ['a cursor of something else', { text: 'id', after: Buffer.from('x').toString('base64url') }, 'after'],
    ['a cursor that is no list', { text: 'id', after: Buffer.from('{}').toString('base64url') }, 'after'],
    [
      'a cursor with points out of range',
      { text: 'id', after: Buffer.from('[10000,"a","b","TABLE",""]').toString('base64url') },
      'after',
    ],
    [
      'a cursor of an unknown kind',
      { text: 'id', after: Buffer.from('[1,"a","b","toString",""]').toString('base64url') },
      'after',
    ],
    ['a cursor that is no base64', { text: 'id', after: '%' }, 'after'],
  ])('%s', async (_what, args, path) => {
    await seeded(1, 50);
    await expect(finder.search({ text: 'id', ...args })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path }] },
    });
  });

  test('the longest text and the most words are searched', async () => {
    await seeded(1, 50);
    expect((await finder.search('x'.repeat(200))).total).toBe(0);
    expect((await finder.search('a b c d e f g h i j k l m n o p')).total).toBe(0);
  });

  test('a cursor of another search is taken for its place', async () => {
    await seeded(1, 200);
    const { pageInfo } = await finder.search({ text: 'created', first: 3 });
    const { edges } = await finder.search({ text: 'id', first: 3, after: pageInfo.endCursor });
    expect(edges.every(({ node }) => node.score < 1)).toBe(true);
  });
});
