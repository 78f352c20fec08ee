/** Who is connected to a database of PostgreSQL and what runs there, from its own statistics. */
import type { ActiveSession, ActivityOptions, Target } from '../engine.ts';
import type { ConnectDeps } from './connect.ts';
import { maskSecrets } from './mask.ts';
import { createReader } from './reader.ts';

/** Of a statement, before its secrets are hidden. */
const maxQueryCharacters = 8_192;

/** @throws AppError CONNECTION_FAILED, SQL_ERROR; the signal's reason */
export async function readActivity(
  deps: ConnectDeps,
  target: Target,
  { limit, only, signal }: ActivityOptions,
): Promise<ActiveSession[]> {
  const reader = createReader(deps, target);
  try {
    const wanted = only?.map(({ sessionId, startedAt }) => `${sessionId} ${startedAt}`) ?? null;
    const rows = await reader.query(activitySql, [wanted, limit], { signal });
    return rows.map(([pid, user, application, state, query, waitEvent, blockedBy, startedAt, since]) => ({
      sessionId: pid ?? '',
      startedAt: startedAt ?? null,
      user: user ?? null,
      applicationName: application ?? null,
      state: state ?? null,
      query: query == null ? null : maskSecrets(query),
      waitEvent: waitEvent ?? null,
      blockedBy: blockedBy ? blockedBy.split(',') : [],
      since: since == null ? null : new Date(Number(since)),
    }));
  } finally {
    await reader.close();
  }
}

/**
 * Parallel workers are left out: their leader is there. The busy ones come first. Who holds somebody up is asked only of
 * those that wait for a lock, or of whom these credentials are not shown what they wait for.
 */
const activitySql = `
  SELECT a.pid::text, a.usename::text, nullif(a.application_name, ''), a.state,
         CASE WHEN a.query NOT IN ('', '<insufficient privilege>') THEN pg_catalog.left(a.query, ${maxQueryCharacters}) END,
         a.wait_event_type || ': ' || a.wait_event,
         CASE WHEN coalesce(a.wait_event_type, 'Lock') = 'Lock' THEN pg_catalog.array_to_string(ARRAY(
           SELECT DISTINCT b FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) AS blocking (b) ORDER BY b), ',') END,
         a.backend_start::text,
         pg_catalog.floor(extract(epoch FROM coalesce(a.query_start, a.backend_start)) * 1000)::bigint::text
    FROM (
      SELECT * FROM pg_catalog.pg_stat_activity
       WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND leader_pid IS NULL
         AND ($1::text[] IS NULL OR pid::text || ' ' || backend_start::text = ANY ($1))
       ORDER BY state IS NOT DISTINCT FROM 'idle', query_start, pid
       LIMIT $2
    ) a
   ORDER BY a.state IS NOT DISTINCT FROM 'idle', a.query_start, a.pid`;
