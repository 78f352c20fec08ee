/**
 * What a hosted database refuses to its own user: functions that reach beyond his sessions, and the catalogues that all
 * databases of a server share. Rights on these are kept in each database, so a copy of the template has them, too.
 */
import type pg from 'pg';

/** Changes with what `hardenTemplate` does: a template of another version is made anew. */
export const templateVersion = 'quarry template 1';

/** By name, all overloads: they end sessions, hold locks that no statement timeout frees, write to the shared log … */
const refusedFunctions = [
  'pg_terminate_backend',
  'pg_cancel_backend',
  'pg_logical_emit_message',
  // … and these tell names of other databases and roles by their number.
  'pg_describe_object',
  'pg_identify_object',
  'pg_identify_object_as_address',
  'pg_get_replication_slots',
  'pg_stat_get_wal_senders',
  'pg_stat_get_replication_slot',
  'pg_prepared_xact',
  'pg_tablespace_databases',
];
const refusedFunctionPattern = '^pg_(try_)?advisory_';

/** Tables shared by all databases that hold names or texts; a table cannot be filtered. */
const refusedTables = [
  'pg_database',
  'pg_db_role_setting',
  'pg_shdepend',
  'pg_shdescription',
  'pg_shseclabel',
  'pg_parameter_acl',
  'pg_replication_origin',
  'pg_replication_origin_status',
];

/** Views over shared tables go on working and show what is one's own; roles below 16384 come with every server. */
const ownRole = (column: string) => `(${column} < 16384 OR pg_catalog.pg_has_role(${column}, 'USAGE'))`;
const ownSession = `pg_catalog.pg_has_role(usesysid, 'USAGE')`;
const thisDatabase = 'datname = pg_catalog.current_database()';
const filteredViews: Readonly<Record<string, string>> = {
  pg_roles: ownRole('oid'),
  pg_user: ownRole('usesysid'),
  pg_group: ownRole('grosysid'),
  pg_stat_activity: ownSession,
  pg_stat_database: thisDatabase,
  pg_stat_database_conflicts: thisDatabase,
  pg_stat_progress_analyze: thisDatabase,
  pg_stat_progress_basebackup: 'false',
  pg_stat_progress_cluster: thisDatabase,
  pg_stat_progress_copy: thisDatabase,
  pg_stat_progress_create_index: thisDatabase,
  pg_stat_progress_vacuum: thisDatabase,
};

/** Run once by a superuser inside the template. */
export async function hardenTemplate(
  client: pg.Client,
  { admin, feed }: { admin: string; feed: string },
): Promise<void> {
  const { rows: functions } = await client.query<{ signature: string }>(
    `SELECT oid::regprocedure::text AS signature FROM pg_proc
      WHERE pronamespace = 'pg_catalog'::regnamespace AND (proname = ANY($1) OR proname ~ $2)`,
    [refusedFunctions, refusedFunctionPattern],
  );
  const { rows: views } = await client.query<{ name: string; definition: string }>(
    `SELECT relname AS name, rtrim(pg_get_viewdef(oid), ';') AS definition FROM pg_class
      WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'v' AND relname = ANY($1)`,
    [Object.keys(filteredViews)],
  );
  const tables = refusedTables.map((table) => `pg_catalog.${table}`).join(', ');
  await client.query('BEGIN');
  // Definitions of pg_catalog are otherwise closed to the superuser, too.
  await client.query('SET LOCAL allow_system_table_mods = on');
  for (const { signature } of functions) {
    await client.query(`REVOKE EXECUTE ON FUNCTION ${signature} FROM PUBLIC`);
    await client.query(`GRANT EXECUTE ON FUNCTION ${signature} TO ${admin}, ${feed}`);
  }
  await client.query(`REVOKE SELECT ON ${tables} FROM PUBLIC`);
  await client.query(`GRANT SELECT ON ${tables} TO ${admin}, ${feed}`);
  for (const { name, definition } of views) {
    // A barrier, else a function of the reader's own sees the rows before the condition does.
    await client.query(
      `CREATE OR REPLACE VIEW pg_catalog.${name} WITH (security_barrier)
         AS SELECT * FROM (${definition}) every WHERE ${filteredViews[name]}`,
    );
  }
  await client.query('COMMIT');
}
