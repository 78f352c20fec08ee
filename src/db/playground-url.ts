/** The playground that is not embedded: an administrator's server, named by PLAYGROUND_URL. */
import { createKeyring, type MasterKey } from '../lib/keyring.ts';
import type { Log } from '../lib/log.ts';
import type { Secret } from '../lib/secret.ts';
import { type PlaygroundConnections, preparePlayground } from './playground-setup.ts';
import { connectionOfUrl } from './url.ts';

export interface PlaygroundOfUrlDeps {
  /** `embedded` and `off` name no server. */
  playground: Secret<URL> | 'embedded' | 'off';
  masterKeys: readonly [MasterKey, ...MasterKey[]];
  log: Log;
}

/** Null where PLAYGROUND_URL names no server. @throws StartError */
export async function playgroundOfUrl({
  playground,
  masterKeys,
  log,
}: PlaygroundOfUrlDeps): Promise<PlaygroundConnections | null> {
  if (typeof playground === 'string') return null;
  const keyring = createKeyring(masterKeys);
  // Derived, so that every replica sets the same.
  const passwordOf = (role: string) => keyring.derive(`playground/${role}`).toString('base64url');
  return preparePlayground({
    administrator: connectionOfUrl(playground.reveal(), 'PLAYGROUND_URL'),
    passwords: { admin: passwordOf('admin'), feed: passwordOf('feed') },
    log,
  });
}
