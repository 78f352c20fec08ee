/** A walk of the whole schema as people who may not see what somebody else made: TEN-1, for every root field and every kind of node. */
import {
  buildClientSchema,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getIntrospectionQuery,
  getNamedType,
  type IntrospectionQuery,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeId, encodeId, uuidv7 } from '../../src/lib/ids.ts';
import { createAnalyst } from '../acceptance/support.ts';
import type { ApiKeyScope } from '../generated/graphql.ts';
import { createFileClient } from '../storage/files/client.ts';
import { createTestDatabase, type TestDatabase } from '../support/databases.ts';
import { CancelDocument, CreateApiKeyDocument, LogoutDocument } from '../support/operations.ts';
import { type Account, type Answer, type Quarry, startQuarry } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';

const rowKinds = [
  'User',
  'Session',
  'ApiKey',
  'Project',
  'ProjectMember',
  'Task',
  'Invitation',
  'Database',
  'Job',
  'ResultSet',
  'SavedQuery',
  'Bucket',
  'StoredFile',
  'AuditEntry',
] as const;
const catalogKinds = ['Schema', 'Table', 'Column', 'Index', 'ForeignKey', 'EnumType', 'Function'] as const;
const kinds = [...rowKinds, ...catalogKinds] as const;
type Kind = (typeof kinds)[number];

const strangers = ['stranger', 'anonymous'] as const;
const members = ['viewer', 'editor'] as const;
const others = [...strangers, ...members] as const;
const callers = ['owner', 'administrator', ...others] as const;
type Caller = (typeof callers)[number];
type Other = (typeof others)[number];

/** What the operations are given: one id of each kind, and an address. */
type Things = Record<Kind | 'email', string>;

/** In the name of everything that the owner made, and of nothing else. */
const mark = 'ptarmigan';
const fixture = `
  CREATE TYPE ${mark}_mood AS ENUM ('calm', 'loud');
  CREATE TABLE ${mark}_birds (bird_id int CONSTRAINT ${mark}_key PRIMARY KEY, mood ${mark}_mood);
  CREATE TABLE ${mark}_eggs (egg_id int, laid_by int CONSTRAINT ${mark}_laid REFERENCES ${mark}_birds);
  CREATE FUNCTION ${mark}_count(at_least int) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM ${mark}_birds';
  INSERT INTO ${mark}_birds VALUES (1, 'calm');
`;

let quarry: Quarry;
let schema: GraphQLSchema;
let target: TestDatabase;
let people: Record<Exclude<Caller, 'anonymous'>, Account>;
let things: Things;
let strangersDatabase: string;

const askerOf = (caller: Caller) => (caller === 'anonymous' ? {} : people[caller]);

async function askAs(caller: Caller, query: string, variables: Record<string, unknown> = {}): Promise<Answer<unknown>> {
  return quarry.execute<unknown, Record<string, unknown>>(query, variables, askerOf(caller));
}

/** @throws Error for an answer with errors */
async function make<Data>(query: string, variables: Record<string, unknown>): Promise<Data> {
  const { data, errors } = await askAs('owner', query, variables);
  if (errors) throw new Error(JSON.stringify(errors));
  return data as Data;
}

beforeAll(async () => {
  [quarry, target] = await Promise.all([startQuarry(), createTestDatabase()]);
  // The first account of all is the administrator.
  const administrator = await quarry.register();
  const [owner, stranger, viewer, editor] = await Promise.all([
    quarry.register(`${mark}@example.com`),
    quarry.register(),
    quarry.register(),
    quarry.register(),
  ]);
  people = { administrator, owner, stranger, viewer, editor };
  const introspection = await askAs('administrator', getIntrospectionQuery());
  schema = buildClientSchema(introspection.data as IntrospectionQuery);
  strangersDatabase = await createAnalyst({ quarry, account: stranger }).host('mine');
  things = await everythingOf(owner);
});

afterAll(async () => {
  await quarry?.[Symbol.asyncDispose]();
  await target?.[Symbol.asyncDispose]();
});

interface Made {
  viewer: { sessions: { id: string }[] };
  auditLog: { nodes: { id: string }[] };
  job: { result: { id: string } };
  database: {
    schema: { id: string; enums: { id: string }[]; functions: { nodes: { id: string }[] } };
    eggs: { column: { id: string }; foreignKeys: { id: string }[] };
    birds: { id: string; indexes: { id: string }[] };
  };
}

/** One of every kind, made by its owner; the others are members of its project. */
async function everythingOf(owner: Account): Promise<Things> {
  const { createProject } = await make<{ createProject: { project: { id: string; members: { id: string }[] } } }>(
    `mutation { createProject(input: { name: "${mark}", description: "${mark}" }) { project { id members { id } } } }`,
    {},
  );
  const { project } = createProject;
  for (const role of members) {
    await make('mutation ($input: AddMemberInput!) { addMember(input: $input) { member { id } } }', {
      input: { projectId: project.id, email: people[role].email, role: role.toUpperCase() },
    });
  }
  const { createHostedDatabase } = await make<{ createHostedDatabase: { database: { id: string } } }>(
    'mutation ($input: CreateHostedDatabaseInput!) { createHostedDatabase(input: $input) { database { id } } }',
    { input: { name: mark, template: 'EMPTY', projectId: project.id } },
  );
  const Database = createHostedDatabase.database.id;
  const analyst = createAnalyst({ quarry, account: owner });
  await analyst.rows(Database, fixture);
  const { id: Job } = await analyst.run(Database, `SELECT '${mark}' AS ${mark}`);
  const made = await make<Made>(
    `query ($job: ID!, $database: ID!) {
      viewer { sessions { id } }
      auditLog(first: 1) { nodes { id } }
      job(id: $job) { result(index: 0) { id } }
      database(id: $database) {
        schema(name: "public") { id enums { id } functions(first: 1) { nodes { id } } }
        birds: table(name: "${mark}_birds") { id indexes { id } }
        eggs: table(name: "${mark}_eggs") { column(name: "laid_by") { id } foreignKeys { id } }
      }
    }`,
    { job: Job, database: Database },
  );
  const { schema: inSchema, birds, eggs } = made.database;
  const { createSavedQuery } = await make<{ createSavedQuery: { savedQuery: { id: string } } }>(
    'mutation ($input: CreateSavedQueryInput!) { createSavedQuery(input: $input) { savedQuery { id } } }',
    { input: { name: mark, sql: `SELECT '${mark}'`, databaseId: Database, projectId: project.id } },
  );
  const { createTask } = await make<{ createTask: { task: { id: string } } }>(
    'mutation ($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }',
    { input: { projectId: project.id, title: mark, assigneeId: owner.user.id } },
  );
  const { inviteMember } = await make<{ inviteMember: { invitation: { id: string } } }>(
    'mutation ($input: InviteMemberInput!) { inviteMember(input: $input) { invitation { id } } }',
    { input: { projectId: project.id, email: `guest-of-${mark}@example.com`, role: 'VIEWER' } },
  );
  const { createBucket } = await make<{ createBucket: { bucket: { id: string } } }>(
    'mutation ($input: CreateBucketInput!) { createBucket(input: $input) { bucket { id } } }',
    { input: { name: mark, projectId: project.id } },
  );
  const Bucket = createBucket.bucket.id;
  const { id: StoredFile } = await createFileClient(quarry, owner).file(Bucket, `${mark}.txt`, mark);
  const { createApiKey } = await make<{ createApiKey: { apiKey: { id: string } } }>(
    'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } } }',
    { input: { name: mark, scopes: ['READ'] } },
  );
  return {
    ApiKey: createApiKey.apiKey.id,
    email: owner.email,
    User: owner.user.id,
    Session: made.viewer.sessions[0]!.id,
    AuditEntry: made.auditLog.nodes[0]!.id,
    Project: project.id,
    ProjectMember: project.members[0]!.id,
    Task: createTask.task.id,
    Invitation: inviteMember.invitation.id,
    Database,
    Job,
    ResultSet: made.job.result.id,
    SavedQuery: createSavedQuery.savedQuery.id,
    Bucket,
    StoredFile,
    Schema: inSchema.id,
    Table: birds.id,
    Column: eggs.column.id,
    Index: birds.indexes[0]!.id,
    ForeignKey: eggs.foreignKeys[0]!.id,
    EnumType: inSchema.enums[0]!.id,
    Function: inSchema.functions.nodes[0]!.id,
  };
}

const partsOf = (id: string): string[] => decodeId(id)!.parts;

/** Ids of the same shape and the same names, of things that never were. */
function neverMade(): Things {
  const made = kinds.map((kind) => [kind, encodeId(kind, uuidv7(), ...partsOf(things[kind]).slice(1))]);
  return { ...Object.fromEntries(made), email: 'nobody@example.com' } as Things;
}

/** What of the owner is in an answer: a name, an id, or what is inside of an id. */
function tracesIn(answer: unknown): string[] {
  const text = JSON.stringify(answer);
  const ids = kinds.flatMap((kind) => [things[kind], partsOf(things[kind])[0]!]);
  return [mark, ...ids].filter((secret) => text.includes(secret));
}

/**
 * seen: something of the owner's is in the answer. nothing: an answer without errors that is the same for what never
 * was. own: an answer without errors and without anything of the owner's. A code: that of the error.
 */
type Outcome = 'seen' | 'nothing' | 'own' | (string & {});
type Outcomes = Record<Other, Outcome>;

const shared = (stranger: Outcome, viewer: Outcome, editor: Outcome, anonymous: Outcome): Outcomes => ({
  stranger,
  viewer,
  editor,
  anonymous,
});
const lookedUp = shared('nothing', 'seen', 'seen', 'UNAUTHENTICATED');
const edited = shared('NOT_FOUND', 'FORBIDDEN', 'seen', 'UNAUTHENTICATED');
const managed = shared('NOT_FOUND', 'FORBIDDEN', 'FORBIDDEN', 'UNAUTHENTICATED');
const personal = shared('NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'UNAUTHENTICATED');
const signedIn = shared('own', 'own', 'own', 'UNAUTHENTICATED');
const everybody = (outcome: Outcome) => shared(outcome, outcome, outcome, outcome);

interface Call {
  /** Beside the name of the field, where it is called in more than one way. */
  how?: string;
  field: `${'Query' | 'Mutation' | 'Subscription'}.${string}`;
  /** Under the names of the field's arguments. */
  variables?: (things: Things) => Record<string, unknown>;
  /** Of the answer; absent for what has no fields. */
  selection: string;
  answers: Outcomes;
}

const connection = () => {
  const { host, port, user, password, database } = target;
  return { host, port, user, password, database };
};
const input = (fields: (things: Things) => Record<string, unknown>) => (of: Things) => ({ input: fields(of) });
const inProject = '{ totalCount nodes { id name sql owner { id } project { id } database { id } } }';
const inDatabase = '{ totalCount nodes { id } }';

const calls: Call[] = [
  { field: 'Query.server', selection: '{ name version startedAt }', answers: everybody('own') },
  { field: 'Query.viewer', selection: '{ id email sessions { id } apiKeys { id } }', answers: everybody('own') },
  {
    field: 'Query.node',
    variables: ({ Database: id }) => ({ id }),
    selection: '{ __typename id }',
    answers: { ...lookedUp, anonymous: 'nothing' },
  },
  {
    field: 'Query.nodes',
    variables: (of) => ({ ids: kinds.map((kind) => of[kind]) }),
    selection: '{ __typename id }',
    answers: { ...lookedUp, anonymous: 'nothing' },
  },
  {
    field: 'Query.database',
    variables: ({ Database: id }) => ({ id }),
    selection: '{ id name connection { host } }',
    answers: lookedUp,
  },
  {
    field: 'Query.search',
    variables: () => ({ text: mark }),
    selection: '{ totalCount nodes { name path database { id } node { id } } }',
    answers: { ...lookedUp, stranger: 'own' },
  },
  {
    how: 'in a database',
    field: 'Query.search',
    variables: ({ Database: id }) => ({ text: mark, databaseIds: [id] }),
    selection: '{ totalCount nodes { name path } }',
    answers: shared('NOT_FOUND', 'seen', 'seen', 'UNAUTHENTICATED'),
  },
  { field: 'Query.databases', selection: inDatabase, answers: { ...lookedUp, stranger: 'own' } },
  {
    how: 'of a project',
    field: 'Query.databases',
    variables: ({ Project: projectId }) => ({ projectId }),
    selection: inDatabase,
    answers: lookedUp,
  },
  {
    how: 'by name',
    field: 'Query.databases',
    variables: () => ({ search: mark.slice(0, -1) }),
    selection: inDatabase,
    answers: { ...lookedUp, stranger: 'own' },
  },
  {
    field: 'Query.projects',
    selection:
      '{ totalCount nodes { id name members { id user { email } } databases { nodes { id } } tasks { nodes { id } } } }',
    answers: { ...lookedUp, stranger: 'own' },
  },
  {
    field: 'Query.job',
    variables: ({ Job: id }) => ({ id }),
    selection: '{ id sql result(index: 0) { id } }',
    answers: { ...everybody('nothing'), anonymous: 'UNAUTHENTICATED' },
  },
  { field: 'Query.jobs', selection: '{ totalCount nodes { id sql } }', answers: signedIn },
  {
    how: 'of a user',
    field: 'Query.jobs',
    variables: ({ User: ownerId }) => ({ ownerId }),
    selection: '{ totalCount nodes { id sql } }',
    answers: { ...everybody('FORBIDDEN'), anonymous: 'UNAUTHENTICATED' },
  },
  {
    how: 'of a saved query',
    field: 'Query.jobs',
    variables: ({ SavedQuery: savedQueryId }) => ({ savedQueryId }),
    selection: '{ totalCount nodes { id sql } }',
    answers: { ...signedIn, stranger: 'nothing' },
  },
  {
    how: 'of a database',
    field: 'Query.jobs',
    variables: ({ Database: databaseId }) => ({ databaseId }),
    selection: '{ totalCount nodes { id sql } }',
    answers: { ...signedIn, stranger: 'nothing' },
  },
  { field: 'Query.savedQueries', selection: inProject, answers: { ...lookedUp, stranger: 'own' } },
  {
    how: 'of a project',
    field: 'Query.savedQueries',
    variables: ({ Project: projectId }) => ({ projectId }),
    selection: inProject,
    answers: lookedUp,
  },
  {
    how: 'by name',
    field: 'Query.savedQueries',
    variables: () => ({ search: mark.slice(0, -1) }),
    selection: inProject,
    answers: { ...lookedUp, stranger: 'own' },
  },
  {
    field: 'Query.buckets',
    selection: '{ totalCount nodes { id name files { nodes { id path } } } }',
    answers: { ...lookedUp, stranger: 'own' },
  },
  {
    how: 'of a project',
    field: 'Query.buckets',
    variables: ({ Project: projectId }) => ({ projectId }),
    selection: '{ totalCount nodes { id name owner { id } project { id } } }',
    answers: lookedUp,
  },
  // What somebody did himself names what he did it to.
  { field: 'Query.auditLog', selection: '{ totalCount nodes { id action actor { id } } }', answers: signedIn },
  {
    how: 'of a user',
    field: 'Query.auditLog',
    variables: ({ User: actorId }) => ({ actorId }),
    selection: '{ totalCount nodes { id } }',
    answers: { ...everybody('FORBIDDEN'), anonymous: 'UNAUTHENTICATED' },
  },
  {
    field: 'Query.users',
    variables: () => ({ search: mark }),
    selection: '{ totalCount nodes { id email } }',
    answers: { ...everybody('FORBIDDEN'), anonymous: 'UNAUTHENTICATED' },
  },
  {
    field: 'Query.invitations',
    selection: '{ id email }',
    answers: { ...everybody('FORBIDDEN'), anonymous: 'UNAUTHENTICATED' },
  },
  { field: 'Query.queue', selection: '{ queued running maxParallelJobs oldestQueuedAt }', answers: signedIn },

  {
    field: 'Mutation.register',
    variables: input(() => ({ email: `${mark}@example.com`, password: 'correct horse battery' })),
    selection: '{ auth { user { id } } }',
    answers: everybody('CONFLICT'),
  },
  {
    field: 'Mutation.login',
    variables: input(({ email }) => ({ email, password: 'not what it is' })),
    selection: '{ accessToken user { id } }',
    answers: everybody('UNAUTHENTICATED'),
  },
  {
    field: 'Mutation.refreshSession',
    variables: input(({ Session: refreshToken }) => ({ refreshToken })),
    selection: '{ accessToken user { id } }',
    answers: everybody('UNAUTHENTICATED'),
  },
  {
    field: 'Mutation.verifyEmail',
    variables: input(() => ({ token: 'a'.repeat(43) })),
    selection: '{ user { id } }',
    answers: everybody('BAD_USER_INPUT'),
  },
  {
    // Said alike of every address: that there is none shows in the inbox alone.
    field: 'Mutation.resendVerification',
    variables: input(({ email }) => ({ email })),
    selection: '{ ok }',
    answers: everybody('own'),
  },
  {
    field: 'Mutation.requestPasswordReset',
    variables: input(({ email }) => ({ email })),
    selection: '{ ok }',
    answers: everybody('own'),
  },
  {
    field: 'Mutation.resetPassword',
    variables: input(() => ({ token: 'a'.repeat(43), newPassword: 'correct horse battery' })),
    selection: '{ ok }',
    answers: everybody('BAD_USER_INPUT'),
  },
  {
    field: 'Mutation.changePassword',
    variables: input(() => ({ currentPassword: 'not what it is', newPassword: 'correct horse battery' })),
    selection: '{ accessToken user { id } }',
    answers: shared('BAD_USER_INPUT', 'BAD_USER_INPUT', 'BAD_USER_INPUT', 'UNAUTHENTICATED'),
  },
  {
    field: 'Mutation.updateProfile',
    variables: input(({ email }) => ({ email, password: 'correct horse battery' })),
    selection: '{ user { id } }',
    answers: shared('CONFLICT', 'CONFLICT', 'CONFLICT', 'UNAUTHENTICATED'),
  },
  {
    field: 'Mutation.logout',
    variables: input(({ Session: sessionId }) => ({ sessionId })),
    selection: '{ ok }',
    answers: personal,
  },
  {
    field: 'Mutation.updateSettings',
    variables: input(() => ({ maxRows: null })),
    selection: '{ user { id settings { maxRows } } }',
    answers: signedIn,
  },
  { field: 'Mutation.setUpTotp', selection: '{ secret uri }', answers: signedIn },
  {
    field: 'Mutation.confirmTotp',
    variables: input(() => ({ code: 'none' })),
    selection: '{ recoveryCodes user { id } }',
    answers: { ...everybody('BAD_USER_INPUT'), anonymous: 'UNAUTHENTICATED' },
  },
  {
    field: 'Mutation.disableTotp',
    variables: input(() => ({ code: 'none' })),
    selection: '{ user { id } }',
    answers: { ...everybody('CONFLICT'), anonymous: 'UNAUTHENTICATED' },
  },
  {
    field: 'Mutation.createApiKey',
    variables: input(() => ({ name: 'mine', scopes: ['WRITE'] })),
    selection: '{ apiKey { id name prefix } }',
    answers: signedIn,
  },
  {
    how: 'for a database',
    field: 'Mutation.createApiKey',
    variables: input(({ Database: id }) => ({ name: 'mine', scopes: ['READ'], databaseIds: [id] })),
    selection: '{ apiKey { id databases { id } } }',
    answers: { ...lookedUp, stranger: 'NOT_FOUND' },
  },
  {
    field: 'Mutation.revokeApiKey',
    variables: input(({ ApiKey: id }) => ({ id })),
    selection: '{ apiKey { id name } }',
    answers: personal,
  },
  {
    field: 'Mutation.updateUser',
    variables: input(({ User: id }) => ({ id, disabled: true })),
    selection: '{ user { id email } }',
    answers: { ...everybody('FORBIDDEN'), anonymous: 'UNAUTHENTICATED' },
  },
  {
    field: 'Mutation.resetTotp',
    variables: input(({ User: id }) => ({ id })),
    selection: '{ user { id email } }',
    answers: { ...everybody('FORBIDDEN'), anonymous: 'UNAUTHENTICATED' },
  },
  {
    field: 'Mutation.deleteUser',
    variables: input(({ User: id }) => ({ id, successorId: id })),
    selection: '{ deletedUserId }',
    answers: { ...everybody('FORBIDDEN'), anonymous: 'UNAUTHENTICATED' },
  },
  {
    field: 'Mutation.createProject',
    variables: input(() => ({ name: 'mine' })),
    selection: '{ project { id members { id } } }',
    answers: signedIn,
  },
  {
    field: 'Mutation.updateProject',
    variables: input(({ Project: id }) => ({ id, description: mark })),
    selection: '{ project { id description } }',
    answers: edited,
  },
  {
    field: 'Mutation.inviteMember',
    variables: input(({ Project: projectId }) => ({ projectId, email: `new-${mark}@example.com`, role: 'OWNER' })),
    selection: '{ invitation { id email project { id } } }',
    answers: managed,
  },
  {
    field: 'Mutation.inviteUser',
    variables: input(() => ({ email: `new-${mark}@example.com` })),
    selection: '{ invitation { id email } }',
    answers: { ...everybody('FORBIDDEN'), anonymous: 'UNAUTHENTICATED' },
  },
  {
    field: 'Mutation.acceptInvitation',
    variables: input(({ Invitation: token }) => ({ token })),
    selection: '{ project { id name } }',
    answers: { ...everybody('BAD_USER_INPUT'), anonymous: 'UNAUTHENTICATED' },
  },
  {
    field: 'Mutation.revokeInvitation',
    variables: input(({ Invitation: id }) => ({ id })),
    selection: '{ invitation { id email } }',
    answers: personal,
  },
  {
    field: 'Mutation.createTask',
    variables: input(({ Project: projectId, User: assigneeId }) => ({ projectId, assigneeId, title: mark })),
    selection: '{ task { id title assignee { id } project { id } } }',
    answers: edited,
  },
  {
    field: 'Mutation.updateTask',
    variables: input(({ Task: id, User: assigneeId }) => ({ id, assigneeId, description: mark })),
    selection: '{ task { id title assignee { id } project { id } } }',
    answers: edited,
  },
  {
    // An editor may; that it is gone then is nothing for what comes behind it.
    how: 'by nobody who may',
    field: 'Mutation.deleteTask',
    variables: input(({ Task: id }) => ({ id })),
    selection: '{ deletedTaskId project { id } }',
    answers: { ...edited, editor: 'silent' },
  },
  {
    field: 'Mutation.broadcast',
    variables: input(({ Project: projectId }) => ({ projectId, channel: mark, payload: mark })),
    selection: '{ ok }',
    answers: shared('NOT_FOUND', 'FORBIDDEN', 'own', 'UNAUTHENTICATED'),
  },
  {
    field: 'Mutation.deleteProject',
    variables: input(({ Project: id }) => ({ id })),
    selection: '{ deletedProjectId }',
    answers: managed,
  },
  {
    field: 'Mutation.addMember',
    variables: input(({ Project: projectId, email }) => ({ projectId, email, role: 'OWNER' })),
    selection: '{ member { id user { email } } }',
    answers: managed,
  },
  {
    field: 'Mutation.updateMember',
    variables: input(({ ProjectMember: id }) => ({ id, role: 'VIEWER' })),
    selection: '{ member { id user { email } } }',
    answers: managed,
  },
  {
    field: 'Mutation.removeMember',
    variables: input(({ ProjectMember: id }) => ({ id })),
    selection: '{ deletedMemberId project { id } }',
    answers: managed,
  },
  {
    field: 'Mutation.testConnection',
    variables: input(() => ({ connection: connection() })),
    selection: '{ report { ok } }',
    answers: signedIn,
  },
  {
    field: 'Mutation.connectDatabase',
    variables: input(({ Project: projectId }) => ({ projectId, name: 'another', connection: connection() })),
    selection: '{ database { id project { id } } }',
    answers: edited,
  },
  {
    field: 'Mutation.createHostedDatabase',
    variables: input(({ Project: projectId }) => ({ projectId, name: 'another' })),
    selection: '{ database { id project { id } } }',
    answers: edited,
  },
  {
    field: 'Mutation.updateDatabase',
    variables: input(({ Database: id, Project: projectId }) => ({ id, projectId, name: 'taken', readOnly: true })),
    selection: '{ database { id name project { id } } }',
    answers: managed,
  },
  {
    field: 'Mutation.refreshCatalog',
    variables: input(({ Database: databaseId }) => ({ databaseId })),
    selection: '{ database { id } changes { path } }',
    answers: { ...lookedUp, stranger: 'NOT_FOUND' },
  },
  {
    field: 'Mutation.enableChangeTracking',
    variables: input(({ Database: databaseId }) => ({ databaseId, what: ['DDL'] })),
    selection: '{ database { id changeTracking } }',
    answers: managed,
  },
  {
    field: 'Mutation.disableChangeTracking',
    variables: input(({ Database: databaseId }) => ({ databaseId, what: ['DDL'] })),
    selection: '{ database { id changeTracking } }',
    answers: managed,
  },
  {
    field: 'Mutation.disconnectDatabase',
    variables: input(({ Database: id }) => ({ id, drop: true })),
    selection: '{ deletedDatabaseId }',
    answers: managed,
  },
  {
    field: 'Mutation.submitQuery',
    variables: input(({ Database: databaseId }) => ({ target: { databaseId }, sql: 'SELECT 1' })),
    selection: '{ job { id database { id } } }',
    answers: { ...lookedUp, stranger: 'NOT_FOUND' },
  },
  {
    how: 'with credentials of its own',
    field: 'Mutation.submitQuery',
    variables: input(() => ({ target: { connection: connection() }, sql: 'SELECT 1' })),
    selection: '{ job { id database { id } } }',
    answers: signedIn,
  },
  {
    field: 'Mutation.retryJob',
    variables: input(({ Job: id }) => ({ id })),
    selection: '{ job { id source { id } } }',
    answers: personal,
  },
  {
    how: 'with an export into a bucket',
    field: 'Mutation.submitQuery',
    variables: input(({ Bucket: bucketId }) => ({
      target: { connection: connection() },
      sql: 'SELECT 1',
      export: { bucketId, path: `${mark}/${uuidv7()}.csv` },
    })),
    selection: '{ job { id export { path } } }',
    answers: edited,
  },
  {
    field: 'Mutation.exportJob',
    variables: input(({ Job: id, Bucket: bucketId }) => ({ id, export: { bucketId } })),
    selection: '{ job { id source { id } export { path } } }',
    answers: personal,
  },
  {
    field: 'Mutation.explainQuery',
    variables: input(({ Database: databaseId }) => ({ target: { databaseId }, sql: `TABLE ${mark}_birds` })),
    selection: '{ plan { text reads } }',
    answers: { ...lookedUp, stranger: 'NOT_FOUND' },
  },
  {
    field: 'Mutation.reprioritizeJob',
    variables: input(({ Job: id }) => ({ id, priority: 1 })),
    selection: '{ job { id sql } }',
    answers: personal,
  },
  {
    field: 'Mutation.deleteJob',
    variables: input(({ Job: id }) => ({ id })),
    selection: '{ deletedJobId queue { queued } }',
    answers: personal,
  },
  {
    field: 'Mutation.cancelJob',
    variables: input(({ Job: id }) => ({ id })),
    selection: '{ job { id sql } }',
    answers: personal,
  },
  {
    how: 'in a project',
    field: 'Mutation.createSavedQuery',
    variables: input(({ Project: projectId }) => ({ projectId, name: 'another', sql: 'SELECT 1' })),
    selection: '{ savedQuery { id project { id } } }',
    answers: edited,
  },
  {
    how: 'on a database',
    field: 'Mutation.createSavedQuery',
    variables: input(({ Database: databaseId }) => ({ databaseId, name: 'another', sql: 'SELECT 1' })),
    selection: '{ savedQuery { id database { id } } }',
    answers: { ...lookedUp, stranger: 'NOT_FOUND' },
  },
  {
    field: 'Mutation.updateSavedQuery',
    variables: input(({ SavedQuery: id, Database: databaseId, Project: projectId }) => ({ id, databaseId, projectId })),
    selection: '{ savedQuery { id name database { id } project { id } } }',
    answers: edited,
  },
  {
    field: 'Mutation.runSavedQuery',
    variables: input(({ SavedQuery: id, Database: databaseId }) => ({ id, databaseId })),
    selection: '{ job { id database { id } savedQuery { id } } }',
    answers: { ...lookedUp, stranger: 'NOT_FOUND' },
  },
  {
    how: 'with an export into a bucket',
    field: 'Mutation.createSavedQuery',
    variables: input(({ Bucket: bucketId }) => ({ name: 'another', sql: 'SELECT 1', export: { bucketId } })),
    selection: '{ savedQuery { id export { bucket { id } } } }',
    answers: edited,
  },
  {
    how: 'with an export into a bucket',
    field: 'Mutation.runSavedQuery',
    variables: input(({ SavedQuery: id, Database: databaseId, Bucket: bucketId }) => ({
      id,
      databaseId,
      export: { bucketId },
    })),
    selection: '{ job { id savedQuery { id } } }',
    answers: edited,
  },
  {
    how: 'with an export into a bucket',
    field: 'Mutation.updateSavedQuery',
    variables: input(({ SavedQuery: id, Bucket: bucketId }) => ({ id, export: { bucketId } })),
    selection: '{ savedQuery { id export { bucket { id } } } }',
    answers: edited,
  },
  {
    how: 'with a bucket for exports',
    field: 'Mutation.updateSettings',
    variables: input(({ Bucket: defaultExportBucketId }) => ({ defaultExportBucketId })),
    selection: '{ user { settings { defaultExportBucket { id } } } }',
    answers: edited,
  },
  {
    // An editor may; that it is gone then is nothing for what comes behind it.
    how: 'by nobody who may',
    field: 'Mutation.deleteSavedQuery',
    variables: input(({ SavedQuery: id }) => ({ id })),
    selection: '{ deletedSavedQueryId }',
    answers: { ...edited, editor: 'silent' },
  },

  {
    how: 'in a project',
    field: 'Mutation.createBucket',
    variables: input(({ Project: projectId }) => ({ projectId, name: 'another' })),
    selection: '{ bucket { id project { id } } }',
    answers: edited,
  },
  {
    field: 'Mutation.updateBucket',
    variables: input(({ Bucket: id }) => ({ id, public: true })),
    selection: '{ bucket { id name public } }',
    answers: managed,
  },
  {
    field: 'Mutation.deleteBucket',
    variables: input(({ Bucket: id }) => ({ id, force: true })),
    selection: '{ deletedBucketId }',
    answers: managed,
  },
  {
    // A request that is not multipart brings no file: what is asked before that has a test of its own.
    field: 'Mutation.uploadFile',
    variables: input(({ Bucket: bucketId }) => ({ bucketId, path: 'mine', file: {} })),
    selection: '{ file { id } }',
    answers: everybody('BAD_USER_INPUT'),
  },
  {
    field: 'Mutation.createUpload',
    variables: input(({ Bucket: bucketId }) => ({ bucketId, path: `new/${uuidv7()}`, sizeBytes: 1 })),
    selection: '{ upload { url file { id bucket { id } } } }',
    answers: edited,
  },
  {
    field: 'Mutation.moveFile',
    variables: input(({ StoredFile: id, Bucket: bucketId }) => ({ id, bucketId, path: `${mark}/moved.txt` })),
    selection: '{ file { id path bucket { id } } }',
    answers: edited,
  },
  {
    // An editor may; that it is gone then is nothing for what comes behind it.
    how: 'by nobody who may',
    field: 'Mutation.deleteFile',
    variables: input(({ StoredFile: id }) => ({ id })),
    selection: '{ deletedFileId bucket { id } }',
    answers: { ...edited, editor: 'silent' },
  },

  {
    field: 'Subscription.jobUpdated',
    variables: ({ Job: id }) => ({ id }),
    selection: '{ id sql }',
    answers: personal,
  },
  {
    field: 'Subscription.jobRows',
    variables: ({ Job: id }) => ({ id }),
    selection: '{ resultSet columns { name } rows cursor }',
    answers: personal,
  },
  {
    // A stream that stays silent has no answer to compare: what comes over it has a test of its own below.
    field: 'Subscription.jobEvents',
    variables: ({ Database: databaseId }) => ({ databaseId }),
    selection: '{ position job { id sql } }',
    answers: shared('silent', 'silent', 'silent', 'UNAUTHENTICATED'),
  },
  {
    // The first batch has nothing in it but a place.
    field: 'Subscription.rowChanges',
    variables: ({ Database: databaseId, Table: tableId }) => ({ databaseId, tables: [{ tableId }] }),
    selection: '{ position changes { tableId schema table key old new } }',
    answers: shared('NOT_FOUND', 'silent', 'silent', 'UNAUTHENTICATED'),
  },
  {
    field: 'Subscription.liveQuery',
    variables: ({ Database: databaseId }) => ({ databaseId, sql: `SELECT *, '${mark}' AS made FROM ${mark}_birds` }),
    selection: '{ columns { name column { id } } rows { key values } cause polled }',
    answers: { ...lookedUp, stranger: 'NOT_FOUND' },
  },
  {
    // From the first change on: those who may see it have been told of none yet.
    field: 'Subscription.catalogChanged',
    variables: ({ Database: databaseId }) => ({ databaseId }),
    selection: '{ position path before after node { id } }',
    answers: shared('NOT_FOUND', 'silent', 'silent', 'UNAUTHENTICATED'),
  },
  {
    field: 'Subscription.taskEvents',
    variables: ({ Project: projectId }) => ({ projectId }),
    selection: '{ position deletedTaskId task { id title assignee { id } } }',
    answers: { ...lookedUp, stranger: 'NOT_FOUND' },
  },
  {
    field: 'Subscription.messages',
    variables: ({ Project: projectId }) => ({ projectId, channel: mark }),
    selection: '{ position channel payload sender { id } }',
    answers: shared('NOT_FOUND', 'silent', 'silent', 'UNAUTHENTICATED'),
  },
];

/** Fields below the root that take ids: of tables of the database that they belong to. */
const takingIds = [
  ['Database.ddl', 'ddl(tableIds: $tableIds)'],
  ['Database.diagram', 'diagram(tableIds: $tableIds)'],
] as const;

const rootTypes = (): GraphQLObjectType[] =>
  [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].filter((type) => type != null);

function documentOf({ field, selection }: Call, variables: Record<string, unknown>): string {
  const [root = '', name = ''] = field.split('.');
  const args = (schema.getType(root) as GraphQLObjectType).getFields()[name]!.args;
  const given = args.filter((arg) => arg.name in variables);
  const list = (write: (arg: (typeof args)[number]) => string) => (given.length ? `(${given.map(write).join()})` : '');
  const declared = list((arg) => `$${arg.name}: ${arg.type}`);
  return `${root.toLowerCase()} ${declared} { ${name} ${list((arg) => `${arg.name}: $${arg.name}`)} ${selection} }`;
}

type Told = Pick<Answer<unknown>, 'data' | 'errors'> & { status?: number };

/** What a caller is told; of a subscription the first that comes. */
const tell = (caller: Caller, call: Call, of: Things): Promise<Told> => tellTo(askerOf(caller), call, of);

async function tellTo(asker: { token?: string }, call: Call, of: Things): Promise<Told> {
  const variables = call.variables?.(of) ?? {};
  const document = documentOf(call, variables);
  if (!call.field.startsWith('Subscription')) {
    const { status, data, errors } = await quarry.execute<unknown, object>(document, variables, asker);
    return { status, data, errors };
  }
  using socket = await openSocket(quarry.wsUrl);
  await socket.init(asker.token);
  socket.subscribe('1', document, { variables });
  const { type, payload } = await socket.next();
  return type === 'next' ? payload : { data: null, errors: payload };
}

/** The paths of the ids that a field is given. */
function idsIn(name: string, type: GraphQLInputType, within: readonly unknown[] = []): string[] {
  const named = getNamedType(type);
  if (named.name === 'ID') return [name];
  if (!isInputObjectType(named) || within.includes(named)) return [];
  const fields = Object.values(named.getFields());
  return fields.flatMap((field) => idsIn(`${name}.${field.name}`, field.type, [...within, named]));
}

/** Of a list the first. */
const isGiven = (variables: Record<string, unknown>, path: string): boolean =>
  path.split('.').reduce<unknown>((value, key) => {
    const one: unknown = Array.isArray(value) ? value[0] : value;
    return (one as Record<string, unknown> | undefined)?.[key];
  }, variables) !== undefined;

describe('nothing is left out:', () => {
  test('every root field is called, and with every id that it takes', () => {
    const called = (field: string, path: string) =>
      calls.some((call) => call.field === field && isGiven(call.variables?.(things) ?? {}, path));
    const open = rootTypes().flatMap((root) =>
      Object.values(root.getFields()).flatMap(({ name, args }) => {
        const field = `${root.name}.${name}`;
        if (!calls.some((call) => call.field === field)) return [field];
        const ids = args.flatMap((arg) => idsIn(arg.name, arg.type));
        return ids.filter((path) => !called(field, path)).map((path) => `${field}(${path})`);
      }),
    );
    const total = rootTypes().reduce((count, root) => count + Object.keys(root.getFields()).length, 0);
    const missing = new Set(open.map((name) => name.replace(/\(.*/, ''))).size;
    console.info(`TEN-1 operations=${total - missing}/${total} calls=${calls.length}`);
    expect(open).toEqual([]);
  });

  test('no field below the root takes an id but those that are called below', () => {
    const roots = rootTypes();
    const below = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) && !roots.includes(type));
    const taking = (below as GraphQLObjectType[]).flatMap((type) =>
      Object.values(type.getFields())
        .filter(({ args }) => args.some((arg) => idsIn(arg.name, arg.type).length > 0))
        .map(({ name }) => `${type.name}.${name}`),
    );
    expect(taking.sort()).toEqual(takingIds.map(([field]) => field));
  });

  test('there is something of every kind of node', () => {
    const node = schema.getType('Node');
    if (!isInterfaceType(node)) throw new Error('Node is no interface');
    expect(schema.getPossibleTypes(node).map(({ name }) => name)).toHaveLength(kinds.length);
    expect(schema.getPossibleTypes(node).map(({ name }) => name)).toEqual(expect.arrayContaining([...kinds]));
    expect(kinds.map((kind) => decodeId(things[kind])?.kind)).toEqual([...kinds]);
  });
});

test.each(takingIds)('%s finds no table of another database than its own', async (_field, selection) => {
  const document = `query ($id: ID!, $tableIds: [ID!]) { database(id: $id) { name ${selection} } }`;
  const ask = async (Table: string) => {
    const { status, data, errors } = await askAs('stranger', document, { id: strangersDatabase, tableIds: [Table] });
    return { status, data, errors };
  };
  const told = await ask(things.Table);
  expect(told.errors?.map(({ extensions }) => extensions.code)).toEqual(['NOT_FOUND']);
  expect(tracesIn(told)).toEqual([]);
  expect(told).toEqual(await ask(neverMade().Table));
});

const named = calls.map((call) => [[call.field, call.how].filter(Boolean).join(' '), call] as const);

const asked = { answers: 0, leaks: 0 };
afterAll(() => console.info(`TEN-1 answers=${asked.answers} leaks=${asked.leaks}`));

describe.each(named)('%s', (_name, call) => {
  test.each(others.filter((other) => call.answers[other] !== 'silent'))('as %s', async (other) => {
    const outcome = call.answers[other];
    const told = await tell(other, call, things);
    expect(told.status ?? 0).toBeLessThan(500);
    asked.answers += 1;
    if (outcome !== 'seen') asked.leaks += tracesIn(told).length;
    if (outcome === 'seen') {
      expect(told.errors).toBeUndefined();
      expect(tracesIn(told)).not.toEqual([]);
      return;
    }
    expect(tracesIn(told)).toEqual([]);
    if (outcome === 'own' || outcome === 'nothing') expect(told.errors).toBeUndefined();
    else expect(told.errors?.map(({ extensions }) => extensions.code)).toEqual([outcome]);
    // Members know that the thing is there; for everybody else it might as well not be.
    const known = outcome === 'FORBIDDEN' && call.answers.stranger !== 'FORBIDDEN';
    if (!known && outcome !== 'own' && outcome !== 'CONFLICT') {
      expect(told).toEqual(await tell(other, call, neverMade()));
    }
  });
});

describe('with a key of the owner', () => {
  const made = async (scope: ApiKeyScope, databaseIds: string[] | null = null) => {
    const variables = { input: { name: scope, scopes: [scope], databaseIds } };
    const { createApiKey } = await quarry.ask(CreateApiKeyDocument, variables, people.owner);
    return { token: createApiKey.secret };
  };

  test('SQL takes QUERY, and a statement that writes takes WRITE', async () => {
    const [reading, querying, writing] = [await made('READ'), await made('QUERY'), await made('WRITE')];
    const insert = `INSERT INTO ${mark}_eggs VALUES (1, 1)`;
    const withKey = (token: string) => createAnalyst({ quarry, account: { ...people.owner, token } });
    const document = 'mutation ($input: SubmitQueryInput!) { submitQuery(input: $input) { job { id readOnly } } }';
    const submit = (by: { token: string }, target: object, sql: string) =>
      quarry.execute<{ submitQuery: { job: { id: string } } }, object>(document, { input: { target, sql } }, by);
    const databaseId = things.Database;
    const seen = await quarry.execute('query ($id: ID!) { database(id: $id) { name } }', { id: databaseId }, reading);
    expect(seen.data).toEqual({ database: { name: mark } });
    expect((await submit(reading, { databaseId }, 'SELECT 1')).code).toBe('FORBIDDEN');
    expect(await withKey(querying.token).run(databaseId, insert)).toMatchObject({ error: { code: 'READ_ONLY' } });
    expect(await withKey(writing.token).run(databaseId, insert)).toMatchObject({ status: 'SUCCEEDED' });
    const typed = { connection: connection() };
    expect((await submit(reading, typed, 'SELECT 1')).code).toBe('FORBIDDEN');
    expect((await submit(querying, typed, insert)).data).toMatchObject({ submitQuery: { job: { readOnly: true } } });
    expect((await submit(writing, typed, insert)).data).toMatchObject({ submitQuery: { job: { readOnly: false } } });
  });

  test('that is narrowed to another database, nothing else is there', async () => {
    const elsewhere = await createAnalyst({ quarry, account: people.owner }).host('elsewhere');
    const narrow = await made('WRITE', [elsewhere]);
    // As whose key it is its user is there, by name and address.
    const self = [things.User, partsOf(things.User)[0]!];
    for (const call of calls.filter(({ field }) => field !== 'Query.viewer')) {
      if (call.answers.stranger === 'silent') continue;
      const told = await tellTo(narrow, call, things);
      const traces = tracesIn(told).filter((trace) => !self.includes(trace));
      expect({ call: call.field, how: call.how, traces }).toEqual({ call: call.field, how: call.how, traces: [] });
      const { field, how, answers } = call;
      const aboutSelf =
        field === 'Query.nodes' || how === 'of a user' || ['own', 'CONFLICT'].includes(answers.stranger);
      if (!aboutSelf) expect(told, call.field).toEqual(await tellTo(narrow, call, neverMade()));
    }
    const submitTo = (databaseId: string, idempotencyKey: string, by: { token: string }) =>
      quarry.execute<{ submitQuery: { job: { id: string } } }, object>(
        'mutation ($input: SubmitQueryInput!) { submitQuery(input: $input) { job { id sql } } }',
        { input: { target: { databaseId }, sql: 'SELECT 2', idempotencyKey } },
        by,
      );
    expect((await submitTo(things.Database, 'nightly', people.owner)).errors).toBeUndefined();
    const known = await submitTo(elsewhere, 'nightly', narrow);
    expect([known.code, tracesIn(known)]).toEqual(['CONFLICT', []]);
    expect((await submitTo(elsewhere, 'schedule:of:somebody', narrow)).code).toBe('BAD_USER_INPUT');
    const ids = kinds.filter((kind) => kind !== 'User').map((kind) => things[kind]);
    const { data } = await quarry.execute(
      `query ($ids: [ID!]!) {
        nodes(ids: $ids) { id }
        viewer { role settings { maxRows } sessions { id } apiKeys { id } storage { usedBytes } }
        databases { totalCount nodes { name project { id } } }
        projects { totalCount }
        buckets { totalCount }
        jobs { totalCount }
        savedQueries { totalCount }
      }`,
      { ids },
      narrow,
    );
    expect(data).toEqual({
      nodes: ids.map(() => null),
      viewer: { role: null, settings: null, sessions: null, apiKeys: null, storage: null },
      databases: { totalCount: 1, nodes: [{ name: 'elsewhere', project: null }] },
      projects: { totalCount: 0 },
      buckets: { totalCount: 0 },
      jobs: { totalCount: 0 },
      savedQueries: { totalCount: 0 },
    });
  });

  test('that is narrowed, its own databases are there with what is of them, until they go', async () => {
    const account = { ...people.owner, ...(await made('WRITE', [things.Database])) };
    const narrow = createAnalyst({ quarry, account });
    expect(await narrow.rows(things.Database, 'SELECT 1')).toEqual([['1']].map(([one]) => [[Number(one)]]));
    const { data } = await quarry.execute(
      'query ($id: ID!) { database(id: $id) { name project { id } } savedQueries { nodes { id project { id } } } job(id: $job) { id } }'.replace(
        '($id: ID!)',
        '($id: ID!, $job: ID!)',
      ),
      { id: things.Database, job: things.Job },
      account,
    );
    expect(data).toEqual({
      database: { name: mark, project: null },
      savedQueries: { nodes: [{ id: things.SavedQuery, project: null }] },
      job: { id: things.Job },
    });
    const typed = { target: { connection: connection() }, sql: 'SELECT 1' };
    const submit = 'mutation ($input: SubmitQueryInput!) { submitQuery(input: $input) { job { id } } }';
    expect((await quarry.execute(submit, { input: typed }, account)).code).toBe('FORBIDDEN');
    const save = 'mutation ($input: CreateSavedQueryInput!) { createSavedQuery(input: $input) { savedQuery { id } } }';
    const nowhere = await quarry.execute(save, { input: { name: 'x', sql: 'SELECT 1' } }, account);
    expect(nowhere.code).toBe('NOT_FOUND');
    // Narrowed it stays when nothing of it is left.
    const passing = await createAnalyst({ quarry, account: people.owner }).host('passing');
    const late = await made('READ', [passing]);
    const gone = 'mutation ($id: ID!) { disconnectDatabase(input: { id: $id, drop: true }) { deletedDatabaseId } }';
    await make(gone, { id: passing });
    const left = await quarry.execute('{ databases { totalCount } jobs { totalCount } }', {}, late);
    expect(left.data).toEqual({ databases: { totalCount: 0 }, jobs: { totalCount: 0 } });
  });

  test('that is anonymous there is nothing of the owner’s', async () => {
    const anonymous = await made('ANONYMOUS');
    for (const call of calls.filter(({ field }) => field.startsWith('Query.'))) {
      const variables = call.variables?.(things) ?? {};
      const answer = await quarry.execute(documentOf(call, variables), variables, anonymous);
      expect({ field: call.field, traces: tracesIn(answer) }).toEqual({ field: call.field, traces: [] });
    }
  });
});

describe('a token that was revoked', () => {
  test('leads to nothing at all: no operation is executed with it, over no transport', async () => {
    const gone = await quarry.register();
    await quarry.ask(LogoutDocument, { input: {} }, gone);
    const authorization = `Bearer ${gone.token}`;
    for (const call of calls) {
      const variables = call.variables?.(things) ?? {};
      const stream = call.field.startsWith('Subscription');
      const response = await fetch(quarry.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: stream ? 'text/event-stream' : 'application/graphql-response+json',
          authorization,
        },
        body: JSON.stringify({ query: documentOf(call, variables), variables }),
      });
      const text = await response.text();
      expect({ field: call.field, text }).toEqual({
        field: call.field,
        text: expect.stringContaining('UNAUTHENTICATED'),
      });
      expect(text).not.toContain('"data":{');
      expect(tracesIn(text)).toEqual([]);
      if (!stream) expect(response.status).toBe(401);
    }
    using socket = await openSocket(quarry.wsUrl);
    socket.send({ type: 'connection_init', payload: { authorization } });
    expect(await socket.closed).toBe(4403);
  });
});

describe('a stream of events', () => {
  test.each([
    ['stranger', 'own'],
    ['viewer', 'shared'],
    ['editor', 'shared'],
  ] as const)('shows the %s no job of another one', async (caller, place) => {
    const account = people[caller];
    const analyst = createAnalyst({ quarry, account });
    // Not ended until it is cancelled: it is in what the stream begins with.
    const own = await analyst.submit(place === 'own' ? strangersDatabase : things.Database, 'SELECT pg_sleep(600)');
    using socket = await openSocket(quarry.wsUrl);
    await socket.init(account.token);
    const events = 'subscription ($databaseId: ID) { jobEvents(databaseId: $databaseId) { job { id status } } }';
    socket.subscribe('there', events, { variables: { databaseId: things.Database } });
    socket.subscribe('all', events);
    const told: { id: string | undefined; job: string }[] = [];
    async function until(status: RegExp): Promise<void> {
      for (;;) {
        const { id, payload } = await socket.next();
        const { job } = payload.data.jobEvents;
        told.push({ id, job: job.id });
        if (id === 'all' && job.id === own && status.test(job.status)) return;
      }
    }
    await until(/./);
    await createAnalyst({ quarry, account: people.owner }).run(things.Database, `SELECT '${mark}'`);
    await quarry.ask(CancelDocument, { input: { id: own } }, account);
    await until(/CANCELLED/);
    expect(new Set(told.map(({ job }) => job))).toEqual(new Set([own]));
    if (place === 'own') expect(told.filter(({ id }) => id === 'there')).toEqual([]);
  });
});

describe('what is one’s own', () => {
  test('does not go into a project of somebody else, which might as well not be', async () => {
    const move = 'mutation ($input: UpdateDatabaseInput!) { updateDatabase(input: $input) { database { id } } }';
    const into = async (projectId: string) => {
      const { status, data, errors } = await askAs('stranger', move, { input: { id: strangersDatabase, projectId } });
      return { status, data, errors };
    };
    const told = await into(things.Project);
    expect(told.errors?.[0]?.extensions.code).toBe('NOT_FOUND');
    expect(told).toEqual(await into(neverMade().Project));
  });

  test('leads nobody to others', async () => {
    const { data, errors } = await askAs(
      'stranger',
      `{
        viewer { id email sessions { id userAgent } apiKeys { id name } }
        projects(first: 100) { nodes { members { user { id email sessions { id } apiKeys { id } } } } }
        buckets(first: 100) { nodes { id name owner { id } files { nodes { id path owner { id } } } } }
        databases(first: 100) { nodes { id name owner { id } serverDatabases roles { name } activity { query job { id } } } }
        jobs(first: 100) { nodes { sql owner { id } database { id } } }
      }`,
    );
    expect(errors).toBeUndefined();
    expect(tracesIn(data)).toEqual([]);
  });
});

describe('the audit', () => {
  const document = `query ($action: String) {
    auditLog(action: $action, first: 500) { nodes { action subject outcome details actor { id } } }
  }`;
  interface Entry {
    action: string;
    subject: string | null;
    outcome: string;
    details: Record<string, unknown> | null;
  }
  async function entriesOf(caller: Caller, action?: string): Promise<Entry[]> {
    const { data, errors } = await askAs(caller, document, { action });
    if (errors) throw new Error(JSON.stringify(errors));
    return (data as { auditLog: { nodes: Entry[] } }).auditLog.nodes;
  }

  test('has what the owner did, and no SQL', async () => {
    const entries = await entriesOf('owner');
    const done = ['project.created', 'member.added', 'database.created_hosted', 'job.submitted'];
    const made = ['saved_query.created', 'bucket.created', 'file.uploaded', 'user.registered'];
    expect(entries.map(({ action }) => action)).toEqual(expect.arrayContaining([...done, ...made]));
    const job = entries.find(({ subject, action }) => subject === things.Job && action === 'job.submitted');
    expect(job?.details).toEqual({
      kind: 'query',
      database: things.Database,
      sqlSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      readOnly: false,
    });
    expect(JSON.stringify(entries)).not.toContain('SELECT');
  });

  test('has what was refused to a stranger, mutation by mutation', async () => {
    const refused = calls.filter(
      ({ field, answers }) => field.startsWith('Mutation.') && ['NOT_FOUND', 'FORBIDDEN'].includes(answers.stranger),
    );
    const entries = await entriesOf('stranger', 'access.refused');
    expect(new Set(entries.map(({ outcome }) => outcome))).toEqual(new Set(['refused']));
    expect(entries.map(({ details }) => `Mutation.${details?.mutation}`)).toEqual(
      expect.arrayContaining([...new Set(refused.map(({ field }) => field))]),
    );
    expect(entries.map(({ subject }) => subject)).toEqual(expect.arrayContaining([things.Project, things.Job]));
  });
});

describe('what belongs to a project, for each of its members (TEN-2)', () => {
  const secret = () => target.password;
  let external: string;
  let saved: string;

  beforeAll(async () => {
    const given = { projectId: things.Project, name: 'external', connection: connection() };
    const { connectDatabase } = await make<{ connectDatabase: { database: { id: string } } }>(
      'mutation ($input: ConnectDatabaseInput!) { connectDatabase(input: $input) { database { id } } }',
      { input: given },
    );
    external = connectDatabase.database.id;
    const query = { name: 'another', sql: 'SELECT 1', databaseId: external, projectId: things.Project };
    const { createSavedQuery } = await make<{ createSavedQuery: { savedQuery: { id: string } } }>(
      'mutation ($input: CreateSavedQueryInput!) { createSavedQuery(input: $input) { savedQuery { id } } }',
      { input: query },
    );
    saved = createSavedQuery.savedQuery.id;
  });

  const run = 'mutation ($input: SubmitQueryInput!) { submitQuery(input: $input) { job { readOnly } } }';
  const update = 'mutation ($input: UpdateDatabaseInput!) { updateDatabase(input: $input) { database { name } } }';
  const see = (selection: string) => `query ($id: ID!) { node(id: $id) { ${selection} } }`;
  const shown = '... on Database { connection { host user } }';
  /** Of a stored connection, with the password typed: it is the right that decides. */
  const change = (changed: object) => (): Given => [
    update,
    { input: { id: external, connection: { ...changed, password: secret() } } },
  ];
  type Given = readonly [document: string, variables: Record<string, unknown>];
  type Allowed = 'everybody' | 'editors' | 'owners';

  const matrix: Record<string, readonly [Allowed, () => Given]> = {
    'use a database: run SQL': [
      'everybody',
      () => [run, { input: { target: { databaseId: external }, sql: 'SELECT 1' } }],
    ],
    'use a database: test its connection': [
      'everybody',
      () => [see('... on Database { health(maxAgeMs: 0) { ok } }'), { id: external }],
    ],
    'use a database: export into the project': [
      'editors',
      () => [
        run,
        {
          input: {
            target: { databaseId: external },
            sql: 'SELECT 1',
            export: { bucketId: things.Bucket, path: `${uuidv7()}.csv` },
          },
        },
      ],
    ],
    'use a saved query': [
      'everybody',
      () => [
        'mutation ($input: RunSavedQueryInput!) { runSavedQuery(input: $input) { job { readOnly } } }',
        { input: { id: saved } },
      ],
    ],
    'use a bucket: read a file': ['everybody', () => [see('... on StoredFile { url }'), { id: things.StoredFile }]],
    'use a bucket: write a file': [
      'editors',
      () => [
        'mutation ($input: CreateUploadInput!) { createUpload(input: $input) { upload { method } } }',
        { input: { bucketId: things.Bucket, path: uuidv7(), sizeBytes: 1 } },
      ],
    ],
    'edit a database: its name': ['owners', () => [update, { input: { id: external, name: 'external' } }]],
    'edit a database: its host': ['owners', change({ host: '127.0.0.1' })],
    'edit a database: its user': ['owners', change({ user: 'postgres' })],
    'edit a database: its password': ['owners', change({})],
    'edit a database: where it is shared': [
      'owners',
      () => [update, { input: { id: external, projectId: things.Project } }],
    ],
    'edit a saved query': [
      'editors',
      () => [
        'mutation ($input: UpdateSavedQueryInput!) { updateSavedQuery(input: $input) { savedQuery { name } } }',
        { input: { id: saved, name: 'another' } },
      ],
    ],
    'edit a bucket': [
      'owners',
      () => [
        'mutation ($input: UpdateBucketInput!) { updateBucket(input: $input) { bucket { public } } }',
        { input: { id: things.Bucket, public: false } },
      ],
    ],
    'see where a database leads': ['owners', () => [see(shown), { id: external }]],
  };

  const ofThem = ['owner', 'editor', 'viewer', 'stranger'] as const;
  const expected: Record<Allowed, readonly string[]> = {
    everybody: ['ok', 'ok', 'ok', 'nothing'],
    editors: ['ok', 'ok', 'nothing', 'nothing'],
    owners: ['ok', 'nothing', 'nothing', 'nothing'],
  };

  test('to use it, to edit it and to see its secret are three rights, and the last nobody has', async () => {
    const told: Record<string, string[]> = {};
    const answers: unknown[] = [];
    for (const [what, [, given]] of Object.entries(matrix)) {
      told[what] = [];
      for (const caller of ofThem) {
        const { data, errors } = await askAs(caller, ...given());
        answers.push(data, errors);
        const codes = errors?.map(({ extensions }) => extensions.code) ?? [];
        if (errors) expect(codes).toEqual([caller === 'stranger' ? 'NOT_FOUND' : 'FORBIDDEN']);
        told[what].push(errors || isNothing(data) ? 'nothing' : 'ok');
      }
    }
    const declared = Object.fromEntries(Object.entries(matrix).map(([what, [who]]) => [what, expected[who]]));
    const cells = Object.keys(declared).flatMap((what) => ofThem.map((_, n) => told[what]![n] === declared[what]![n]));
    const differing = cells.filter((same) => !same).length;
    console.info(`TEN-2 (1) cells=${cells.length} differences=${differing} answers=${answers.length / 2}`);
    expect(told).toEqual(declared);
    // It was typed, stored and used in all of this.
    expect(JSON.stringify(answers)).not.toContain(secret());
    const outputs = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type));
    const telling = outputs.flatMap((type) =>
      Object.keys(type.getFields())
        .filter((field) => /password|secret|credential/i.test(field) && !rootTypes().includes(type))
        .map((field) => `${type.name}.${field}`),
    );
    // Each shows what was just made, once, to whom it is for.
    expect(telling).toEqual(['CreateApiKeyPayload.secret', 'SetUpTotpPayload.secret']);
  });

  /** Nobody's node, or one that shows nothing of what was asked. */
  const isNothing = (data: unknown): boolean => {
    const { node } = data as { node?: Record<string, unknown> | null };
    return node === null || (node !== undefined && Object.values(node).every((value) => value === null));
  };
});

/** Who sees what the owner made. */
const audience: Record<Kind, readonly Caller[]> = {
  User: ['owner', 'administrator', ...members],
  Session: ['owner', 'administrator'],
  AuditEntry: ['owner', 'administrator'],
  ApiKey: ['owner', 'administrator'],
  Job: ['owner', 'administrator'],
  ResultSet: ['owner', 'administrator'],
  SavedQuery: ['owner', ...members],
  Bucket: ['owner', 'administrator', ...members],
  StoredFile: ['owner', 'administrator', ...members],
  Project: ['owner', ...members],
  ProjectMember: ['owner', ...members],
  Task: ['owner', ...members],
  Invitation: ['owner'],
  Database: ['owner', ...members],
  Schema: ['owner', ...members],
  Table: ['owner', ...members],
  Column: ['owner', ...members],
  Index: ['owner', ...members],
  ForeignKey: ['owner', ...members],
  EnumType: ['owner', ...members],
  Function: ['owner', ...members],
};

/** Every value of a type that can be had without an argument. */
function valuesOf(kind: Kind): string {
  const fields = Object.values((schema.getType(kind) as GraphQLObjectType).getFields());
  const plain = fields.filter(({ type, args }) => isLeafType(getNamedType(type)) && !args.some(isRequiredArgument));
  return plain.map(({ name }) => name).join(' ');
}

describe.each(callers)('node(id) as %s', (caller) => {
  test.each(kinds)('of %s', async (kind) => {
    const query = `query ($id: ID!) { node(id: $id) { __typename id ... on ${kind} { ${valuesOf(kind)} } } }`;
    const nothing = { status: 200, data: { node: null }, errors: undefined };
    expect(await askAs(caller, query, { id: neverMade()[kind] })).toMatchObject(nothing);
    const answer = await askAs(caller, query, { id: things[kind] });
    if (audience[kind].includes(caller)) {
      expect(answer.errors).toBeUndefined();
      expect(answer.data).toMatchObject({ node: { __typename: kind, id: things[kind] } });
    } else {
      expect(answer).toMatchObject(nothing);
    }
  });

  test('with the kind of another one, or with parts of another one, is null', async () => {
    expect(await found(caller, [...swapped(), ...crossed()])).toEqual([]);
  });

  test('with more parts than it has is null', async () => {
    expect(await found(caller, surplus(rowKinds))).toEqual([]);
    expect(await found(caller, surplus(catalogKinds))).toEqual([]);
  });

  test('of garbage is null', async () => {
    for (const id of garbage()) {
      const { status, data, errors } = await askAs(caller, 'query ($id: ID!) { node(id: $id) { id } }', { id });
      expect({ id, status, data, errors }).toEqual({ id, status: 200, data: { node: null }, errors: undefined });
    }
    expect(await found(caller, garbage())).toEqual([]);
  });
});

/** Those of the ids that lead somewhere. @throws Error for an answer with errors */
async function found(caller: Caller, ids: readonly string[]): Promise<unknown[]> {
  const leading: unknown[] = [];
  for (let start = 0; start < ids.length; start += 100) {
    const page = ids.slice(start, start + 100);
    const { data, errors } = await askAs(caller, 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename } }', {
      ids: page,
    });
    if (errors) throw new Error(JSON.stringify(errors));
    const { nodes } = data as { nodes: (object | null)[] };
    leading.push(...nodes.flatMap((node, i) => (node ? [{ node, id: decodeId(page[i]!) }] : [])));
  }
  return leading;
}

const isRow = (kind: Kind): boolean => rowKinds.some((row) => row === kind);
const pairs = kinds.flatMap((kind) => kinds.filter((other) => other !== kind).map((other) => [kind, other] as const));

/** The parts of one kind behind the name of another one. */
const swapped = (): string[] =>
  pairs
    .filter(([kind, other]) => isRow(kind) || !isRow(other))
    .map(([kind, other]) => encodeId(other, ...partsOf(things[kind])));

/** What one kind begins with before the names of another one. */
const crossed = (): string[] =>
  pairs
    .map(([kind, other]) => [kind, partsOf(things[other])[0]!, ...partsOf(things[kind]).slice(1)] as const)
    // All names in one database belong together.
    .filter(([kind, first]) => first !== partsOf(things[kind])[0])
    .map((parts) => encodeId(...parts));

/** Whole ids with something of every other kind behind them. */
const surplus = (of: readonly Kind[]): string[] =>
  pairs
    .filter(([kind]) => of.includes(kind))
    .map(([kind, other]) => encodeId(kind, ...partsOf(things[kind]), ...partsOf(things[other])));

const base64url = (text: string): string => Buffer.from(text).toString('base64url');

function garbage(): string[] {
  const [uuid = ''] = partsOf(things.Database);
  return [
    '',
    ' ',
    '-1',
    '0',
    '9'.repeat(400),
    'null',
    '💥',
    '\0',
    "' OR 1=1 --",
    'x'.repeat(10_000),
    uuid,
    base64url('x'.repeat(6_000)),
    ...['', '[', '{}', '[]', 'null', '1', '"Database"', '["Database"]', '["Database",null]', '["Database",1]'].map(
      base64url,
    ),
    base64url(`{"0":"Database","1":"${uuid}","length":2}`),
    base64url(`["Database",["${uuid}"]]`),
    base64url(`[ "Database", "${uuid}" ]`),
    base64url(`["Table","${uuid}","public","\\ud800"]`),
    ...['__proto__', 'constructor', 'toString', 'Query', 'Node', 'database', ''].map((kind) => encodeId(kind, uuid)),
    ...rowKinds.flatMap((kind) => ['', 'x', uuid.toUpperCase(), `${uuid}'`].map((part) => encodeId(kind, part))),
    ...catalogKinds.flatMap((kind) => [
      encodeId(kind, uuid),
      encodeId(kind, 'x', 'public'),
      encodeId(kind, '', '', ''),
    ]),
    ...catalogKinds.map((kind) => encodeId(kind, ...partsOf(things[kind]).slice(0, -1), `${mark}\0`)),
    ...catalogKinds.map((kind) => encodeId(kind, ...partsOf(things[kind]).slice(0, -1), 'x'.repeat(5_000))),
    ` ${things.Database}`,
    `${things.Database}=`,
    things.Database.slice(0, -1),
    things.Database.toLowerCase(),
  ];
}

describe('garbage in place of every id', () => {
  const taking = named.filter(([, { variables, answers }]) => variables && answers.stranger !== 'own');

  test.each(taking.filter(([, { answers }]) => answers.stranger !== 'silent'))(
    'of %s is answered',
    async (_name, call) => {
      const swapped = encodeId('Nothing', uuidv7());
      for (const id of ['', 'x'.repeat(10_000), base64url('[null]'), encodeId('User', '\0'), swapped]) {
        const everywhere = { ...Object.fromEntries(kinds.map((kind) => [kind, id])), email: things.email } as Things;
        for (const other of strangers) {
          const { status, errors } = await tell(other, call, everywhere);
          expect(status ?? 0).toBeLessThan(500);
          expect((errors ?? []).map(({ extensions }) => extensions.code)).not.toContain('INTERNAL_SERVER_ERROR');
        }
      }
    },
  );
});
