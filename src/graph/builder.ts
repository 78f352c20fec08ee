/** The one schema builder: plugins, scalars' types, and the rule that nothing is reachable by default. */
import SchemaBuilder, {
  type FieldNullability,
  type InputFieldMap,
  type SchemaTypes,
  type TypeParam,
} from '@pothos/core';
import ComplexityPlugin from '@pothos/plugin-complexity';
import DataloaderPlugin from '@pothos/plugin-dataloader';
import PrismaPlugin from '@pothos/plugin-prisma';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin from '@pothos/plugin-scope-auth';
import ValidationPlugin from '@pothos/plugin-validation';
import { isAnonymous } from '../accounts/viewer.ts';
import type PrismaTypes from '../db/generated/pothos.ts';
import { getDatamodel } from '../db/generated/pothos.ts';
import { AppError, badInput } from '../lib/errors.ts';
import type { Answers } from './answers.ts';
import type { Context } from './context.ts';
import { costs } from './costs.ts';
import type { Rights } from './rights.ts';

export interface AuthScopes {
  /** Anybody, signed in or not. */
  public: boolean;
  /** Who is signed in, and an anonymous key: for what is public in part. */
  guest: boolean;
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
    // These join Pothos' own declarations, whose parameters they must repeat.
    interface BaseTypeOptions<Types extends SchemaTypes = SchemaTypes> {
      /** Who may see an object of this type; see rights.ts. */
      rights?: Rights;
      /** What its fields' answers are made of; see answers.ts. */
      answers?: Answers;
    }

    interface FieldOptions<
      Types extends SchemaTypes = SchemaTypes,
      ParentShape = unknown,
      Type extends TypeParam<Types> = TypeParam<Types>,
      Nullable extends FieldNullability<Type> = FieldNullability<Type>,
      Args extends InputFieldMap = InputFieldMap,
      ResolveShape = unknown,
      ResolveReturnShape = unknown,
    > {
      /** Where it is another than its type's; see answers.ts. */
      answers?: Answers;
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
    pageInfoTypeOptions: { rights: 'public', answers: 'kept' },
    defaultConnectionTypeOptions: { rights: 'parent', answers: 'kept' },
    defaultEdgeTypeOptions: { rights: 'parent', answers: 'kept' },
  },
  scopeAuth: {
    authorizeOnSubscribe: true,
    authScopes: ({ viewer }) => ({
      public: true,
      guest: viewer !== null,
      signedIn: viewer !== null && !isAnonymous(viewer),
      admin: viewer?.role === 'admin',
    }),
    unauthorizedError: (_parent, { viewer }) =>
      viewer && !isAnonymous(viewer)
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
