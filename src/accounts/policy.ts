/**
 * Who may do what: one table. A viewer stands in a relation to a resource, and each action names the relations that
 * allow it. Asked at the start of every feature function, when a job starts, and for every event that is sent. Who
 * shows an API key may what his user may, as far as the second table gives it to the key.
 */
import { AppError, notFound } from '../lib/errors.ts';
import { type ApiKeyScope, apiKeyScopes, type Viewer } from './viewer.ts';

export const projectRoles = ['owner', 'editor', 'viewer'] as const;
export type ProjectRole = (typeof projectRoles)[number];

/** What somebody is to a thing. Nobody is `stranger` in the table, so strangers may nothing. */
type Relation = 'self' | ProjectRole | 'fellow' | 'guest' | 'admin' | 'stranger';

export type Resource =
  | { readonly kind: 'server' }
  | { readonly kind: 'user'; readonly userId: string /** They share a project. */; readonly fellow: boolean }
  | { readonly kind: 'job'; readonly ownerId: string }
  | { readonly kind: 'project'; readonly role: ProjectRole | null }
  /** With the viewer's role in its project. */
  | { readonly kind: 'task'; readonly role: ProjectRole | null }
  | {
      readonly kind: 'database';
      readonly ownerId: string | null;
      /** The viewer's role in its project. */
      readonly role: ProjectRole | null;
      /** The sample: every signed-in user is a guest. */
      readonly system: boolean;
    }
  | {
      readonly kind: 'bucket';
      readonly ownerId: string | null;
      /** In a project its members decide, whoever made it. */
      readonly shared: boolean;
      /** The viewer's role in its project. */
      readonly role: ProjectRole | null;
    }
  | {
      readonly kind: 'saved-query';
      readonly ownerId: string | null;
      /** In a project its members decide, whoever made it. */
      readonly shared: boolean;
      /** The viewer's role in its project. */
      readonly role: ProjectRole | null;
    };

const members: readonly Relation[] = ['owner', 'editor', 'viewer'];

const table = {
  'server:use': ['self', 'admin'],
  'server:administer': ['admin'],

  /** Credentials that are typed, for one job or one look. */
  'connection:use': ['self', 'admin'],
  'connection:write': ['self', 'admin'],

  'user:see': ['self', 'fellow', 'admin'],
  'user:see-private': ['self', 'admin'],
  /** The sessions and keys that lead to an account. */
  'user:see-access': ['self', 'admin'],
  'user:edit': ['self'],
  'user:make-keys': ['self'],
  'user:revoke-keys': ['self', 'admin'],

  'project:create': ['self', 'admin'],
  'project:see': members,
  'project:edit': ['owner', 'editor'],
  'project:manage': ['owner'],
  'project:leave': members,
  /** On its channels; who sees it hears. */
  'project:broadcast': ['owner', 'editor'],

  /** Of a project. */
  'task:see': members,
  'task:edit': ['owner', 'editor'],

  'database:connect': ['self', 'admin'],
  'database:see': [...members, 'guest'],
  /** Its rows and their changes, without SQL. */
  'database:read': [...members, 'guest'],
  'database:query': [...members, 'guest'],
  'database:write': ['owner', 'editor'],
  /** What others run there; one's own jobs everybody sees. */
  'database:activity': ['owner', 'editor'],
  'database:manage': ['owner'],

  'bucket:create': ['self', 'admin'],
  /** With the files in it. */
  'bucket:see': [...members, 'admin'],
  /** A new file that a job writes. */
  'bucket:export': ['owner', 'editor', 'admin'],
  'bucket:write': ['owner', 'editor', 'admin'],
  'bucket:manage': ['owner', 'admin'],

  'saved-query:see': ['self', ...members],
  'saved-query:run': ['self', ...members],
  'saved-query:edit': ['self', 'owner', 'editor'],

  'job:see': ['self', 'admin'],
  'job:cancel': ['self', 'admin'],
  // Nobody runs SQL as somebody else.
  'job:retry': ['self'],
  'job:edit': ['self', 'admin'],
} as const satisfies Record<string, readonly Relation[]>;

export type Action = keyof typeof table;

/** The least scope of an API key that may do it; null: nobody with a key, as keys, passwords and sessions are no program's. */
const scopes: Readonly<Record<Action, ApiKeyScope | null>> = {
  // Nothing by itself: whatever comes behind it asks for more.
  'server:use': 'anonymous',
  'server:administer': 'admin',

  'connection:use': 'query',
  'connection:write': 'write',

  'user:see': 'read',
  'user:see-private': 'read',
  'user:see-access': null,
  'user:edit': 'admin',
  'user:make-keys': null,
  'user:revoke-keys': null,

  'project:create': 'admin',
  'project:see': 'read',
  'project:edit': 'write',
  'project:manage': 'admin',
  'project:leave': 'admin',
  'project:broadcast': 'write',

  'task:see': 'read',
  'task:edit': 'write',

  'database:connect': 'admin',
  // Of an anonymous key: the sample's, where everybody is a guest.
  'database:see': 'anonymous',
  'database:read': 'anonymous',
  'database:query': 'query',
  'database:write': 'write',
  'database:activity': 'read',
  'database:manage': 'admin',

  'bucket:create': 'admin',
  // Files of a public bucket are read by their addresses, without a key; nobody lists them who may not see the bucket.
  'bucket:see': 'read',
  'bucket:export': 'query',
  'bucket:write': 'write',
  'bucket:manage': 'admin',

  'saved-query:see': 'read',
  'saved-query:run': 'query',
  'saved-query:edit': 'write',

  'job:see': 'read',
  'job:cancel': 'query',
  'job:retry': 'query',
  'job:edit': 'write',
};

const hasScope = ({ key }: Viewer, needed: ApiKeyScope | null): boolean =>
  !key || (needed !== null && apiKeyScopes.indexOf(key.scope) >= apiKeyScopes.indexOf(needed));

/** @throws AppError READ_ONLY for a key that reads where WRITE would do, FORBIDDEN for any other that was not given as much */
export function requireScope(viewer: Viewer | null, needed: ApiKeyScope | null): void {
  if (!viewer || hasScope(viewer, needed)) return;
  if (needed === null) throw new AppError('FORBIDDEN', 'Not with an API key: sign in');
  const scope = needed.toUpperCase();
  throw new AppError(needed === 'write' ? 'READ_ONLY' : 'FORBIDDEN', `The API key lacks the scope ${scope}`, {
    details: { scope },
  });
}

/** The relation that grants most; the owner of a database has no lesser role beside it. */
export function relationOf(viewer: Viewer | null, resource: Resource): Relation {
  if (!viewer) return 'stranger';
  switch (resource.kind) {
    case 'server':
      return viewer.role === 'admin' ? 'admin' : 'self';
    case 'user':
      if (resource.userId === viewer.userId) return 'self';
      if (viewer.role === 'admin') return 'admin';
      return resource.fellow ? 'fellow' : 'stranger';
    case 'job':
      if (resource.ownerId === viewer.userId) return 'self';
      return viewer.role === 'admin' ? 'admin' : 'stranger';
    case 'project':
    case 'task':
      return resource.role ?? 'stranger';
    case 'database':
      if (resource.ownerId === viewer.userId) return 'owner';
      return resource.role ?? (resource.system ? 'guest' : 'stranger');
    case 'bucket':
      if (!resource.shared && resource.ownerId === viewer.userId) return 'owner';
      if (viewer.role === 'admin') return 'admin';
      return (resource.shared ? resource.role : null) ?? 'stranger';
    case 'saved-query':
      if (resource.shared) return resource.role ?? 'stranger';
      return resource.ownerId === viewer.userId ? 'self' : 'stranger';
  }
}

export function can(viewer: Viewer | null, action: Action, resource: Resource): boolean {
  if (viewer && !hasScope(viewer, scopes[action])) return false;
  return (table[action] as readonly Relation[]).includes(relationOf(viewer, resource));
}

/** What a viewer must be able to do to know at all that the thing is there. */
const sight: Record<Resource['kind'], Action> = {
  server: 'server:use',
  user: 'user:see',
  job: 'job:see',
  project: 'project:see',
  task: 'task:see',
  database: 'database:see',
  bucket: 'bucket:see',
  'saved-query': 'saved-query:see',
};

/** @throws AppError UNAUTHENTICATED for an anonymous caller, NOT_FOUND where the viewer may not even see it, FORBIDDEN or READ_ONLY otherwise */
export function requireCan(viewer: Viewer | null, action: Action, resource: Resource): asserts viewer is Viewer {
  if (!viewer) throw new AppError('UNAUTHENTICATED', 'Sign in first');
  if (can(viewer, action, resource)) return;
  if (!can(viewer, sight[resource.kind], resource))
    throw notFound(resource.kind === 'server' ? 'It' : capitalized(resource.kind.replace('-', ' ')));
  requireScope(viewer, scopes[action]);
  throw new AppError('FORBIDDEN', `Your role does not allow ${action.replace(':', ' ')}`.replace('-', ' '));
}

const capitalized = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
