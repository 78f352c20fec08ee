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
  const keepExact = (_key: string, value: unknown, { source }: { source?: string }) =>
    typeof value === 'number' && source !== undefined && !isExact(value, source) ? source : value;
  return JSON.parse(json, keepExact as never);
}

/** So many decimal digits survive any double. */
const safeDigits = 15;

function isExact(value: number, source: string): boolean {
  if (Number.isSafeInteger(value)) return true;
  const [mantissa = ''] = source.split(/e/i);
  return Number.isFinite(value) && mantissa.replace(/[-.]/g, '').replace(/^0+/, '').length <= safeDigits;
}

/** All steps, each before those below it: the order in which the text has them. @throws PlanTooDeep */
export function nodesOf(plan: unknown): PlanNode[] {
  const queries = Array.isArray(plan) ? plan : [];
  const open = queries.map((query) => ({ node: (query as PlanNode)?.Plan, depth: 1 })).reverse();
  const nodes: PlanNode[] = [];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, depth } = next;
    if (typeof node !== 'object' || node === null) continue; // a utility statement has no plan
    if (depth > maxDepth) throw new PlanTooDeep();
    nodes.push(node as PlanNode);
    for (const below of childrenOf(node as PlanNode).toReversed()) open.push({ node: below, depth: depth + 1 });
  }
  return nodes;
}

const childrenOf = ({ Plans }: PlanNode): PlanNode[] => (Array.isArray(Plans) ? Plans : []);

const subtreeOf = (node: PlanNode): PlanNode[] => nodesOf([{ Plan: node }]);

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
export const filteredScans = (nodes: readonly PlanNode[]): SequentialScan[] =>
  nodes.flatMap((node) => {
    const relation = node['Node Type'] === 'Seq Scan' ? relationOf(node) : null;
    const filter = textOf(node.Filter);
    // The estimate is that of one process, and the leader helps: one more than a plan has workers at the most.
    const processes = node['Parallel Aware'] === true ? workersAbove(node, nodes) + 1 : 1;
    return relation && filter !== '' ? [{ ...relation, filter, rows: numberOf(node['Plan Rows']) * processes }] : [];
  });

const workersAbove = (node: PlanNode, nodes: readonly PlanNode[]): number =>
  nodes
    .filter((above) => above['Workers Planned'] !== undefined && subtreeOf(above).includes(node))
    .reduce((most, above) => Math.max(most, numberOf(above['Workers Planned'])), 0);

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
    const [left, right] = [aliasesIn(outer), aliasesIn(inner)];
    // Or looked up by what the left side has: in an index, by a function, in a memory.
    return mentions(inner, left) ? [] : [{ left, right }];
  });

const aliasesIn = (node: PlanNode): string[] => [
  ...new Set(subtreeOf(node).flatMap(({ Alias }) => (typeof Alias === 'string' ? [Alias] : []))),
];

function mentions(node: PlanNode, aliases: readonly string[]): boolean {
  if (aliases.length === 0) return false;
  const names = aliases.map((alias) =>
    /^[a-z_][a-z0-9_$]*$/.test(alias) ? alias : `"${alias.replaceAll('"', '""')}"`,
  );
  const column = new RegExp(`(?<![\\w$".])(?:${names.map((name) => RegExp.escape(name)).join('|')})\\.`);
  return subtreeOf(node).some((below) => expressionsOf(below).some((expression) => column.test(expression)));
}

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
const call = new RegExp(String.raw`(?<![\w$."])(?:(${identifier})\.)?(${identifier})\(`, 'g');
const literal = /'(?:[^']|'')*'/g;

/** Functions that the plan calls, also those of views, defaults and policies; their names as the server writes them. */
export const calledFunctions = (nodes: readonly PlanNode[]): FunctionName[] =>
  nodes.flatMap((node) =>
    expressionsOf(node).flatMap((expression) =>
      [...expression.replace(literal, "''").matchAll(call)].map(([, schema, name = '']) => ({
        schema: schema === undefined ? null : unquoted(schema),
        name: unquoted(name),
      })),
    ),
  );

const unquoted = (name: string): string => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);

/** Ends the line of a step, and no other line but one that was written to look like it. */
const cost = /\(cost=[\d.]+\.\.[\d.]+ rows=\d+ width=\d+\)$/;

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
