/** Who did what to what. An entry is written in the transaction that did it, so that neither is there without the other. */
import type { Caller } from '../accounts/viewer.ts';
import type { Executor } from '../db/metadata.ts';
import { encodeId, uuidv7 } from '../lib/ids.ts';

export type AuditAction =
  | 'audit.chain_broken'
  | 'audit.exported'
  | 'access.refused'
  | 'access.refusals_limited'
  | 'connection.tested'
  | 'job.submitted'
  | 'job.cancelled'
  | 'job.reprioritized'
  | 'job.deleted'
  | 'user.registered'
  | 'user.login'
  | 'user.linked'
  | 'user.link_refused'
  | 'user.login_failed'
  | 'user.login_limited'
  | 'user.updated'
  | 'user.deletion_begun'
  | 'user.deleted'
  | 'user.registration_repeated'
  | 'user.registration_limited'
  | 'user.verification_requested'
  | 'user.email_verified'
  | 'user.email_verification_failed'
  | 'user.password_reset_requested'
  | 'user.password_reset'
  | 'user.password_changed'
  | 'user.password_change_failed'
  | 'profile.updated'
  | 'profile.update_failed'
  | 'session.reuse_detected'
  | 'session.ended'
  | 'second_factor.enabled'
  | 'second_factor.enable_failed'
  | 'second_factor.disabled'
  | 'second_factor.reset'
  | 'second_factor.recovery_used'
  | 'api_key.created'
  | 'api_key.revoked'
  | 'settings.updated'
  | 'project.created'
  | 'project.updated'
  | 'project.deleted'
  | 'member.added'
  | 'member.updated'
  | 'member.removed'
  | 'invitation.sent'
  | 'invitation.accepted'
  | 'invitation.revoked'
  | 'task.created'
  | 'task.updated'
  | 'task.deleted'
  | 'database.connected'
  | 'database.updated'
  | 'database.disconnected'
  | 'database.created_hosted'
  | 'database.tracking_enabled'
  | 'database.tracking_disabled'
  | 'saved_query.created'
  | 'saved_query.updated'
  | 'saved_query.deleted'
  | 'bucket.created'
  | 'bucket.updated'
  | 'bucket.deleted'
  | 'file.uploaded'
  | 'file.moved'
  | 'file.deleted';

export interface AuditEvent {
  /** With whose account it was done or tried; null where there is none. */
  readonly actorId: string | null;
  readonly action: AuditAction;
  /** The client's id of what it was done to. */
  readonly subject: string | null;
  /** `refused`: whoever tried had no right to. */
  readonly outcome: 'success' | 'failure' | 'refused';
  readonly caller: Caller;
  /** Never a secret, never SQL, never what somebody typed as a password or an address: ids, names and what was chosen. */
  readonly details?: Readonly<Record<string, unknown>>;
}

const maxUserAgentCharacters = 300;

export const userAgentOf = ({ userAgent }: Caller): string | null =>
  userAgent?.slice(0, maxUserAgentCharacters) ?? null;

/**
 * Writes one entry. Call it inside of the transaction that does the thing, as its last statement; it is chained by itself
 * (chain.ts). A new mutation: add its action above, call this, and name the mutation in test/audit/coverage.test.ts, which
 * fails without. What was refused for want of a right is written by the graph, for every mutation alike.
 */
export async function record(client: Executor, event: AuditEvent): Promise<void> {
  const { actorId, action, subject, outcome, caller, details } = event;
  await client.query(
    `INSERT INTO audit_entries (id, actor_id, action, subject, outcome, ip_address, user_agent, details)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [uuidv7(), actorId, action, subject, outcome, caller.ipAddress, userAgentOf(caller), detailsText(details, caller)],
  );
}

/** As JSON, with the API key that was shown, if any. */
export function detailsText(details: AuditEvent['details'], { keyId }: Caller): string | null {
  const apiKey = keyId && { apiKey: encodeId('ApiKey', keyId) };
  return details || apiKey ? JSON.stringify({ ...details, ...apiKey }, wellFormed) : null;
}

/** For JSON: of what is half a pair of surrogates, which jsonb refuses, U+FFFD stays. */
const wellFormed = (_: string, value: unknown): unknown => (typeof value === 'string' ? value.toWellFormed() : value);
