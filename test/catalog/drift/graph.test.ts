/** Changes of a catalogue as clients meet them: DDL by jobs, a refresh, the list, and the stream. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAnalyst } from '../../acceptance/support.ts';
import {
  CatalogChangedDocument,
  CatalogChangesDocument,
  DisableChangeTrackingDocument,
  EnableChangeTrackingDocument,
  RefreshCatalogDocument,
} from '../../support/operations.ts';
import { type Account, type Quarry, startQuarry } from '../../support/server.ts';

let quarry: Quarry;
let account: Account;
let analyst: ReturnType<typeof createAnalyst>;
let databaseId: string;

beforeAll(async () => {
  quarry = await startQuarry();
  account = await quarry.register();
  analyst = createAnalyst({ quarry, account });
  databaseId = await analyst.host('drifting');
  await refresh();
});
afterAll(async () => quarry?.[Symbol.asyncDispose]());

const refresh = async () =>
  (await quarry.ask(RefreshCatalogDocument, { input: { databaseId } }, account)).refreshCatalog;
const list = async (page: object = {}) =>
  (await quarry.ask(CatalogChangesDocument, { id: databaseId, ...page }, account)).database!.catalogChanges;

describe('changes of a catalogue', () => {
  test('come with the refresh that finds them, lead to what they are about, and stay in the list', async () => {
    await analyst.run(databaseId, 'CREATE TABLE herd (id int PRIMARY KEY, name text)');
    const { changes, database } = await refresh();
    expect(changes).toMatchObject([
      {
        kind: 'ADDED',
        object: 'TABLE',
        path: 'drifting.public.herd',
        before: null,
        after: { name: 'herd', columns: [{ name: 'id' }, { name: 'name', dataType: 'text', nullable: true }] },
        fingerprint: database.catalogFingerprint,
        node: { __typename: 'Table' },
      },
    ]);
    await analyst.run(databaseId, 'ALTER TABLE herd RENAME name TO title');
    await analyst.run(databaseId, `CREATE FUNCTION size_of(text) RETURNS int LANGUAGE sql AS 'SELECT 1'`);
    expect((await refresh()).changes).toMatchObject([
      { kind: 'ADDED', object: 'FUNCTION', path: 'drifting.public.size_of(text)', node: { __typename: 'Function' } },
      { kind: 'ALTERED', path: 'drifting.public.herd.title', before: { name: 'name' }, after: { name: 'title' } },
    ]);
    await analyst.run(databaseId, 'DROP TABLE herd');
    expect((await refresh()).changes).toMatchObject([{ kind: 'REMOVED', after: null, node: null }]);
    expect((await refresh()).changes).toEqual([]);
    const page = await list({ first: 3 });
    expect(page.nodes.map(({ kind }) => kind)).toEqual(['ADDED', 'ADDED', 'ALTERED']);
    expect(page).toMatchObject({ totalCount: 4, pageInfo: { hasNextPage: true } });
    const [last] = (await list({ after: page.nodes.at(-1)!.position })).nodes;
    expect(last).toMatchObject({ kind: 'REMOVED', path: 'drifting.public.herd' });
  });

  test('come live, also behind a position, when a job has changed something and nobody asks', async () => {
    const known = await list();
    const after = known.nodes.at(-1)!.position;
    const events = quarry.subscribe(CatalogChangedDocument, { databaseId, after }, account);
    const first = events.next();
    await analyst.run(databaseId, 'CREATE VIEW seen AS SELECT 1 AS a');
    expect((await first).value).toMatchObject({
      catalogChanged: { kind: 'ADDED', object: 'TABLE', path: 'drifting.public.seen' },
    });
    await events.return(undefined as never);
  });

  test('come within seconds where DDL is tracked, which can be switched on and off', async () => {
    const input = { databaseId, what: ['DDL' as const] };
    const on = await quarry.ask(EnableChangeTrackingDocument, { input }, account);
    expect(on.enableChangeTracking.database).toEqual({ id: databaseId, changeTracking: ['DDL'] });
    const after = (await refresh()).changes.at(-1)?.position ?? (await list()).nodes.at(-1)!.position;
    const events = quarry.subscribe(CatalogChangedDocument, { databaseId, after }, account);
    const first = events.next();
    await analyst.run(databaseId, 'CREATE TABLE tracked ()');
    expect((await first).value).toMatchObject({ catalogChanged: { path: 'drifting.public.tracked' } });
    await events.return(undefined as never);
    const off = await quarry.ask(DisableChangeTrackingDocument, { input }, account);
    expect(off.disableChangeTracking.database.changeTracking).toEqual([]);
    const rows = { input: { databaseId, what: ['ROWS' as const] } };
    const kept = await quarry.ask(EnableChangeTrackingDocument, rows, account);
    expect(kept.enableChangeTracking.database.changeTracking).toEqual(['ROWS']);
    const both = await quarry.ask(EnableChangeTrackingDocument, { input }, account);
    expect(both.enableChangeTracking.database.changeTracking).toEqual(['DDL', 'ROWS']);
    const left = await quarry.ask(DisableChangeTrackingDocument, rows, account);
    expect(left.disableChangeTracking.database.changeTracking).toEqual(['DDL']);
  });

  test('cannot be resumed from what is no position', async () => {
    const events = quarry.subscribe(CatalogChangedDocument, { databaseId, after: 'x' }, account);
    await expect(events.next()).rejects.toThrow(/BAD_USER_INPUT|not a position/);
  });
});
