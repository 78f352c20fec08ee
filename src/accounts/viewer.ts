/** Who asks: the signed-in user of one session. Null stands for an anonymous caller. */

export type UserRole = 'admin' | 'member';

/** From the metadata; what is not known there grants least. */
export const roleOfText = (role: string): UserRole => (role === 'admin' ? 'admin' : 'member');

export interface Viewer {
  readonly userId: string;
  readonly role: UserRole;
  readonly sessionId: string;
  /** When the access token that was shown ends. */
  readonly expiresAt: Date;
}

/** Where a request came from, for sessions and the audit. */
export interface Caller {
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
}
