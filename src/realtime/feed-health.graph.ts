/** How listening to a database is doing, as a part of its health. */
import { ConnectionReportType } from '../databases/connection.graph.ts';
import { builder } from '../graph/builder.ts';
import type { FeedHealth, FeedProblem } from './feeds/feed-health.ts';

const ChangeFeedHealthType = builder.objectRef<FeedHealth>('ChangeFeedHealth').implement({
  rights: 'parent',
  description: 'How listening to the changes of a database is doing.',
  fields: (t) => ({
    kept: t.exposeBoolean('kept', { description: 'Changes are kept while nobody listens.' }),
    tables: t.exposeInt('tables', { description: 'Those that somebody reads, or has read a moment ago.' }),
    readers: t.exposeInt('readers', { description: 'Streams of row changes.' }),
    retainedBytes: t.expose('retainedBytes', {
      type: 'BigInt',
      nullable: true,
      description: 'Log that the database keeps for it; null: not known.',
    }),
    safeBytes: t.expose('safeBytes', {
      type: 'BigInt',
      nullable: true,
      description: 'How much more that may become before it is given up; null: without a limit, or not known.',
    }),
    lagMs: t.exposeFloat('lagMs', {
      nullable: true,
      description: 'How old the newest change was when it came, by the clocks of both; null: none has come.',
    }),
    heardAt: t.expose('heardAt', { type: 'DateTime', description: 'When the database was last heard.' }),
  }),
});

const ChangeFeedProblemType = builder.objectRef<FeedProblem>('ChangeFeedProblem').implement({
  rights: 'parent',
  description: 'What is wrong with keeping the changes of a database, or was.',
  fields: (t) => ({
    message: t.exposeString('message'),
    at: t.expose('at', { type: 'DateTime', nullable: true, description: 'Null: just now.' }),
  }),
});

builder.objectField(ConnectionReportType, 'changeFeedProblem', (t) =>
  t.field({
    type: ChangeFeedProblemType,
    nullable: true,
    description:
      'Where changes are kept: why no process listens to the database, or what lost changes last, e.g. one of more than 64 MiB, behind which they are kept anew. Null where nothing has, and for those who may not manage it.',
    resolve: ({ of: database }, _args, { viewer, services }) =>
      database ? services.feedHealths.problemOf(viewer, database) : null,
  }),
);

builder.objectField(ConnectionReportType, 'changeFeed', (t) =>
  t.field({
    type: ChangeFeedHealthType,
    nullable: true,
    description:
      'How listening to its changes is doing; null where nothing listens, where another process of Quarry does, in a report of no stored database, and for those who may not manage it.',
    resolve: ({ of: database }, _args, { viewer, services }) =>
      database ? services.feedHealths.of(viewer, database) : null,
  }),
);
