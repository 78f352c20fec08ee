/** The routes of a file world on a port of their own. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Viewer } from '../../../src/accounts/viewer.ts';
import { createKeyring } from '../../../src/lib/keyring.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { createAddresses } from '../../../src/storage/files/addresses.ts';
import { createLinks } from '../../../src/storage/files/links.ts';
import { createFileRoutes } from '../../../src/storage/files/routes.ts';
import { createUploads } from '../../../src/storage/files/uploads.ts';
import { silent } from '../../support/metadata.ts';
import type { FileWorld } from './world.ts';

const caller = { ipAddress: '192.0.2.1', userAgent: 'test' };
const enter = async () => undefined;

export async function serveFiles(world: FileWorld) {
  const links = createLinks({ keyring: createKeyring([{ id: 'k', key: new Secret(randomBytes(32)) }]) });
  const publicUrl = new URL('http://127.0.0.1');
  const addresses = createAddresses({ links, publicUrl });
  const uploads = createUploads({ ...world, addresses });
  const routes = createFileRoutes({
    ...world,
    uploads,
    links,
    roleOf: async () => 'member',
    isKeyLive: async () => true,
    corsOrigins: [],
    log: silent,
  });
  const server = createServer((request, response) => void routes.handle(request, response, { caller, enter }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  publicUrl.port = String((server.address() as AddressInfo).port);
  return {
    uploads,
    linkTo: (viewer: Viewer, file: Awaited<ReturnType<FileWorld['file']>>) =>
      addresses.signed(viewer, file, 'show', new Date(Date.now() + 60_000)),
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
