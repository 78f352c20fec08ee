/** What changed in a catalogue: as a list of a database, of a refresh, and live. */
import { DatabaseType } from '../databases/databases.graph.ts';
import { builder } from '../graph/builder.ts';
import { enumOf } from '../graph/enums.ts';
import { loadNode } from '../graph/nodes.ts';
import { notFound } from '../lib/errors.ts';
import { uuidOf } from '../lib/ids.ts';
import { formatPosition } from '../lib/positions.ts';
import { catalogChangeKinds } from './drift/difference.ts';
import type { CatalogChange } from './drift/store.ts';
import { hitId } from './search/hit-id.ts';
import { CatalogKindEnum } from './search.graph.ts';

const CatalogChangeKindEnum = enumOf('CatalogChangeKind', catalogChangeKinds);

export const CatalogChangeType = builder.objectRef<CatalogChange>('CatalogChange').implement({
  rights: 'parent',
  description:
    'One object that is new, gone or another. What follows from another object’s change is none: a renamed column is one change, whatever views and indexes have it; a new table is one, with its columns inside. An object is the same one by the engine’s own ids, then by its name. What has no kind of its own is told with what it is in: domains with their schema, rules with their table, publications with the database. Owners and privileges are not told.',
  fields: (t) => ({
    position: t.string({
      description: 'Give it as `after` to resume.',
      resolve: ({ position }) => formatPosition(position),
    }),
    kind: t.expose('kind', { type: CatalogChangeKindEnum }),
    object: t.expose('object', { type: CatalogKindEnum }),
    path: t.string({
      description:
        'database.schema.table.column, names as they are; of a function with the types of its arguments in parentheses.',
      resolve: ({ databaseName, names, identity }) =>
        `${[databaseName, ...names].join('.')}${identity === null ? '' : `(${identity})`}`,
    }),
    before: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What of it differs, as it was, under the names of its fields; whole where it is gone.',
      resolve: ({ before }) => before,
    }),
    after: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The same fields as they are now; whole where it is new. `leftOut` names what was too long.',
      resolve: ({ after }) => after,
    }),
    detectedAt: t.expose('detectedAt', { type: 'DateTime' }),
    fingerprint: t.exposeString('fingerprint', { description: 'Of the catalogue that was read then.' }),
    node: t.field({
      type: builder.nodeInterfaceRef(),
      nullable: true,
      description: 'Null where it is gone, and for kinds that have no type with an id.',
      resolve: ({ object, identity, ...change }, _args, context) => {
        const id = hitId({ ...change, kind: object, identity });
        return id === null ? null : loadNode(context, id);
      },
    }),
  }),
});

const CatalogChangeEdge = builder.edgeObject({ type: CatalogChangeType, name: 'CatalogChangeEdge' });
const CatalogChangeConnection = builder.connectionObject(
  { type: CatalogChangeType, name: 'CatalogChangeConnection' },
  CatalogChangeEdge,
);

builder.objectField(DatabaseType, 'catalogChanges', (t) =>
  t.connection(
    {
      type: CatalogChangeType,
      description:
        'What refreshes have found changed, the oldest first; a cursor leads to what came later. The first reading of a catalogue is no change. POSITION_LOST where something behind `after` is kept no longer.',
      resolve: ({ id }, args, context) => context.services.catalogChanges.list(context, id, args),
    },
    CatalogChangeConnection,
    CatalogChangeEdge,
  ),
);

builder.subscriptionField('catalogChanged', (t) =>
  t.field({
    type: CatalogChangeType,
    description:
      'What changes in a catalogue from now on, or behind `after`: POSITION_LOST where that is kept no longer. Found by refreshes, which a subscription asks for when the catalogue has grown old. A reader who falls far behind is ended with SLOW_CONSUMER and goes on from its position.',
    authScopes: { guest: true },
    args: { databaseId: t.arg.id({ required: true }), after: t.arg.string() },
    subscribe: (_root, { databaseId, after }, { viewer, services, signal }) => {
      const id = uuidOf('Database', databaseId);
      if (!id) throw notFound('Database');
      return services.catalogChanges.follow(viewer, id, after ?? null, signal);
    },
    resolve: (change) => change,
  }),
);
