/** The playground that is not embedded: an administrator's server, named by PLAYGROUND_URL. */
import { createKeyring, type MasterKey } from '../lib/keyring.ts';
import type { Log } from '../lib/log.ts';
import type { Secret } from '../lib/secret.ts';
import { type ConnectionConfig, connect } from './connection.ts';
import { installationSecret } from './installation-secrets.ts';
import { type PlaygroundConnections, preparePlayground } from './playground-setup.ts';
import { connectionOfUrl } from './url.ts';

export interface PlaygroundOfUrlDeps {
  /** `embedded` and `off` name no server. */
  playground: Secret<URL> | 'embedded' | 'off';
  masterKeys: readonly [MasterKey, ...MasterKey[]];
  /** Where its passwords are kept. */
  metadata: ConnectionConfig;
  log: Log;
}

/** Null where PLAYGROUND_URL names no server. @throws StartError */
export async function playgroundOfUrl({
  playground,
  masterKeys,
  metadata,
  log,
}: PlaygroundOfUrlDeps): Promise<PlaygroundConnections | null> {
  if (typeof playground === 'string') return null;
  const keyring = createKeyring(masterKeys);
  await using connected = await connect(metadata);
  // Every replica sets the same.
  const passwordOf = (role: string) => {
    const name = `playground/${role}`;
    const first = keyring.derive(name).toString('base64url');
    return installationSecret({ db: connected.client, keyring }, name, first);
  };
  const passwords = { admin: await passwordOf('admin'), feed: await passwordOf('feed') };
  return await preparePlayground({
    administrator: connectionOfUrl(playground.reveal(), 'PLAYGROUND_URL'),
    passwords,
    log,
  });
}
