/** Runs documents by their plan where they have one. A document is planned when it comes again. */
import { type DocumentNode, type ExecutionArgs, type GraphQLSchema, getOperationAST, OperationTypeNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Context } from './context.ts';
import { JsonData } from './json-data.ts';
import { type Plan, type PlanArguments, planOf } from './plan.ts';
import type { Telling } from './telling.ts';

/** Undefined while it came but once. */
type Planned = Map<string, Plan | null | undefined>;

export interface Plans {
  /** Null where the executor has to answer. */
  of(document: DocumentNode, operationName: string | null | undefined): Plan | null;
  /** The one that was made before, if any. */
  made(document: DocumentNode, operationName: string | null | undefined): Plan | null;
  /** Of a subscription, planned when it comes first; null where the executor has to answer. */
  telling(args: Subscribing): Telling | null;
}

type Subscribing = Pick<ExecutionArgs, 'document' | 'operationName'> & Pick<PlanArguments, 'variableValues'>;

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
    made: (document, operationName) =>
      plans.get(document)?.get(getOperationAST(document, operationName)?.name?.value ?? '') ?? null,
    telling({ document, operationName, variableValues }) {
      const ofDocument: Planned = plans.get(document) ?? new Map();
      plans.set(document, ofDocument);
      const operation = getOperationAST(document, operationName);
      if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) return null;
      const name = operation.name?.value ?? '';
      const plan = ofDocument.get(name) ?? planOf({ schema, document, operation });
      ofDocument.set(name, plan);
      return plan?.telling(variableValues) ?? null;
    },
  };
}

export function usePlans(plans: Plans): Plugin {
  return {
    onExecute({ args, executeFn, setExecuteFn }) {
      (args.contextValue as unknown as Context).reads =
        getOperationAST(args.document, args.operationName)?.operation === 'query';
      const plan = plans.of(args.document, args.operationName);
      if (!plan) return;
      setExecuteFn(async () => {
        const text = await plan.run(args);
        return text === null ? executeFn(args) : { data: new JsonData(text) };
      });
    },
  };
}
