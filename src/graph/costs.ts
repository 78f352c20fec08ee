/**
 * What an operation costs: the objects that its answer may hold, by the pages asked for. Told before anything is resolved,
 * and for a document that comes again with the same pages, without going through it again.
 */
import { complexityFromQuery } from '@pothos/plugin-complexity';
import {
  type DocumentNode,
  type ExecutionArgs,
  type GraphQLField,
  getNamedType,
  isLeafType,
  isListType,
  isNonNullType,
  Kind,
  type OperationDefinitionNode,
  type TypeNode,
} from 'graphql';
import { defaultPageSize } from '../lib/pages.ts';

/** A plain list is short by contract. */
const listMultiplier = 4;

/** Objects cost one, values nothing; a connection multiplies by the page that is asked for. */
export const costs = {
  disabled: true, // The plugin below asks once an operation, before any resolver; Pothos would ask once a root field.
  fieldComplexity: (
    args: Record<string, unknown>,
    _context: unknown,
    field: Pick<GraphQLField<unknown, unknown>, 'name' | 'type'>,
  ) => {
    const type = isNonNullType(field.type) ? field.type.ofType : field.type;
    const named = getNamedType(type);
    if (isLeafType(named)) return 0;
    if (named.name.endsWith('Connection')) {
      const size = args.first ?? args.last ?? defaultPageSize;
      return { field: 1, multiplier: typeof size === 'number' ? Math.max(size, 1) : defaultPageSize };
    }
    const ofConnection = field.name === 'edges' || field.name === 'nodes';
    if (field.name === 'nodes' && Array.isArray(args.ids))
      return { field: 1, multiplier: Math.max(args.ids.length, 1) };
    return { field: 1, multiplier: isListType(type) && !ofConnection ? listMultiplier : 1 };
  },
};

/** Null where it has none: a variable that does not fit, no such operation. */
type CostOf = (
  operation: Pick<ExecutionArgs, 'schema' | 'document' | 'operationName' | 'variableValues'>,
) => number | null;

/** Of one document, by its operation and the variables that count. */
interface Known {
  readonly counted: readonly string[];
  readonly costs: Map<string, number>;
}

const maxKnown = 64;
const maxKeyCharacters = 1_000;

export function createCostOf(): CostOf {
  // Documents are kept by the cache of parsed ones, and their costs as long as they.
  const known = new WeakMap<DocumentNode, Known>();

  return ({ schema, document, operationName, variableValues }) => {
    const variables = variableValues ?? {};
    const ofDocument = known.get(document) ?? { counted: countedOf(document), costs: new Map<string, number>() };
    known.set(document, ofDocument);
    const { counted, costs } = ofDocument;
    // What is absent has its default, and what is null has none.
    const values = counted.map((name) => (Object.hasOwn(variables, name) ? [variables[name]] : null));
    const key = JSON.stringify([operationName, values]);
    const cost = costs.get(key);
    if (cost !== undefined) return cost;
    try {
      // It coerces the variables itself, with the defaults of the document.
      const { complexity } = complexityFromQuery(chosen(document, operationName), { schema, variables });
      if (costs.size >= maxKnown) costs.clear();
      if (key.length <= maxKeyCharacters) costs.set(key, complexity);
      return complexity;
    } catch {
      return null;
    }
  };
}

/** Pages are numbers, lists have a length, and what is in an object may be either; what a text says costs nothing. */
const countedOf = (document: DocumentNode): string[] =>
  document.definitions
    .filter(isOperation)
    .flatMap(({ variableDefinitions = [] }) => variableDefinitions)
    .filter(({ type }) => !isText(type))
    .map(({ variable }) => variable.name.value);

function isText(type: TypeNode): boolean {
  if (type.kind === Kind.NON_NULL_TYPE) return isText(type.type);
  return type.kind === Kind.NAMED_TYPE && (type.name.value === 'ID' || type.name.value === 'String');
}

const isOperation = (node: { kind: string }): node is OperationDefinitionNode =>
  node.kind === Kind.OPERATION_DEFINITION;

/** The document with the one operation that will run. */
function chosen(document: DocumentNode, operationName: string | null | undefined): DocumentNode {
  return {
    ...document,
    definitions: document.definitions.filter(
      (d) => !isOperation(d) || !operationName || d.name?.value === operationName,
    ),
  };
}
