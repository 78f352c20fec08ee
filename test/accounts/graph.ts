/** Runs documents on the schema as one viewer or another, without HTTP. */
import { type ExecutionResult, graphql } from 'graphql';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { createAuditLog } from '../../src/audit/audit-log.ts';
import type { Context } from '../../src/graph/context.ts';
import { publicError } from '../../src/graph/errors.ts';
import { createSchema } from '../../src/graph/schema.ts';
import { createLog } from '../../src/lib/log.ts';
import type { Services } from '../../src/services.ts';
import { caller, type World } from './world.ts';

const schema = createSchema();
const log = createLog({ level: 'silent', format: 'json' });

export interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: whatever the document of a test asks for
  data: any;
  /** Of the first error. */
  code: unknown;
  details: unknown;
  errors: ExecutionResult['errors'];
}

/** Only the services that accounts and projects have; a document that needs another fails. */
export function createGraph(world: World) {
  const { access, pool, prisma, keyring } = world;
  const auditLog = createAuditLog({ pool, keyring, log });
  const services = {
    startedAt: new Date(),
    settings: world.settings,
    prisma,
    accounts: world.accounts,
    apiKeys: world.apiKeys,
    secondFactors: world.secondFactors,
    administration: world.administration,
    projects: world.projects,
    invitations: world.invitations,
    tasks: world.tasks,
    access,
    auditLog,
  } as unknown as Services;
  return async (viewer: Viewer | null, source: string, variableValues: Record<string, unknown> = {}) => {
    const contextValue: Context = {
      viewer,
      services,
      caller,
      requestId: 'test',
      signal: new AbortController().signal,
      authorization: null,
      lifetime: null,
    };
    const result = await graphql({ schema, source, variableValues, contextValue });
    const errors = result.errors?.map((error) => publicError(error, { log, requestId: 'test' }));
    const { code, details } = errors?.[0]?.extensions ?? {};
    return { data: result.data, errors, code, details } as Answer;
  };
}
