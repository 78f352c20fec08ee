/** How SQL would be run, or was. */
import type { QueryPlan } from '../engines/engine.ts';
import { builder } from '../graph/builder.ts';
import { QueryTarget, targetOf } from './queries.graph.ts';

const ExplainQueryInput = builder.inputType('ExplainQueryInput', {
  fields: (t) => ({
    target: t.field({ type: QueryTarget, required: true }),
    sql: t.string({ required: true, description: 'One statement, without EXPLAIN.' }),
    parameters: t.field({
      type: ['JSON'],
      required: { list: false, items: false },
      description: '$1, $2 …; int8 and numeric as strings.',
    }),
    analyze: t.boolean({
      defaultValue: false,
      description:
        'Runs the statement, in a transaction that is rolled back: the plan then has times and actual rows. What acts ' +
        'outside of transactions, such as nextval(), is not undone; a warning says so.',
    }),
  }),
});

const QueryPlanType = builder.objectRef<QueryPlan>('QueryPlan').implement({
  rights: 'parent',
  fields: (t) => ({
    plan: t.field({
      type: 'JSON',
      description: 'In the engine’s words. A number that a double does not hold digit for digit is a string.',
      resolve: ({ plan }) => plan as never,
    }),
    text: t.exposeString('text', { description: 'The same as the engine prints it.' }),
    estimatedCost: t.exposeFloat('estimatedCost', { nullable: true, description: 'In the planner’s own unit.' }),
    estimatedRows: t.expose('estimatedRows', {
      type: 'BigInt',
      nullable: true,
      description: 'Of the topmost step; null beyond 2^53 - 1.',
    }),
    reads: t.exposeStringList('reads', {
      description:
        'Tables read, as schema.table, quoted where SQL needs it: through views, policies and functions in SQL, also ' +
        'where the planner leaves them out; of a partitioned table itself and the partitions that are left. With ' +
        '`analyze` also those that functions and triggers of any language read. Checks of foreign keys are not listed.',
    }),
    writes: t.exposeStringList('writes', {
      description: 'Tables written to, by the same rules; also those that ON DELETE changes.',
    }),
    warnings: t.exposeStringList('warnings', {
      description: 'In plain sentences: what looks like a mistake, and what could not be known.',
    }),
  }),
});

const ExplainQueryPayload = builder.objectRef<{ plan: QueryPlan }>('ExplainQueryPayload').implement({
  rights: 'parent',
  fields: (t) => ({ plan: t.expose('plan', { type: QueryPlanType }) }),
});

builder.mutationField('explainQuery', (t) =>
  t.field({
    type: ExplainQueryPayload,
    description: 'How one statement would be run. It is not run, unless `analyze` asks for it.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: ExplainQueryInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, signal }) => ({
      plan: await services.explain.explain(
        viewer,
        {
          target: targetOf(input.target),
          sql: input.sql,
          parameters: input.parameters ?? null,
          analyze: input.analyze ?? false,
        },
        { signal },
      ),
    }),
  }),
);
