/**
 * What a document may be before anything walks it: tokens, depth, aliases, directives and fields as execution would see
 * them, then its variables and its cost. One plugin, so that HTTP, SSE and WebSocket hold the same.
 */
import { type DocumentNode, type ExecutionArgs, GraphQLError, Kind, parse, type SelectionSetNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { AppError } from '../lib/errors.ts';
import type { Context } from './context.ts';
import { createCostOf } from './costs.ts';
import { refused } from './errors.ts';
import { createVariablesFault, type VariablesDeps } from './variables.ts';

export interface DocumentLimits {
  characters: number;
  tokens: number;
  depth: number;
  /** Of all fields after fragments are put in. */
  aliases: number;
  directives: number;
  /** Of one operation after fragments are put in. */
  fields: number;
  rootFields: number;
  /** Objects that the answer may hold, by the pages asked for. */
  cost: number;
}

export const documentLimits: DocumentLimits = {
  characters: 100_000,
  tokens: 5_000,
  depth: 20,
  aliases: 50,
  directives: 50,
  fields: 2_000,
  rootFields: 40,
  cost: 100_000,
};

interface Size {
  /** Fields of the topmost level. */
  roots: number;
  depth: number;
  aliases: number;
  directives: number;
  fields: number;
}

const tooLarge = (what: string, limit: number, actual: number, code = 'GRAPHQL_VALIDATION_FAILED') =>
  new GraphQLError(`The document has ${what} beyond the limit of ${limit}`, {
    extensions: { code, details: { limit, actual }, http: { status: 400 } },
  });

const nothing: Size = { roots: 0, depth: 0, aliases: 0, directives: 0, fields: 0 };

/** Null when the document keeps to the limits. Each fragment is measured once, however often it is spread. */
export function measure(document: DocumentNode, limits: DocumentLimits): GraphQLError | null {
  const fragments = new Map(
    document.definitions.flatMap((d) => (d.kind === Kind.FRAGMENT_DEFINITION ? [[d.name.value, d] as const] : [])),
  );
  const measured = new Map<string, Size>();

  function sizeOf(selections: SelectionSetNode, path: ReadonlySet<string>): Size {
    const size: Size = { ...nothing };
    const add = (inner: Size, levels: number) => {
      size.roots += levels === 0 ? inner.roots : 0;
      size.depth = Math.max(size.depth, inner.depth + levels);
      size.aliases += inner.aliases;
      size.directives += inner.directives;
      size.fields += inner.fields;
    };
    for (const node of selections.selections) {
      size.directives += node.directives?.length ?? 0;
      if (node.kind === Kind.FIELD) {
        size.fields += 1;
        size.roots += 1;
        size.aliases += node.alias ? 1 : 0;
        add(node.selectionSet ? sizeOf(node.selectionSet, path) : nothing, 1);
      } else if (node.kind === Kind.INLINE_FRAGMENT) {
        add(sizeOf(node.selectionSet, path), 0);
      } else {
        const name = node.name.value;
        const fragment = fragments.get(name);
        // A cycle or an unknown name is validation's to report.
        if (!fragment || path.has(name)) continue;
        const known = measured.get(name) ?? sizeOf(fragment.selectionSet, new Set(path).add(name));
        measured.set(name, known);
        add(known, 0);
      }
    }
    return size;
  }

  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION) continue;
    const own = definition.directives?.length ?? 0;
    const size = sizeOf(definition.selectionSet, new Set());
    const roots = definition.kind === Kind.OPERATION_DEFINITION ? size.roots : 0;
    if (size.depth > limits.depth) return tooLarge('a depth', limits.depth, size.depth);
    if (size.aliases > limits.aliases) return tooLarge('aliases', limits.aliases, size.aliases);
    if (size.directives + own > limits.directives)
      return tooLarge('directives', limits.directives, size.directives + own);
    if (size.fields > limits.fields) return tooLarge('fields', limits.fields, size.fields);
    if (roots > limits.rootFields) return tooLarge('root fields', limits.rootFields, roots);
  }
  return null;
}

export interface Limits {
  readonly plugin: Plugin<Context>;
  /** Charges for an operation, once for its context. @returns why it may not be executed */
  check(operation: Operation): Promise<GraphQLError | null>;
}

type Operation = Pick<ExecutionArgs, 'schema' | 'document' | 'operationName' | 'variableValues' | 'contextValue'>;

export interface LimitsDeps extends VariablesDeps {
  readonly limits: DocumentLimits;
  /** For what an operation costs; it may refuse. @throws AppError */
  charge(context: Context, cost: number): Promise<void>;
}

export function createLimits({ limits, charge, suggestions }: LimitsDeps): Limits {
  const verdicts = new WeakMap<DocumentNode, GraphQLError | null>();
  const costOf = createCostOf();
  const faultOf = createVariablesFault({ suggestions });
  const checked = new WeakMap<Context, Promise<GraphQLError | null>>();

  async function charged(context: Context, operation: Operation): Promise<GraphQLError | null> {
    const fault = faultOf(operation);
    if (fault) return fault;
    const cost = costOf(operation);
    // A variable that is missing, no such operation: execution says so better.
    if (cost === null) return null;
    if (cost > limits.cost) return tooLarge('a cost', limits.cost, cost, 'LIMIT_EXCEEDED');
    try {
      await charge(context, cost);
      return null;
    } catch (error) {
      if (error instanceof AppError) return refused(error);
      throw error;
    }
  }

  function check(operation: Operation): Promise<GraphQLError | null> {
    const context = operation.contextValue as Context;
    const known = checked.get(context) ?? charged(context, operation);
    checked.set(context, known);
    return known;
  }

  const plugin: Plugin<Context> = {
    onParse({ setParseFn }) {
      setParseFn((source: string, options: object) => {
        if (source.length > limits.characters) throw tooLarge('characters', limits.characters, source.length);
        try {
          return parse(source, { ...options, maxTokens: limits.tokens });
        } catch (error) {
          // Brackets in brackets until the parser's stack ends: before the tokens do.
          throw error instanceof RangeError ? tooLarge('a depth', limits.depth, limits.tokens) : error;
        }
      });
      return ({ result, replaceParseResult }) => {
        if (!result || result instanceof Error) return;
        const document = result as DocumentNode;
        const verdict = verdicts.has(document) ? verdicts.get(document) : measure(document, limits);
        verdicts.set(document, verdict ?? null);
        if (verdict) replaceParseResult(verdict as never);
      };
    },
    async onExecute({ args, setResultAndStopExecution }) {
      const fault = await check(args);
      if (fault) setResultAndStopExecution({ errors: [fault] });
    },
    async onSubscribe({ args, setResultAndStopExecution }) {
      const fault = await check(args);
      if (fault) setResultAndStopExecution({ errors: [fault] });
    },
  };
  return { plugin, check };
}
