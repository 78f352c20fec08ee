/** What a statement names, from its parse tree alone: the functions and operators it calls, the types, the tables it reads and writes. */
import type { Tree } from './parser.ts';
import type { FunctionName } from './plan.ts';

export interface RelationName {
  /** Null: found through the search path. */
  readonly schema: string | null;
  readonly name: string;
}

export interface References {
  readonly functions: readonly FunctionName[];
  readonly operators: readonly FunctionName[];
  /** That values are turned into. */
  readonly types: readonly FunctionName[];
  readonly reads: readonly RelationName[];
  readonly writes: readonly RelationName[];
  /** Made by CREATE TABLE AS or SELECT INTO. */
  readonly creates: readonly (RelationName & { readonly temporary: boolean })[];
  /** Changes without a WHERE. */
  readonly unbounded: readonly { readonly command: 'UPDATE' | 'DELETE'; readonly table: string }[];
}

/** Walks with a list of its own: a tree may be deeper than the stack. */
export function referencesOf(trees: readonly Tree[]): References {
  const functions: FunctionName[] = [];
  const operators: FunctionName[] = [];
  const types: FunctionName[] = [];
  const reads: RelationName[] = [];
  const writes: RelationName[] = [];
  const creates: References['creates'][number][] = [];
  const unbounded: References['unbounded'][number][] = [];
  const local = new Set<string>();

  const visit: Readonly<Record<string, (node: Tree) => void>> = {
    RangeVar: (node) => reads.push(relationOf(node)),
    CommonTableExpr: ({ ctename }) => local.add(String(ctename)),
    FuncCall: ({ funcname }) => functions.push(nameOf(funcname)),
    A_Expr: ({ name }) => operators.push(nameOf(name)),
    SubLink: ({ operName }) => operators.push(nameOf(operName)),
    SortBy: ({ useOp }) => operators.push(nameOf(useOp)),
    typeName: ({ names }) => types.push(nameOf(names)),
    InsertStmt: ({ relation }) => writes.push(relationOf(relation)),
    MergeStmt: ({ relation }) => changes(relation),
    UpdateStmt: ({ relation, whereClause }) => {
      changes(relation);
      if (whereClause === undefined) unbounded.push({ command: 'UPDATE', table: relationOf(relation).name });
    },
    DeleteStmt: ({ relation, whereClause }) => {
      changes(relation);
      if (whereClause === undefined) unbounded.push({ command: 'DELETE', table: relationOf(relation).name });
    },
    intoClause: ({ rel }) => created(rel),
    into: ({ rel }) => created(rel),
  };

  function changes(relation: unknown): void {
    writes.push(relationOf(relation));
    reads.push(relationOf(relation));
  }

  function created(rel: unknown): void {
    const relation = relationOf(rel);
    const temporary = (rel as Tree).relpersistence === 't' || relation.schema === 'pg_temp';
    creates.push({ ...relation, temporary });
  }

  const open: unknown[] = [...trees];
  while (open.length > 0) {
    const next = open.pop();
    if (next === null || typeof next !== 'object') continue;
    for (const [name, value] of Object.entries(next)) {
      if (Object.hasOwn(visit, name) && isTree(value)) visit[name]?.(value);
      open.push(value);
    }
  }
  const isReal = ({ schema, name }: RelationName) => schema !== null || !local.has(name);
  return { functions, operators, types, reads: reads.filter(isReal), writes, creates, unbounded };
}

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

function relationOf(relation: unknown): RelationName {
  const { schemaname, relname } = (relation ?? {}) as Tree;
  return { schema: typeof schemaname === 'string' ? schemaname : null, name: String(relname ?? '') };
}

function nameOf(name: unknown): FunctionName {
  const parts = (Array.isArray(name) ? name : []).map((part: Tree) => String((part.String as Tree)?.sval ?? ''));
  return { schema: parts.at(-2) ?? null, name: parts.at(-1) ?? '' };
}
