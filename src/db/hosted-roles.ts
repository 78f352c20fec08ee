/**
 * Whether a role of a hosted database still is as Quarry has set it. Each lease asks this, and most find that it is: to set
 * it anew writes to the catalogues that all databases of the server share, and waits for the disk, one lease after the other.
 */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import pg from 'pg';
import { untilAborted } from '../lib/until-aborted.ts';
import { type ConnectionConfig, explicit } from './connection.ts';

/** How a role and its database are to be. */
export interface HostedRole {
  readonly database: string;
  readonly role: string;
  readonly password: string;
  /** Sessions at once. */
  readonly connections: number;
  /** `name=value`, as pg_db_role_setting has them: these and no others. */
  readonly settings: readonly string[];
  /** The database is its own; a reader can change nothing of it. */
  readonly owns: boolean;
  /** Who must be able to connect besides, if anybody. */
  readonly feed: string | null;
}

export interface HostedRoles {
  /** False also where this administrator may not see it. @throws the signal's reason */
  isAsSet(expected: HostedRole, signal?: AbortSignal): Promise<boolean>;
}

/** What preparePlayground grants to the administrator for this: also the verifiers, since each role may change its password. */
export const visibleOfRoles = 'GRANT SELECT (oid, rolname, rolconnlimit, rolpassword) ON pg_authid';

/** In SQL: what setting it anew would change nothing of. $1 role, $2 database, $3 sessions, $4 settings, $5 owns, $6 feed. */
const asSet = `
  rolconnlimit = $3
  AND ARRAY(SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = r.oid AND setdatabase = 0 ORDER BY 1)
    = ARRAY(SELECT unnest($4::text[]) ORDER BY 1)
  AND NOT EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = r.oid AND setdatabase = d.oid)
  AND (NOT $5 OR datallowconn AND datconnlimit = -1 AND NOT datistemplate
    AND NOT EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0)
    AND has_database_privilege(r.oid, d.oid, 'CREATE') AND has_database_privilege(r.oid, d.oid, 'CONNECT')
    AND has_database_privilege(r.oid, d.oid, 'TEMPORARY')
    AND ($6::name IS NULL OR has_database_privilege($6::name, d.oid, 'CONNECT')))`;

const look = {
  name: 'hosted_role',
  text: `SELECT rolpassword AS verifier, ${asSet} AS as_set
    FROM pg_authid r JOIN pg_database d ON datname = $2 WHERE rolname = $1`,
};

/** Looks at once; each is one short statement. */
const maxConnections = 4;
const timeoutMs = 5_000;
/** What was found to open is remembered of so many roles: to try it costs as much as a login. */
const maxRemembered = 4_096;

export function createHostedRoles(admin: ConnectionConfig): HostedRoles {
  const pool = new pg.Pool({
    ...explicit(admin, 'quarry-roles'),
    max: maxConnections,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    keepAlive: true,
    // Nobody has to end them: the process does.
    allowExitOnIdle: true,
  });
  // The server was restarted: the next look has another connection.
  pool.on('error', () => undefined);
  /** By role: a digest of the verifier and the password that it was found to open with. */
  const opened = new Map<string, string>();

  async function opens(role: string, verifier: string, password: string): Promise<boolean> {
    const digest = createHash('sha256').update(`${verifier}\n${password}`).digest('base64');
    if (opened.get(role) === digest) return true;
    if (!(await isOf(verifier, password))) return false;
    opened.delete(role);
    opened.set(role, digest);
    const [oldest] = opened.keys();
    if (opened.size > maxRemembered && oldest !== undefined) opened.delete(oldest);
    return true;
  }

  return {
    async isAsSet({ database, role, password, connections, settings, owns, feed }, signal) {
      signal?.throwIfAborted();
      const asked = pool.query<{ verifier: string | null; as_set: boolean }>({
        ...look,
        values: [role, database, connections, settings, owns, feed],
      });
      // Who may not look, or has lost his connection, sets it anew.
      const answered = asked.catch(() => null);
      const found = signal ? await untilAborted(answered, signal) : await answered;
      const [row] = found?.rows ?? [];
      return row?.as_set === true && row.verifier !== null && (await opens(role, row.verifier, password));
    },
  };
}

const derive = promisify(pbkdf2);

/** Whether a stored verifier is of this password. Its form: https://www.postgresql.org/docs/current/catalog-pg-authid.html */
async function isOf(verifier: string, password: string): Promise<boolean> {
  const [, iterations, salt, storedKey] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):/.exec(verifier) ?? [];
  if (iterations === undefined || salt === undefined || storedKey === undefined) return false;
  // RFC 5802, section 3. Our passwords are ASCII, of which SASLprep changes nothing.
  const salted = await derive(password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const expected = createHash('sha256').update(clientKey).digest();
  const stored = Buffer.from(storedKey, 'base64');
  return stored.length === expected.length && timingSafeEqual(stored, expected);
}
