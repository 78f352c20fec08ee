/** The rows of databases in the metadata, read together with what the asking user is in the project of each. */
import { type ProjectRole, projectRoles } from '../accounts/policy.ts';
import type { Executor, Prisma } from '../db/metadata.ts';
import { type Capability, capabilities, type SslMode, sslModes } from '../engines/engine.ts';
import { type EngineKind, engineKinds } from '../engines/registry.ts';
import type { Page } from '../lib/pages.ts';

/** Where a database is and how it is reached, without the password. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly ssl: SslMode;
}

export interface Database extends Address {
  readonly id: string;
  readonly name: string;
  /** Null: the system's sample, or one that is being made or taken away, which nobody sees. */
  readonly ownerId: string | null;
  readonly projectId: string | null;
  readonly engine: EngineKind;
  readonly sslRootCertificate: string | null;
  readonly allowInsecureAuthentication: boolean;
  /** Opens in credentials.ts only. Another text after every change of what a connection is made of. */
  readonly sealedPassword: string;
  readonly readOnly: boolean;
  readonly hosted: boolean;
  readonly system: boolean;
  /** As the last probe found it. */
  readonly serverVersion: string | null;
  readonly capabilities: readonly Capability[];
  readonly createdAt: Date;
}

/** A database, and what the user who asked for it is in its project. */
export interface VisibleDatabase extends Database {
  readonly role: ProjectRole | null;
}

/** As much of a database as tells who sees it. */
export type SeenDatabase = Pick<VisibleDatabase, 'id' | 'name' | 'ownerId' | 'role' | 'system'>;

export type NewDatabase = Omit<Database, 'createdAt'>;

export interface DatabaseFilter {
  /** A part of the name, in whatever case. */
  readonly search?: string | undefined;
  readonly projectId?: string | undefined;
  /** Of these; null: of all. */
  readonly ids?: readonly string[] | null;
}

/** The login of one user on a database of the system's. */
export interface UserRole {
  readonly user: string;
  readonly sealedPassword: string;
}

/** What Pothos wants to have with a row. */
export type PrismaQuery = { include?: object; select?: object };
export type OwnerRow = Awaited<ReturnType<Prisma['user']['findFirstOrThrow']>>;
export type ProjectRow = Awaited<ReturnType<Prisma['project']['findFirstOrThrow']>>;

export interface DatabaseStore {
  /** Those that are there, in no order. */
  find(userId: string, ids: readonly string[]): Promise<VisibleDatabase[]>;
  /** Those that are there, in no order, for Quarry's own work. */
  findAll(ids: readonly string[]): Promise<Database[]>;
  /** Those that the user sees, by age; one more than the page's limit tells of a next page. */
  list(userId: string, filter: DatabaseFilter, page: Page): Promise<VisibleDatabase[]>;
  count(userId: string, filter: DatabaseFilter): Promise<number>;
  /** Those that the user sees, or of these ids those; in no order. */
  seen(userId: string, options: { ids: readonly string[] | null; limit: number }): Promise<SeenDatabase[]>;
  insert(client: Executor, database: NewDatabase): Promise<void>;
  /** Writes all but id and creation; false when its secret or its owner is no longer the `expected` one. */
  replace(
    client: Executor,
    database: NewDatabase,
    expected: Pick<Database, 'ownerId' | 'sealedPassword'>,
  ): Promise<boolean>;
  /** Holds the row until the transaction ends; false when it is gone. */
  lock(client: Executor, id: string): Promise<boolean>;
  remove(client: Executor, id: string): Promise<void>;
  /** Keeps what a probe found. */
  saw(id: string, found: { serverVersion: string | null; capabilities: readonly Capability[] }): Promise<void>;
  /** How many the user owns. Holds his row, so that two transactions do not count past each other. */
  countOwned(client: Executor, ownerId: string): Promise<{ all: number; hosted: number }>;
  /** Makes it nobody's: seen by none, and taken away by hosting.ts. */
  orphan(client: Executor, id: string): Promise<void>;
  /** Nobody's databases that were left so for at least `minAgeMs`, by the database's clock. */
  orphans(minAgeMs: number): Promise<Database[]>;
  system(client: Executor): Promise<Database | null>;
  /** Those of a user that are in no project, in no order. */
  private(ownerId: string): Promise<Database[]>;
  /** The logins of a user on the system's databases. */
  rolesOf(userId: string): Promise<readonly { databaseId: string; user: string }[]>;
  removeUserRole(databaseId: string, userId: string): Promise<void>;
  userRole(databaseId: string, userId: string): Promise<UserRole | null>;
  /** False when another one was first. */
  addUserRole(databaseId: string, userId: string, role: UserRole): Promise<boolean>;
  /** Prisma's way, for what Pothos asks of these types; null when it is gone. */
  owner(query: PrismaQuery, userId: string): Promise<OwnerRow | null>;
  project(query: PrismaQuery, projectId: string): Promise<ProjectRow | null>;
}

const columns = `d.id, d.name, d.owner_id AS "ownerId", d.project_id AS "projectId", d.engine, d.host, d.port,
  d.database_name AS database, d.username AS "user", d.ssl_mode AS ssl, d.ssl_root_certificate AS "sslRootCertificate",
  d.allow_insecure_authentication AS "allowInsecureAuthentication", d.sealed_password AS "sealedPassword",
  d.read_only AS "readOnly", d.hosted, d.system, d.server_version AS "serverVersion", d.capabilities,
  d.created_at AS "createdAt"`;

const withRole = `SELECT ${columns}, m.role FROM databases d
  LEFT JOIN project_members m ON m.project_id = d.project_id AND m.user_id = $1`;

/** Planned once a connection: every request asks it. */
const findSeen = { name: 'databases.find', text: `${withRole} WHERE d.id = ANY($2::uuid[])` };

/** database:see of policy.ts, for many rows at once. */
const visible = '(d.owner_id = $1 OR m.role IS NOT NULL OR d.system)';
const matches = `($2::text IS NULL OR strpos(lower(d.name), lower($2)) > 0) AND ($3::uuid IS NULL OR d.project_id = $3)
  AND ($4::uuid[] IS NULL OR d.id = ANY($4))`;

const values = (d: NewDatabase) => [
  d.id,
  d.name,
  d.ownerId,
  d.projectId,
  d.engine,
  d.host,
  d.port,
  d.database,
  d.user,
  d.ssl,
  d.sslRootCertificate,
  d.allowInsecureAuthentication,
  d.sealedPassword,
  d.readOnly,
  d.hosted,
  d.system,
];

export function createDatabaseStore({ db, prisma }: { db: Executor; prisma: Prisma }): DatabaseStore {
  const filterValues = ({ search, projectId, ids }: DatabaseFilter) => [search ?? null, projectId ?? null, ids ?? null];
  return {
    async find(userId, ids) {
      const { rows } = await db.query({ ...findSeen, values: [userId, ids] });
      return rows.map(visibleOf);
    },

    async findAll(ids) {
      const { rows } = await db.query(`SELECT ${columns}, null AS role FROM databases d WHERE d.id = ANY($1::uuid[])`, [
        ids,
      ]);
      return rows.map(visibleOf);
    },

    async list(userId, filter, { limit, backward, after, before }) {
      const order = backward ? 'DESC' : 'ASC';
      const { rows } = await db.query(
        `SELECT * FROM (
           ${withRole} WHERE ${visible} AND ${matches} AND ($5::uuid IS NULL OR d.id > $5) AND ($6::uuid IS NULL OR d.id < $6)
            ORDER BY d.id ${order} LIMIT $7) page
          ORDER BY id`,
        [userId, ...filterValues(filter), after, before, limit + 1],
      );
      return rows.map(visibleOf);
    },

    async count(userId, filter) {
      const { rows } = await db.query(
        `SELECT count(*)::int AS count FROM (${withRole} WHERE ${visible} AND ${matches}) all_of_them`,
        [userId, ...filterValues(filter)],
      );
      return rows[0].count;
    },

    async seen(userId, { ids, limit }) {
      const { rows } = await db.query<Pick<Row, 'id' | 'name' | 'ownerId' | 'role' | 'system'>>(
        `SELECT d.id, d.name, d.owner_id AS "ownerId", d.system, m.role FROM databases d
           LEFT JOIN project_members m ON m.project_id = d.project_id AND m.user_id = $1
          WHERE ${visible} AND ($2::uuid[] IS NULL OR d.id = ANY($2)) LIMIT $3`,
        [userId, ids, limit],
      );
      return rows.map((row) => ({ ...row, role: roleOf(row) }));
    },

    async insert(client, database) {
      await client.query(
        `INSERT INTO databases (id, name, owner_id, project_id, engine, host, port, database_name, username, ssl_mode,
           ssl_root_certificate, allow_insecure_authentication, sealed_password, read_only, hosted, system,
           server_version, capabilities, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, now())`,
        [...values(database), database.serverVersion, database.capabilities],
      );
    },

    async replace(client, database, expected) {
      // Its wrapping may be another by now, under a newer key: the secret decides, and one that stays keeps what it has.
      const { rowCount } = await client.query(
        `UPDATE databases SET name = $2, owner_id = $3, project_id = $4, engine = $5, host = $6, port = $7,
           database_name = $8, username = $9, ssl_mode = $10, ssl_root_certificate = $11,
           allow_insecure_authentication = $12, sealed_password = CASE WHEN $13 = $19 THEN sealed_password ELSE $13 END, read_only = $14, hosted = $15, system = $16,
           server_version = $17, capabilities = $18, updated_at = now()
         WHERE id = $1 AND split_part(sealed_password, '.', 4) = split_part($19, '.', 4) AND owner_id IS NOT DISTINCT FROM $20`,
        [...values(database), database.serverVersion, database.capabilities, expected.sealedPassword, expected.ownerId],
      );
      return rowCount === 1;
    },

    async lock(client, id) {
      const { rowCount } = await client.query('SELECT FROM databases WHERE id = $1 FOR UPDATE', [id]);
      return rowCount === 1;
    },

    async remove(client, id) {
      await client.query('DELETE FROM databases WHERE id = $1', [id]);
    },

    async saw(id, { serverVersion, capabilities }) {
      await db.query(
        `UPDATE databases SET server_version = $2, capabilities = $3
          WHERE id = $1 AND (server_version, capabilities) IS DISTINCT FROM ($2, $3::text[])`,
        [id, serverVersion, capabilities],
      );
    },

    async countOwned(client, ownerId) {
      await client.query('SELECT FROM users WHERE id = $1 FOR UPDATE', [ownerId]);
      const { rows } = await client.query(
        `SELECT count(*)::int AS "all", (count(*) FILTER (WHERE hosted))::int AS hosted FROM databases WHERE owner_id = $1`,
        [ownerId],
      );
      return rows[0];
    },

    async orphan(client, id) {
      await client.query(
        'UPDATE databases SET owner_id = NULL, project_id = NULL, system = false, updated_at = now() WHERE id = $1',
        [id],
      );
    },

    async orphans(minAgeMs) {
      const { rows } = await db.query(
        `SELECT ${columns} FROM databases d
          WHERE hosted AND owner_id IS NULL AND NOT system AND updated_at <= now() - $1 * interval '1 millisecond'`,
        [minAgeMs],
      );
      return rows.map(databaseOf);
    },

    async system(client) {
      const { rows } = await client.query(`SELECT ${columns} FROM databases d WHERE system`);
      return rows[0] ? databaseOf(rows[0]) : null;
    },

    async private(ownerId) {
      const { rows } = await db.query(
        `SELECT ${columns} FROM databases d WHERE d.owner_id = $1 AND d.project_id IS NULL`,
        [ownerId],
      );
      return rows.map(databaseOf);
    },

    async rolesOf(userId) {
      const { rows } = await db.query<{ databaseId: string; user: string }>(
        'SELECT database_id AS "databaseId", role_name AS "user" FROM database_roles WHERE user_id = $1',
        [userId],
      );
      return rows;
    },

    async removeUserRole(databaseId, userId) {
      await db.query('DELETE FROM database_roles WHERE database_id = $1 AND user_id = $2', [databaseId, userId]);
    },

    async userRole(databaseId, userId) {
      const { rows } = await db.query<UserRole>(
        `SELECT role_name AS "user", sealed_password AS "sealedPassword" FROM database_roles
          WHERE database_id = $1 AND user_id = $2`,
        [databaseId, userId],
      );
      return rows[0] ?? null;
    },

    async addUserRole(databaseId, userId, { user, sealedPassword }) {
      const { rowCount } = await db.query(
        `INSERT INTO database_roles (database_id, user_id, role_name, sealed_password) VALUES ($1, $2, $3, $4)
         ON CONFLICT (database_id, user_id) DO NOTHING`,
        [databaseId, userId, user, sealedPassword],
      );
      return rowCount === 1;
    },

    // Prisma puts such look-ups of one tick together in one statement.
    owner: (query, userId) => prisma.user.findUnique({ ...query, where: { id: userId } }),
    project: (query, projectId) => prisma.project.findUnique({ ...query, where: { id: projectId } }),
  };
}

/**
 * Of a user who is about to go, in the caller's transaction: what he has put into a project is its OWNER's who has been
 * there the longest. @returns how many are left, in no project
 */
export async function bequeath(client: Executor, ownerId: string): Promise<number> {
  await client.query(
    `UPDATE databases SET updated_at = now(), owner_id = (
       SELECT m.user_id FROM project_members m
       WHERE m.project_id = databases.project_id AND m.role = 'owner' AND m.user_id <> $1 ORDER BY m.joined_at, m.id LIMIT 1)
     WHERE owner_id = $1 AND project_id IS NOT NULL`,
    [ownerId],
  );
  const { rows } = await client.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM databases WHERE owner_id = $1',
    [ownerId],
  );
  return rows[0]!.count;
}

type Row = Omit<VisibleDatabase, 'engine' | 'ssl' | 'capabilities' | 'role'> & {
  engine: string;
  ssl: string;
  capabilities: string[] | null;
  role: string | null;
};

/** @throws Error for text that no version of this code has written */
function oneOf<T extends string>(known: readonly T[], text: string, what: string): T {
  const found = known.find((one) => one === text);
  if (found === undefined) throw new Error(`databases: unknown ${what} “${text}”`);
  return found;
}

const databaseOf = (row: Row): Database => ({
  ...row,
  engine: oneOf(engineKinds, row.engine, 'engine'),
  ssl: oneOf(sslModes, row.ssl, 'SSL mode'),
  // What an older or newer version knew may be gone: it can only mean less.
  capabilities: capabilities.filter((capability) => row.capabilities?.includes(capability)),
});

const roleOf = ({ role }: Pick<Row, 'role'>): ProjectRole | null =>
  role === null ? null : oneOf(projectRoles, role, 'project role');

const visibleOf = (row: Row): VisibleDatabase => ({ ...databaseOf(row), role: roleOf(row) });
