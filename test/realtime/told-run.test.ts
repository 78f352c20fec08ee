/** What is told of changes that come together with something else. */
import { expect, test } from 'vitest';
import type { ChangedRow, ChangedTable } from '../../src/engines/changes.ts';
import { access, column, createToldRun, shape } from './told-run.ts';

const insert = (table: ChangedTable, ...row: ChangedRow) => ({ type: 'insert', table, new: row }) as const;

test('what comes together with the news that a table is told only in part is told', async () => {
  const { read, tell, transaction } = createToldRun({ access: access() });
  const next = await read({ events: ['INSERT'] });
  const waiting = next();
  const table = shape();
  tell([
    ...transaction(insert(table, '7', 'a')),
    { type: 'coverage', tableId: '1', coverage: 'INSERTS', reason: 'it has no key' },
  ]);
  tell(transaction(insert(table, '8', 'b')));
  expect((await waiting)[0]!.new).toEqual({ id: 7, name: 'a' });
});

test('a column that gets another type is found by its new values, while somebody asks for the old ones', async () => {
  const now = { access: access() };
  const { read, tell, transaction } = createToldRun(now);
  await read({ where: { column: 'id', eq: 5 } });
  tell(transaction(insert(shape(), '1', 'a')));
  const [id, name] = [column('id', 'bigint', { kind: 'int64' }), now.access.columns[1]!];
  now.access = access({ columns: [id, name] });
  const next = await read({ where: { column: 'id', eq: '5' } });
  const table = shape({
    columns: [{ name: 'id', dataType: 'bigint', decode: null, coding: null }, shape().columns[1]!],
  });
  tell(transaction(insert(table, '9', 'b')));
  tell(transaction(insert(table, '5', 'c')));
  expect((await next()).map(({ new: row }) => row)).toEqual([{ id: '5', name: 'c' }]);
});
