/** The schema: every *.graph.ts registers its part by being imported here, one line each. */
import './scalars.ts';
import './nodes.ts';
import './server.graph.ts';
import '../accounts/users.graph.ts';
import '../accounts/accounts.graph.ts';
import '../projects/projects.graph.ts';
import '../databases/databases.graph.ts';
import '../jobs/jobs.graph.ts';
import '../queries/queries.graph.ts';
import type { GraphQLSchema } from 'graphql';
import { builder } from './builder.ts';
import { assertRights } from './rights.ts';

/** @throws Error where something is reachable without a declared right */
export function createSchema(): GraphQLSchema {
  const schema = builder.toSchema();
  assertRights(schema);
  return schema;
}
