/** Makes a server safe to let strangers' SQL run on: its roles, and the template that their databases come from. */
import pg from 'pg';
import type { Log } from '../lib/log.ts';
import { type Connected, type ConnectionConfig, connect } from './connection.ts';
import { visibleOfRoles } from './hosted-roles.ts';
import { hardenTemplate, templateVersion } from './playground-template.ts';
import { StartError } from './start-error.ts';

export const playgroundSecrets = ['admin', 'feed'] as const;

export interface PlaygroundConnections {
  /** Makes databases and roles and ends sessions; never connected to a database of a user's. */
  readonly admin: ConnectionConfig;
  /** Reads row changes; null where the administrator could not make it, and hosted databases have no change feed. */
  readonly feed: ConnectionConfig | null;
  /** What hosted databases are copied from. */
  readonly template: string;
}

export interface PreparePlaygroundOptions {
  /** A superuser, or whoever PLAYGROUND_URL names: then what he may not do is left out and logged. */
  readonly administrator: ConnectionConfig;
  /** Set anew on each start; replicas have to give the same. */
  readonly passwords: Readonly<Record<(typeof playgroundSecrets)[number], string>>;
  readonly log: Log;
  readonly signal?: AbortSignal | undefined;
}

const names = { admin: 'quarry_admin', feed: 'quarry_feed', template: 'quarry_template' } as const;
/** Several Quarries may set up one server at once. */
const setupLock = 7_270_736_901;
/** GRANT … WITH SET and INHERIT, and what CREATEROLE means, are of PostgreSQL 16. */
const oldestVersion = 160_000;

/** Idempotent: run at each start. @throws StartError when the administrator cannot even make databases and roles */
export async function preparePlayground(options: PreparePlaygroundOptions): Promise<PlaygroundConnections> {
  const { administrator, signal } = options;
  await using connected = await connect(administrator, { signal });
  const { rows } = await connected.client.query<Abilities>(
    `SELECT rolsuper AS superuser, rolcreatedb AND rolcreaterole AS able, current_setting('server_version_num')::int AS version
       FROM pg_roles WHERE rolname = current_user`,
  );
  const abilities = rows[0];
  if (!abilities || abilities.version < oldestVersion)
    throw new StartError('PLAYGROUND_URL needs a server of PostgreSQL 16 or newer');
  if (!abilities.superuser && !abilities.able)
    throw new StartError(
      'The user of PLAYGROUND_URL may not make databases and roles: it needs CREATEDB and CREATEROLE',
    );
  await connected.client.query('SELECT pg_advisory_lock($1)', [setupLock]);
  // Awaited here, as the connection closes on return.
  return await (abilities.superuser ? prepareWhole : preparePart)(connected, options);
}

interface Abilities {
  superuser: boolean;
  able: boolean;
  version: number;
}

async function prepareWhole(
  { client }: Connected,
  { administrator, passwords, log, signal }: PreparePlaygroundOptions,
): Promise<PlaygroundConnections> {
  const { admin, feed, template } = names;
  await makeRole(client, admin, 'CREATEDB CREATEROLE NOSUPERUSER NOREPLICATION NOBYPASSRLS', passwords.admin);
  await makeRole(client, feed, 'REPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', passwords.feed);
  await client.query(`
    -- What it creates it may also act as: to give a database to its owner, and to end the owner's sessions.
    ALTER ROLE ${admin} SET createrole_self_grant = 'set, inherit';
    -- Whatever a user's database holds, neither of the two calls a function of it by accident.
    ALTER ROLE ${admin} SET search_path = pg_catalog;
    ALTER ROLE ${feed} SET search_path = pg_catalog;
    -- RAISE LOG and failing logins would fill the server's log otherwise.
    ALTER ROLE ALL SET log_min_messages = panic;
    GRANT pg_signal_backend, pg_read_all_stats TO ${admin};
    GRANT SET ON PARAMETER temp_file_limit TO ${admin};
    ${visibleOfRoles} TO ${admin};
    GRANT EXECUTE ON FUNCTION pg_drop_replication_slot(name) TO ${admin}`);
  await makeTemplate(client, { administrator, signal, log });
  await closeDatabases(client, log);
  await client.query(`GRANT CONNECT ON DATABASE postgres TO ${admin}`);
  const { host, port, ssl } = administrator;
  const at = { host, port, ssl, database: 'postgres' };
  return {
    admin: { ...at, user: admin, password: passwords.admin },
    feed: { ...at, user: feed, password: passwords.feed },
    template,
  };
}

/** An administrator who is no superuser stays what we connect with; the template is the server's own. */
async function preparePart(
  { client }: Connected,
  { administrator, passwords, log }: PreparePlaygroundOptions,
): Promise<PlaygroundConnections> {
  await closeDatabases(client, log);
  log.warn({ missing: 'template', reason: 'not a superuser' }, 'playground.not_hardened');
  const made = await makeRole(client, names.feed, 'REPLICATION', passwords.feed).then(
    () => true,
    (error: unknown) => {
      log.warn({ missing: 'feed', reason: String(error) }, 'playground.not_hardened');
      return false;
    },
  );
  const feed = made ? { ...administrator, user: names.feed, password: passwords.feed } : null;
  return { admin: administrator, feed, template: 'template0' };
}

async function makeRole(client: pg.Client, role: string, rights: string, password: string): Promise<void> {
  const known = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
  const verb = known.rowCount ? 'ALTER' : 'CREATE';
  await client.query(`${verb} ROLE ${role} LOGIN ${rights} PASSWORD ${pg.escapeLiteral(password)}`);
}

/** Nobody connects to a database that he was not let into. */
async function closeDatabases(client: pg.Client, log: Log): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT datname AS name FROM pg_database d
      WHERE EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0)`,
  );
  for (const { name } of rows) {
    try {
      await client.query(`REVOKE ALL ON DATABASE ${pg.escapeIdentifier(name)} FROM PUBLIC`);
      const { rows: left } = await client.query<{ open: boolean }>(
        `SELECT EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0) AS open
           FROM pg_database WHERE datname = $1`,
        [name],
      );
      // Who owns nothing of it gets a warning instead of an error.
      if (left[0]?.open) throw new Error('not the owner');
      log.info({ database: name }, 'playground.database_closed');
    } catch (error) {
      log.warn({ missing: 'closed database', database: name, reason: String(error) }, 'playground.not_hardened');
    }
  }
}

/** Made anew when this version hardens differently; a template half made has no version and is made anew, too. */
async function makeTemplate(
  client: pg.Client,
  { administrator, signal, log }: { administrator: ConnectionConfig; signal: AbortSignal | undefined; log: Log },
): Promise<void> {
  const { admin, feed, template } = names;
  const { rows } = await client.query<{ version: string | null }>(
    `SELECT shobj_description(oid, 'pg_database') AS version FROM pg_database WHERE datname = $1`,
    [template],
  );
  if (rows[0]?.version === templateVersion) return;
  if (rows[0]) await client.query(`ALTER DATABASE ${template} IS_TEMPLATE false`);
  await client.query(`DROP DATABASE IF EXISTS ${template} WITH (FORCE)`);
  await client.query(`CREATE DATABASE ${template} TEMPLATE template0`);
  {
    await using inside = await connect({ ...administrator, database: template }, { signal });
    await hardenTemplate(inside.client, { admin, feed });
  }
  await client.query(`ALTER DATABASE ${template} ALLOW_CONNECTIONS false IS_TEMPLATE true`);
  await client.query(`COMMENT ON DATABASE ${template} IS ${pg.escapeLiteral(templateVersion)}`);
  log.info({ version: templateVersion }, 'playground.template_made');
}
