/** Seeing DDL as it happens and keeping changes of rows: whether it is so, and switching it on and off. */
import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { DatabaseType } from '../databases/databases.graph.ts';
import type { VisibleDatabase } from '../databases/databases.ts';
import { builder } from '../graph/builder.ts';
import type { Context } from '../graph/context.ts';
import { enumOf } from '../graph/enums.ts';
import { notFound } from '../lib/errors.ts';
import { uuidOf } from '../lib/ids.ts';
import { type TrackingKind, trackingKinds } from './tracking/tracking.ts';

const ChangeTrackingEnum = enumOf(
  'ChangeTracking',
  trackingKinds,
  'DDL: catalogChanged tells of it within two seconds. ROWS: changes of rows are kept while nobody listens, so that `after` of rowChanges goes on over a restart of Quarry, of the database, or of the network between.',
);

// It only batches: the next mutation of the same document may change it.
const trackingOf = createContextCache(
  ({ services }: Context) =>
    new DataLoader<string, TrackingKind[]>((ids) => services.tracking.of(ids), { cache: false, maxBatchSize: 500 }),
);

builder.objectField(DatabaseType, 'changeTracking', (t) =>
  t.field({
    type: [ChangeTrackingEnum],
    description: 'What is told of as it happens.',
    resolve: ({ id }, _args, context) => trackingOf(context).load(id),
  }),
);

const inputOf = (name: string) =>
  builder.inputType(name, {
    fields: (t) => ({
      databaseId: t.id({ required: true }),
      what: t.field({ type: [ChangeTrackingEnum], required: true }),
    }),
  });
const EnableChangeTrackingInput = inputOf('EnableChangeTrackingInput');
const DisableChangeTrackingInput = inputOf('DisableChangeTrackingInput');

const payloadOf = (name: string) =>
  builder.objectRef<{ databaseId: string }>(name).implement({
    rights: 'parent',
    fields: (t) => ({
      database: t.field({
        type: DatabaseType,
        resolve: async ({ databaseId }, _args, context): Promise<VisibleDatabase> => {
          const database = await context.services.databases.load(context, context.viewer, databaseId);
          if (!database) throw notFound('Database');
          return database;
        },
      }),
    }),
  });

builder.mutationFields((t) => ({
  enableChangeTracking: t.field({
    type: payloadOf('EnableChangeTrackingPayload'),
    authScopes: { signedIn: true },
    description:
      'DDL puts into the database what it takes to see it as it happens: a schema quarry_tracking with a function, and two event triggers, which never make anybody’s DDL fail. They are no part of the catalogue. UNSUPPORTED says what is missing: event triggers need a superuser. A hosted database needs nothing. ROWS makes a replication slot, which keeps changes of the tables that were once read, also while nobody reads and while Quarry is away; it needs wal_level = logical, the right REPLICATION and a max_slot_wal_keep_size, without which it could fill a disk. Where there is no logical log, triggers on the tables that are read write their changes into a table of the same schema. Who reads row changes just then is ended and subscribes again. The two know nothing of each other.',
    args: { input: t.arg({ type: EnableChangeTrackingInput, required: true }) },
    resolve: async (_root, { input }, context) => {
      const databaseId = uuidOf('Database', input.databaseId) ?? '';
      await context.services.tracking.enable(context, databaseId, input.what);
      return { databaseId };
    },
  }),
  disableChangeTracking: t.field({
    type: payloadOf('DisableChangeTrackingPayload'),
    authScopes: { signedIn: true },
    description:
      'Takes all of it out again, without a trace; where the database cannot be reached it fails and is still tracked. disconnectDatabase does it, too, as far as the database can be reached.',
    args: { input: t.arg({ type: DisableChangeTrackingInput, required: true }) },
    resolve: async (_root, { input }, context) => {
      const databaseId = uuidOf('Database', input.databaseId) ?? '';
      await context.services.tracking.disable(context, databaseId, input.what);
      return { databaseId };
    },
  }),
}));
