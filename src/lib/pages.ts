/** Pages of lists that can grow: arguments checked once, opaque cursors, one row more than asked to know of a next page. */
import { badInput } from './errors.ts';

export const defaultPageSize = 50;
export const maxPageSize = 500;

export interface PageArguments {
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}

export interface PageRules {
  defaultSize?: number;
  maxSize?: number;
  /** Whether a cursor's key is one of this list's. */
  isKey?: (key: string) => boolean;
}

/** What a store is asked for: `limit` rows behind `after` or before `before`, from the end when `backward`. */
export interface Page {
  limit: number;
  backward: boolean;
  after: string | null;
  before: string | null;
}

/** @throws AppError BAD_USER_INPUT */
export function pageOf(
  { first, after, last, before }: PageArguments,
  { defaultSize = defaultPageSize, maxSize = maxPageSize, isKey = () => true }: PageRules = {},
): Page {
  if (first != null && last != null) throw badInput({ path: 'last', message: 'not together with first' });
  const backward = last != null;
  const limit = (backward ? last : first) ?? defaultSize;
  if (limit < 0 || limit > maxSize)
    throw badInput({ path: backward ? 'last' : 'first', message: `from 0 to ${maxSize}` });
  const keyOf = (cursor: string | null | undefined, path: string) => {
    const key = decodeCursor(cursor, path);
    if (key !== null && !isKey(key)) throw badInput({ path, message: 'not a cursor of this list' });
    return key;
  };
  return { limit, backward, after: keyOf(after, 'after'), before: keyOf(before, 'before') };
}

const encodeCursor = (key: string): string => Buffer.from(key).toString('base64url');

function decodeCursor(cursor: string | null | undefined, path: string): string | null {
  if (cursor == null) return null;
  const key = Buffer.from(cursor, 'base64url').toString();
  if (cursor.length > 8_192 || encodeCursor(key) !== cursor)
    throw badInput({ path, message: 'not a cursor of this list' });
  return key;
}

export interface Connection<T> {
  edges: { readonly cursor: string; node: T }[];
  pageInfo: {
    hasNextPage: boolean;
    hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  totalCount: () => number | Promise<number>;
}

/** @param rows what the store gave for `limit + 1`, in the order of the list, the odd one at the far end */
export function connectionOf<T>(
  page: Page,
  rows: readonly T[],
  keyOf: (row: T) => string,
  totalCount: () => number | Promise<number>,
): Connection<T> {
  const more = rows.length > page.limit;
  const kept = page.backward ? rows.slice(more ? rows.length - page.limit : 0) : rows.slice(0, page.limit);
  // Who asks for the nodes alone pays for no cursor.
  const edges = kept.map((node) => ({
    node,
    get cursor() {
      return encodeCursor(keyOf(node));
    },
  }));
  return {
    edges,
    pageInfo: {
      hasNextPage: page.backward ? page.before !== null : more,
      hasPreviousPage: page.backward ? more : page.after !== null,
      get startCursor() {
        return edges[0]?.cursor ?? null;
      },
      get endCursor() {
        return edges.at(-1)?.cursor ?? null;
      },
    },
    totalCount,
  };
}
