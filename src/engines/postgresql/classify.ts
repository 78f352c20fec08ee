/** Says what a statement does, from its parse tree: whether it only reads, returns rows, controls a transaction. */
import { isEstimable, isHarmless } from './estimable.ts';
import type { Tree } from './parser.ts';
import { membersOf } from './walk.ts';

export interface StatementKind {
  /** As a command tag names it, where a result that was cut short has none: SELECT, INSERT … */
  readonly command: string;
  /** Rows come from a portal, which lives as long as its transaction. */
  readonly rows: boolean;
  /** A portal makes its rows as they are fetched; of others all are there before the first one is given. */
  readonly streams: boolean;
  /** Puts every setting of the session back, ours too. */
  readonly resets: boolean;
  /** A procedure: returns at most a row, and may end transactions, so that it must not be inside one. */
  readonly call: boolean;
  /** Only reads, as far as its text tells: a function may still write. */
  readonly reads: boolean;
  /** May change the catalogue, as far as its text tells: a trigger may, too. */
  readonly alters: boolean;
  /** Streams, reads, and may be planned once more for its estimate. */
  readonly estimable: boolean;
  /** Names of the functions that it calls and that may do something, as far as its text tells. */
  readonly calls: readonly string[];
  /** BEGIN, COMMIT, ROLLBACK and the like; savepoints are none. */
  readonly transaction: boolean;
  /** Why no script may hold it, and what to do instead. */
  readonly refusal: { readonly message: string; readonly hint: string } | null;
}

export function classify(tree: Tree): StatementKind {
  const [name = '', value] = Object.entries(tree)[0] ?? [];
  const node = (value ?? {}) as Tree;
  const streams = name === 'SelectStmt' && !makesTable(node);
  const onlyReads = reads(name, node);
  return {
    command: commands[name] ?? name.replace(/Stmt$/, '').toUpperCase(),
    rows: name in commands,
    streams,
    resets: node.kind === 'VAR_RESET_ALL' || node.target === 'DISCARD_ALL',
    call: name === 'CallStmt',
    reads: onlyReads,
    alters: alters(name, node),
    estimable: streams && onlyReads && isEstimable(node),
    calls: [...calls(node)],
    transaction: name === 'TransactionStmt' && !savepoints.has(String(node.kind)),
    refusal: refusal(name, node),
  };
}

/** The statements that return rows, or may; each runs inside a transaction as well as alone. */
const commands: Readonly<Record<string, string>> = {
  SelectStmt: 'SELECT',
  InsertStmt: 'INSERT',
  UpdateStmt: 'UPDATE',
  DeleteStmt: 'DELETE',
  MergeStmt: 'MERGE',
  ExplainStmt: 'EXPLAIN',
  VariableShowStmt: 'SHOW',
  ExecuteStmt: 'EXECUTE',
  FetchStmt: 'FETCH',
};

/** SELECT INTO, which is said in the first of the queries that UNION and its like combine. */
function makesTable(select: Tree): boolean {
  let first = select;
  while (first.larg !== undefined) first = first.larg as Tree;
  return first.intoClause !== undefined;
}

const savepoints: ReadonlySet<string> = new Set([
  'TRANS_STMT_SAVEPOINT',
  'TRANS_STMT_RELEASE',
  'TRANS_STMT_ROLLBACK_TO',
]);

function reads(name: string, node: Tree): boolean {
  if (name === 'VariableShowStmt') return true;
  if (name === 'SelectStmt') return !changesSomething(node);
  if (name !== 'ExplainStmt') return false;
  const query = (node.query ?? {}) as Tree;
  return executes(node) ? 'SelectStmt' in query && !changesSomething(query) : true;
}

/** Statements that leave the catalogue as it is, whatever they are given. */
const withoutDdl: ReadonlySet<string> = new Set(
  'Transaction VariableSet VariableShow Fetch DeclareCursor ClosePortal Listen Unlisten Notify Lock Deallocate CheckPoint Vacuum Discard'
    .split(' ')
    .map((name) => `${name}Stmt`),
);
/** Statements that do only when a function in them does. */
const queries: ReadonlySet<string> = new Set(
  'Select Insert Update Delete Merge Explain Copy'.split(' ').map((name) => `${name}Stmt`),
);

function alters(name: string, node: Tree): boolean {
  if (withoutDdl.has(name)) return false;
  if (!queries.has(name)) return true;
  for (const [member, value] of membersOf(node)) {
    if (member === 'intoClause' || (member === 'FuncCall' && !isHarmless(value as Tree))) return true;
  }
  return false;
}

/** EXPLAIN ANALYZE, in either spelling; `ANALYZE false` counts as well, which only refuses too much. */
function executes({ options }: Tree): boolean {
  return Array.isArray(options) && options.some((option: Tree) => (option.DefElem as Tree)?.defname === 'analyze');
}

const writingNodes: ReadonlySet<string> = new Set([
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'intoClause',
  'lockingClause',
]);

function changesSomething(root: Tree): boolean {
  for (const [name, value] of membersOf(root)) {
    if (writingNodes.has(name)) return true;
    if (name === 'FuncCall' && hasSideEffect(functionName(value as Tree))) return true;
  }
  return false;
}

function calls(root: Tree): Set<string> {
  const names = new Set<string>();
  for (const [name, value] of membersOf(root))
    if (name === 'FuncCall' && !isHarmless(value as Tree)) names.add(functionName(value as Tree));
  return names;
}

function functionName({ funcname }: Tree): string {
  const last = Array.isArray(funcname) ? (funcname.at(-1) as Tree | undefined) : undefined;
  return String((last?.String as Tree | undefined)?.sval ?? '');
}

/**
 * Functions of the server and its extensions that act outside of what a read-only transaction protects. Not a wall,
 * since any function may call them: a role without rights is. It keeps honest scripts honest.
 */
const sideEffects = [
  /^(nextval|setval|set_config)$/,
  /^pg_notify$/,
  /^pg_(terminate|cancel)_backend$/,
  /^pg_(try_)?advisory_/,
  /^dblink/,
  /^lo_(import|export|creat|create|unlink|put|open|from_bytea|truncate|truncate64)$/,
  /^lowrite$/,
  /^pg_(reload_conf|rotate_logfile|switch_wal|promote|create_restore_point|log_standby_snapshot|export_snapshot)$/,
  /^pg_(wal_replay_(pause|resume)|(backup_)?(start|stop)(_backup)?|log_backend_memory_contexts|prewarm)$/,
  /^pg_(create|copy|drop|sync)_.*replication_slots?$/,
  /^pg_(replication_slot_advance|replication_origin_|logical_emit_message|logical_slot_get_)/,
  /^pg_(stat_reset|stat_statements_reset|stat_force_next_flush|file_|import_system_collations|clear_)/,
] as const;

export const hasSideEffect = (name: string): boolean => sideEffects.some((pattern) => pattern.test(name));

/** As pg_dump writes it; what the session began with is UTF8, too. */
function keepsUtf8({ kind, args }: Tree): boolean {
  if (kind !== 'VAR_SET_VALUE') return true;
  const [value] = Array.isArray(args) ? (args as Tree[]) : [];
  const text = ((value?.A_Const as Tree | undefined)?.sval as Tree | undefined)?.sval;
  return /^(utf-?8|unicode)$/i.test(String(text));
}

function refusal(name: string, node: Tree): StatementKind['refusal'] {
  if (name === 'CopyStmt' && node.filename === undefined) {
    return node.is_from === true
      ? { message: 'COPY FROM STDIN has no data here', hint: 'Use INSERT: a script holds SQL alone.' }
      : {
          message: 'COPY TO STDOUT has no client to copy to',
          hint: 'Use SELECT, or TABLE: rows are what a script returns.',
        };
  }
  if (name === 'VariableSetStmt' && String(node.name).toLowerCase() === 'client_encoding' && !keepsUtf8(node)) {
    return { message: 'client_encoding stays UTF8', hint: 'Leave the statement out: text is always UTF-8 here.' };
  }
  return null;
}
