/** Committed changes of rows as a subscription. */
import { readQualifiedId } from '../catalog/ids.ts';
import { builder } from '../graph/builder.ts';
import { enumOf } from '../graph/enums.ts';
import { notFound } from '../lib/errors.ts';
import { decodeId, uuidOf } from '../lib/ids.ts';
import { RowFilterInputType } from '../rows/row-filter.graph.ts';
import type { GroupBatch, RowChange } from './reader-group.ts';
import { changeEvents } from './row-change.ts';
import { maxBatchSize } from './row-changes.ts';

const ChangeEventEnum = enumOf('ChangeEvent', changeEvents);

const RowChangeSourceInput = builder.inputType('RowChangeSource', {
  fields: (t) => ({
    tableId: t.id({ required: true }),
    events: t.field({ type: [ChangeEventEnum], description: 'Absent: all.' }),
    where: t.field({
      type: RowFilterInputType,
      description:
        'A row that enters it is an INSERT, one that leaves it a DELETE. Where the log does not tell what a row was (see `old`), a row that is outside now is told as a DELETE, in case it was inside, and every UPDATE has to be looked at for each filter: ALTER TABLE … REPLICA IDENTITY FULL makes it exact, and cheap.',
    }),
    columns: t.stringList({ description: 'Those of `old` and `new`; absent: all that may be read.' }),
  }),
});

const RowChangeType = builder.objectRef<RowChange>('RowChange').implement({
  rights: 'parent',
  answers: 'told',
  fields: (t) => ({
    event: t.expose('event', { type: ChangeEventEnum }),
    tableId: t.exposeID('tableId'),
    schema: t.string({ resolve: ({ table }) => table.schema }),
    table: t.string({ resolve: ({ table }) => table.name }),
    key: t.exposeString('key', {
      nullable: true,
      description:
        'The same as Row.key: null where there is no primary key, or a part of it may not be read, and of a TRUNCATE.',
    }),
    position: t.exposeString('position', {
      description: 'Unique, rising as text within a stream, opaque; inside a transaction too.',
    }),
    committedAt: t.expose('committedAt', { type: 'DateTime' }),
    transactionId: t.exposeString('transactionId'),
    old: t.field({
      type: 'JSON',
      nullable: true,
      description:
        'What the log tells of the row before: of a DELETE the columns of its replica identity (the primary key by default), of an UPDATE the same where one of them changed, else null; all of it with REPLICA IDENTITY FULL. Where policies decide who sees a row, its key alone.',
      resolve: ({ old }) => old,
    }),
    new: t.field({
      type: 'JSON',
      nullable: true,
      description: 'By column name, as the cells of a result; without `unchangedColumns`.',
      resolve: ({ new: now }) => now,
    }),
    changedColumns: t.exposeStringList('changedColumns', {
      description: 'Of an UPDATE those that are not known to be what they were.',
    }),
    unchangedColumns: t.exposeStringList('unchangedColumns', {
      description: 'Large values that did not change and that the log does not repeat.',
    }),
  }),
});

const RowChangeBatchType = builder.objectRef<GroupBatch>('RowChangeBatch').implement({
  rights: 'database:query',
  answers: 'told',
  fields: (t) => ({
    changes: t.field({ type: [RowChangeType], resolve: ({ changes }) => [...changes] }),
    position: t.exposeString('position', { description: 'Behind this batch; give it as `after`.' }),
  }),
});

builder.subscriptionField('rowChanges', (t) =>
  t.field({
    type: RowChangeBatchType,
    answers: 'told',
    description:
      'Committed row changes of one or more tables, in commit order. The first batch comes at once and may be empty: from its position on nothing is missed. Empty batches follow at least every 30 s, so that `after` stays young while a table is quiet. A transaction may take several batches. POSITION_LOST where changes behind `after` are kept no longer, or may have been missed since the database was listened to anew, or where rows came or went with a partition; SLOW_CONSUMER for who falls far behind the others. Nothing is put into the database that stays. UNSUPPORTED says what a table or a server lacks; of a table without replica identity only INSERT and TRUNCATE can be followed. What the database’s credentials may not read is not told; where row-level policies apply to them, a row is told as they see it now, and a DELETE only of the last 50,000 rows of a table that were seen so.',
    authScopes: { guest: true },
    args: {
      databaseId: t.arg.id({ required: true }),
      tables: t.arg({ type: [RowChangeSourceInput], required: true }),
      after: t.arg.string(),
      batchSize: t.arg.int({ defaultValue: 500, description: `From 1 to ${maxBatchSize}.` }),
    },
    subscribe: (_root, { databaseId, tables, after, batchSize }, { viewer, services, signal, give }) => {
      const id = uuidOf('Database', databaseId);
      if (!id) throw notFound('Database');
      const sources = tables.map(({ tableId: given, ...source }) => {
        const decoded = decodeId(given);
        const table = decoded?.kind === 'Table' ? readQualifiedId(decoded.parts) : null;
        return { ...source, table: table?.databaseId === id ? table.name : null };
      });
      const input = { databaseId: id, tables: sources, after: after ?? null, batchSize: batchSize ?? 500 };
      return services.rowChanges.follow(viewer, input, signal, give);
    },
    resolve: (batch) => batch,
  }),
);
