/**
 * A query as PostgreSQL keeps it in its catalogues (pg_node_tree), read by the rules of its own reader: tokens end at
 * white space and brackets, a backslash takes the next character as it is (src/backend/nodes/read.c, outfuncs.c).
 */

export type NodeValue = string | null | Node | readonly NodeValue[];

export interface Node {
  readonly type: string;
  /** By the name behind the colon; a value of several tokens is a list. */
  readonly fields: ReadonlyMap<string, NodeValue>;
}

export const isNode = (value: NodeValue | undefined): value is Node =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** A list; empty for what is none. */
export const listOf = (value: NodeValue | undefined): readonly NodeValue[] => (Array.isArray(value) ? value : []);

/** Fields of one token that may be anything, a colon at its beginning too: names. */
const names: ReadonlySet<string> = new Set(['resname', 'aliasname', 'ctename', 'enrname', 'name']);

/** @throws Error for a text that is no tree */
export function parseNodeTree(text: string): NodeValue {
  let place = 0;
  const ended = () => new Error('The tree ends before its end');

  function skipSpace(): void {
    while (place < text.length && text.charCodeAt(place) <= 32) place += 1;
  }

  /** An opening or closing bracket, or everything up to the next one or to white space, as it is written. */
  function token(): string {
    skipSpace();
    if (place >= text.length) throw ended();
    const from = place;
    if (isBracket(text.charCodeAt(place))) {
      place += 1;
      return text[from]!;
    }
    while (place < text.length) {
      const code = text.charCodeAt(place);
      if (code <= 32 || isBracket(code)) break;
      place += code === backslash ? 2 : 1;
    }
    return text.slice(from, place);
  }

  function value(first: string): NodeValue {
    if (first === '{') return node();
    if (first === '(') {
      const items: NodeValue[] = [];
      for (let next = token(); next !== ')'; next = token()) items.push(value(next));
      return items;
    }
    return first === '<>' ? null : atomOf(first);
  }

  function node(): Node {
    const type = token();
    const fields = new Map<string, NodeValue>();
    for (let next = token(); next !== '}'; ) {
      if (!next.startsWith(':')) throw new Error(`No field: ${next}`);
      const key = next.slice(1);
      const values: NodeValue[] = [];
      next = token();
      if (names.has(key)) {
        values.push(value(next));
        next = token();
      } else {
        for (; next !== '}' && !next.startsWith(':'); next = token()) values.push(value(next));
      }
      fields.set(key, values.length === 1 ? values[0]! : values);
    }
    return { type, fields };
  }

  return value(token());
}

const backslash = 0x5c;
const isBracket = (code: number): boolean => code === 0x28 || code === 0x29 || code === 0x7b || code === 0x7d;

const atomOf = (token: string): string => (token.includes('\\') ? token.replaceAll(/\\(.)/gs, '$1') : token);
