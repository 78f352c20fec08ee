/**
 * Who may do what, on one page: an action of a line, what somebody has to be to the thing, and the least scope of an API key
 * that may do it for him. `docs/rights.md` is printed from here; policy.ts asks it.
 */
import type { ApiKeyScope } from './viewer.ts';

export const projectRoles = ['owner', 'editor', 'viewer'] as const;
export type ProjectRole = (typeof projectRoles)[number];

/**
 * What somebody is to a thing. Nobody is `stranger` in the table, so strangers may nothing; whoever is signed in is `self` to
 * the server.
 */
export const relations = ['self', ...projectRoles, 'fellow', 'guest', 'admin', 'stranger'] as const;
export type Relation = (typeof relations)[number];

export interface Right {
  readonly who: readonly Relation[];
  /** Null: nobody with a key, as keys, passwords and sessions are no program's. */
  readonly key: ApiKeyScope | null;
  /** Behind “may”. */
  readonly what: string;
}

const right = (who: readonly Relation[], key: ApiKeyScope | null, what: string): Right => ({ who, key, what });

const signedIn = ['self', 'admin'] as const;
const members = projectRoles;
const editors = ['owner', 'editor'] as const;

export const rights = {
  // Nothing by itself: whatever comes behind it asks for more.
  'server:use': right(signedIn, 'anonymous', 'ask for anything at all'),
  'server:administer': right(['admin'], 'admin', 'look after the installation and its accounts'),

  'connection:use': right(signedIn, 'query', 'type credentials, for one job that reads or one look'),
  'connection:write': right(signedIn, 'write', 'type credentials for one job that writes'),

  'user:see': right(['self', 'fellow', 'admin'], 'read', 'see name and address'),
  'user:see-private': right(signedIn, 'read', 'see role, settings and times'),
  'user:see-access': right(signedIn, null, 'see the sessions and keys that lead to the account'),
  'user:edit': right(['self'], 'admin', 'change settings'),
  'user:edit-access': right(['self'], null, 'change name, address and password'),
  'user:make-keys': right(['self'], null, 'make API keys'),
  'user:reset-factor': right(['admin'], null, 'switch off the second factor of somebody who lost it'),
  'user:revoke-keys': right(signedIn, null, 'revoke API keys'),

  'project:create': right(signedIn, 'admin', 'make one'),
  'project:see': right(members, 'read', 'see it, its members and what belongs to it; hear its channels'),
  'project:edit': right(editors, 'write', 'change its name and description, and put things into it'),
  'project:manage': right(['owner'], 'admin', 'add, change and remove members; delete it'),
  'project:leave': right(members, 'admin', 'leave it'),
  'project:broadcast': right(editors, 'write', 'speak on its channels'),

  'task:see': right(members, 'read', 'see those of the project'),
  'task:edit': right(editors, 'write', 'make, change and delete them'),

  'invitation:see': right(['owner', 'admin'], 'admin', 'see who was invited, by whom and to what'),
  'invitation:revoke': right(['owner', 'admin'], 'admin', 'revoke it'),

  'database:connect': right(signedIn, 'admin', 'connect one, or have one made'),
  // Of an anonymous key: the sample's, where everybody is a guest.
  'database:see': right([...members, 'guest'], 'anonymous', 'see that it is there, and its catalogue'),
  'database:read': right([...members, 'guest'], 'anonymous', 'read rows and follow their changes, without SQL'),
  'database:query': right([...members, 'guest'], 'query', 'run SQL that reads'),
  'database:write': right(editors, 'write', 'run SQL that writes'),
  'database:activity': right(editors, 'read', 'see what others run there; everybody sees his own jobs'),
  'database:manage': right(['owner'], 'admin', 'see and change its connection, track its changes, disconnect it'),

  'bucket:create': right(signedIn, 'admin', 'make one'),
  // Files of a public bucket are read by their addresses, without a key; nobody lists them who may not see the bucket.
  'bucket:see': right([...members, 'admin'], 'read', 'see it and read the files in it'),
  'bucket:export': right([...editors, 'admin'], 'query', 'have a job write a new file into it'),
  'bucket:write': right([...editors, 'admin'], 'write', 'upload, move and delete files'),
  'bucket:manage': right(['owner', 'admin'], 'admin', 'make it public, limit it, delete it'),

  'saved-query:see': right(['self', ...members], 'read', 'see it'),
  'saved-query:run': right(['self', ...members], 'query', 'run it, under his own right to the database'),
  'saved-query:edit': right(['self', ...editors], 'write', 'change, schedule and delete it'),

  'job:see': right(signedIn, 'read', 'see it and its results'),
  'job:cancel': right(signedIn, 'query', 'cancel it'),
  // Nobody runs SQL as somebody else.
  'job:retry': right(['self'], 'query', 'run it again'),
  'job:edit': right(signedIn, 'write', 'change its priority, delete it'),
} as const satisfies Readonly<Record<string, Right>>;

export type Action = keyof typeof rights;
