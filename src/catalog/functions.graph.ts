/** Functions, procedures, aggregates and window functions. */
import { type RoutineArgument, routineKinds } from '../engines/catalog.ts';
import { builder } from '../graph/builder.ts';
import { enumOf } from '../graph/enums.ts';
import { registerNode } from '../graph/nodes.ts';
import { functionId, readFunctionId } from './ids.ts';
import { FunctionType, SchemaType } from './types.graph.ts';

const FunctionKindEnum = enumOf('FunctionKind', routineKinds);

const FunctionArgumentType = builder.objectRef<RoutineArgument>('FunctionArgument').implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name', { nullable: true }),
    dataType: t.exposeString('dataType'),
    mode: t.exposeString('mode', { description: 'IN, OUT, INOUT, VARIADIC or TABLE.' }),
    default: t.exposeString('default', { nullable: true }),
  }),
});

FunctionType.implement({
  rights: 'database:see',
  answers: 'kept',
  interfaces: [builder.nodeInterfaceRef()],
  fields: (t) => ({
    id: t.id({ resolve: (fn) => functionId(fn.databaseId, fn) }),
    name: t.exposeString('name'),
    schema: t.field({ type: SchemaType, resolve: ({ databaseId, schema }) => ({ databaseId, name: schema }) }),
    kind: t.expose('kind', { type: FunctionKindEnum }),
    arguments: t.field({ type: [FunctionArgumentType], resolve: (fn) => fn.arguments }),
    returns: t.exposeString('returns', { nullable: true, description: 'Null for a procedure.' }),
    language: t.exposeString('language'),
    volatility: t.exposeString('volatility', { nullable: true, description: 'IMMUTABLE, STABLE or VOLATILE.' }),
    securityDefiner: t.exposeBoolean('securityDefiner', { description: 'Runs with the rights of its owner.' }),
    comment: t.exposeString('comment', { nullable: true }),
    definition: t.exposeString('definition', { nullable: true, description: 'Null for an aggregate.' }),
  }),
});

registerNode('Function', async (context, parts) => {
  const { catalog } = context.services;
  const id = readFunctionId(parts);
  return id && catalog.visible(() => catalog.functionNamed(context, id.databaseId, id.name));
});
