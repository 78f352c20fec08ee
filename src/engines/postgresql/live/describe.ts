/**
 * Describes a query that is to be kept live. What it reads is found by making a temporary view of it, in a transaction
 * that is rolled back: the server itself resolves the names then, keeps joins that no plan would, and never runs it.
 * Where no view can be made (a standby, no TEMP), the names in its text are looked up.
 */
import pg from 'pg';
import { NotOneStatement } from '../../engine.ts';
import { NotAQuery, type QueryReads } from '../../live.ts';
import { type Node, parseNodeTree } from '../node-tree.ts';
import type { Parser, Tree } from '../parser.ts';
import { checkScript } from '../script.ts';
import { parseScript, statementsOf } from '../split.ts';
import type { Ask } from '../touched.ts';
import { membersOf } from '../walk.ts';
import { filtersOf } from './filters.ts';
import { innerQuery, keyOf } from './key.ts';
import { find, revisionOf } from './lookup.ts';
import { type Mentions, mentionsIn, namesIn, unrestInText } from './mentions.ts';
import { everywhere, readsOf } from './reads.ts';

export interface OneQuery {
  /** Without what is before it and behind it in the text. */
  readonly sql: string;
  /** Where it begins in the text, as a 0-based index of UTF-16 units. */
  readonly offset: number;
  readonly tree: Tree;
  /** The same text, with a null of its type in place of each parameter: a view takes none. */
  withoutParameters(types: readonly string[]): string;
}

/** @throws NotOneStatement; NotAQuery; RunError READ_ONLY, SQL_ERROR where it does not parse, LIMIT_EXCEEDED */
export async function oneQuery(deps: { parser: Parser }, sql: string, signal: AbortSignal): Promise<OneQuery> {
  const parsed = await parseScript(deps, sql);
  const [statement] = statementsOf(sql, parsed);
  const tree = parsed[0]?.tree;
  if (!statement || !tree || parsed.length > 1) throw new NotOneStatement(parsed.length);
  checkScript(sql, [statement], { readOnly: true, transaction: 'PER_STATEMENT', maxRows: 0, signal });
  if (!statement.streams) throw new NotAQuery(statement.command);
  const { offset } = statement;
  const base = Buffer.byteLength(sql.slice(0, offset));
  return {
    sql: statement.sql,
    offset,
    tree,
    withoutParameters: (types) => withNulls(statement.sql, base, tree, types),
  };
}

/** @param base bytes before the text; the tree counts them */
function withNulls(sql: string, base: number, tree: Tree, types: readonly string[]): string {
  const places: { start: number; number: number }[] = [];
  for (const [name, value] of membersOf(tree)) {
    if (name !== 'ParamRef') continue;
    const { location = 0, number = 0 } = value as { location?: number; number?: number };
    places.push({ start: location - base, number });
  }
  const bytes = Buffer.from(sql);
  const parts: string[] = [];
  let at = 0;
  for (const { start, number } of places.sort((a, b) => a.start - b.start)) {
    parts.push(bytes.toString('utf8', at, start), `(NULL::${types[number - 1] ?? 'text'})`);
    at = start + (/^\$\d+/.exec(bytes.toString('latin1', start, start + 12))?.[0].length ?? 0);
  }
  return parts.join('') + bytes.toString('utf8', at);
}

/** What the server says of a query without running it. */
export interface Prepared {
  readonly parameterTypes: readonly number[];
  /** Null: it returns no rows at all. */
  readonly fields: readonly pg.FieldDef[] | null;
}

export interface DescribeDeps {
  readonly parser: Parser;
  readonly ask: Ask;
  /** Several statements of ours in one round; rows of all of them. @throws pg.DatabaseError: what was open is rolled back */
  readonly askAll: (...statements: readonly string[]) => Promise<readonly (string | null)[][]>;
}

/** As the rule of a view holds it; gone with the transaction. */
const viewName = 'pg_temp."quarry live query"';
/** Of the view alone: a table that is locked for longer fails the query as well, and says so there. */
const lockTimeoutMs = 2_000;

export async function describe(
  { parser, ask, askAll }: DescribeDeps,
  { tree, withoutParameters }: OneQuery,
  prepared: Prepared,
  values: readonly (string | null)[],
): Promise<QueryReads> {
  const query = await analysed(askAll, withoutParameters(await typeNames(ask, prepared.parameterTypes)));
  const mentions = query === null ? await named(ask, tree) : withText(mentionsIn([query]), tree);
  const reads = await readsOf({ ask, parser }, mentions);
  const fields = prepared.fields ?? [];
  return {
    tables: reads.tables,
    filters: query === null ? [] : filtersOf(query, tree, values, reads),
    polled: reads.polled,
    columns: fields.map(({ name }) => name),
    key: keyOf(query, fields, reads),
    revision: revisionText(await revisionOf(ask, [...reads.relations.keys()], reads.functions), reads),
  };
}

/** The objects are in it, so that it can be compared with what they are later. */
const revisionText = (
  digest: string,
  { relations, functions }: { relations: ReadonlyMap<string, unknown>; functions: readonly string[] },
): string => `${digest} ${[...relations.keys()].join(',')} ${functions.join(',')}`;

export async function isCurrent(ask: Ask, { revision }: QueryReads): Promise<boolean> {
  const [digest, relations = '', functions = ''] = revision.split(' ');
  const listed = (text: string) => text.split(',').filter(Boolean);
  return (await revisionOf(ask, listed(relations), listed(functions))) === digest;
}

/** Null where the server makes no view of it. */
async function analysed(askAll: DescribeDeps['askAll'], sql: string): Promise<Node | null> {
  // Behind a line feed, since the text may end in a comment. In parentheses it may have no columns, or two of a name.
  const view = `CREATE TEMPORARY VIEW ${viewName} AS SELECT 1 AS one FROM (\n${sql}\n) AS query`;
  try {
    const [text] = (
      await askAll(
        'BEGIN READ WRITE',
        `SET LOCAL lock_timeout = ${lockTimeoutMs}`,
        view,
        `SELECT ev_action::text FROM pg_catalog.pg_rewrite WHERE ev_class = '${viewName}'::pg_catalog.regclass`,
        'ROLLBACK',
      )
    ).at(-1)!;
    return innerQuery(parseNodeTree(text ?? ''));
  } catch (error) {
    if (error instanceof pg.DatabaseError) return null;
    throw error;
  }
}

async function typeNames(ask: Ask, oids: readonly number[]): Promise<string[]> {
  if (oids.length === 0) return [];
  const rows = await ask(
    `SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)
       FROM pg_catalog.unnest($1::oid[]) WITH ORDINALITY AS wanted (oid, place)
       JOIN pg_catalog.pg_type t ON t.oid = wanted.oid
       JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
      ORDER BY wanted.place`,
    [oids],
  );
  return rows.map(([name]) => name ?? '');
}

const withText = (mentions: Mentions, tree: Tree): Mentions => ({
  ...mentions,
  unrest: [...mentions.unrest, ...unrestInText([tree])],
});

async function named(ask: Ask, tree: Tree): Promise<Mentions> {
  const names = namesIn([tree]);
  const { relations, functions, operators } = await find(ask, names, null);
  return {
    relations: everywhere(relations),
    functions: new Set(functions),
    operators: new Set(operators),
    unrest: names.unrest,
  };
}
