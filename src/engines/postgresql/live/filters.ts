/**
 * Which rows of a table a query surely leaves out, by `column = constant` in its own WHERE: of the text and of the
 * analysed tree that stand beside each other, the one has the value and the other what it is compared with.
 */
import type { ReadFilter } from '../../live.ts';
import { isNode, type Node, type NodeValue, nodesIn } from '../node-tree.ts';
import type { Tree } from '../parser.ts';
import { firstNormalOid } from './functions.ts';
import { queryOf, relationIn } from './mentions.ts';
import type { Reads } from './reads.ts';

const integers: ReadonlySet<string> = new Set(['20', '21', '23']);
const texts: ReadonlySet<string> = new Set(['25', '1043']);
const uuid = '2950';
/** The default one, C and POSIX: with others two texts may be equal that are not the same. */
const plainCollations: ReadonlySet<string> = new Set(['100', '950', '951']);

/** @param values of the parameters, as text */
export function filtersOf(
  query: Node,
  tree: Tree,
  values: readonly (string | null)[],
  reads: Pick<Reads, 'relations' | 'times' | 'views'>,
): ReadFilter[] {
  const where = (tree.SelectStmt as Tree | undefined)?.whereClause as Tree | undefined;
  const from = query.fields.get('jointree');
  const quals = isNode(from) ? from.fields.get('quals') : null;
  if (!where || !isNode(quals)) return [];
  const [said, meant] = [andsOf(where), andsIn(quals)];
  if (said.length !== meant.length) return [];
  return meant.flatMap((condition, i) => {
    const compared = comparedIn(condition);
    const equals = compared && valueIn(said[i]!, compared.type, values);
    const column = compared && tableColumn(query, compared, reads);
    return column === null || equals === null ? [] : [{ ...column, equals }];
  });
}

/**
 * The column of a table, also through views that only join, and leave out. A table that is read in a second place has
 * rows there that no condition of this one leaves out.
 */
function tableColumn(
  query: Node,
  compared: Pick<Compared, 'entry' | 'column'>,
  { relations, times, views }: Pick<Reads, 'relations' | 'times' | 'views'>,
): Pick<ReadFilter, 'tableId' | 'column'> | null {
  let [at, { entry: number, column }] = [query, compared];
  for (let depth = 0; depth <= views.size; depth++) {
    const entry = nodesIn(at.fields.get('rtable'))[number - 1];
    const oid = entry && relationIn(entry);
    if (!oid || times.get(oid) !== 1) return null;
    const view = views.get(oid);
    if (view === undefined) {
      const relation = relations.get(oid);
      // Of a partition the root is told of; and rows of children are told as theirs.
      if (!relation || relation.root.oid !== oid || relation.children.length > 0) return null;
      const name = nameOf(entry, column);
      return name === null ? null : { tableId: oid, column: name };
    }
    const inner = queryOf(view);
    const shown = inner && isPlain(inner) ? shownColumn(inner, column) : null;
    if (!inner || !shown) return null;
    [at, number, column] = [inner, shown.entry, shown.column];
  }
  return null;
}

/** What else it may have: each of them looks at rows that a condition around it leaves out. */
const more = ['hasAggs', 'hasWindowFuncs', 'hasTargetSRFs', 'hasDistinctOn'] as const;
const clauses = [
  'groupClause',
  'groupingSets',
  'havingQual',
  'distinctClause',
  'limitOffset',
  'limitCount',
  'setOperations',
];

const isPlain = ({ fields }: Node): boolean =>
  more.every((name) => fields.get(name) === 'false') && clauses.every((name) => fields.get(name) === null);

function shownColumn(query: Node, column: number): Pick<Compared, 'entry' | 'column'> | null {
  const target = nodesIn(query.fields.get('targetList')).find(({ fields }) => Number(fields.get('resno')) === column);
  const shown = target?.fields.get('expr');
  if (!isNode(shown) || shown.type !== 'VAR' || shown.fields.get('varlevelsup') !== '0') return null;
  return { entry: Number(shown.fields.get('varno')), column: Number(shown.fields.get('varattno')) };
}

/** The parser has made one list of `a AND b AND c`; what is in parentheses stays its own. */
function andsOf(where: Tree): Tree[] {
  const and = where.BoolExpr as Tree | undefined;
  return and?.boolop === 'AND_EXPR' ? (and.args as Tree[]) : [where];
}

function andsIn(quals: Node): Node[] {
  return quals.type === 'BOOLEXPR' && quals.fields.get('boolop') === 'and'
    ? nodesIn(quals.fields.get('args'))
    : [quals];
}

interface Compared {
  /** From 1. */
  readonly entry: number;
  readonly column: number;
  /** Of the constant. */
  readonly type: string;
}

/** A column and a constant that are equal as their texts are. */
function comparedIn({ type, fields }: Node): Compared | null {
  if (type !== 'OPEXPR' || Number(fields.get('opno')) >= firstNormalOid) return null;
  const args = nodesIn(fields.get('args')).map(bare);
  const column = args.find((arg) => arg.type === 'VAR');
  const constant = args.find((arg) => arg.type === 'CONST');
  if (args.length !== 2 || !column || !constant || column.fields.get('varlevelsup') !== '0') return null;
  const [own, other] = [String(column.fields.get('vartype')), String(constant.fields.get('consttype'))];
  const isText = texts.has(own) && texts.has(other) && plainCollations.has(String(fields.get('inputcollid')));
  if (!isText && !(integers.has(own) && integers.has(other)) && !(own === uuid && other === uuid)) return null;
  return { entry: Number(column.fields.get('varno')), column: Number(column.fields.get('varattno')), type: other };
}

/** Without what only says that a varchar is a text. */
function bare(node: Node): Node {
  const inner: NodeValue | undefined = node.type === 'RELABELTYPE' ? node.fields.get('arg') : undefined;
  return isNode(inner) ? inner : node;
}

/** As the engine prints it; null where it is not certain. */
function valueIn(said: Tree, type: string, values: readonly (string | null)[]): string | null {
  const { kind, name, lexpr, rexpr } = (said.A_Expr ?? {}) as Tree;
  if (kind !== 'AEXPR_OP' || operatorName(name) !== '=') return null;
  const sides = [lexpr, rexpr] as Tree[];
  if (!sides.some((side) => 'ColumnRef' in side)) return null;
  const text = sides.map((side) => textIn(side, values)).find((found) => found !== null) ?? null;
  if (text === null || texts.has(type)) return text;
  if (type === uuid) return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) ? text.toLowerCase() : null;
  return /^-?\d{1,19}$/.test(text) ? String(BigInt(text)) : null;
}

function textIn(side: Tree, values: readonly (string | null)[]): string | null {
  const constant = side.A_Const as Tree | undefined;
  const parameter = side.ParamRef as { number?: number } | undefined;
  if (parameter) return values[(parameter.number ?? 0) - 1] ?? null;
  if (!constant) return null;
  const { sval, ival } = constant as { sval?: { sval?: string }; ival?: { ival?: number } };
  if (sval) return sval.sval ?? '';
  // What is 0 is not printed.
  return ival ? String(ival.ival ?? 0) : null;
}

/** Null for one that is said with its schema. */
function operatorName(name: unknown): string | null {
  const parts = Array.isArray(name) ? (name as Tree[]) : [];
  return parts.length === 1 ? String((parts[0]!.String as Tree | undefined)?.sval) : null;
}

/** As the table has it; null where the query calls its columns otherwise. */
function nameOf(entry: Node, column: number): string | null {
  const alias = entry.fields.get('alias');
  const renamed = isNode(alias) ? alias.fields.get('colnames') : null;
  const names = (entry.fields.get('eref') as Node).fields.get('colnames');
  const name = Array.isArray(names) && !Array.isArray(renamed) ? (names as readonly NodeValue[])[column - 1] : null;
  return typeof name === 'string' ? name.slice(1, -1) : null;
}
