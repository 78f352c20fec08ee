/** The PostgreSQL engine: puts its parts behind the contract. */
import type { Engine } from '../engine.ts';
import { readActivity } from './activity.ts';
import { terminate } from './cancel.ts';
import { createPostgresqlCatalog } from './catalog.ts';
import type { ConnectDeps } from './connect.ts';
import { explain } from './explain.ts';
import { createChanges } from './feed/index.ts';
import { openLiveSession } from './live/session.ts';
import { createParser } from './parser.ts';
import { postgresqlCapabilities, probe } from './probe.ts';
import { createReader } from './reader.ts';
import { openSession } from './session.ts';
import { split } from './split.ts';
import { createTracking } from './tracking.ts';

export function createPostgresql(deps: ConnectDeps): Engine {
  const parser = createParser();
  return {
    kind: 'postgresql',
    displayName: 'PostgreSQL',
    defaultPort: 5432,
    capabilities: postgresqlCapabilities,
    probe: (target, options) => probe(deps, target, options),
    open: (target, options) => openSession({ ...deps, parser }, target, options),
    split: async (script) =>
      (await split({ parser }, script)).map(({ sql, offset, reads }) => ({ sql, offset, reads })),
    terminate: (target, identity, { signal }) =>
      terminate(deps, target, identity, { signal, label: 'quarry terminate' }),
    explain: (target, sql, options) => explain({ ...deps, parser }, target, sql, options),
    activity: (target, options) => readActivity(deps, target, options),
    tracking: createTracking(deps),
    changes: createChanges(deps),
    live: { open: (target, options) => openLiveSession({ ...deps, parser }, target, options) },
    catalog: (target) => createPostgresqlCatalog(createReader(deps, target)),
  };
}
