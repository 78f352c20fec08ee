/** The engines that there are; the only place that knows their files. */
import type { Engine } from './engine.ts';
import type { ConnectDeps } from './postgresql/connect.ts';
import { createPostgresql } from './postgresql/index.ts';

/** What the metadata names them by. */
export const engineKinds = ['postgresql'] as const;
export type EngineKind = (typeof engineKinds)[number];

export type Engines = Readonly<Record<EngineKind, Engine>>;

export type EnginesDeps = ConnectDeps;

export function createEngines(deps: EnginesDeps): Engines {
  return {
    postgresql: createPostgresql(deps),
  };
}
