/** Who may do what in the metadata cluster: one role that changes the schema, one that reads and writes rows. */
import pg from 'pg';
import { type ConnectionConfig, connect } from './connection.ts';

export const metadataSecrets = ['owner', 'app'] as const;

export interface MetadataConnections {
  /** Owns the database; for migrations only. */
  readonly owner: ConnectionConfig;
  /** Rows only: what Quarry runs with. */
  readonly app: ConnectionConfig;
}

const names = { owner: 'quarry_owner', app: 'quarry_app', database: 'quarry' } as const;

/** Makes roles and database where they are missing, and sets the passwords anew, so that they always agree. */
export async function prepareMetadata({
  superuser,
  passwords,
  signal,
}: {
  superuser: ConnectionConfig;
  passwords: Readonly<Record<(typeof metadataSecrets)[number], string>>;
  signal?: AbortSignal | undefined;
}): Promise<MetadataConnections> {
  const { host, port } = superuser;
  const { owner, app, database } = names;
  {
    await using admin = await connect(superuser, { signal });
    for (const [role, password] of [
      [owner, passwords.owner],
      [app, passwords.app],
    ] as const) {
      const known = await admin.client.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
      await admin.client.query(
        `${known.rowCount ? 'ALTER' : 'CREATE'} ROLE ${role} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION
           NOBYPASSRLS PASSWORD ${pg.escapeLiteral(password)}`,
      );
    }
    const known = await admin.client.query('SELECT FROM pg_database WHERE datname = $1', [database]);
    if (!known.rowCount) await admin.client.query(`CREATE DATABASE ${database} OWNER ${owner} TEMPLATE template0`);
    for (const every of [database, 'postgres', 'template1'])
      await admin.client.query(`REVOKE ALL ON DATABASE ${every} FROM PUBLIC`);
    await admin.client.query(`GRANT CONNECT ON DATABASE ${database} TO ${app}`);
  }
  const connections = {
    owner: { host, port, user: owner, password: passwords.owner, database },
    app: { host, port, user: app, password: passwords.app, database },
  };
  await using schema = await connect(connections.owner, { signal });
  await schema.client.query(`
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA public TO ${app};
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${app};
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, USAGE, UPDATE ON SEQUENCES TO ${app}`);
  return connections;
}
