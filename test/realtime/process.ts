/** What a process that tells of changes is made of: a bus, its share in the relay, and a hub. */
import type pg from 'pg';
import type { Database } from '../../src/databases/databases.ts';
import { type Bus, createBus } from '../../src/lib/bus.ts';
import type { Topic } from '../../src/lib/topics.ts';
import { createLeases, type LeaseLimits } from '../../src/realtime/feeds/leases.ts';
import { createFeedStore } from '../../src/realtime/feeds/store.ts';
import { createHub, type HubLimits } from '../../src/realtime/hub.ts';
import type { RelayLimits } from '../../src/realtime/relay/limits.ts';
import { createRelay } from '../../src/realtime/relay/relay.ts';
import { createRelayStore } from '../../src/realtime/relay/store.ts';
import type { World } from '../databases/world.ts';
import { silent } from '../support/metadata.ts';

export interface ProcessOptions {
  readonly bus?: Bus<Topic>;
  /** To the metadata. */
  readonly pool?: pg.Pool;
  readonly hub?: Partial<HubLimits> | undefined;
  readonly leases?: Partial<LeaseLimits> | undefined;
  readonly relay?: Partial<RelayLimits> | undefined;
}

export function startProcess(
  { databases, keyring, ...world }: Pick<World, 'databases' | 'pool' | 'keyring'>,
  { bus = createBus<Topic>(), pool = world.pool, ...limits }: ProcessOptions = {},
) {
  const feeds = createFeedStore({ pool });
  const leases = createLeases({ store: feeds, log: silent, limits: limits.leases });
  const relay = createRelay({
    leases,
    store: createRelayStore({ db: pool }),
    keyring,
    bus,
    log: silent,
    limits: limits.relay,
  });
  const hub = createHub<Database>({ databases, relay, store: feeds, log: silent, limits: limits.hub });
  return {
    feeds,
    leases,
    bus,
    hub,
    async stop() {
      await hub.stop();
      await relay.stop();
      await leases.stop();
    },
  };
}
