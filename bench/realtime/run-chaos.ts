/**
 * Row changes of a whole server while whatever has a part in them is killed: the client, the server (kill -9), the target
 * (an immediate restart) and the network between those two, which resets, ends one half of a line, or goes silent. The
 * client goes on behind its last position. Ends with 1 unless nothing was lost and nothing came out of order.
 * `node bench/realtime/run-chaos.ts [changes] [kills]`, on a PostgreSQL of its own.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { tableId } from '../../src/catalog/ids.ts';
import { startCluster } from '../../src/db/cluster.ts';
import { findPlace } from '../../src/db/place.ts';
import { decodeId } from '../../src/lib/ids.ts';
import { createLog } from '../../src/lib/log.ts';
import { ConnectDocument, EnableChangeTrackingDocument } from '../../test/support/operations.ts';
import { openProxy } from '../../test/support/proxy.ts';
import { startQuarry } from '../../test/support/server.ts';
import { startReader } from './chaos-reader.ts';
import { openWriter } from './chaos-writer.ts';

const [changesText = '100000', killsText = '20'] = process.argv.slice(2);
const [changes, kills] = [Number(changesText), Number(killsText)];
const recoverMs = 90_000;
/** Longer than a breath, and shorter than a silent line is borne: the network comes back by itself. */
const silentMs = 5_000;

await using stack = new AsyncDisposableStack();
const dataDir = await mkdtemp(join(tmpdir(), 'quarry-chaos-'));
stack.defer(() => rm(dataDir, { recursive: true, force: true }));
await chmod(dataDir, 0o711);
const log = createLog({ level: 'error', format: 'pretty' });
const target = await startCluster({
  name: 'playground',
  place: await findPlace({ dataDir, log }),
  log,
  secrets: [],
  settings: { wal_level: 'logical', max_slot_wal_keep_size: '1GB' },
});
stack.defer(() => target.stop());
const { host, port, user, password } = target.superuser;
const direct = { host, port, user, password, database: 'postgres' };
const admin = new pg.Client(direct);
await admin.connect();
await admin.query('CREATE TABLE numbered (id int PRIMARY KEY, body text)');
await admin.end();
const proxy = stack.use(await openProxy({ host, port }));
const quarry = stack.use(await startQuarry());
const account = await quarry.register();
const connection = {
  ...direct,
  password: String(password),
  user: String(user),
  port: proxy.port,
  ssl: 'DISABLE' as const,
};
const { connectDatabase } = await quarry.ask(ConnectDocument, { input: { name: 'chaos', connection } }, account);
const databaseId = connectDatabase.database.id;
await quarry.ask(EnableChangeTrackingDocument, { input: { databaseId, what: ['ROWS'] } }, account);

const reader = stack.use(
  startReader({
    url: () => quarry.wsUrl,
    token: account.token,
    databaseId,
    tableId: tableId(decodeId(databaseId)!.parts[0]!, { schema: 'public', name: 'numbered' }),
  }),
);
const writer = stack.use(await openWriter(direct, 'numbered'));

const faults: readonly (readonly [name: string, inject: () => Promise<void>])[] = [
  ['client', async () => reader.kill()],
  [
    'server, kill -9',
    async () => {
      await quarry.kill();
      await quarry.restart();
    },
  ],
  [
    'target, immediate restart',
    async () => {
      const restarted = new Promise<void>((resolve) => target.events.once('restarted', resolve));
      process.kill(target.pid, 'SIGQUIT');
      await restarted;
    },
  ],
  ['network, reset', async () => proxy.cut()],
  ['network, half close', async () => proxy.halfClose()],
  [
    'network, silent',
    async () => {
      proxy.blackhole();
      await sleep(silentMs);
      proxy.heal();
    },
  ],
];

await reader.begun({ signal: AbortSignal.timeout(recoverMs) });
for (let kill = 0; kill < kills; kill++) {
  const [name, inject] = faults[kill % faults.length]!;
  const [from, to] = [kill, kill + 1].map((part) => Math.floor((changes * part) / kills)) as [number, number];
  const writing = writer.writeTo(to);
  while (writer.written < from + (to - from) / 3) await sleep(1);
  const since = performance.now();
  await inject();
  await writing;
  await reader.reached(to, { signal: AbortSignal.timeout(recoverMs) }).catch(() => undefined);
  const seconds = ((performance.now() - since) / 1_000).toFixed(1);
  console.log(`${kill + 1}. ${name}: ${reader.last} of ${to} after ${seconds} s`);
  if (reader.last < to) break;
}
const missing = changes - reader.last + reader.lost;
const codes = [...reader.codes].map(([code, count]) => `${code} ${count}`).join(', ') || 'none';
console.log(`${changes} changes, ${kills} kills, ${reader.connections} connections; ended by: ${codes}`);
console.log(
  `lost ${missing}, out of order ${reader.disordered}, duplicated with an equal position ${reader.duplicated}`,
);
process.exitCode = missing === 0 && reader.disordered === 0 ? 0 : 1;
