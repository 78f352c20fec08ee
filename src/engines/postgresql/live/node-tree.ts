/**
 * Reads what the server keeps of a rule, a policy or a function's body: its analysed tree, printed (nodes/outfuncs.c).
 * Names are resolved there, down to the function behind each operator.
 */

export interface TreeNode {
  /** QUERY, FUNCEXPR … */
  readonly type: string;
  /** Without the colon. Of a value of several words the first: the others are bytes of a constant. */
  readonly fields: ReadonlyMap<string, TreeValue>;
}

/** Text as it is printed, null for `<>`. */
export type TreeValue = string | null | TreeNode | readonly TreeValue[];

interface OpenNode {
  readonly type: string;
  readonly fields: Map<string, TreeValue>;
  /** Whose value comes next. */
  field: string | null;
}

/** Words end at white space and brackets; behind a backslash neither counts. */
const word = /[(){}]|(?:\\[\s\S]|[^\s(){}\\])+/g;

/** With a list of its own: a tree may be deeper than the stack. @throws Error where the text breaks off */
export function parseNodeTree(text: string): TreeValue {
  const root: TreeValue[] = [];
  const open: (TreeValue[] | OpenNode)[] = [root];
  const put = (value: TreeValue) => {
    const top = open.at(-1)!;
    if (Array.isArray(top)) top.push(value);
    else if (top.field !== null) {
      top.fields.set(top.field, value);
      top.field = null;
    }
  };
  let expectsType = false;
  for (const [token] of text.matchAll(word)) {
    const top = open.at(-1)!;
    if (token === '{') expectsType = true;
    else if (expectsType) {
      open.push({ type: token, fields: new Map(), field: null });
      expectsType = false;
    } else if (token === '(') open.push([]);
    else if (token === ')' || token === '}') {
      const ended = open.pop()!;
      if (open.length === 0) break;
      put(Array.isArray(ended) ? ended : { type: ended.type, fields: ended.fields });
    } else if (!Array.isArray(top) && top.field === null) {
      if (token.startsWith(':')) top.field = token.slice(1);
    } else put(token === '<>' ? null : token);
  }
  if (open.length !== 1 || root.length === 0) throw new Error('The tree breaks off');
  return root[0]!;
}

export const isNode = (value: TreeValue | undefined): value is TreeNode =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Nodes of a value that is a list of them. */
export const nodesIn = (value: TreeValue | undefined): TreeNode[] => (Array.isArray(value) ? value.filter(isNode) : []);

/** Every node, in no order to rely on. */
export function* nodesOf(root: TreeValue): Generator<TreeNode, void> {
  const open: TreeValue[] = [root];
  while (open.length > 0) {
    const next = open.pop()!;
    if (Array.isArray(next)) {
      for (const item of next) open.push(item);
    } else if (isNode(next)) {
      yield next;
      for (const value of next.fields.values()) if (typeof value === 'object' && value !== null) open.push(value);
    }
  }
}
