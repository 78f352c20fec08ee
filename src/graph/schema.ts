/** The schema: every *.graph.ts registers its part by being imported here, one line each. */
import './scalars.ts';
import './nodes.ts';
import './server.graph.ts';
import '../accounts/users.graph.ts';
import '../accounts/accounts.graph.ts';
import '../accounts/keys/keys.graph.ts';
import '../accounts/totp/totp.graph.ts';
import '../accounts/administration/administration.graph.ts';
import '../accounts/passwords.graph.ts';
import '../accounts/profiles.graph.ts';
import '../projects/projects.graph.ts';
import '../projects/tasks/tasks.graph.ts';
import '../projects/invitations/invitations.graph.ts';
import '../audit/audit.graph.ts';
import '../catalog/columns.graph.ts';
import '../catalog/database-fields.graph.ts';
import '../catalog/drift.graph.ts';
import '../catalog/functions.graph.ts';
import '../catalog/keys.graph.ts';
import '../catalog/parts.graph.ts';
import '../catalog/rules.graph.ts';
import '../catalog/schemas.graph.ts';
import '../catalog/search.graph.ts';
import '../catalog/snapshots.graph.ts';
import '../catalog/tables.graph.ts';
import '../catalog/tracking.graph.ts';
import '../catalog/values.graph.ts';
import '../databases/databases.graph.ts';
import '../databases/activity.graph.ts';
import '../jobs/jobs.graph.ts';
import '../queries/queries.graph.ts';
import '../exports/exports.graph.ts';
import '../queries/explain.graph.ts';
import '../queries/saved/saved-queries.graph.ts';
import '../queries/job-rows.graph.ts';
import '../storage/files/buckets.graph.ts';
import '../storage/files/files.graph.ts';
import '../realtime/channels.graph.ts';
import '../realtime/row-changes.graph.ts';
import '../realtime/feed-health.graph.ts';
import '../rows/row-filter.graph.ts';
import '../realtime/live.graph.ts';
import type { GraphQLSchema } from 'graphql';
import { builder } from './builder.ts';
import { guardMutations } from './keyed-mutations.ts';
import { auditRefusals } from './refusals.ts';
import { assertRights } from './rights.ts';

/** @throws Error where something is reachable without a declared right */
export function createSchema(): GraphQLSchema {
  const schema = builder.toSchema();
  assertRights(schema);
  return auditRefusals(guardMutations(schema));
}
