/**
 * Asks the one table of rights-table.ts. A viewer stands in a relation to a resource, and each action names the relations
 * that allow it. Asked at the start of every feature function, when a job starts, and for every event that is sent. Who
 * shows an API key may what his user may, as far as the action's line gives it to the key.
 */
import { AppError, notFound } from '../lib/errors.ts';
import { type Action, type ProjectRole, projectRoles, type Relation, rights } from './rights-table.ts';
import { type ApiKeyScope, apiKeyScopes, type Viewer } from './viewer.ts';

export { type Action, type ProjectRole, projectRoles };

export type Resource =
  | { readonly kind: 'server' }
  | { readonly kind: 'user'; readonly userId: string /** They share a project. */; readonly fellow: boolean }
  | { readonly kind: 'job'; readonly ownerId: string; readonly databaseId: string | null }
  | { readonly kind: 'project'; readonly role: ProjectRole | null }
  /** With the viewer's role in its project. */
  | { readonly kind: 'task'; readonly role: ProjectRole | null }
  /** Into a project, with the viewer's role there, or else to the server. */
  | { readonly kind: 'invitation'; readonly shared: boolean; readonly role: ProjectRole | null }
  | {
      readonly kind: 'database';
      readonly id: string;
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
      readonly databaseId: string | null;
      readonly ownerId: string | null;
      /** In a project its members decide, whoever made it. */
      readonly shared: boolean;
      /** The viewer's role in its project. */
      readonly role: ProjectRole | null;
    };

const hasScope = ({ key }: Viewer, needed: ApiKeyScope | null): boolean =>
  !key || (needed !== null && apiKeyScopes.indexOf(key.scope) >= apiKeyScopes.indexOf(needed));

/** Whether it is of one of the databases that a narrowed key is for. What is of no database is not there for it. */
function isWithin({ userId, key }: Viewer, action: Action, resource: Resource): boolean {
  const ids = key?.databaseIds;
  if (!ids) return true;
  switch (resource.kind) {
    case 'database':
      return ids.includes(resource.id);
    case 'job':
    case 'saved-query':
      return resource.databaseId !== null && ids.includes(resource.databaseId);
    case 'server':
      return action === 'server:use';
    case 'user':
      // By name, as whose jobs and databases they are.
      return action === 'user:see' && resource.userId === userId;
    default:
      return false;
  }
}

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
    case 'invitation':
      if (resource.shared) return resource.role ?? 'stranger';
      return viewer.role === 'admin' ? 'admin' : 'stranger';
    case 'saved-query':
      if (resource.shared) return resource.role ?? 'stranger';
      return resource.ownerId === viewer.userId ? 'self' : 'stranger';
  }
}

export function can(viewer: Viewer | null, action: Action, resource: Resource): boolean {
  if (viewer && !(hasScope(viewer, rights[action].key) && isWithin(viewer, action, resource))) return false;
  return (rights[action].who as readonly Relation[]).includes(relationOf(viewer, resource));
}

/** What a viewer must be able to do to know at all that the thing is there. */
const sight: Record<Resource['kind'], Action> = {
  server: 'server:use',
  user: 'user:see',
  job: 'job:see',
  project: 'project:see',
  task: 'task:see',
  invitation: 'invitation:see',
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
  requireScope(viewer, rights[action].key);
  if (!isWithin(viewer, action, resource)) throw new AppError('FORBIDDEN', 'The API key is for its databases alone');
  throw new AppError('FORBIDDEN', `Your role does not allow ${action.replace(':', ' ')}`.replace('-', ' '));
}

const capitalized = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
