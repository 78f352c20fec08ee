/**
 * Which columns a view's columns are made of, by the query that PostgreSQL keeps of it: through joins, subqueries, WITH,
 * UNION and expressions, down to the relations that the query names. What only decides which rows there are is no origin.
 */
import { isNode, listOf, type Node, type NodeValue, parseNodeTree } from './node-tree.ts';

/** By oid and number; number 0: the row as a whole. */
export interface Origin {
  readonly relation: string;
  readonly column: number;
}

/** RTEKind of nodes/parsenodes.h. */
const kinds = { relation: '0', subquery: '1', join: '2', function: '3', tableFunction: '4', values: '5', cte: '6' };
const groupKind = '9';
const sublinkExists = '0';

const numberOf = (value: NodeValue | undefined): number => Number(typeof value === 'string' ? value : 0);

/**
 * @param action of the rule that is the view: `ev_action` of pg_rewrite
 * @returns origins of each column, in order
 * @throws Error for a text that is no such tree
 */
export function viewOrigins(action: string): Origin[][] {
  const [query] = listOf(parseNodeTree(action));
  if (!isNode(query) || query.type !== 'QUERY') throw new Error('No query');
  const columns = targetsOf(query);
  return columns.map((column) => {
    const found = new Map<string, Origin>();
    const seen = new Map<Node, Set<number>>();
    originsOfColumn([query], numberOf(column.fields.get('resno')), found, seen);
    return [...found.values()];
  });
}

/** A query behind those that it stands in: the innermost is the last. */
type Scope = readonly Node[];
type Found = Map<string, Origin>;
/** Columns of queries that were looked at: a recursive query names itself. */
type Seen = Map<Node, Set<number>>;

const targetsOf = (query: Node): Node[] =>
  listOf(query.fields.get('targetList')).filter(
    (target): target is Node => isNode(target) && target.fields.get('resjunk') !== 'true',
  );

function originsOfColumn(scope: Scope, number: number, found: Found, seen: Seen): void {
  const query = scope.at(-1)!;
  const looked = seen.get(query) ?? new Set();
  if (looked.has(number)) return;
  seen.set(query, looked.add(number));
  const operations = query.fields.get('setOperations');
  if (isNode(operations)) {
    for (const leaf of leavesOf(operations)) originsOfEntry(scope, leaf, number, found, seen);
    return;
  }
  const target = targetsOf(query).find(({ fields }) => numberOf(fields.get('resno')) === number);
  collect(scope, target?.fields.get('expr'), found, seen);
}

/** Places in the range table of what is united. */
function leavesOf(operation: Node): number[] {
  if (operation.type === 'RANGETBLREF') return [numberOf(operation.fields.get('rtindex'))];
  return ['larg', 'rarg'].flatMap((side) => {
    const arm = operation.fields.get(side);
    return isNode(arm) ? leavesOf(arm) : [];
  });
}

/** Whatever an expression is made of. */
function collect(scope: Scope, value: NodeValue | undefined, found: Found, seen: Seen): void {
  for (const item of listOf(value)) collect(scope, item, found, seen);
  if (!isNode(value)) return;
  const { type, fields } = value;
  if (type === 'VAR') {
    const level = scope.slice(0, scope.length - numberOf(fields.get('varlevelsup')));
    if (level.length > 0) {
      originsOfEntry(level, numberOf(fields.get('varno')), numberOf(fields.get('varattno')), found, seen);
    }
  } else if (type === 'SUBLINK') {
    const inner = fields.get('subselect');
    collect(scope, fields.get('testexpr'), found, seen);
    if (!isNode(inner) || fields.get('subLinkType') === sublinkExists) return;
    for (const target of targetsOf(inner)) {
      originsOfColumn([...scope, inner], numberOf(target.fields.get('resno')), found, seen);
    }
  } else {
    for (const part of fields.values()) collect(scope, part, found, seen);
  }
}

/** A column of what stands at a place of the innermost query's range table. */
function originsOfEntry(scope: Scope, place: number, number: number, found: Found, seen: Seen): void {
  const entry = listOf(scope.at(-1)!.fields.get('rtable'))[place - 1];
  // A number below 0 is a column of the system's.
  if (!isNode(entry) || number < 0) return;
  const { fields } = entry;
  const part = (name: string) => {
    const list = listOf(fields.get(name));
    collect(scope, number === 0 ? list : list[number - 1], found, seen);
  };
  switch (fields.get('rtekind')) {
    case kinds.relation: {
      const relation = String(fields.get('relid'));
      found.set(`${relation} ${number}`, { relation, column: number });
      break;
    }
    case kinds.subquery:
      originsOfQuery(scope, fields.get('subquery'), number, found, seen);
      break;
    case kinds.join:
      part('joinaliasvars');
      break;
    case kinds.function:
      collect(scope, fields.get('functions'), found, seen);
      break;
    case kinds.tableFunction:
      collect(scope, fields.get('tablefunc'), found, seen);
      break;
    case kinds.values:
      for (const row of listOf(fields.get('values_lists'))) {
        collect(scope, number === 0 ? row : listOf(row)[number - 1], found, seen);
      }
      break;
    case kinds.cte: {
      const level = scope.slice(0, scope.length - numberOf(fields.get('ctelevelsup')));
      const table = listOf(level.at(-1)?.fields.get('cteList')).find(
        (one) => isNode(one) && one.fields.get('ctename') === fields.get('ctename'),
      );
      if (isNode(table)) originsOfQuery(level, table.fields.get('ctequery'), number, found, seen);
      break;
    }
    case groupKind:
      part('groupexprs');
      break;
  }
}

/** A column of a query that stands in another one; 0: all of them. */
function originsOfQuery(scope: Scope, query: NodeValue | undefined, number: number, found: Found, seen: Seen): void {
  if (!isNode(query)) return;
  const numbers = number === 0 ? targetsOf(query).map(({ fields }) => numberOf(fields.get('resno'))) : [number];
  for (const one of numbers) originsOfColumn([...scope, query], one, found, seen);
}
