/** What belongs to the server or the database as a whole: schemas, roles, extensions, databases, size. */
import type { Extension, Membership, Reach, ReadOptions, Role, Schema } from '../../catalog.ts';
import {
  aligned,
  booleanOrNull,
  byName,
  type CatalogQuery,
  numberOrNull,
  sendable,
  strings,
  type TextRow,
} from './rows.ts';
import { description, notSystem, notTemporary } from './sql.ts';

const single = (rows: readonly TextRow[]): string | null => rows[0]?.[0] ?? null;

export const readServerVersion = async (query: CatalogQuery, options: ReadOptions): Promise<string> =>
  single(await query('show server_version', [], options)) ?? '';

/** By the search path that the credentials begin with: a catalogue's own sessions have none. */
export const readDefaultSchema = async (query: CatalogQuery, options: ReadOptions): Promise<string | null> =>
  single(
    await query(
      `select current_schema() from (
        select set_config('search_path', reset_val, true) from pg_catalog.pg_settings where name = 'search_path' offset 0
      ) own`,
      [],
      options,
    ),
  );

export const readDatabaseSize = async (query: CatalogQuery, options: ReadOptions): Promise<number | null> =>
  numberOrNull(single(await query('select pg_database_size(current_database())', [], options)));

export async function readServerDatabases(query: CatalogQuery, reach: Reach, options: ReadOptions): Promise<string[]> {
  // A hosted database may not read the catalogues that it shares with others.
  const sql =
    reach === 'OWN'
      ? 'select current_database()'
      : `select datname from pg_catalog.pg_database
         where not datistemplate and datallowconn and has_database_privilege(oid, 'CONNECT')
         order by datname`;
  const rows = await query(sql, [], options);
  return rows.map(([name]) => name ?? '');
}

type SchemaRow = [ordinal: string | null, name: string, owner: string | null, comment: string | null];

const schema = ([, name, owner, comment]: SchemaRow): Schema => ({ name, owner, comment });

export async function readSchemas(
  query: CatalogQuery,
  { includeSystem }: { includeSystem: boolean },
  options: ReadOptions,
): Promise<Schema[]> {
  const rows = await query(
    `select null, n.nspname, pg_get_userbyid(n.nspowner), d.description
    from pg_catalog.pg_namespace n ${description('d', 'pg_namespace', 'n.oid')}
    where ${includeSystem ? notTemporary('n') : notSystem('n')}
    order by n.nspname`,
    [],
    options,
  );
  return rows.map((row) => schema(row as SchemaRow));
}

export async function readSchemasByName(
  query: CatalogQuery,
  names: readonly string[],
  options: ReadOptions,
): Promise<(Schema | null)[]> {
  const rows = await query(
    `select g.ordinal, n.nspname, pg_get_userbyid(n.nspowner), d.description
    from unnest($1::text[]) with ordinality g (name, ordinal)
    join pg_catalog.pg_namespace n on n.nspname = g.name collate "C"
    ${description('d', 'pg_namespace', 'n.oid')}`,
    [names.map(sendable)],
    options,
  );
  return aligned(rows, names.length, schema);
}

type RoleRow = [
  name: string,
  canLogin: string | null,
  superuser: string | null,
  createDatabase: string | null,
  createRole: string | null,
  inherit: string | null,
  replication: string | null,
  bypassRowSecurity: string | null,
  connectionLimit: string | null,
  memberOf: string | null,
  memberships: string | null,
];

/**
 * The roles that people made; the server's own, pg_…, only where one is a member of them. OWN tells memberships without
 * the catalogue that keeps them, which is shared by all databases: also those that come by way of another role.
 */
export async function readRoles(query: CatalogQuery, reach: Reach, options: ReadOptions): Promise<Role[]> {
  const rows = await query(
    `select r.rolname, r.rolcanlogin, r.rolsuper, r.rolcreatedb, r.rolcreaterole,
      r.rolinherit, r.rolreplication, r.rolbypassrls, nullif(r.rolconnlimit, -1),
      ${
        reach === 'OWN'
          ? `(select json_agg(g.rolname) from pg_catalog.pg_roles g
             where g.oid <> r.oid and not r.rolsuper and pg_has_role(r.oid, g.oid, 'MEMBER'))`
          : `(select json_agg(distinct g.rolname) from pg_catalog.pg_auth_members m
             join pg_catalog.pg_roles g on g.oid = m.roleid where m.member = r.oid)`
      },
      ${
        // Since 16 each membership says how far it goes; a row of an older server has no such keys as JSON.
        reach === 'OWN'
          ? 'null'
          : `coalesce((select json_agg(json_build_array(g.rolname, pg_get_userbyid(m.grantor), m.admin_option,
               to_jsonb(m) -> 'inherit_option', to_jsonb(m) -> 'set_option') order by g.rolname, m.grantor)
             from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid where m.member = r.oid), '[]')`
      }
    from pg_catalog.pg_roles r where r.rolname !~ '^pg_' ${reach === 'OWN' ? `and pg_has_role(r.oid, 'MEMBER')` : ''}`,
    [],
    options,
  );
  return rows.map((row) => role(row as RoleRow)).sort(byName);
}

const role = ([
  name,
  canLogin,
  superuser,
  createDatabase,
  createRole,
  inherit,
  replication,
  bypassRowSecurity,
  connectionLimit,
  memberOf,
  memberships,
]: RoleRow): Role => ({
  name,
  canLogin: booleanOrNull(canLogin),
  superuser: booleanOrNull(superuser),
  createDatabase: booleanOrNull(createDatabase),
  createRole: booleanOrNull(createRole),
  inherit: booleanOrNull(inherit),
  replication: booleanOrNull(replication),
  bypassRowSecurity: booleanOrNull(bypassRowSecurity),
  connectionLimit: numberOrNull(connectionLimit),
  memberOf: strings(memberOf).sort(),
  memberships: memberships === null ? null : (JSON.parse(memberships) as MembershipRow[]).map(membership),
});

type MembershipRow = [
  role: string,
  grantor: string | null,
  admin: boolean,
  inherit: boolean | null,
  set: boolean | null,
];

const membership = ([role, grantor, admin, inherit, set]: MembershipRow): Membership => ({
  role,
  grantor,
  admin,
  inherit,
  set,
});

type ExtensionRow = [name: string, version: string, schema: string, comment: string | null];

export async function readExtensions(query: CatalogQuery, options: ReadOptions): Promise<Extension[]> {
  const rows = await query(
    `select e.extname, e.extversion, n.nspname, d.description
    from pg_catalog.pg_extension e
    join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    ${description('d', 'pg_extension', 'e.oid')}`,
    [],
    options,
  );
  return rows.map((row) => extension(row as ExtensionRow)).sort(byName);
}

const extension = ([name, version, inSchema, comment]: ExtensionRow): Extension => ({
  name,
  version,
  schema: inSchema,
  comment,
});
