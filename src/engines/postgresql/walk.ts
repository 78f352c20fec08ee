/** Goes through a parse tree, with a list of its own: a tree may be deeper than the stack. */
import type { Tree } from './parser.ts';

/** Every member of every node with its name, in no order to rely on. */
export function* membersOf(root: Tree): Generator<[name: string, value: unknown], void> {
  const open: unknown[] = [root];
  while (open.length > 0) {
    const next = open.pop();
    if (next === null || typeof next !== 'object') continue;
    if (Array.isArray(next)) {
      for (const item of next) open.push(item);
      continue;
    }
    for (const member of Object.entries(next)) {
      yield member;
      open.push(member[1]);
    }
  }
}
