/** What a mutation refused to somebody for want of a right is put into the audit, for every mutation of the schema alike. */
import { defaultFieldResolver, type GraphQLSchema } from 'graphql';
import { AppError, type ErrorCode } from '../lib/errors.ts';
import { decodeId } from '../lib/ids.ts';
import type { Context } from './context.ts';

/** What is not the viewer's to see is not found by him; a key that may only read is told so. */
const refusals: ReadonlySet<ErrorCode> = new Set(['FORBIDDEN', 'NOT_FOUND', 'READ_ONLY']);

/** These write down themselves whom they refused. */
const auditThemselves: ReadonlySet<string> = new Set(['login']);

/** Changes the resolvers of the schema's mutations; behind authScopes, which are part of them. */
export function auditRefusals(schema: GraphQLSchema): GraphQLSchema {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    if (auditThemselves.has(field.name)) continue;
    const resolve = field.resolve ?? defaultFieldResolver;
    field.resolve = async (root, args, context: Context, info) => {
      try {
        return await resolve(root, args, context, info);
      } catch (error) {
        if (error instanceof AppError && refusals.has(error.code)) {
          const { viewer, caller, services } = context;
          const details = { mutation: field.name, code: error.code };
          await services.auditLog.refused({ viewer, caller, subject: firstId(args), details });
        }
        throw error;
      }
    };
  }
  return schema;
}

const maxIdCharacters = 1_000;
const maxDepth = 4;

/** What it was asked about: the first that is an id, however deep in the input. */
function firstId(value: unknown, depth = 0): string | null {
  if (typeof value === 'string') return value.length <= maxIdCharacters && decodeId(value) ? value : null;
  if (typeof value !== 'object' || value === null || depth > maxDepth) return null;
  for (const inner of Object.values(value)) {
    const id = firstId(inner, depth + 1);
    if (id !== null) return id;
  }
  return null;
}
