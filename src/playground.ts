/** The playground that is not embedded: an administrator's server, named by PLAYGROUND_URL. */
import type { Config } from './config.ts';
import { type PlaygroundConnections, preparePlayground } from './db/playground-setup.ts';
import { connectionOfUrl } from './db/url.ts';
import { createKeyring, type MasterKey } from './lib/keyring.ts';
import type { Log } from './lib/log.ts';

export interface PlaygroundOfUrlDeps {
  config: Config;
  masterKeys: readonly [MasterKey, ...MasterKey[]];
  log: Log;
}

/** Null where there is none, or where it is the embedded one. */
export async function playgroundOfUrl({
  config: { playground },
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
