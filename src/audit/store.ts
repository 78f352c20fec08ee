/** The table of audit entries as it is read: pages for people, ranges of the chain for whoever checks or takes it away. */
import type { Executor } from '../db/metadata.ts';
import type { Page } from '../lib/pages.ts';

export interface AuditEntry {
  readonly id: string;
  readonly createdAt: Date;
  readonly actorId: string | null;
  readonly action: string;
  readonly subject: string | null;
  readonly outcome: string;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  readonly details: unknown;
}

export interface AuditFilter {
  readonly actorId?: string | undefined;
  readonly action?: string | undefined;
  readonly since?: Date | undefined;
}

/** Where an entry is in the list: entries of one transaction have one time. */
export interface AuditKey {
  readonly createdAt: Date;
  readonly id: string;
}

const columns = `id, created_at AS "createdAt", actor_id AS "actorId", action, subject, outcome,
  ip_address AS "ipAddress", user_agent AS "userAgent", details`;

class Conditions {
  readonly values: unknown[] = [];
  readonly #texts: string[] = [];

  /** @param text with `?` for each of the values */
  add(text: string, ...values: unknown[]): void {
    this.#texts.push(text.replace(/\?/g, () => `$${this.values.push(values.shift())}`));
  }

  get where(): string {
    return this.#texts.length > 0 ? `WHERE ${this.#texts.join(' AND ')}` : '';
  }
}

function conditionsOf({ actorId, action, since }: AuditFilter): Conditions {
  const conditions = new Conditions();
  if (actorId !== undefined) conditions.add('actor_id = ?', actorId);
  if (action !== undefined) conditions.add('action = ?', action);
  if (since !== undefined) conditions.add('created_at >= ?', since);
  return conditions;
}

/** Newest first, and one more than the page holds, where there is one. */
export async function listEntries(
  client: Executor,
  filter: AuditFilter,
  { limit, backward }: Pick<Page, 'limit' | 'backward'>,
  { after, before }: { after: AuditKey | null; before: AuditKey | null },
): Promise<AuditEntry[]> {
  const conditions = conditionsOf(filter);
  if (after) conditions.add('(created_at, id) < (?, ?::uuid)', after.createdAt, after.id);
  if (before) conditions.add('(created_at, id) > (?, ?::uuid)', before.createdAt, before.id);
  const direction = backward ? 'ASC' : 'DESC';
  const { rows } = await client.query<AuditEntry>(
    `SELECT ${columns} FROM audit_entries ${conditions.where}
     ORDER BY created_at ${direction}, id ${direction} LIMIT ${limit + 1}`,
    conditions.values,
  );
  return backward ? rows.reverse() : rows;
}

export interface ChainedEntry extends AuditEntry {
  readonly position: string;
  readonly previous: Buffer;
  readonly hash: Buffer;
}

/** In the order of the chain, behind a position and up to another. */
export async function listChained(
  client: Executor,
  filter: AuditFilter,
  { behind, upTo, limit }: { behind: string; upTo: string; limit: number },
): Promise<ChainedEntry[]> {
  const conditions = conditionsOf(filter);
  conditions.add('position > ? AND position <= ?', behind, upTo);
  const { rows } = await client.query<ChainedEntry>(
    `SELECT position, previous, hash, ${columns} FROM audit_entries ${conditions.where} ORDER BY position LIMIT ${limit}`,
    conditions.values,
  );
  return rows;
}

/** The last position of the chain. */
export async function lastPosition(client: Executor): Promise<string> {
  const { rows } = await client.query<{ position: string }>(
    'SELECT coalesce(max(position), 0) AS position FROM audit_entries',
  );
  return rows[0]!.position;
}

export async function countEntries(client: Executor, filter: AuditFilter): Promise<number> {
  const { where, values } = conditionsOf(filter);
  const { rows } = await client.query<{ count: string }>(`SELECT count(*) FROM audit_entries ${where}`, values);
  return Number(rows[0]!.count);
}

export async function findEntry(client: Executor, id: string): Promise<AuditEntry | null> {
  const { rows } = await client.query<AuditEntry>(`SELECT ${columns} FROM audit_entries WHERE id = $1`, [id]);
  return rows[0] ?? null;
}
