/** When a catalogue was last read as a whole, and reading it anew. */
import { DatabaseType } from '../databases/databases.graph.ts';
import type { VisibleDatabase } from '../databases/databases.ts';
import { builder } from '../graph/builder.ts';
import { notFound } from '../lib/errors.ts';
import { uuidOf } from '../lib/ids.ts';
import { maxChangesOfRefresh } from './drift/changes.ts';
import type { CatalogChange } from './drift/store.ts';
import { CatalogChangeType } from './drift.graph.ts';

builder.objectFields(DatabaseType, (t) => ({
  catalogReadAt: t.field({
    type: 'DateTime',
    nullable: true,
    description: 'When the catalogue was last read as a whole; null where it never was.',
    resolve: async ({ id }, _args, context) => (await context.services.catalog.state(context, id))?.readAt ?? null,
  }),
  catalogFingerprint: t.string({
    nullable: true,
    description:
      'Of the catalogue as it was then: equal fingerprints, equal catalogues. Owners and privileges are no part of it.',
    resolve: async ({ id }, _args, context) => (await context.services.catalog.state(context, id))?.fingerprint ?? null,
  }),
}));

const RefreshCatalogInput = builder.inputType('RefreshCatalogInput', {
  fields: (t) => ({ databaseId: t.id({ required: true }) }),
});

const RefreshCatalogPayload = builder
  .objectRef<{ databaseId: string; changes: CatalogChange[] }>('RefreshCatalogPayload')
  .implement({
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
      changes: t.expose('changes', {
        type: [CatalogChangeType],
        description: `Since it was asked for, whoever found them: the first ${maxChangesOfRefresh.toLocaleString('en')} of them. None of a first reading.`,
      }),
    }),
  });

builder.mutationField('refreshCatalog', (t) =>
  t.field({
    type: RefreshCatalogPayload,
    authScopes: { signedIn: true },
    description:
      'Reads the catalogue of a database anew and as a whole; what fails leaves the last one as it is. Several who ask at once share a read.',
    args: { input: t.arg({ type: RefreshCatalogInput, required: true }) },
    resolve: (_root, { input }, context) =>
      context.services.catalogChanges.refresh(context, uuidOf('Database', input.databaseId) ?? ''),
  }),
);
