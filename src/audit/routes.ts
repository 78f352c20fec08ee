/** GET /audit: the audit as NDJSON, written as fast as it is read. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { Caller, Viewer } from '../accounts/viewer.ts';
import { AppError, badInput } from '../lib/errors.ts';
import { uuidOf } from '../lib/ids.ts';
import type { AuditFilter, AuditLog } from './audit-log.ts';

export interface AuditRouteDeps {
  readonly auditLog: Pick<AuditLog, 'export'>;
  /** Who asks, and whether he may ask as much. @throws AppError UNAUTHENTICATED, RATE_LIMITED */
  admit(request: IncomingMessage, response: ServerResponse): Promise<Viewer | null>;
  callerOf(request: IncomingMessage): Caller;
}

export type AuditRoute = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

const statuses: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  BAD_USER_INPUT: 400,
  RATE_LIMITED: 429,
};

/** Takes `actorId`, `action` and `since` as Query.auditLog does. Refusals are JSON: `{"error": code, "message"}`. */
export function createAuditRoute({ auditLog, admit, callerOf }: AuditRouteDeps): AuditRoute {
  return async (request, response) => {
    const closing = new AbortController();
    response.once('close', () => closing.abort());
    try {
      const viewer = await admit(request, response);
      const filter = filterOf(new URL(request.url ?? '/', 'http://localhost').searchParams);
      const caller = { ...callerOf(request), ...(viewer?.key && { keyId: viewer.key.id }) };
      const lines = auditLog.export(viewer, filter, { caller, signal: closing.signal })[Symbol.asyncIterator]();
      const first = await lines.next();
      response.writeHead(200, {
        'content-type': 'application/x-ndjson; charset=utf-8',
        'content-disposition': 'attachment; filename="audit.ndjson"',
        'cache-control': 'no-store',
      });
      await pipeline(async function* () {
        if (!first.done) yield first.value;
        yield* { [Symbol.asyncIterator]: () => lines };
      }, response);
    } catch (error) {
      if (response.destroyed) return; // Whoever read it has left.
      if (!(error instanceof AppError) || response.headersSent) throw error;
      response
        .writeHead(statuses[error.code] ?? 400, { 'content-type': 'application/json; charset=utf-8' })
        .end(JSON.stringify({ error: error.code, message: error.message }));
    }
  };
}

const instant = z.iso.datetime({ offset: true });

/** @throws AppError BAD_USER_INPUT */
function filterOf(query: URLSearchParams): AuditFilter {
  const [actor, since] = [query.get('actorId'), query.get('since')];
  const actorId = actor === null ? undefined : uuidOf('User', actor);
  if (actorId === null) throw badInput({ path: 'actorId', message: 'the id of a user' });
  if (since !== null && !instant.safeParse(since).success)
    throw badInput({ path: 'since', message: 'a time such as 2026-01-31T12:00:00Z' });
  return { actorId, action: query.get('action') ?? undefined, since: since === null ? undefined : new Date(since) };
}
