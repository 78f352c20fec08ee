/** Hosted databases on the playground: each with a role of its own that can do nothing outside of it. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { Log } from '../lib/log.ts';
import { type ConnectionConfig, connect } from './connection.ts';
import { createHostedRoles, type HostedRole } from './hosted-roles.ts';
import type { PlaygroundConnections } from './playground-setup.ts';
import { randomPassword } from './secrets.ts';

export interface PlaygroundLimits {
  /** Sessions of a database's owner at once. */
  readonly ownerConnections: number;
  /** Sessions of one reader at once. */
  readonly readerConnections: number;
  /** Disk of one session for sorts and hashes, in kB. Also the server's own default; no user can raise it. */
  readonly tempFileKilobytes: number;
  /** A session that leaves its transaction open keeps vacuum from cleaning, in ms. A user can change it. */
  readonly idleInTransactionMs: number;
}

export const playgroundLimits: PlaygroundLimits = {
  ownerConnections: 20,
  readerConnections: 8,
  tempFileKilobytes: 2 * 1024 * 1024,
  idleInTransactionMs: 10 * 60_000,
};

export interface PlaygroundDeps extends PlaygroundConnections {
  readonly log: Log;
  readonly limits?: PlaygroundLimits | undefined;
}

interface Waiting {
  signal?: AbortSignal | undefined;
}

export interface HostedDatabase {
  readonly name: string;
  /** Owns the database; the user's SQL runs as this role. */
  readonly owner: ConnectionConfig;
  /** Reads its row changes; never handed out. Null where the server has no feed role. */
  readonly feed: ConnectionConfig | null;
}

/** Random, so that nobody on the server guesses them. A caller who writes them down first can clean up after a crash. */
export interface HostedNames {
  readonly database: string;
  readonly owner: string;
}

/** A role of a hosted database, and the password that it has at each lease. */
export interface RoleOfDatabase extends Waiting {
  database: string;
  role: string;
  password: string;
}

export interface Playground {
  /** The administrator, connected to no user's database. */
  readonly admin: ConnectionConfig;
  /** Reads row changes of all of them, connected to none; never handed out. Null where the server has no such role. */
  readonly feed: ConnectionConfig | null;
  createDatabase(options?: { names?: HostedNames } & Waiting): Promise<HostedDatabase>;
  /** Ends its sessions, slots and roles with it, and the `owner` of one that was never made; no-op when it is gone. */
  dropDatabase(name: string, options?: { owner?: string } & Waiting): Promise<void>;
  /** One more login that reads what the owner makes, also later, and sees and ends nobody else's sessions. */
  grantReader(options: { database: string } & Waiting): Promise<ConnectionConfig>;
  /** Removes a reader and ends its sessions; no-op when it is gone. */
  dropRole(role: string, options?: Waiting): Promise<void>;
  /** A role may change its own password and settings, and an owner its database's: where it did, this sets them as they were. */
  resetRole(options: RoleOfDatabase): Promise<ConnectionConfig>;
  /** Ends one session, known by its pid and start; false when it is gone already. */
  endSession(session: { pid: number; startedAt: string } & Waiting): Promise<boolean>;
}

/** Only names of this form are ever dropped or altered. */
const hostedName = /^q_[0-9a-f]{20}$/;
const ownedName = /^q_[0-9a-f]{20}(_read|_[0-9a-f]{12})?$/;
const randomName = () => `q_${randomBytes(10).toString('hex')}`;
export const hostedNames = (): HostedNames => ({ database: randomName(), owner: randomName() });
/** How long a session may take to end, in ms. */
const endMs = 5_000;

/** @throws Error from PostgreSQL as it is: to the caller it is a fault of ours */
export function createPlayground({
  admin,
  feed,
  template,
  log,
  limits = playgroundLimits,
}: PlaygroundDeps): Playground {
  const { host, port, ssl } = admin;
  const roles = createHostedRoles(admin);
  const withAdmin = async <T>({ signal }: Waiting, work: (client: pg.Client) => Promise<T>): Promise<T> => {
    await using connected = await connect(admin, { signal });
    try {
      return await work(connected.client);
    } catch (error) {
      // Its connection was closed for that.
      signal?.throwIfAborted();
      throw error;
    }
  };

  const settings = [
    `idle_in_transaction_session_timeout=${limits.idleInTransactionMs}`,
    `temp_file_limit=${limits.tempFileKilobytes}`,
  ];
  const ofOwner = { connections: limits.ownerConnections, settings };
  const ofReader = {
    connections: limits.readerConnections,
    settings: [...settings, 'default_transaction_read_only=on'],
  };

  const playground: Playground = {
    admin,
    feed,

    async createDatabase({ names = hostedNames(), signal } = {}) {
      const { database: name, owner: role } = names;
      assertName(hostedName, name);
      assertName(hostedName, role);
      const owner = { host, port, ssl, user: role, password: randomPassword(), database: name };
      try {
        await withAdmin({ signal }, async (client) => {
          await client.query(`CREATE ROLE ${role} ${plain} PASSWORD ${pg.escapeLiteral(owner.password)}`);
          await client.query(`CREATE ROLE ${role}_read NOLOGIN`);
          await setRole(client, { role, ...ofOwner });
          await client.query(`GRANT ${role} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE`);
          // Closed until PUBLIC is out.
          await client.query(`CREATE DATABASE ${name} OWNER ${role} TEMPLATE ${template} ALLOW_CONNECTIONS false`);
          await client.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`);
          await client.query(`GRANT CONNECT ON DATABASE ${name} TO ${role}_read`);
          if (feed) {
            await client.query(`GRANT ${role} TO ${feed.user} WITH INHERIT TRUE, SET TRUE`);
            await client.query(`GRANT CONNECT ON DATABASE ${name} TO ${feed.user}`);
          }
          await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
        });
        await using inside = await connect(owner, { signal });
        await inside.client.query(`
          ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO ${role}_read;
          ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ${role}_read;
          ALTER DEFAULT PRIVILEGES GRANT SELECT ON SEQUENCES TO ${role}_read`);
      } catch (error) {
        await playground
          .dropDatabase(name, { owner: role })
          .catch((fault: unknown) => log.error({ err: fault }, 'playground.drop_failed'));
        throw error;
      }
      log.info({ database: name }, 'playground.database_created');
      return { name, owner, feed: feed && { ...feed, database: name } };
    },

    async dropDatabase(name, { owner: named, signal } = {}) {
      assertName(hostedName, name);
      if (named !== undefined) assertName(hostedName, named);
      await withAdmin({ signal }, async (client) => {
        const { rows } = await client.query<{ owner: string }>(
          'SELECT datdba::regrole::text AS owner FROM pg_database WHERE datname = $1',
          [name],
        );
        const owner = rows[0]?.owner;
        if (owner === undefined) {
          if (named !== undefined) await dropRoles(client, named);
          return;
        }
        // The owner may have made it a template; and a feed that reconnects would hold its slot again.
        await client.query(`ALTER DATABASE ${name} IS_TEMPLATE false ALLOW_CONNECTIONS false`);
        // FORCE refuses while a slot is in use, so its readers go first; the slots go with the database.
        await client.query(
          `SELECT pg_terminate_backend(active_pid, $2) FROM pg_replication_slots
            WHERE database = $1 AND active_pid IS NOT NULL`,
          [name, endMs],
        );
        await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
        await dropRoles(client, owner);
      });
      log.info({ database: name }, 'playground.database_dropped');
    },

    async grantReader({ database, signal }) {
      assertName(hostedName, database);
      return await withAdmin({ signal }, async (client) => {
        const { rows } = await client.query<{ owner: string }>(
          'SELECT datdba::regrole::text AS owner FROM pg_database WHERE datname = $1',
          [database],
        );
        const owner = rows[0]?.owner;
        if (owner === undefined) throw new Error(`There is no hosted database ${database}`);
        assertName(hostedName, owner);
        const user = `${owner}_${randomBytes(6).toString('hex')}`;
        const password = randomPassword();
        await client.query('BEGIN');
        await client.query(`CREATE ROLE ${user} ${plain} PASSWORD ${pg.escapeLiteral(password)} IN ROLE ${owner}_read`);
        await setRole(client, { role: user, ...ofReader });
        await client.query('COMMIT');
        return { host, port, ssl, user, password, database };
      });
    },

    async dropRole(role, { signal } = {}) {
      assertName(ownedName, role);
      await withAdmin({ signal }, async (client) => {
        await endSessionsOf(client, [role]);
        await client.query(`DROP ROLE IF EXISTS ${role}`);
      });
    },

    async resetRole({ database, role, password, signal }) {
      assertName(hostedName, database);
      assertName(ownedName, role);
      const owns = hostedName.test(role);
      const as = owns ? ofOwner : ofReader;
      const leased = { host, port, ssl, user: role, password, database };
      if (await roles.isAsSet({ database, role, password, ...as, owns, feed: feed?.user ?? null }, signal))
        return leased;
      await withAdmin({ signal }, async (client) => {
        await client.query('BEGIN');
        // Two at once would meet in the same row of a catalogue, which is an error and no wait.
        await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [role]);
        await client.query(`ALTER ROLE ${role} RESET ALL`);
        await client.query(`ALTER ROLE ${role} IN DATABASE ${database} RESET ALL`);
        await client.query(`ALTER ROLE ${role} PASSWORD ${pg.escapeLiteral(password)}`);
        await setRole(client, { role, ...as });
        if (owns) {
          await client.query(`ALTER DATABASE ${database} ALLOW_CONNECTIONS true CONNECTION LIMIT -1 IS_TEMPLATE false`);
          await client.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
          await client.query(`GRANT ALL ON DATABASE ${database} TO ${role}`);
          if (feed) await client.query(`GRANT CONNECT ON DATABASE ${database} TO ${feed.user}`);
        }
        await client.query('COMMIT');
      });
      return leased;
    },

    async endSession({ pid, startedAt, signal }) {
      return await withAdmin({ signal }, async (client) => {
        // The start tells it from another session that got its pid since.
        const { rows } = await client.query<{ ended: boolean }>(
          `SELECT pg_terminate_backend(pid, $3) AS ended FROM pg_stat_activity
            WHERE pid = $1 AND backend_start = $2::timestamptz`,
          [pid, startedAt, endMs],
        );
        return rows[0]?.ended ?? false;
      });
    },
  };
  return playground;
}

const plain = 'LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB INHERIT';

function assertName(form: RegExp, name: string): void {
  if (!form.test(name)) throw new Error('Not the name of a hosted database or of a role of one');
}

async function setRole(
  client: pg.Client,
  { role, connections, settings }: { role: string } & Pick<HostedRole, 'connections' | 'settings'>,
): Promise<void> {
  await client.query(`ALTER ROLE ${role} CONNECTION LIMIT ${connections}`);
  const { rows } = await client.query<{ may: boolean }>(
    `SELECT rolsuper OR has_parameter_privilege('temp_file_limit', 'SET') AS may FROM pg_roles WHERE rolname = current_user`,
  );
  for (const setting of settings) {
    // Without this right the server's own limit holds.
    if (rows[0]?.may || !setting.startsWith('temp_file_limit')) await client.query(`ALTER ROLE ${role} SET ${setting}`);
  }
}

/** An owner role, its group of readers and every reader. */
async function dropRoles(client: pg.Client, owner: string): Promise<void> {
  assertName(hostedName, owner);
  const { rows } = await client.query<{ role: string }>(
    `SELECT rolname AS role FROM pg_roles WHERE rolname = $1 OR starts_with(rolname, $1 || '_')`,
    [owner],
  );
  const roles = rows.map(({ role }) => role);
  await endSessionsOf(client, roles);
  for (const role of roles) await client.query(`DROP ROLE IF EXISTS ${pg.escapeIdentifier(role)}`);
}

async function endSessionsOf(client: pg.Client, roles: readonly string[]): Promise<void> {
  await client.query('SELECT pg_terminate_backend(pid, $2) FROM pg_stat_activity WHERE usename = ANY($1)', [
    roles,
    endMs,
  ]);
}
