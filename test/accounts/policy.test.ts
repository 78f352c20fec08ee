/** The one table of rights, written out: who may what is read here, and a change of it shows here. */
import { describe, expect, test } from 'vitest';
import { type Action, can, type Resource, requireCan } from '../../src/accounts/policy.ts';
import { type ApiKeyScope, apiKeyScopes, type UserRole, type Viewer } from '../../src/accounts/viewer.ts';

const viewer = (userId: string, role: UserRole = 'member'): Viewer => ({
  userId,
  role,
  sessionId: 's',
  expiresAt: new Date(0),
});
const me = viewer('me');
const admin = viewer('admin', 'admin');

const database = (changes: object): Resource => ({
  kind: 'database',
  id: 'd',
  ownerId: 'other',
  role: null,
  system: false,
  ...changes,
});
const savedQuery = (changes: object): Resource => ({
  kind: 'saved-query',
  databaseId: null,
  ownerId: 'other',
  shared: true,
  role: null,
  ...changes,
});
const bucket = (changes: object): Resource => ({
  kind: 'bucket',
  ownerId: 'other',
  shared: true,
  role: null,
  ...changes,
});
const user = (userId: string, fellow = false): Resource => ({ kind: 'user', userId, fellow });

const databaseActions = [
  'database:see',
  'database:query',
  'database:write',
  'database:activity',
  'database:manage',
] as const;
const projectActions = ['project:see', 'project:leave', 'project:edit', 'project:manage'] as const;
const taskActions = ['task:see', 'task:edit'] as const;
const invitationActions = ['invitation:see', 'invitation:revoke'] as const;
const savedQueryActions = ['saved-query:see', 'saved-query:run', 'saved-query:edit'] as const;
const bucketActions = ['bucket:see', 'bucket:write', 'bucket:manage'] as const;
const userActions = ['user:see', 'user:see-private', 'user:edit'] as const;
const jobActions = ['job:see', 'job:cancel', 'job:retry'] as const;
const serverActions = ['server:use', 'server:administer'] as const;

const rows: [string, Viewer | null, Resource, readonly Action[], readonly Action[]][] = [
  ['anybody signed in, the server', me, { kind: 'server' }, serverActions, ['server:use']],
  ['an administrator, the server', admin, { kind: 'server' }, serverActions, serverActions],
  ['oneself', me, user('me'), userActions, userActions],
  ['a fellow', me, user('other', true), userActions, ['user:see']],
  ['a stranger', me, user('other'), userActions, []],
  ['an administrator, anybody', admin, user('other'), userActions, ['user:see', 'user:see-private']],
  ['an owner, a job', me, { kind: 'job', ownerId: 'me', databaseId: null }, jobActions, jobActions],
  ['a stranger, a job', me, { kind: 'job', ownerId: 'other', databaseId: null }, jobActions, []],
  [
    'an administrator, a job',
    admin,
    { kind: 'job', ownerId: 'other', databaseId: null },
    jobActions,
    jobActions.slice(0, 2),
  ],
  ['an owner, a project', me, { kind: 'project', role: 'owner' }, projectActions, projectActions],
  ['an editor, a project', me, { kind: 'project', role: 'editor' }, projectActions, projectActions.slice(0, 3)],
  ['a viewer, a project', me, { kind: 'project', role: 'viewer' }, projectActions, projectActions.slice(0, 2)],
  ['a stranger, a project', me, { kind: 'project', role: null }, projectActions, []],
  ['an administrator, a project', admin, { kind: 'project', role: null }, projectActions, []],
  ['an owner, a task', me, { kind: 'task', role: 'owner' }, taskActions, taskActions],
  ['an editor, a task', me, { kind: 'task', role: 'editor' }, taskActions, taskActions],
  ['a viewer, a task', me, { kind: 'task', role: 'viewer' }, taskActions, taskActions.slice(0, 1)],
  ['an administrator, a task', admin, { kind: 'task', role: null }, taskActions, []],
  ...(['owner', 'editor', 'viewer', null] as const).map((role): (typeof rows)[number] => [
    `${role ?? 'a stranger'}, an invitation into a project`,
    me,
    { kind: 'invitation', shared: true, role },
    invitationActions,
    role === 'owner' ? invitationActions : [],
  ]),
  ['an administrator, an invitation', admin, { kind: 'invitation', shared: true, role: null }, invitationActions, []],
  [
    'an administrator, one to the server',
    admin,
    { kind: 'invitation', shared: false, role: null },
    invitationActions,
    invitationActions,
  ],
  ['anybody, one to the server', me, { kind: 'invitation', shared: false, role: null }, invitationActions, []],
  ['an owner, his own bucket', me, bucket({ ownerId: 'me', shared: false }), bucketActions, bucketActions],
  ['an owner, a bucket', me, bucket({ role: 'owner' }), bucketActions, bucketActions],
  ['an editor, a bucket', me, bucket({ role: 'editor' }), bucketActions, bucketActions.slice(0, 2)],
  ['a viewer, a bucket', me, bucket({ role: 'viewer' }), bucketActions, bucketActions.slice(0, 1)],
  ['who made it and left, a bucket', me, bucket({ ownerId: 'me' }), bucketActions, []],
  ['a stranger, a bucket', me, bucket({ shared: false }), bucketActions, []],
  ['an administrator and viewer, a bucket', admin, bucket({ role: 'viewer' }), bucketActions, bucketActions],
  ['an administrator, a bucket', admin, bucket({ shared: false }), bucketActions, bucketActions],
  ['nobody, a bucket', null, bucket({ ownerId: null, shared: false }), bucketActions, []],
  ['an owner, a database', me, database({ ownerId: 'me' }), databaseActions, databaseActions],
  ['its owner and viewer', me, database({ ownerId: 'me', role: 'viewer' }), databaseActions, databaseActions],
  ['an owner of its project', me, database({ role: 'owner' }), databaseActions, databaseActions],
  ['an editor of its project', me, database({ role: 'editor' }), databaseActions, databaseActions.slice(0, 4)],
  ['a viewer of its project', me, database({ role: 'viewer' }), databaseActions, databaseActions.slice(0, 2)],
  ['a stranger, a database', me, database({}), databaseActions, []],
  ['an administrator, a database', admin, database({}), databaseActions, []],
  ['anybody, the sample', me, database({ ownerId: null, system: true }), databaseActions, databaseActions.slice(0, 2)],
  ['nobody, the sample', null, database({ ownerId: null, system: true }), databaseActions, []],
  ['an owner, a saved query', me, savedQuery({ ownerId: 'me', shared: false }), savedQueryActions, savedQueryActions],
  ['a stranger, a saved query', me, savedQuery({ shared: false }), savedQueryActions, []],
  ['an administrator, a saved query', admin, savedQuery({ shared: false }), savedQueryActions, []],
  ['nobody, one whose owner is gone', null, savedQuery({ ownerId: null, shared: false }), savedQueryActions, []],
  ['an owner of its project', me, savedQuery({ role: 'owner' }), savedQueryActions, savedQueryActions],
  ['an editor of its project', me, savedQuery({ role: 'editor' }), savedQueryActions, savedQueryActions],
  ['a viewer of its project', me, savedQuery({ role: 'viewer' }), savedQueryActions, savedQueryActions.slice(0, 2)],
  ['its owner, sent away', me, savedQuery({ ownerId: 'me' }), savedQueryActions, []],
  ['nobody, the server', null, { kind: 'server' }, serverActions, []],
];

test.each(rows)('%s', (_name, who, resource, actions, allowed) => {
  expect(actions.filter((action) => can(who, action, resource))).toEqual(allowed);
});

describe('a key of an administrator who owns all of it', () => {
  const server: Resource = { kind: 'server' };
  const sample = database({ ownerId: null, system: true });
  const owned: [Resource, readonly Action[]][] = [
    [server, ['server:use', 'server:administer', 'connection:use', 'connection:write']],
    [server, ['project:create', 'database:connect', 'bucket:create']],
    [user('admin'), ['user:see', 'user:see-private', 'user:see-access', 'user:edit', 'user:make-keys']],
    [user('admin'), ['user:revoke-keys']],
    [{ kind: 'project', role: 'owner' }, [...projectActions, 'project:broadcast']],
    [database({ ownerId: 'admin' }), ['database:see', 'database:read', ...databaseActions.slice(1)]],
    [bucket({ role: 'owner' }), [...bucketActions, 'bucket:export']],
    [savedQuery({ role: 'owner' }), savedQueryActions],
    [{ kind: 'job', ownerId: 'admin', databaseId: null }, [...jobActions, 'job:edit']],
  ];
  /** What each scope adds to the one before it. */
  const added: Record<ApiKeyScope, Action[]> = {
    anonymous: ['server:use', 'database:see', 'database:read'],
    read: [
      'user:see',
      'user:see-private',
      'project:see',
      'database:activity',
      'bucket:see',
      'saved-query:see',
      'job:see',
    ],
    query: ['connection:use', 'database:query', 'bucket:export', 'saved-query:run', 'job:cancel', 'job:retry'],
    write: [
      'connection:write',
      'project:edit',
      'project:broadcast',
      'database:write',
      'bucket:write',
      'saved-query:edit',
      'job:edit',
    ],
    admin: [
      'server:administer',
      'user:edit',
      'project:create',
      'project:leave',
      'project:manage',
      'database:connect',
      'database:manage',
      'bucket:create',
      'bucket:manage',
    ],
  };
  const keyed = (scope: ApiKeyScope): Viewer => ({ ...viewer('admin', 'admin'), key: { id: 'key', scope } });

  test.each(apiKeyScopes)('with %s', (scope) => {
    const may = owned.flatMap(([resource, actions]) => actions.filter((action) => can(keyed(scope), action, resource)));
    const expected = apiKeyScopes.slice(0, apiKeyScopes.indexOf(scope) + 1).flatMap((each) => added[each]);
    expect(may.sort()).toEqual(expected.sort());
  });

  test('that is narrowed does as much with its own, and nothing of another', () => {
    const of = (databaseIds: string[]): Viewer => ({
      ...keyed('admin'),
      key: { id: 'key', scope: 'admin', databaseIds },
    });
    const resources: [Resource, readonly Action[]][] = [
      ...owned.filter(([{ kind }]) => kind !== 'job' && kind !== 'saved-query'),
      [{ kind: 'job', ownerId: 'admin', databaseId: 'd' }, jobActions],
      [savedQuery({ role: 'owner', databaseId: 'd' }), savedQueryActions],
      [{ kind: 'job', ownerId: 'admin', databaseId: null }, jobActions],
      [savedQuery({ role: 'owner' }), savedQueryActions],
    ];
    const may = (viewer: Viewer) =>
      resources.flatMap(([resource, actions]) => actions.filter((action) => can(viewer, action, resource)));
    expect(may(of(['other']))).toEqual(['server:use', 'user:see']);
    const own = ['database:see', 'database:read', ...databaseActions.slice(1), ...jobActions, ...savedQueryActions];
    expect(may(of(['other', 'd']))).toEqual(['server:use', 'user:see', ...own]);
    expect(() => requireCan(of(['d']), 'project:create', server)).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN' }),
    );
  });

  test('is a guest of the sample, and no more there', () => {
    const may = (scope: ApiKeyScope) => databaseActions.filter((action) => can(keyed(scope), action, sample));
    expect(may('anonymous')).toEqual(['database:see']);
    expect(may('admin')).toEqual(['database:see', 'database:query']);
  });
});

describe('who may not is told', () => {
  test.each<[string, Viewer | null, Action, Resource, string]>([
    ['to sign in', null, 'project:see', { kind: 'project', role: 'owner' }, 'UNAUTHENTICATED'],
    [
      'that it is not there, when he may not see it',
      me,
      'project:manage',
      { kind: 'project', role: null },
      'NOT_FOUND',
    ],
    ['that it is forbidden, when he sees it', me, 'project:manage', { kind: 'project', role: 'editor' }, 'FORBIDDEN'],
    [
      'that his key only reads',
      { ...me, key: { id: 'key', scope: 'query' } },
      'database:write',
      database({ ownerId: 'me' }),
      'READ_ONLY',
    ],
    [
      'that his key was not given as much',
      { ...me, key: { id: 'key', scope: 'read' } },
      'database:query',
      database({ ownerId: 'me' }),
      'FORBIDDEN',
    ],
    ['that it is forbidden, what is everybody’s', me, 'server:administer', { kind: 'server' }, 'FORBIDDEN'],
  ])('%s', (_name, who, action, resource, code) => {
    expect(() => requireCan(who, action, resource)).toThrow(expect.objectContaining({ code }));
  });
});
