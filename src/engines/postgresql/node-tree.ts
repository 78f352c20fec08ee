/**
 * A query as PostgreSQL keeps it in its catalogues (pg_node_tree): analysed, with every name resolved. Read by the rules of
 * its own reader: tokens end at white space and brackets, a backslash takes the next character as it is
 * (src/backend/nodes/read.c, outfuncs.c).
 */

export type NodeValue = string | null | Node | readonly NodeValue[];

export interface Node {
  /** QUERY, FUNCEXPR … */
  readonly type: string;
  /** By the name behind the colon; a value of several tokens is a list. */
  readonly fields: ReadonlyMap<string, NodeValue>;
}

export const isNode = (value: NodeValue | undefined): value is Node =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** A list; empty for what is none. */
export const listOf = (value: NodeValue | undefined): readonly NodeValue[] => (Array.isArray(value) ? value : []);

/** The nodes of a list. */
export const nodesIn = (value: NodeValue | undefined): Node[] => listOf(value).filter(isNode);

/** Every node, in no order to rely on. */
export function* nodesOf(root: NodeValue): Generator<Node, void> {
  const open: NodeValue[] = [root];
  while (open.length > 0) {
    const next = open.pop()!;
    if (isNode(next)) {
      yield next;
      for (const value of next.fields.values()) if (typeof value === 'object' && value !== null) open.push(value);
    } else for (const item of listOf(next)) open.push(item);
  }
}

interface OpenNode {
  readonly type: string;
  readonly fields: Map<string, NodeValue>;
  /** Whose values come now; null before the first one. */
  field: string | null;
  values: NodeValue[];
}

const tokens = /[(){}]|(?:\\[\s\S]|[^\s(){}\\])+/g;

/** With a list of its own: a tree may be deeper than the stack. @throws Error for a text that is no tree */
export function parseNodeTree(text: string): NodeValue {
  const root: NodeValue[] = [];
  const open: (NodeValue[] | OpenNode)[] = [root];
  let expectsType = false;

  function put(value: NodeValue): void {
    const top = open.at(-1)!;
    if (Array.isArray(top)) top.push(value);
    else if (top.field === null) throw new Error('No field');
    else top.values.push(value);
  }

  for (const [token] of text.matchAll(tokens)) {
    const top = open.at(-1)!;
    if (expectsType) {
      open.push({ type: token, fields: new Map(), field: null, values: [] });
      expectsType = false;
    } else if (token === '{') expectsType = true;
    else if (token === '(') open.push([]);
    else if (token === ')' || token === '}') {
      if (open.length === 1 || Array.isArray(top) !== (token === ')'))
        throw new Error('A bracket closes what is not open');
      open.pop();
      put(Array.isArray(top) ? top : ended(top));
    } else if (!Array.isArray(top) && isField(token, top)) {
      endField(top);
      top.field = token.slice(1);
    } else put(token === '<>' ? null : atomOf(token));
  }
  if (open.length !== 1 || root.length === 0 || expectsType) throw new Error('The tree ends before its end');
  return root[0]!;
}

/** What is behind a field is its value, also a name that begins with a colon. */
const isField = (token: string, { field, values }: OpenNode): boolean =>
  token.startsWith(':') && (field === null || values.length > 0);

function endField({ fields, field, values }: OpenNode): void {
  if (field !== null) fields.set(field, values.length === 1 ? values[0]! : values.slice());
  values.length = 0;
}

function ended(node: OpenNode): Node {
  endField(node);
  return { type: node.type, fields: node.fields };
}

const atomOf = (token: string): string => (token.includes('\\') ? token.replaceAll(/\\(.)/gs, '$1') : token);
