/**
 * What the variables of an operation may be before anything else looks at them, in time of their size and no more. The
 * libraries beneath word every fault there is, and print the whole value for each: of a few kilobytes that is seconds.
 * What is absent, or null where it may not be, they word by its name alone: that is left to them.
 */
import {
  coerceInputValue,
  type ExecutionArgs,
  GraphQLError,
  type GraphQLInputType,
  getNamedType,
  getOperationAST,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  typeFromAST,
  type VariableDefinitionNode,
} from 'graphql';

export const variableLimits = {
  /** Lists and input objects within each other; what a JSON value holds is scalars.ts's. */
  depth: 50,
  /** Of one list. */
  items: 1_000,
  /** Of one list of JSON, which is the parameters of SQL: as many as PostgreSQL takes. */
  values: 32_767,
} as const;

/** Of a message, which may name what was sent: the value of an enum, the field of an object. */
const maxMessageCharacters = 300;

export interface VariablesDeps {
  /** False: what is wrong is told without names of the schema that it is like. */
  readonly suggestions: boolean;
}

type Operation = Pick<ExecutionArgs, 'schema' | 'document' | 'operationName' | 'variableValues'>;
type FaultOf = (operation: Operation) => GraphQLError | null;

/** The first fault, and no other; none is told with the value. */
export const createVariablesFault =
  ({ suggestions }: VariablesDeps): FaultOf =>
  ({ schema, document, operationName, variableValues }) => {
    const definitions = getOperationAST(document, operationName)?.variableDefinitions;
    if (!variableValues || !definitions) return null;
    for (const definition of definitions) {
      const name = definition.variable.name.value;
      const type = typeFromAST(schema, definition.type);
      if (!Object.hasOwn(variableValues, name) || !isInputType(type)) continue;
      const value = variableValues[name];
      if (value === null) continue;
      const fault =
        exceededBy(value, type, definition, 0) ??
        firstFault(() =>
          coerceInputValue(
            value,
            type,
            (path, _value, error) => {
              throw new Fault(wrong(definition, path, error));
            },
            !suggestions,
          ),
        );
      if (fault) return fault;
    }
    return null;
  };

class Fault extends Error {
  readonly error: GraphQLError;
  constructor(error: GraphQLError) {
    super(error.message);
    this.error = error;
  }
}

function firstFault(coerce: () => unknown): GraphQLError | null {
  try {
    coerce();
    return null;
  } catch (error) {
    if (error instanceof Fault) return error.error;
    throw error;
  }
}

/** Null also where the value does not fit its type: coercion finds that out. */
function exceededBy(
  value: unknown,
  type: GraphQLInputType,
  definition: VariableDefinitionNode,
  depth: number,
): GraphQLError | null {
  if (typeof value !== 'object' || value === null) return null;
  if (isNonNullType(type)) return exceededBy(value, type.ofType, definition, depth);
  if (depth > variableLimits.depth) return exceeded(definition, 'levels', variableLimits.depth, depth);
  if (isListType(type)) {
    if (!Array.isArray(value)) return exceededBy(value, type.ofType, definition, depth + 1);
    const limit = getNamedType(type).name === 'JSON' ? variableLimits.values : variableLimits.items;
    if (value.length > limit) return exceeded(definition, 'items of a list', limit, value.length);
    for (const item of value) {
      const fault = exceededBy(item, type.ofType, definition, depth + 1);
      if (fault) return fault;
    }
    return null;
  }
  if (!isInputObjectType(type)) return null;
  for (const field of Object.values(type.getFields())) {
    const fault = exceededBy((value as Record<string, unknown>)[field.name], field.type, definition, depth + 1);
    if (fault) return fault;
  }
  return null;
}

/** Over HTTP 400 where the media type has a status for it. */
const http = { status: 400, spec: true };

function exceeded(definition: VariableDefinitionNode, what: string, limit: number, actual: number): GraphQLError {
  const message = `Variable "$${definition.variable.name.value}" has ${what} beyond the limit of ${limit}`;
  return new GraphQLError(message, {
    nodes: definition,
    extensions: { code: 'LIMIT_EXCEEDED', details: { limit, actual }, http },
  });
}

function wrong(
  definition: VariableDefinitionNode,
  path: readonly (string | number)[],
  { message, extensions }: GraphQLError,
): GraphQLError {
  const name = definition.variable.name.value;
  const at = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('');
  const told = withoutValue(message).slice(0, maxMessageCharacters);
  const field = [name, ...path.filter((key) => typeof key === 'string')].join('.');
  return new GraphQLError(`Variable "$${name}" got an invalid value${at && ` at "${name}${at}"`}; ${told}`, {
    nodes: definition,
    extensions: { code: 'BAD_USER_INPUT', details: { fields: [{ path: field, message: told }] }, ...extensions, http },
  });
}

/** The scalars of the specification repeat what they were given. */
const withoutValue = (message: string): string => message.replace(/^(\w+ cannot represent [\w -]+): .*$/s, '$1');
