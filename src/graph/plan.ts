/**
 * A query whose every field is declared in answers.ts, or a subscription whose every field is `told`, made into a plan
 * once and run for each request, or event: straight to JSON, with no path, no info and no promise a cell. It knows the way without a fault only: whatever else happens makes it give
 * up, and the executor answers instead, in the same context, where what was read is still there.
 */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLBoolean,
  type GraphQLField,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  GraphQLString,
  getArgumentValues,
  getDirectiveValues,
  getVariableValues,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
  typeFromAST,
} from 'graphql';
import { answersOf } from './answers.ts';
import { createTelling, type Telling } from './telling.ts';

export interface PlanArguments {
  readonly contextValue: unknown;
  readonly variableValues?: Readonly<Record<string, unknown>> | null | undefined;
}

export interface Plan {
  /** Every field of it is declared `kept`. */
  readonly kept: boolean;
  /** The data as JSON; null where the executor has to answer. Never throws, never rejects. */
  run(args: PlanArguments): Promise<string | null>;
  /** Of a subscription; null where the executor has to answer. The same for all whose variables come to the same. */
  telling(variableValues: PlanArguments['variableValues']): Telling | null;
}

export interface PlanSource {
  readonly schema: GraphQLSchema;
  /** Valid by the schema. */
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
}

type Variables = Readonly<Record<string, unknown>>;

interface Run {
  readonly context: unknown;
  readonly variables: Variables;
}

/** A value as JSON. */
type Complete = (value: unknown, run: Run) => string | Promise<string>;

interface Step {
  readonly key: string;
  readonly read: (source: unknown, run: Run) => unknown;
  readonly complete: Complete;
  /** Of the source alone: the same for every viewer and every question. */
  readonly fixed: boolean;
}

/** Of one document, by what its conditions say. */
const maxShapes = 16;
/** Characters of one list in a document, over all that it was made for. */
const maxRemembered = 1_000_000;

class GivenUp extends Error {}

const giveUp = (why: string): never => {
  throw new GivenUp(why);
};

/** Null for a document that is no plan's. A subscription's is never run. */
export function planOf({ schema, document, operation }: PlanSource): Plan | null {
  const type = schema.getRootType(operation.operation);
  if (operation.operation === OperationTypeNode.MUTATION || !type) return null;
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const one of document.definitions) {
    if (one.kind === Kind.FRAGMENT_DEFINITION) fragments.set(one.name.value, one);
  }
  const found = surveyed(schema, type, operation, fragments);
  if (!found) return null;
  const shapes = new Map<string, Complete>();
  const tellings = new Map<Complete, Telling>();
  let hopeless = false;

  function shapeOf(variables: Variables): Complete | null {
    const key = found!.conditions.map((name) => variables[name]).join();
    const known = shapes.get(key);
    if (known || shapes.size >= maxShapes) return known ?? null;
    const shape = compiled({ schema, operation, fragments, variables });
    shapes.set(key, shape);
    return shape;
  }

  return {
    kept: found.kept,
    async run({ contextValue, variableValues }) {
      if (hopeless) return null;
      try {
        const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {});
        if (!coerced) return null;
        const shape = shapeOf(coerced);
        return shape && (await shape(undefined, { context: contextValue, variables: coerced }));
      } catch (error) {
        // What cannot be planned stays so; what went wrong this once may go well the next time.
        hopeless ||= error instanceof NeedsInfo;
        return null;
      }
    },
    telling(variableValues) {
      const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {});
      const shape = coerced ? shapeOf(coerced) : null;
      if (!shape) return null;
      // No field has an argument, and what conditions say is in the shape.
      const telling =
        tellings.get(shape) ?? createTelling((event, context) => shape(event, { context, variables: {} }));
      tellings.set(shape, telling);
      return telling;
    },
  };
}

/** What the document leads to, whatever its conditions are; null where that is something else than plans may have. */
function surveyed(
  schema: GraphQLSchema,
  root: GraphQLObjectType,
  operation: OperationDefinitionNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
): { kept: boolean; conditions: string[] } | null {
  const conditions = new Set<string>();
  const seen = new Set<string>();
  let kept = true;
  const told = operation.operation === OperationTypeNode.SUBSCRIPTION;

  function isPlain(set: SelectionSetNode, type: GraphQLObjectType): boolean {
    return set.selections.every((node) => {
      for (const directive of node.directives ?? []) {
        if (directive.name.value !== 'skip' && directive.name.value !== 'include') return false;
        const value = directive.arguments?.[0]?.value;
        if (value?.kind === Kind.VARIABLE) conditions.add(value.name.value);
      }
      if (node.kind === Kind.FIELD) return isPlainField(node, type);
      if (node.kind === Kind.INLINE_FRAGMENT) return isPlainFragment(node, type);
      const fragment = fragments.get(node.name.value);
      const key = `${type.name} ${node.name.value}`;
      if (!fragment || seen.has(key)) return fragment !== undefined;
      seen.add(key);
      return (fragment.directives ?? []).length === 0 && isPlainFragment(fragment, type);
    });
  }

  const isPlainFragment = (
    fragment: Pick<FragmentDefinitionNode, 'selectionSet'> & Partial<Pick<FragmentDefinitionNode, 'typeCondition'>>,
    type: GraphQLObjectType,
  ) => !applies(schema, fragment, type) || isPlain(fragment.selectionSet, type);

  function isPlainField(node: FieldNode, type: GraphQLObjectType): boolean {
    // As a key of an object it is none.
    if (node.alias?.value === '__proto__') return false;
    if (node.name.value === '__typename') return true;
    const field = type.getFields()[node.name.value];
    const answers = field && answersOf(type, field);
    if (!field || !answers) return false;
    if (told && (answers !== 'told' || (type !== root && field.args.length > 0))) return false;
    kept &&= answers === 'kept';
    const inner = innermost(field.type);
    return !node.selectionSet || (isObjectType(inner) && isPlain(node.selectionSet, inner));
  }

  const plain = (operation.directives ?? []).length === 0 && isPlain(operation.selectionSet, root);
  return plain ? { kept, conditions: [...conditions] } : null;
}

interface CompileDeps {
  schema: GraphQLSchema;
  operation: OperationDefinitionNode;
  fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** What conditions are decided by. */
  variables: Variables;
}

function compiled({ schema, operation, fragments, variables }: CompileDeps): Complete {
  const root = schema.getRootType(operation.operation)!;

  /** As the specification collects fields (CollectFields): in the order of their first mention. */
  function collect(
    sets: readonly SelectionSetNode[],
    type: GraphQLObjectType,
    fields = new Map<string, FieldNode[]>(),
    visited = new Set<string>(),
  ): Map<string, FieldNode[]> {
    for (const node of sets.flatMap(({ selections }) => selections)) {
      if (getDirectiveValues(GraphQLSkipDirective, node, variables)?.if === true) continue;
      if (getDirectiveValues(GraphQLIncludeDirective, node, variables)?.if === false) continue;
      if (node.kind === Kind.FIELD) {
        const key = node.alias?.value ?? node.name.value;
        const known = fields.get(key);
        if (known) known.push(node);
        else fields.set(key, [node]);
      } else if (node.kind === Kind.INLINE_FRAGMENT) {
        if (applies(schema, node, type)) collect([node.selectionSet], type, fields, visited);
      } else if (!visited.has(node.name.value)) {
        visited.add(node.name.value);
        const fragment = fragments.get(node.name.value);
        if (fragment && applies(schema, fragment, type)) collect([fragment.selectionSet], type, fields, visited);
      }
    }
    return fields;
  }

  function stepOf(key: string, nodes: readonly FieldNode[], type: GraphQLObjectType): Step {
    const [node] = nodes;
    const name = node!.name.value;
    if (name === '__typename')
      return { key, read: () => type.name, complete: (value) => JSON.stringify(value), fixed: true };
    const field = type.getFields()[name]!;
    const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
    const { complete, fixed } = completerOf(field.type, sets);
    return {
      key,
      read: isEvent(type)
        ? eventReader(field, rootInfo(key, field, nodes, type))
        : readerOf(field, node!, type === root ? rootInfo(key, field, nodes, type) : noInfo),
      complete,
      fixed: fixed && answersOf(type, field) === 'kept' && field.args.length === 0 && (field.resolve?.length ?? 0) <= 1,
    };
  }

  const isEvent = (type: GraphQLObjectType) => operation.operation === OperationTypeNode.SUBSCRIPTION && type === root;

  function rootInfo(
    key: string,
    { name, type: returnType }: GraphQLField<unknown, unknown>,
    fieldNodes: readonly FieldNode[],
    parentType: GraphQLObjectType,
  ) {
    const path = { prev: undefined, key, typename: parentType.name };
    return (variableValues: Variables): object => ({
      fieldName: name,
      fieldNodes,
      returnType,
      parentType,
      path,
      schema,
      fragments: Object.fromEntries(fragments),
      rootValue: undefined,
      operation,
      variableValues,
    });
  }

  function completerOf(type: GraphQLOutputType, sets: readonly SelectionSetNode[]): Completer {
    if (!isNonNullType(type)) {
      const { complete, fixed } = completerOfPresent(type, sets);
      return { complete: (value, run) => (value == null ? 'null' : complete(value, run)), fixed };
    }
    const { complete, fixed } = completerOfPresent(type.ofType, sets);
    return {
      complete: (value, run) => (value == null ? giveUp('null where there must be something') : complete(value, run)),
      fixed,
    };
  }

  function completerOfPresent(type: GraphQLOutputType, sets: readonly SelectionSetNode[]): Completer {
    if (isLeafType(type)) {
      const own = type === GraphQLString ? 'string' : type === GraphQLBoolean ? 'boolean' : null;
      const complete = (value: unknown) =>
        JSON.stringify(typeof value === own ? value : (type.serialize(value) ?? giveUp('no value of its type')));
      return { complete, fixed: true };
    }
    if (isListType(type)) {
      const { complete, fixed } = completerOf(type.ofType, sets);
      const whole = listOf(complete);
      // Lists of values are short, and made as fast as found.
      return { complete: fixed && sets.length > 0 ? remembered(whole) : whole, fixed };
    }
    if (!isObjectType(type)) return giveUp('neither a value, a list nor an object');
    const steps = [...collect(sets, type)].map(([key, nodes]) => stepOf(key, nodes, type));
    return { complete: objectOf(steps), fixed: steps.every(({ fixed }) => fixed) };
  }

  const steps = [...collect([operation.selectionSet], root)].map(([key, nodes]) => stepOf(key, nodes, root));
  return objectOf(steps);
}

interface Completer {
  readonly complete: Complete;
  /** As Step.fixed, of the value alone. */
  readonly fixed: boolean;
}

const noInfo = (): object => untouchable;

class NeedsInfo extends GivenUp {}

/** What a resolver is given that is declared to need nothing of it. */
const untouchable = new Proxy(
  {},
  {
    get: () => {
      throw new NeedsInfo('a resolver looks at the execution');
    },
  },
);

function readerOf(
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  info: (variables: Variables) => object,
): Step['read'] {
  const { name, resolve } = field;
  const isStatic = (node.arguments ?? []).every(({ value }) => value.kind !== Kind.VARIABLE && isConstant(value));
  if (!resolve) {
    return (source, { context, variables }) => {
      const value = (source as Record<string, unknown>)[name];
      return typeof value === 'function'
        ? value.call(source, getArgumentValues(field, node, variables), context, info(variables))
        : value;
    };
  }
  // Arguments without variables are the same for all, but the object is each call's own.
  const shared = isStatic ? getArgumentValues(field, node) : null;
  return (source, { context, variables }) =>
    resolve(
      source,
      shared ? { ...shared } : getArgumentValues(field, node, variables),
      context,
      info(variables) as never,
    );
}

/** What somebody subscribed to is in the event; how he asked for it is not. */
const eventReader =
  ({ resolve }: GraphQLField<unknown, unknown>, info: (variables: Variables) => object): Step['read'] =>
  (event, { context, variables }) =>
    resolve ? resolve(event, {}, context, info(variables) as never) : giveUp('nothing says what of the event it is');

/** Lists and objects may have variables in them: they are read anew. */
const isConstant = ({ kind }: { kind: Kind }): boolean => kind !== Kind.LIST && kind !== Kind.OBJECT;

function objectOf(steps: readonly Step[]): Complete {
  const heads = steps.map(({ key }, place) => `${place === 0 ? '{' : ','}${JSON.stringify(key)}:`);
  return (source, run) => {
    if (source instanceof Error) throw source;
    if (steps.length === 0) return '{}';
    let text = '';
    let parts: (string | Promise<string>)[] | null = null;
    try {
      for (let place = 0; place < steps.length; place += 1) {
        const { read, complete } = steps[place]!;
        const value = read(source, run);
        const completed = isPromise(value) ? value.then((late) => complete(late, run)) : complete(value, run);
        text += heads[place];
        if (typeof completed === 'string') text += completed;
        else {
          parts ??= [];
          parts.push(text, completed);
          text = '';
        }
      }
    } catch (error) {
      forget(parts);
      throw error;
    }
    return parts === null ? `${text}}` : Promise.all([...parts, text, '}']).then(joined);
  };
}

const joined = (parts: readonly string[]): string => parts.join('');

function listOf(complete: Complete): Complete {
  return (list, run) => {
    if (!Array.isArray(list)) return giveUp('no list');
    let waits = false;
    const items: (string | Promise<string>)[] = [];
    try {
      for (let place = 0; place < list.length; place += 1) {
        const item: unknown = list[place];
        const completed = isPromise(item) ? item.then((late) => complete(late, run)) : complete(item, run);
        waits ||= typeof completed !== 'string';
        items.push(completed);
      }
    } catch (error) {
      forget(items);
      throw error;
    }
    return waits ? Promise.all(items).then((texts) => `[${texts.join()}]`) : `[${items.join()}]`;
  };
}

/** Of one list, by the list itself: those of a snapshot are the same objects for as long as it is open. */
function remembered(complete: Complete): Complete {
  let texts = new WeakMap<object, string>();
  let characters = 0;
  return (list, run) => {
    const known = texts.get(list as object);
    if (known !== undefined) return known;
    const text = complete(list, run);
    if (typeof text !== 'string') return text;
    // What was let go of is counted too: then the others are made once more.
    characters += text.length;
    if (characters > maxRemembered) {
      texts = new WeakMap();
      characters = text.length;
    }
    texts.set(list as object, text);
    return text;
  };
}

/** Of what nobody waits for any more, a rejection ends the process. */
function forget(promises: readonly unknown[] | null): void {
  for (const one of promises ?? []) if (isPromise(one)) one.then(undefined, () => undefined);
}

const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as Promise<unknown>).then === 'function';

function innermost(type: GraphQLOutputType): GraphQLOutputType {
  return isNonNullType(type) || isListType(type) ? innermost(type.ofType) : type;
}

function applies(
  schema: GraphQLSchema,
  { typeCondition }: Partial<Pick<FragmentDefinitionNode, 'typeCondition'>>,
  type: GraphQLObjectType,
): boolean {
  const condition = typeCondition && typeFromAST(schema, typeCondition);
  return !condition || condition === type || (isAbstractType(condition) && schema.isSubType(condition, type));
}
