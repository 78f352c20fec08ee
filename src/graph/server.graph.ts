/** `server`: what this installation is. */

import type { Engine } from '../engines/engine.ts';
import { version } from '../lib/version.ts';
import type { ServerFeature } from '../services.ts';
import { builder } from './builder.ts';
import { CapabilityEnum, EngineNameEnum, RegistrationModeEnum } from './enums.ts';

export const EngineType = builder
  .objectRef<Pick<Engine, 'kind' | 'displayName' | 'defaultPort' | 'capabilities'>>('Engine')
  .implement({
    rights: 'public',
    description: 'A kind of SQL server that Quarry can connect to.',
    fields: (t) => ({
      name: t.field({ type: EngineNameEnum, resolve: ({ kind }) => kind as never }),
      displayName: t.exposeString('displayName'),
      defaultPort: t.exposeInt('defaultPort', { nullable: true }),
      capabilities: t.field({ type: [CapabilityEnum], resolve: ({ capabilities }) => [...capabilities] }),
    }),
  });

const ServerFeatureType = builder.objectRef<ServerFeature>('ServerFeature').implement({
  rights: 'public',
  fields: (t) => ({
    name: t.exposeString('name'),
    enabled: t.exposeBoolean('enabled'),
    setting: t.exposeString('setting', {
      nullable: true,
      description: 'The variable of the environment that decides.',
    }),
  }),
});

const ServerInfo = builder.objectRef<Record<string, never>>('ServerInfo').implement({
  rights: 'public',
  fields: (t) => ({
    name: t.string({ resolve: () => 'Quarry' }),
    version: t.string({ resolve: () => version }),
    registration: t.field({
      type: RegistrationModeEnum,
      resolve: (_server, _args, { services }) => services.settings.registration,
    }),
    engines: t.field({
      type: [EngineType],
      resolve: (_server, _args, { services }) => Object.values(services.engines),
    }),
    features: t.field({
      type: [ServerFeatureType],
      description: 'What this installation has switched on, and the setting that would switch on the rest.',
      resolve: (_server, _args, { services }) => [...services.features],
    }),
    startedAt: t.field({ type: 'DateTime', resolve: (_server, _args, { services }) => services.startedAt }),
  }),
});

builder.queryField('server', (t) => t.field({ type: ServerInfo, authScopes: { public: true }, resolve: () => ({}) }));
