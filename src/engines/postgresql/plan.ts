/** Reads a plan that PostgreSQL explained as JSON: its nodes, what is worth a warning, and what a run measured. */

/** One step of a plan, under PostgreSQL's own names: `Node Type`, `Relation Name`, `Plan Rows` … */
export type PlanNode = Readonly<Record<string, unknown>>;

/** Deeper than any that somebody reads, and than what may be walked and written as JSON without a second thought. */
const maxDepth = 500;

/** A plan that cannot be handed on. */
export class PlanTooDeep extends Error {
  constructor() {
    super(`The plan is nested deeper than ${maxDepth} steps`);
    this.name = 'PlanTooDeep';
  }
}

/** The value as JSON; a number that a double would not hold digit for digit is its text. */
export function parsePlan(json: string): unknown {
  return mayBeInexact.test(json) ? JSON.parse(json, keepExact as never) : JSON.parse(json);
}

/** So many decimal digits survive any double. */
const safeDigits = 15;
/** Looking at each number takes ten times as long as to parse it, and hardly any plan has one of these. */
const mayBeInexact = new RegExp(String.raw`(?:\d\.?){${safeDigits + 1}}|\d[eE]`);

const keepExact = (_key: string, value: unknown, { source }: { source?: string }): unknown =>
  typeof value === 'number' && source !== undefined && !isExact(value, source) ? source : value;

function isExact(value: number, source: string): boolean {
  if (Number.isSafeInteger(value)) return true;
  const [mantissa = ''] = source.split(/e/i);
  return Number.isFinite(value) && mantissa.replace(/[-.]/g, '').replace(/^0+/, '').length <= safeDigits;
}

/** All steps, each before those below it: the order in which the text has them. @throws PlanTooDeep */
export const nodesOf = (plan: unknown): PlanNode[] => stepsOf(plan).map(({ node }) => node);

interface Step {
  readonly node: PlanNode;
  readonly depth: number;
  /** That share the work of it. */
  readonly processes: number;
}

function stepsOf(plan: unknown): Step[] {
  const queries: PlanNode[] = Array.isArray(plan) ? plan : [];
  const open = queries.map(({ Plan }) => ({ node: Plan as PlanNode | undefined, depth: 1, processes: 1 })).reverse();
  const steps: Step[] = [];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, depth } = next;
    if (node === undefined) continue; // a utility statement has no plan
    if (depth > maxDepth) throw new PlanTooDeep();
    steps.push({ ...next, node });
    const workers = node['Workers Planned'];
    // The one that gathers helps.
    const processes = workers === undefined ? next.processes : numberOf(workers) + 1;
    for (const below of childrenOf(node).toReversed()) open.push({ node: below, depth: depth + 1, processes });
  }
  return steps;
}

const childrenOf = ({ Plans }: PlanNode): PlanNode[] => (Array.isArray(Plans) ? Plans : []);

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
/** Also of one that is kept as text, since it is beyond what a double holds exactly. */
const numberOf = (value: unknown): number => Number(value ?? 0);

/** What the planner expects of the whole statement; null where there is no plan, or a count beyond 2^53. */
export function estimateOf(nodes: readonly PlanNode[]): { cost: number | null; rows: number | null } {
  const [top] = nodes;
  const [cost, rows] = [Number(top?.['Total Cost']), Number(top?.['Plan Rows'])];
  return { cost: Number.isFinite(cost) ? cost : null, rows: Number.isSafeInteger(rows) ? rows : null };
}

export interface PlanRelation {
  readonly schema: string;
  readonly name: string;
}

const relationOf = (node: PlanNode): PlanRelation | null => {
  const [schema, name] = [textOf(node.Schema), textOf(node['Relation Name'])];
  return schema === '' || name === '' ? null : { schema, name };
};

/** Whose rows are looked at. An INSERT only writes to its table. */
export const scannedRelations = (nodes: readonly PlanNode[]): PlanRelation[] =>
  nodes.filter((node) => node.Operation !== 'Insert').flatMap((node) => relationOf(node) ?? []);

export type WriteOperation = 'Insert' | 'Update' | 'Delete' | 'Merge';

/** What is written to which table; an INSERT that updates where the row is there already does both. */
export const writtenRelations = (nodes: readonly PlanNode[]): (PlanRelation & { operation: WriteOperation })[] =>
  nodes.flatMap((node) => {
    const relation = node['Node Type'] === 'ModifyTable' ? relationOf(node) : null;
    if (!relation) return [];
    const operations = [node.Operation as WriteOperation];
    if (node['Conflict Resolution'] === 'UPDATE') operations.push('Update');
    return operations.map((operation) => ({ ...relation, operation }));
  });

export interface SequentialScan extends PlanRelation {
  readonly filter: string;
  /** Behind the filter, of all workers together. */
  readonly rows: number;
}

/** Tables read from end to end for a condition. */
export const filteredScans = (plan: unknown): SequentialScan[] =>
  stepsOf(plan).flatMap(({ node, processes }) => {
    const relation = node['Node Type'] === 'Seq Scan' ? relationOf(node) : null;
    const filter = textOf(node.Filter);
    if (!relation || filter === '') return [];
    // The estimate of a step that is shared is that of one process.
    const share = node['Parallel Aware'] === true ? processes : 1;
    return [{ ...relation, filter, rows: numberOf(node['Plan Rows']) * share }];
  });

export interface CrossJoin {
  readonly left: readonly string[];
  readonly right: readonly string[];
}

/** Joins of more than a row with more than a row that nothing connects. */
export const crossJoins = (nodes: readonly PlanNode[]): CrossJoin[] =>
  nodes.flatMap((node) => {
    if (node['Node Type'] !== 'Nested Loop' || node['Join Filter'] !== undefined) return [];
    if (node['Join Type'] !== 'Inner' && node['Join Type'] !== 'Left') return [];
    const [outer, inner] = ['Outer', 'Inner'].map((side) =>
      childrenOf(node).find((child) => child['Parent Relationship'] === side),
    );
    if (!outer || !inner || numberOf(outer['Plan Rows']) <= 1 || numberOf(inner['Plan Rows']) <= 1) return [];
    // Or looked up by what the left side has: in an index, by a function, in a memory.
    const used = qualifiersIn(inner);
    if (subtreeOf(outer).some(({ Alias }) => used.has(textOf(Alias)))) return [];
    return [{ left: aliasesIn(outer), right: aliasesIn(inner) }];
  });

const subtreeOf = (node: PlanNode): PlanNode[] => nodesOf([{ Plan: node }]);

const aliasesIn = (node: PlanNode): string[] => [
  ...new Set(subtreeOf(node).flatMap(({ Alias }) => (typeof Alias === 'string' ? [Alias] : []))),
];

/** What stands before the dot of a column. */
const qualifiersIn = (node: PlanNode): ReadonlySet<string> =>
  new Set(
    subtreeOf(node).flatMap((below) =>
      expressionsOf(below).flatMap((expression) =>
        [...expression.replace(literal, "''").matchAll(qualifier)].map(([, name = '']) => unquoted(name)),
      ),
    ),
  );

/** Names, and texts of conditions and values as the server writes them. */
const expressionsOf = (node: PlanNode): string[] =>
  Object.values(node).flatMap((value) =>
    typeof value === 'string' ? [value] : Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [],
  );

export interface FunctionName {
  /** Null: found through the search path. */
  readonly schema: string | null;
  readonly name: string;
}

const identifier = String.raw`(?:"(?:[^"]|"")+"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)`;
const call = new RegExp(String.raw`(?<![\w$."\u0080-\uffff])(?:(${identifier})\.)?(${identifier})\(`, 'g');
const qualifier = new RegExp(String.raw`(?<![\w$".\u0080-\uffff])(${identifier})\.`, 'g');
const cast = new RegExp(String.raw`::(?:(${identifier})\.)?(${identifier})`, 'g');
const operator = new RegExp(String.raw`(?:OPERATOR\((${identifier})\.)?([-+*/<>=~!@#%^&|\`?]+)`, 'g');
const literal = /'(?:[^']|'')*'/g;

/** Functions that the plan calls, also those of views, defaults and policies; their names as the server writes them. */
export const calledFunctions = (nodes: readonly PlanNode[]): FunctionName[] => namesBy(call, nodes);

/** Types that the plan turns values into. */
export const castTypes = (nodes: readonly PlanNode[]): FunctionName[] => namesBy(cast, nodes);

/** Operators in the plan; one that is not found through the search path stands there as OPERATOR(schema.name). */
export const usedOperators = (nodes: readonly PlanNode[]): FunctionName[] => namesBy(operator, nodes);

/** `pattern` finds the schema, or nothing, and the name. */
function namesBy(pattern: RegExp, nodes: readonly PlanNode[]): FunctionName[] {
  const found = new Map<string, FunctionName>();
  for (const expression of nodes.flatMap(expressionsOf)) {
    for (const [, written, name = ''] of expression.replace(literal, "''").matchAll(pattern)) {
      const schema = written === undefined ? null : unquoted(written);
      found.set(JSON.stringify([schema, name]), { schema, name: unquoted(name) });
    }
  }
  return [...found.values()];
}

const unquoted = (name: string): string => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);

/** Ends the line of a step, and no other line but one that was written to look like it. */
const cost = /\(cost=\d[\d.]{0,80} rows=\d{1,20} width=\d{1,20}\)$/;

/**
 * Writes what a run measured behind the estimates of the same plan. The run itself is explained as JSON: to have its text
 * too it would have to run twice.
 */
export function withMeasures(lines: readonly string[], plan: unknown): string[] {
  const nodes = nodesOf(plan);
  const steps = lines.flatMap((line, at) => (cost.test(line) ? [at] : []));
  // Two plans that differ, or a text that imitates: estimates alone are true.
  const measured = [...lines];
  if (steps.length === nodes.length) for (const [i, at] of steps.entries()) measured[at] += ` ${measure(nodes[i]!)}`;
  const queries = (Array.isArray(plan) ? plan : []) as PlanNode[];
  for (const { 'Planning Time': planning, 'Execution Time': execution } of queries) {
    if (planning !== undefined) measured.push(`Planning Time: ${planning} ms`);
    if (execution !== undefined) measured.push(`Execution Time: ${execution} ms`);
  }
  return measured;
}

function measure(node: PlanNode): string {
  const loops = numberOf(node['Actual Loops']);
  if (loops === 0) return '(never executed)';
  const time = `${node['Actual Startup Time']}..${node['Actual Total Time']}`;
  return `(actual time=${time} rows=${node['Actual Rows']} loops=${loops})`;
}
