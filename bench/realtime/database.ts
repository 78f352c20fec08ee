/** A durable database whose log can be read, connected to a Quarry: what is written to it is on the disk when it is answered. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startCluster } from '../../src/db/cluster.ts';
import { findPlace } from '../../src/db/place.ts';
import { encodeId } from '../../src/lib/ids.ts';
import { createLog } from '../../src/lib/log.ts';
import { type Quarry, startQuarry } from '../../test/support/server.ts';

const connect = `mutation ($input: ConnectDatabaseInput!) { connectDatabase(input: $input) { database { id } } }`;

export interface RealtimeBench extends AsyncDisposable {
  readonly client: pg.Client;
  readonly server: { readonly host: string; readonly port: number; readonly user: string; readonly password: string };
  readonly quarry: Quarry;
  readonly token: string;
  readonly databaseId: string;
  /** Of a table of the schema `public`. */
  tableId(name: string): string;
}

/** @param profile a folder for the profiles of its processes */
export async function startRealtimeBench(tables: string, profile?: string): Promise<RealtimeBench> {
  await using stack = new AsyncDisposableStack();
  const log = createLog({ level: 'warn', format: 'pretty' });
  const dataDir = await mkdtemp(join(tmpdir(), 'quarry-bench-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  // As root the server runs as another user, who has to get in.
  await chmod(dataDir, 0o711);
  const cluster = await startCluster({
    name: 'playground',
    place: await findPlace({ dataDir, log }),
    log,
    secrets: [],
    settings: { wal_level: 'logical', max_slot_wal_keep_size: '4GB' },
  });
  stack.defer(() => cluster.stop());
  const { host, port, user, password } = cluster.superuser;
  const client = new pg.Client({ host, port, user, password, database: 'postgres' });
  await client.connect();
  stack.defer(() => client.end());
  await client.query(tables);
  const quarry = stack.use(
    await startQuarry({
      env: {
        NODE_ENV: 'production',
        LOG_LEVEL: 'info',
        ...(profile && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` }),
      },
    }),
  );
  const { token } = await quarry.register();
  const connection = { engine: 'POSTGRESQL', host, port, database: 'postgres', user, password };
  const { data, errors } = await quarry.execute<{ connectDatabase: { database: { id: string } } }, object>(
    connect,
    { input: { name: 'bench', connection } },
    { token },
  );
  if (!data) throw new Error(JSON.stringify(errors));
  const { id: databaseId } = data.connectDatabase.database;
  const uuid = JSON.parse(Buffer.from(databaseId, 'base64url').toString())[1] as string;
  const started = stack.move();
  return {
    client,
    server: { host, port, user, password },
    quarry,
    token,
    databaseId,
    tableId: (name) => encodeId('Table', uuid, 'public', name),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
