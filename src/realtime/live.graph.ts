/** The answer to a query, kept live. */
import { builder } from '../graph/builder.ts';
import { notFound } from '../lib/errors.ts';
import { uuidOf } from '../lib/ids.ts';
import { ResultColumnType } from '../queries/queries.graph.ts';
import type { Placed } from './live/diff.ts';
import type { LiveResult } from './live/results.ts';
import type { LiveRow } from './live/rows.ts';

const LiveRowType = builder.objectRef<Placed<LiveRow>>('LiveRow').implement({
  rights: 'parent',
  answers: 'told',
  fields: (t) => ({
    key: t.string({
      description:
        'Opaque; the only one in a result. Where nothing identifies a row it is made of all of it, and rows that are alike have keys of their own.',
      resolve: ({ row }) => row.key,
    }),
    index: t.exposeInt('index', { description: 'The place in the result, from 0.' }),
    values: t.field({
      type: 'JSON',
      description: 'An array, in the order of columns.',
      resolve: ({ row }) => row.values as never,
    }),
  }),
});

const LiveResultType = builder.objectRef<LiveResult>('LiveResult').implement({
  rights: 'parent',
  answers: 'told',
  description:
    'Apply `removed`, then put `upserted` at their `index` in rising order: a row that only moved is in `upserted` too. To put a row whose key is there already is to take it out first.',
  fields: (t) => ({
    version: t.exposeInt('version', { description: '1, 2, 3 … of this stream.' }),
    columns: t.field({
      type: [ResultColumnType],
      description: 'When they change, all rows are in `upserted`.',
      resolve: ({ columns, databaseId }) => columns.map((column) => ({ ...column, databaseId })),
    }),
    rows: t.field({
      type: [LiveRowType],
      nullable: true,
      description: 'All rows, in the first result only.',
      resolve: ({ rows }) => rows,
    }),
    upserted: t.field({ type: [LiveRowType], resolve: ({ upserted }) => upserted }),
    removed: t.exposeStringList('removed', {
      description:
        'Keys of rows that are gone; also of a row that is in `upserted` again, further down, behind others that are put in.',
    }),
    cause: t.exposeStringList('cause', {
      description:
        'The tables whose change caused it, as schema.table; none in the first result, and where it was polled.',
    }),
    polled: t.exposeStringList('polled', {
      description:
        'Why the query is also run every 5 s: now() and random(), functions that do not tell what they read, tables whose changes cannot be followed. None where changes alone tell.',
    }),
  }),
});

builder.subscriptionField('liveQuery', (t) =>
  t.field({
    type: LiveResultType,
    answers: 'told',
    description:
      'The result of a SELECT now, then what is added, changed and removed whenever the data behind it changes: in views, functions in SQL and the policies of tables as well. A reader who is slow gets the difference from what he was told last, and nothing in between. It only reads, with the rights that the viewer’s jobs have. At most 20 of one user at once.',
    authScopes: { signedIn: true },
    args: {
      databaseId: t.arg.id({ required: true }),
      sql: t.arg.string({
        required: true,
        description: 'One query: SELECT, VALUES, TABLE or WITH, without data modification; at most 64 KiB.',
      }),
      parameters: t.arg({
        type: ['JSON'],
        required: { list: false, items: false },
        description: '$1, $2 …; int8 and numeric as strings.',
      }),
      maxRows: t.arg.int({
        defaultValue: 1_000,
        description: 'More rows than this are LIMIT_EXCEEDED; at most 10,000, and 4 MiB of them.',
      }),
      key: t.arg.stringList({
        description:
          'Columns that identify a row; found from the catalogue when absent: what the query is grouped by, or the primary keys among its columns.',
      }),
    },
    subscribe: (_root, { databaseId, sql, parameters, maxRows, key }, { viewer, services, signal }) => {
      const id = uuidOf('Database', databaseId);
      if (!id) throw notFound('Database');
      const input = { sql, parameters: parameters ?? [], maxRows: maxRows ?? 1_000, key: key ?? null };
      return services.liveQueries.follow(viewer, id, input, signal);
    },
    resolve: (result) => result,
  }),
);
