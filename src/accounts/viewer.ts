/** Who asks: the signed-in user of one session, or a program with a key of his. Null stands for an anonymous caller. */

export type UserRole = 'admin' | 'member';

/** From the metadata; what is not known there grants least. */
export const roleOfText = (role: string): UserRole => (role === 'admin' ? 'admin' : 'member');

/** Each allows what those before it do. */
export const apiKeyScopes = ['anonymous', 'read', 'query', 'write', 'admin'] as const;
export type ApiKeyScope = (typeof apiKeyScopes)[number];

/** What a key leaves of what its user may; the policy has the table. */
export interface KeyRights {
  readonly id: string;
  /** The greatest of its scopes. */
  readonly scope: ApiKeyScope;
  /** The databases that it is narrowed to: what is of no other is there for it. Absent: all that its user reaches. */
  readonly databaseIds?: readonly string[];
}

export interface Viewer {
  /** Of an anonymous key its own id, which is no user's: nothing is its own. */
  readonly userId: string;
  readonly role: UserRole;
  /** Of the session, or of the key: what is rung about when it ends. */
  readonly sessionId: string;
  /** When what was shown ends; null: not by itself. */
  readonly expiresAt: Date | null;
  /** Absent for a session. */
  readonly key?: KeyRights;
}

/** Of these databases, or of all where it is null, those that a narrowed key leaves; null: all of them. */
export function databasesWithin(viewer: Viewer, ids: readonly string[] | null): readonly string[] | null {
  const within = viewer.key?.databaseIds;
  return within ? (ids ?? within).filter((id) => within.includes(id)) : ids;
}

/** A key for what is public, whoever holds it. */
export const isAnonymous = (viewer: Viewer | null): boolean => viewer?.key?.scope === 'anonymous';

/** Where a request came from, for sessions and the audit. */
export interface Caller {
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  /** Who is signed in already where this comes from. */
  readonly userId?: string;
  /** The API key that was shown. */
  readonly keyId?: string;
}

/** For what the server does by itself, or for somebody who asked long ago. */
export const nobody: Caller = { ipAddress: null, userAgent: null };
