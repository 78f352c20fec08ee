/**
 * Receives one file as a process of its own, which a test may hold up: its bytes from the standard input, the metadata, the
 * folder and whose file it is from its argument, as JSON. Prints what became of it.
 */
import { randomBytes } from 'node:crypto';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { createPool, createPrisma } from '../../../src/db/metadata.ts';
import { createKeyring } from '../../../src/lib/keyring.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { createDiskStore } from '../../../src/storage/disk.ts';
import { createBucketAccess } from '../../../src/storage/files/access.ts';
import { createAddresses } from '../../../src/storage/files/addresses.ts';
import { createLinks } from '../../../src/storage/files/links.ts';
import { createReservations } from '../../../src/storage/files/reservations.ts';
import { createFileStore } from '../../../src/storage/files/store.ts';
import { createUploads } from '../../../src/storage/files/uploads.ts';
import { silent } from '../../support/metadata.ts';

export interface ReceiveTask {
  readonly connection: { host: string; port: number; user: string; password: string; database: string };
  readonly directory: string;
  readonly viewer: Omit<Viewer, 'expiresAt'>;
  readonly fileId: string;
  readonly sizeBytes: number;
  readonly leaseMs: number;
}

const task = JSON.parse(process.argv[2] ?? '') as ReceiveTask;
const pool = createPool({ connection: task.connection, log: silent, max: 2 });
const store = createFileStore({ db: pool, prisma: createPrisma(pool) });
const access = createBucketAccess({ store });
const blobs = createDiskStore(task);
const links = createLinks({ keyring: createKeyring([{ id: 'k', key: new Secret(randomBytes(32)) }]) });
const uploads = createUploads({
  store,
  access,
  reservations: createReservations({ pool, store, access, blobs }),
  blobs,
  addresses: createAddresses({ links, publicUrl: new URL('http://127.0.0.1') }),
  leaseMs: task.leaseMs,
});
const viewer = { ...task.viewer, expiresAt: new Date(Date.now() + 600_000) };
const body = process.stdin;
const piece = {
  start: 0,
  end: task.sizeBytes,
  total: task.sizeBytes,
  body,
  stop: (reason: Error) => body.destroy(reason),
};
const asked = { caller: { ipAddress: null, userAgent: null }, signal: new AbortController().signal };
try {
  const { file } = await uploads.receive(viewer, task.fileId, piece, asked);
  console.log(file.status);
} catch (error) {
  console.log((error as { code?: string }).code ?? String(error));
}
process.exit();
