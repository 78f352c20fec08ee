/** What may be changed with an API key, and the scope that it takes. A mutation that is not here takes a session. */
import type { GraphQLSchema } from 'graphql';
import { requireScope } from '../accounts/policy.ts';
import type { ApiKeyScope } from '../accounts/viewer.ts';
import type { Context } from './context.ts';

const keyedMutations: Readonly<Record<string, ApiKeyScope>> = {
  refreshCatalog: 'read',

  submitQuery: 'query',
  explainQuery: 'query',
  retryJob: 'query',
  cancelJob: 'query',
  exportJob: 'query',
  runSavedQuery: 'query',

  reprioritizeJob: 'write',
  deleteJob: 'write',
  createSavedQuery: 'write',
  updateSavedQuery: 'write',
  deleteSavedQuery: 'write',
  uploadFile: 'write',
  createUpload: 'write',
  moveFile: 'write',
  deleteFile: 'write',
  broadcast: 'write',
  createTask: 'write',
  updateTask: 'write',
  deleteTask: 'write',
  updateProject: 'write',

  testConnection: 'admin',
  connectDatabase: 'admin',
  createHostedDatabase: 'admin',
  updateDatabase: 'admin',
  disconnectDatabase: 'admin',
  enableChangeTracking: 'admin',
  disableChangeTracking: 'admin',
  createProject: 'admin',
  deleteProject: 'admin',
  addMember: 'admin',
  inviteMember: 'admin',
  revokeInvitation: 'admin',
  updateMember: 'admin',
  removeMember: 'admin',
  createBucket: 'admin',
  updateBucket: 'admin',
  deleteBucket: 'admin',
  updateSettings: 'admin',
};

/**
 * Asks before anything of the mutation is looked at, so that one which asks the policy for too little still takes its
 * scope. @throws Error for a name that is no mutation's
 */
export function guardMutations(schema: GraphQLSchema): GraphQLSchema {
  const mutations = schema.getMutationType()?.getFields() ?? {};
  const unknown = Object.keys(keyedMutations).filter((name) => !mutations[name]);
  if (unknown.length > 0) throw new Error(`no mutations: ${unknown.join(', ')}`);
  for (const field of Object.values(mutations)) {
    const { resolve } = field;
    const scope = keyedMutations[field.name] ?? null;
    field.resolve = (root, args, context: Context, info) => {
      requireScope(context.viewer, scope);
      return resolve?.(root, args, context, info);
    };
  }
  return schema;
}
