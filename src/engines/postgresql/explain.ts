/**
 * Explains a statement: plans it, or runs it in a transaction that is rolled back, and says what it touches and what is
 * worth a warning. How a plan is read is plan.ts; what is read and written, touched.ts and routines.ts.
 */
import pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { type ExplainOptions, NotOneStatement, type QueryPlan, RunError, type Target } from '../engine.ts';
import { createColumns } from './columns.ts';
import { type ConnectDeps, type Connection, connect } from './connect.ts';
import { MessageTooLong, type Place, toRunError } from './errors.ts';
import { runAhead } from './exchange.ts';
import { answerBytes, type ExplainSession, type Rows, startExplaining } from './explain-session.ts';
import { toParameters } from './parameters.ts';
import type { Parser, Tree } from './parser.ts';
import {
  calledFunctions,
  castTypes,
  estimateOf,
  nodesOf,
  type PlanNode,
  PlanTooDeep,
  parsePlan,
  scannedRelations,
  usedOperators,
  withMeasures,
  writtenRelations,
} from './plan.ts';
import { type References, referencesOf } from './references.ts';
import { type FunctionReport, lookInto } from './routines.ts';
import { checkScript } from './script.ts';
import { parseScript, type ScriptStatement, statementsOf } from './split.ts';
import { type Ask, cascadesOf, locksHeld, type Relation, tablesIn, triggersOf } from './touched.ts';
import { warningsOf } from './warnings.ts';

export interface ExplainDeps extends ConnectDeps {
  readonly parser: Parser;
}

const asText = 'EXPLAIN (VERBOSE) ';
const asJson = 'EXPLAIN (VERBOSE, FORMAT JSON) ';
const asJsonOfRun = 'EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) ';

/** @throws NotOneStatement; RunError; AppError CONNECTION_FAILED, LIMIT_EXCEEDED; the signal's reason while it connects */
export async function explain(
  deps: ExplainDeps,
  target: Target,
  sql: string,
  options: ExplainOptions,
): Promise<QueryPlan> {
  const { statement, tree } = await oneStatement(deps, sql, options);
  const limits = { ...deps.limits, maxMessageBytes: answerBytes(options) };
  await using connection = await connect({ ...deps, limits }, target, options);
  const session = startExplaining(deps, target, connection, options);
  const place: Place = { script: sql, offset: statement.offset, statement: 0 };
  try {
    return await explainIn(session, { parser: deps.parser, statement, tree, options, connection });
  } catch (cause) {
    if (session.fault === null && (cause instanceof MessageTooLong || cause instanceof PlanTooDeep)) {
      throw tooLarge(cause instanceof PlanTooDeep ? cause.message : 'The plan is too long', options.maxPlanBytes);
    }
    if (session.fault === null && cause instanceof AppError) throw cause;
    throw toRunError(session.fault ?? cause, place, options.analyze && options.readOnly);
  } finally {
    await session.end();
  }
}

async function oneStatement(
  deps: ExplainDeps,
  sql: string,
  { analyze, readOnly, signal }: ExplainOptions,
): Promise<{ statement: ScriptStatement; tree: Tree }> {
  const parsed = await parseScript(deps, sql);
  const [statement, ...more] = statementsOf(sql, parsed);
  if (!statement || more.length > 0) throw new NotOneStatement(parsed.length);
  const { tree } = parsed[0]!;
  const [kind = ''] = Object.keys(tree);
  if (!explainable.has(kind)) {
    const hint =
      kind === 'ExplainStmt'
        ? 'Give the statement without EXPLAIN.'
        : 'SELECT, VALUES, INSERT, UPDATE, DELETE, MERGE and CREATE TABLE AS have one.';
    throw new RunError({ code: 'SQL_ERROR', message: `A statement like ${statement.command} has no plan`, hint });
  }
  const rules = { readOnly: analyze && readOnly, transaction: 'PER_STATEMENT', maxRows: 0, signal } as const;
  checkScript(sql, [statement], rules);
  return { statement, tree };
}

const explainable: ReadonlySet<string> = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'CreateTableAsStmt',
]);

interface Explaining {
  readonly parser: Parser;
  readonly statement: ScriptStatement;
  readonly tree: Tree;
  readonly options: ExplainOptions;
  readonly connection: Connection;
}

async function explainIn(
  { exchange, ask }: ExplainSession,
  { parser, statement, tree, options, connection }: Explaining,
): Promise<QueryPlan> {
  const { analyze, readOnly, maxPlanBytes } = options;

  /** A place that the server names is then one in the statement, and not behind our own words before it. */
  async function explained(how: string, values: readonly (string | null)[] | null): Promise<Rows> {
    return await exchange((wire) => {
      wire.parse({ text: how + statement.sql });
      if (values === null) return wire.describe({ type: 'S', name: '' });
      wire.bind({ portal: '', values });
      wire.execute({ portal: '', rows: 0 });
    }).catch((error: unknown) => {
      if (error instanceof pg.DatabaseError && error.position !== undefined) {
        error.position = String(Number(error.position) - how.length);
      }
      throw error;
    });
  }

  const { result } = await explained(asText, null);
  const types = await createColumns({ query: ask }).types(result.parameterTypes);
  const values = toParameters(options.parameters ?? [], types);

  // Planning calls functions, too: only a run that is wanted may write.
  const begin = analyze && !readOnly ? 'BEGIN' : 'BEGIN READ ONLY';
  // The query that follows fixes the transaction: from then on nothing can make it read and write.
  await exchange((wire) => runAhead(wire, begin, 'SELECT 1'), { own: 'NONE' });
  const lines = (await explained(asText, values)).rows.map(([line]) => line ?? '');
  const locksOfPlan = await locksHeld(ask);
  const { rows } = await explained(analyze ? asJsonOfRun : asJson, values);
  const json = rows.map(([line]) => line ?? '').join('\n');
  const bytes = Math.max(Buffer.byteLength(json), Buffer.byteLength(lines.join('\n')));
  if (bytes > maxPlanBytes) throw tooLarge('The plan is too long', maxPlanBytes, bytes);
  const locksOfRun = analyze ? await locksHeld(ask) : null;

  const planned = await tablesIn(ask, locksOfPlan);
  const ran = locksOfRun ? await tablesIn(ask, locksOfRun) : [];
  const plan = parsePlan(json);
  const nodes = nodesOf(plan);
  const references = referencesOf([tree]);
  const written = writtenRelations(nodes);
  const functions = [...references.functions, ...calledFunctions(nodes)];
  const triggers = await triggersOf(ask, written);
  const inside = await lookInto(
    { ask, parser, serverVersion: connection.serverVersion },
    {
      functions,
      operators: [...references.operators, ...usedOperators(nodes)],
      types: [...references.types, ...castTypes(nodes)],
      writes: written,
    },
  );
  const touched = tablesOf(planned, ran, nodes, inside);
  const cascades = await cascadesOf(
    ask,
    written.filter(({ operation }) => operation === 'Delete'),
  );
  const created = await createdTables(ask, references);
  await ask('ROLLBACK', []);

  const { cost, rows: estimatedRows } = estimateOf(nodes);
  return {
    plan,
    text: (analyze ? withMeasures(lines, plan) : lines).join('\n'),
    estimatedCost: cost,
    estimatedRows,
    reads: sorted(touched.reads),
    writes: sorted([...touched.writes, ...cascades, ...created]),
    warnings: warningsOf({
      options,
      statement,
      references,
      plan,
      nodes,
      relations: planned,
      triggers,
      inside,
      called: functions.map(({ name }) => name),
    }),
  };
}

const sorted = (labels: readonly string[]): string[] => [...new Set(labels)].sort();

function tablesOf(
  planned: readonly Relation[],
  ran: readonly Relation[],
  nodes: readonly PlanNode[],
  inside: FunctionReport,
): { reads: string[]; writes: string[] } {
  const keyOf = ({ schema, name }: { schema: string; name: string }) => JSON.stringify([schema, name]);
  const labels = new Map(planned.map((relation) => [keyOf(relation), relation.label]));
  const known = new Set(planned.map(({ label }) => label));
  const scanned = scannedRelations(nodes).flatMap((relation) => labels.get(keyOf(relation)) ?? []);
  const labelsOf = (relations: readonly Relation[], ...access: Relation['access'][]) =>
    relations.filter((relation) => access.includes(relation.access)).map(({ label }) => label);
  // A run also locks the rows that foreign keys lead to; that check is no reading of anybody's.
  const more = ran.filter(({ label }) => !known.has(label));
  return {
    reads: [...labelsOf(planned, 'read', 'lock'), ...scanned, ...labelsOf(more, 'read'), ...inside.reads],
    writes: [...labelsOf(planned, 'write'), ...labelsOf(ran, 'write'), ...inside.writes],
  };
}

/** Under the schema in which it would be made. */
async function createdTables(ask: Ask, { creates }: References): Promise<string[]> {
  if (creates.length === 0) return [];
  const rows = await ask(
    `SELECT pg_catalog.quote_ident(coalesce(schema, pg_catalog.current_schema()::text)) || '.' || pg_catalog.quote_ident(name)
       FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS made (schema, name)`,
    [creates.map(({ schema, temporary }) => (temporary ? 'pg_temp' : schema)), creates.map(({ name }) => name)],
  );
  return rows.flatMap(([label]) => label ?? []);
}

const tooLarge = (message: string, limit: number, actual?: number): AppError =>
  new AppError('LIMIT_EXCEEDED', message, { details: { limit, ...(actual === undefined ? {} : { actual }) } });
