/** Everything that is sealed in the metadata, one line each: what a rotation of the master keys wraps again. */
import { sealedChildren } from './accounts/refresh-tokens.ts';
import { sealedSecrets } from './accounts/totp/store.ts';
import { sealedHead } from './audit/chain.ts';
import { sealedPasswords } from './databases/credentials.ts';
import { sealedConnections } from './databases/typed-connections.ts';
import { sealedInstallationSecrets } from './db/installation-secrets.ts';
import type { SealedColumn } from './db/rotation.ts';
import { sealedMails } from './mail/outbox.ts';
import { sealedRemains } from './realtime/feeds/remains.ts';
import { sealedFeedKeys } from './realtime/relay/leader.ts';

export const sealedColumns: readonly SealedColumn[] = [
  ...sealedPasswords,
  sealedConnections,
  sealedChildren,
  sealedSecrets,
  sealedMails,
  sealedHead,
  sealedFeedKeys,
  sealedRemains,
  sealedInstallationSecrets,
];
