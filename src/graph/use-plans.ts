/** Runs documents by their plan where they have one. A document is planned when it comes again. */
import { type DocumentNode, type GraphQLSchema, getOperationAST } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { type Plan, planOf } from './plan.ts';

/** Undefined while it came but once. */
type Planned = Map<string, Plan | null | undefined>;

export interface Plans {
  /** Null where the executor has to answer. */
  of(document: DocumentNode, operationName: string | null | undefined): Plan | null;
}

export function createPlans(schema: GraphQLSchema): Plans {
  // Documents are kept by the cache of parsed ones, and plans as long as they.
  const plans = new WeakMap<DocumentNode, Planned>();

  return {
    of(document, operationName) {
      const ofDocument: Planned = plans.get(document) ?? new Map();
      plans.set(document, ofDocument);
      // A name that the document does not have is nobody's plan.
      const operation = getOperationAST(document, operationName);
      if (!operation) return null;
      const name = operation.name?.value ?? '';
      const known = ofDocument.get(name);
      if (known !== undefined) return known;
      const plan = ofDocument.has(name) ? planOf({ schema, document, operation }) : undefined;
      ofDocument.set(name, plan);
      return plan ?? null;
    },
  };
}

export function usePlans(plans: Plans): Plugin {
  return {
    onExecute({ args, executeFn, setExecuteFn }) {
      const plan = plans.of(args.document, args.operationName);
      if (plan) setExecuteFn(async () => (await plan.run(args)) ?? executeFn(args));
    },
  };
}
