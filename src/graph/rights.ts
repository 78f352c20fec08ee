/**
 * Deny by default, checked when the schema is built: a root field without a rule, or an object type that does not say
 * whose right it inherits, stops the start.
 */
import { type GraphQLSchema, isObjectType } from 'graphql';
import type { Action } from '../accounts/policy.ts';

/**
 * Who may see an object, as data: `public` holds nothing of anybody; `parent` is seen by whoever reached it through its
 * parent; an action is what its loader asks before the object is handed out.
 */
export type Rights = 'public' | 'parent' | Action;

interface PothosOptions {
  pothosOptions?: { rights?: Rights; authScopes?: unknown };
}

/** @throws Error that names everything that is open */
export function assertRights(schema: GraphQLSchema): void {
  const open: string[] = [];
  const roots = new Set([schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]);
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    if (roots.has(type)) {
      for (const field of Object.values(type.getFields())) {
        if (!(field.extensions as PothosOptions).pothosOptions?.authScopes) open.push(`${type.name}.${field.name}`);
      }
    } else if (!(type.extensions as PothosOptions).pothosOptions?.rights) {
      open.push(type.name);
    }
  }
  if (open.length > 0) throw new Error(`without a declared right: ${open.join(', ')}`);
}
