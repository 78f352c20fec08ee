/** Looks at a server with somebody's credentials: whether it can be used, how far away it is, what to warn of. */
import { AppError } from '../../lib/errors.ts';
import type { Capability, ConnectionProblem, Probe, Target } from '../engine.ts';
import { type ConnectDeps, type Connection, connect } from './connect.ts';

/** What the engine builds on; every server in the range offers all but ROW_CHANGES to every user. */
export const postgresqlCapabilities: readonly Capability[] = [
  'CANCEL',
  'CURSOR',
  'EXPLAIN',
  'TRANSACTIONAL_DDL',
  'ROW_CHANGES',
  'LIVE_QUERY',
  'FUNCTIONS',
  'ROW_SECURITY',
];

/** Changes are read from the log, of a hosted database by a role of Quarry's own. */
const tellsOfRows = `
  SELECT pg_catalog.current_setting('wal_level') = 'logical' AND NOT pg_catalog.pg_is_in_recovery() AND ($1::boolean
      OR (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user)) AS tells`;

const oldestMajor = 13;
const newestMajor = 18;

export async function probe(deps: ConnectDeps, target: Target, { signal }: { signal: AbortSignal }): Promise<Probe> {
  try {
    await using connection = await connect(deps, target, { signal, label: 'quarry probe' });
    const onAbort = () => connection.destroy(new Error('aborted'));
    signal.addEventListener('abort', onAbort, { once: true });
    const since = performance.now();
    let latencyMs: number;
    let tells = false;
    try {
      await connection.client.query('SELECT 1');
      latencyMs = performance.now() - since;
      const { rows } = await connection.client.query<{ tells: boolean | null }>(tellsOfRows, [target.hosted]);
      tells = rows[0]?.tells ?? false;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    return {
      ok: true,
      serverVersion: connection.serverVersion,
      latencyMs,
      capabilities: postgresqlCapabilities.filter((one) => tells || one !== 'ROW_CHANGES'),
      problems: warnings(target, connection),
    };
  } catch (error) {
    signal.throwIfAborted();
    return { ok: false, serverVersion: null, latencyMs: null, capabilities: [], problems: [problem(error)] };
  }
}

function problem(error: unknown): ConnectionProblem {
  if (error instanceof AppError) {
    const { reason = 'DATABASE', hint = null } = error.details ?? {};
    return { code: String(reason), message: error.message, hint: hint === null ? null : String(hint) };
  }
  return { code: 'DATABASE', message: 'The server ended the session', hint: 'Look into the log of the server.' };
}

function warnings(target: Target, { superuser, encrypted, serverVersion }: Connection): ConnectionProblem[] {
  const problems: ConnectionProblem[] = [];
  if (superuser) {
    const hint = 'Give a role that has only the rights it needs: read-only cannot hold a superuser back.';
    problems.push({ code: 'SUPERUSER', message: 'The user is a superuser', hint });
  }
  // What runs on Quarry's own playground never leaves the machine it was made for.
  if (!encrypted && !target.hosted) {
    const hint = 'Turn TLS on at the server, and choose the SSL mode VERIFY_FULL.';
    problems.push({ code: 'NO_TLS', message: 'The connection is not encrypted', hint });
  }
  const major = Number.parseInt(serverVersion, 10);
  if (!(major >= oldestMajor && major <= newestMajor)) {
    const hint = `PostgreSQL ${oldestMajor} to ${newestMajor} are tried and supported.`;
    problems.push({ code: 'UNSUPPORTED_VERSION', message: `The server is PostgreSQL ${serverVersion}`, hint });
  }
  return problems;
}
