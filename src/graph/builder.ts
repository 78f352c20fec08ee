/** The one schema builder: plugins, scalars' types, and the rule that nothing is reachable by default. */
import SchemaBuilder from '@pothos/core';
import ComplexityPlugin from '@pothos/plugin-complexity';
import DataloaderPlugin from '@pothos/plugin-dataloader';
import PrismaPlugin from '@pothos/plugin-prisma';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin from '@pothos/plugin-scope-auth';
import ValidationPlugin from '@pothos/plugin-validation';
import type PrismaTypes from '../db/generated/pothos.ts';
import { getDatamodel } from '../db/generated/pothos.ts';
import { AppError, badInput } from '../lib/errors.ts';
import type { Context } from './context.ts';
import { costs } from './limits.ts';
import type { Rights } from './rights.ts';

export interface AuthScopes {
  /** Anybody, signed in or not. */
  public: boolean;
  signedIn: boolean;
  admin: boolean;
}

export interface SchemaShape {
  PrismaTypes: PrismaTypes;
  Context: Context;
  AuthScopes: AuthScopes;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: false;
  DefaultNodeNullability: false;
  Connection: { totalCount: number | (() => number | Promise<number>) };
  Scalars: {
    DateTime: { Input: Date; Output: Date };
    JSON: { Input: unknown; Output: unknown };
    BigInt: { Input: number; Output: number | bigint };
    ID: { Input: string; Output: string };
    File: { Input: File; Output: never };
  };
}

declare global {
  export namespace PothosSchemaTypes {
    // Joins Pothos' own declaration, whose parameter it must repeat.
    interface BaseTypeOptions<Types extends import('@pothos/core').SchemaTypes = import('@pothos/core').SchemaTypes> {
      /** Who may see an object of this type; see rights.ts. */
      rights?: Rights;
    }
  }
}

const prismaClient = (context: Context) => context.services.prisma;

export const builder = new SchemaBuilder<SchemaShape>({
  plugins: [ScopeAuthPlugin, ComplexityPlugin, PrismaPlugin, RelayPlugin, DataloaderPlugin, ValidationPlugin],
  defaultFieldNullability: false,
  prisma: { client: prismaClient, dmmf: getDatamodel(), onUnusedQuery: null },
  relay: {
    cursorType: 'String',
    nodeQueryOptions: false,
    nodesQueryOptions: false,
    nodesOnConnection: true,
    edgesFieldOptions: { nullable: false },
    nodeFieldOptions: { nullable: false },
    nodeTypeOptions: { description: 'Whatever has an id; `node(id)` finds it again.' },
    pageInfoTypeOptions: { rights: 'public' },
    defaultConnectionTypeOptions: { rights: 'parent' },
    defaultEdgeTypeOptions: { rights: 'parent' },
  },
  scopeAuth: {
    authorizeOnSubscribe: true,
    authScopes: ({ viewer }) => ({ public: true, signedIn: viewer !== null, admin: viewer?.role === 'admin' }),
    unauthorizedError: (_parent, { viewer }) =>
      viewer
        ? new AppError('FORBIDDEN', 'Only an administrator may do this')
        : new AppError('UNAUTHENTICATED', 'Sign in first'),
  },
  complexity: costs,
  validation: {
    validationError: ({ issues }) => {
      const [first, ...rest] = issues.map(({ message, path = [] }) => ({
        path: path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.'),
        message,
      }));
      return badInput(first ?? { path: 'input', message: 'not valid' }, ...rest);
    },
  },
});

builder.globalConnectionField('totalCount', (t) =>
  t.int({
    description: 'How many there are on all pages.',
    // A count is a query of its own: only who asks for it pays.
    resolve: ({ totalCount }) => (typeof totalCount === 'function' ? totalCount() : totalCount),
  }),
);

builder.queryType();
builder.mutationType();
builder.subscriptionType();
