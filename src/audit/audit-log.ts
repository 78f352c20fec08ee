/** The audit as people read it: administrators all of it, everybody else what he did himself. */
import type pg from 'pg';
import { can, requireCan } from '../accounts/policy.ts';
import type { Caller, Viewer } from '../accounts/viewer.ts';
import { createLimiter } from '../db/limiter.ts';
import { badInput } from '../lib/errors.ts';
import { encodeId, isUuid } from '../lib/ids.ts';
import type { Keyring } from '../lib/keyring.ts';
import type { Log } from '../lib/log.ts';
import { networkOf } from '../lib/network.ts';
import { type Connection, connectionOf, type PageArguments, pageOf } from '../lib/pages.ts';
import { type AuditEvent, record } from './audit.ts';
import { chain } from './chain.ts';
import {
  type AuditEntry,
  type AuditFilter,
  type AuditKey,
  type ChainedEntry,
  countEntries,
  findEntry,
  lastPosition,
  listChained,
  listEntries,
} from './store.ts';
import { verify } from './verify.ts';

export type { AuditEntry, AuditFilter };

export interface AuditLogDeps {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  readonly log: Log;
  /** That are written down of one key, of the sessions of one account, or of one address without, in 15 minutes; absent or 0: all. */
  readonly maxRefusals?: number;
}

export interface Refusal extends Pick<AuditEvent, 'subject' | 'details' | 'caller'> {
  readonly viewer: Viewer | null;
}

export interface AuditLog {
  /** Newest first. @throws AppError UNAUTHENTICATED, FORBIDDEN for another's where the viewer is no administrator */
  list(viewer: Viewer | null, filter: AuditFilter, page: PageArguments): Promise<Connection<AuditEntry>>;
  /** Null when it is absent or not the viewer's to see. */
  find(viewer: Viewer | null, id: string): Promise<AuditEntry | null>;
  /**
   * Writes down what was refused to somebody, or once that there is more of it than is written down: what is left out, and
   * what cannot be written, is in the log, and hides no refusal.
   */
  refused(refusal: Refusal): Promise<void>;
  /**
   * As NDJSON, in the order of the chain, as it is when this begins; itself in the audit. For an administrator who asks for
   * all of it the last line is what verify() says: `{"verdict":{"entries","head","faults","complete"}}`.
   * @throws AppError as list(), before the first line
   */
  export(
    viewer: Viewer | null,
    filter: AuditFilter,
    asked: { caller: Caller; signal: AbortSignal },
  ): AsyncIterable<string>;
}

const exportedAtOnce = 500;
const refusalsWindowSeconds = 15 * 60;

export function createAuditLog(deps: AuditLogDeps): AuditLog {
  const { pool, log, maxRefusals = 0 } = deps;
  const refusals = createLimiter({
    pool,
    name: 'audit.refusals',
    points: maxRefusals,
    windowSeconds: refusalsWindowSeconds,
    remember: 'blocked',
  });

  async function writeRefusal({ viewer, ...refusal }: Refusal): Promise<void> {
    const { caller } = refusal;
    const exceeded = await refusals.take(
      viewer?.key?.id ?? viewer?.userId ?? (caller.ipAddress === null ? 'none' : networkOf(caller.ipAddress)),
    );
    const by = { actorId: viewer?.userId ?? null, outcome: 'refused' } as const;
    if (!exceeded) return record(pool, { ...by, ...refusal, action: 'access.refused' });
    const { subject, details: told } = refusal;
    log.info({ ...by, keyId: caller.keyId, ipAddress: caller.ipAddress, subject, ...told }, 'audit.refusal_left_out');
    if (!exceeded.first) return;
    const details = { limit: maxRefusals, forMs: exceeded.waitMs };
    await record(pool, { ...by, action: 'access.refusals_limited', subject: null, caller, details });
  }

  return {
    async list(viewer, filter, args) {
      const allowed = allowedFilter(viewer, filter);
      const page = pageOf(args, { isKey: (key) => keyOf(key) !== null });
      const keys = { after: keyOf(page.after), before: keyOf(page.before) };
      const rows = await listEntries(pool, allowed, page, keys);
      return connectionOf(page, rows, printKey, () => countEntries(pool, allowed));
    },

    async find(viewer, id) {
      const entry = viewer && (await findEntry(pool, id));
      const actor = entry && ({ kind: 'user', userId: entry.actorId ?? '', fellow: false } as const);
      return actor && can(viewer, 'user:see-private', actor) ? entry : null;
    },

    refused: (refusal) => writeRefusal(refusal).catch((error) => log.error({ err: error }, 'audit.not_written')),

    async *export(viewer, filter, { caller, signal }) {
      const allowed = allowedFilter(viewer, filter);
      await record(pool, {
        actorId: viewer?.userId ?? null,
        action: 'audit.exported',
        subject: null,
        outcome: 'success',
        caller,
        details: { ...allowed },
      });
      // With what was done until now; what another process links just then, its next second does.
      await chain(deps);
      const upTo = await lastPosition(pool);
      for (let behind = '0'; ; ) {
        signal.throwIfAborted();
        const page = await listChained(pool, allowed, { behind, upTo, limit: exportedAtOnce });
        if (page.length > 0) yield page.map(lineOf).join('');
        if (page.length < exportedAtOnce) break;
        behind = page.at(-1)!.position;
      }
      const whole = Object.values(allowed).every((value) => value === undefined);
      if (whole) yield `${JSON.stringify({ verdict: await verify(deps, signal) })}\n`;
    },
  };
}

/** What of the filter the viewer may see. */
function allowedFilter(viewer: Viewer | null, filter: AuditFilter): AuditFilter {
  requireCan(viewer, 'server:use', { kind: 'server' });
  if (filter.action?.includes('\0')) throw badInput({ path: 'action', message: 'text without NUL' });
  if (can(viewer, 'server:administer', { kind: 'server' })) return filter;
  requireCan(viewer, 'user:see-private', { kind: 'user', userId: viewer.userId, fellow: false });
  if (filter.actorId !== undefined && filter.actorId !== viewer.userId)
    requireCan(viewer, 'server:administer', { kind: 'server' });
  return { ...filter, actorId: viewer.userId };
}

const lineOf = ({ position, id, createdAt, actorId, previous, hash, ...entry }: ChainedEntry): string =>
  `${JSON.stringify({
    position: Number(position),
    id: encodeId('AuditEntry', id),
    createdAt,
    actor: actorId && encodeId('User', actorId),
    ...entry,
    previous: previous.toString('hex'),
    hash: hash.toString('hex'),
  })}\n`;

const printKey = ({ createdAt, id }: AuditKey): string => `${createdAt.getTime()}.${id}`;

/** Null for what printKey() did not make. */
function keyOf(text: string | null): AuditKey | null {
  const [, ms, id = ''] = /^(\d{1,15})\.(.+)$/.exec(text ?? '') ?? [];
  return ms !== undefined && isUuid(id) ? { createdAt: new Date(Number(ms)), id } : null;
}
