/**
 * Explains a statement: plans it, or runs it in a transaction that is rolled back, and says what it touches and what is
 * worth a warning. How a plan is read is plan.ts; what is read and written, touched.ts.
 */
import pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { type ExplainOptions, NotOneStatement, type QueryPlan, RunError, type Target } from '../engine.ts';
import { hasSideEffect } from './classify.ts';
import { createColumns } from './columns.ts';
import { type ConnectDeps, type Connection, connect, type Wire } from './connect.ts';
import { MessageTooLong, type Place, toRunError } from './errors.ts';
import { runAhead } from './exchange.ts';
import { toParameters } from './parameters.ts';
import type { Parser, Tree } from './parser.ts';
import {
  calledFunctions,
  crossJoins,
  estimateOf,
  filteredScans,
  nodesOf,
  type PlanNode,
  PlanTooDeep,
  parsePlan,
  scannedRelations,
  withMeasures,
  writtenRelations,
} from './plan.ts';
import { type References, referencesOf } from './references.ts';
import { createRounds, type OwnRows, type RoundResult } from './round.ts';
import { checkScript } from './script.ts';
import { parseScript, type ScriptStatement, statementsOf } from './split.ts';
import { createStopper } from './stop.ts';
import {
  type Ask,
  cascadesOf,
  type FunctionReport,
  locksHeld,
  lookInto,
  type Relation,
  type Trigger,
  tablesIn,
  triggersOf,
} from './touched.ts';

export interface ExplainDeps extends ConnectDeps {
  readonly parser: Parser;
}

const asText = 'EXPLAIN (VERBOSE) ';
const asJson = 'EXPLAIN (VERBOSE, FORMAT JSON) ';
const asJsonOfRun = 'EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) ';

/** Of rows, as the planner counts them: to read fewer one by one costs little. */
const largeTableRows = 100_000;
const maxWarnings = 50;
const maxExpressionCharacters = 200;
/** What a message has beside the plan in it. */
const messageBytes = 65_536;

/** @throws NotOneStatement; RunError; AppError CONNECTION_FAILED, LIMIT_EXCEEDED; the signal's reason while it connects */
export async function explain(
  deps: ExplainDeps,
  target: Target,
  sql: string,
  options: ExplainOptions,
): Promise<QueryPlan> {
  const { statement, tree } = await oneStatement(deps, sql, options);
  const limits = { ...deps.limits, maxMessageBytes: options.maxPlanBytes + messageBytes };
  await using connection = await connect({ ...deps, limits }, target, options);
  const session = startSession(deps, target, connection, options);
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

interface Rows {
  readonly rows: readonly (string | null)[][];
  readonly result: RoundResult;
}

interface ExplainSession {
  /** One round; the rows of statements that go ahead are left out. */
  exchange(send: (wire: Wire) => void, options?: { own?: OwnRows }): Promise<Rows>;
  readonly ask: Ask;
  /** Why it was stopped. */
  readonly fault: RunError | null;
  end(): Promise<void>;
}

/** A session that the signal stops, also while the server is busy. */
function startSession(
  deps: ExplainDeps,
  target: Target,
  connection: Connection,
  { signal, maxPlanBytes }: ExplainOptions,
): ExplainSession {
  const { client } = connection;
  const rounds = createRounds(connection);
  let asking: Promise<unknown> | null = null;
  const stopper = createStopper({ connect: deps, target, connection, rounds, asking: () => asking });
  const onAbort = () => void stopper.stop(isTimeout(signal.reason) ? 'TIMEOUT' : 'CANCELLED');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const goOn = () => {
    if (stopper.fault !== null) throw stopper.fault;
  };

  return {
    async exchange(send, { own = 'ALL' } = {}) {
      goOn();
      const round = rounds.start({ send, batchRows: 1_000, batchBytes: 2 ** 20, own });
      const rows: (string | null)[][] = [];
      let bytes = 0;
      for (;;) {
        const batch = await round.next();
        goOn();
        if (batch === null) return { rows, result: round.result };
        bytes += batch.bytes;
        if (bytes > maxPlanBytes + messageBytes) {
          const fault = new MessageTooLong(maxPlanBytes);
          connection.destroy(fault); // whatever is still to come would have to be waited for
          throw fault;
        }
        rows.push(...batch.rows);
      }
    },

    async ask(text, values) {
      goOn();
      const answer = client.query({ text, values: [...values], rowMode: 'array', types: { getTypeParser } });
      asking = Promise.allSettled([answer]).finally(() => {
        asking = null;
      });
      const { rows } = await answer.catch((error: unknown) => {
        // A place in our SQL is none in the statement.
        if (error instanceof pg.DatabaseError) error.position = undefined;
        throw error;
      });
      goOn();
      return rows as (string | null)[][];
    },

    get fault() {
      return stopper.fault;
    },

    async end() {
      signal.removeEventListener('abort', onAbort);
      await stopper.settled();
      if (rounds.current !== null) connection.destroy(new Error('The plan is no longer wanted'));
    },
  };
}

const getTypeParser = () => (text: string) => text;
const isTimeout = (reason: unknown): boolean => reason instanceof Error && reason.name === 'TimeoutError';

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
  const inside = await lookInto({ ask, parser, serverVersion: connection.serverVersion }, functions);
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

interface Findings {
  readonly options: ExplainOptions;
  readonly statement: ScriptStatement;
  readonly references: References;
  readonly nodes: readonly PlanNode[];
  readonly relations: readonly Relation[];
  readonly triggers: readonly Trigger[];
  readonly inside: FunctionReport;
  readonly called: readonly string[];
}

/** Side effects that are undone with their transaction, or end with their session. */
const undone = /^(set_config|pg_notify|lo_(?!export)|lowrite|pg_(try_)?advisory_|pg_export_snapshot)/;

function warningsOf({
  options,
  statement,
  references,
  nodes,
  relations,
  triggers,
  inside,
  called,
}: Findings): string[] {
  const { analyze, readOnly } = options;
  const warnings: string[] = [];
  if (readOnly && !statement.reads) {
    warnings.push('The statement may write, and this database may only be read here: to run it would be refused.');
  }
  for (const { command, table } of references.unbounded) {
    warnings.push(`${command} without WHERE ${command === 'UPDATE' ? 'changes' : 'removes'} every row of ${table}.`);
  }
  for (const { left, right } of crossJoins(nodes)) {
    const sides = `Every row of ${left.join(', ')} is joined with every row of ${right.join(', ')}`;
    warnings.push(`${cut(sides)}: no condition connects them.`);
  }
  for (const { schema, name, filter, rows } of filteredScans(nodes)) {
    const table = relations.find((relation) => relation.schema === schema && relation.name === name);
    if (!table || table.rows < largeTableRows || rows > table.rows / 2) continue;
    const count = Math.round(table.rows).toLocaleString('en');
    warnings.push(`${table.label} has about ${count} rows and is read from end to end for ${cut(filter)}.`);
  }
  // A run has shown what they touch.
  if (!analyze) {
    for (const { table, trigger, function: name } of triggers) {
      warnings.push(`The trigger ${trigger} on ${table} calls ${name}(): what that reads and writes is not listed.`);
    }
    const listed = (names: readonly string[]) => cut(names.map((name) => `${name}()`).join(', '));
    if (inside.mayWrite.length > 0) {
      const names = listed(inside.mayWrite);
      warnings.push(`What volatile functions read and write is not listed where they are not SQL: ${names}.`);
    }
    if (inside.mayRead.length > 0) {
      warnings.push(`What functions read is not listed where they are not SQL: ${listed(inside.mayRead)}.`);
    }
    if (inside.incomplete)
      warnings.push('There are more functions than are looked into: reads and writes may be more.');
  }
  for (const name of analyze ? sorted(called).filter((it) => hasSideEffect(it) && !undone.test(it)) : []) {
    warnings.push(`${name}() acts outside of transactions: what it did is not undone.`);
  }
  if (warnings.length <= maxWarnings) return warnings;
  return [...warnings.slice(0, maxWarnings), `There are ${warnings.length - maxWarnings} more warnings.`];
}

const cut = (text: string): string =>
  text.length > maxExpressionCharacters ? `${text.slice(0, maxExpressionCharacters)}…` : text;

const tooLarge = (message: string, limit: number, actual?: number): AppError =>
  new AppError('LIMIT_EXCEEDED', message, { details: { limit, ...(actual === undefined ? {} : { actual }) } });
