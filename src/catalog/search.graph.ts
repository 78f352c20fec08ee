/** One search over all catalogues. */
import { DatabaseType } from '../databases/databases.graph.ts';
import { builder } from '../graph/builder.ts';
import { enumOf } from '../graph/enums.ts';
import { loadNode } from '../graph/nodes.ts';
import { notFound } from '../lib/errors.ts';
import { uuidOf } from '../lib/ids.ts';
import { hitId } from './search/hit-id.ts';
import { catalogKinds } from './search/kinds.ts';
import type { SearchHit } from './search/search.ts';
import { searchTextLimits } from './search/search-text.ts';

export const CatalogKindEnum = enumOf(
  'CatalogKind',
  catalogKinds,
  'TABLE is whatever has rows: views and foreign tables, too. Left out are NOT NULL constraints.',
);

const SearchHitType = builder.objectRef<SearchHit>('SearchHit').implement({
  rights: 'parent',
  fields: (t) => ({
    kind: t.expose('kind', { type: CatalogKindEnum }),
    score: t.exposeFloat('score', {
      description:
        'Above 0, below 1, and comparable between searches. From 0.8: the name is what was asked for; from 0.6: it begins so; from 0.4: it has the words; from 0.2: it has them but for typing errors; below: its comment has them.',
    }),
    name: t.exposeString('name'),
    path: t.exposeString('path', { description: 'database.schema.table.column, names as they are.' }),
    comment: t.exposeString('comment', { nullable: true, description: 'Cut behind 1,000 characters.' }),
    database: t.field({
      type: DatabaseType,
      resolve: async ({ databaseId }, _args, context) => {
        const database = await context.services.databases.load(context, context.viewer, databaseId);
        if (!database) throw notFound('Database');
        return database;
      },
    }),
    node: t.field({
      type: builder.nodeInterfaceRef(),
      nullable: true,
      description: 'Null where it is gone meanwhile, and for kinds that have no type with an id.',
      resolve: (hit, _args, context) => {
        const id = hitId(hit);
        return id === null ? null : loadNode(context, id);
      },
    }),
  }),
});

const SearchHitEdge = builder.edgeObject({ type: SearchHitType, name: 'SearchHitEdge' });
const SearchHitConnection = builder.connectionObject(
  { type: SearchHitType, name: 'SearchHitConnection' },
  SearchHitEdge,
);

/** An id of something else names no row. */
const nowhere = '00000000-0000-0000-0000-000000000000';

builder.queryField('search', (t) =>
  t.field({
    type: SearchHitConnection,
    authScopes: { guest: true },
    description:
      'Names and comments in every catalogue that the viewer can see, the best match first. Each word is answered by the name, the path or the comment, at least one by the name or the comment; words may stand in any order, begin a longer one, or have one typing error from 4 letters on and two from 8 on. `schema.table.column` asks for a path. A catalogue that was never read is found by its database’s name, is read in the background, and is searched from then on.',
    args: {
      text: t.arg.string({
        required: true,
        description: `At most ${searchTextLimits.length} characters and ${searchTextLimits.words} words.`,
      }),
      kinds: t.arg({ type: [CatalogKindEnum], description: 'All when absent.' }),
      databaseIds: t.arg.idList({ description: 'All that the viewer sees when absent.' }),
      first: t.arg.int(),
      after: t.arg.string(),
    },
    resolve: (_root, { databaseIds, ...args }, context) =>
      context.services.search.search(context, {
        ...args,
        databaseIds: databaseIds?.map((id) => uuidOf('Database', id) ?? nowhere),
      }),
  }),
);
