/** What a look at a server tells of what can be done there with some credentials. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEngines } from '../../../src/engines/registry.ts';
import { createEgress } from '../../../src/lib/egress.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';

let database: TestDatabase;
const role = `quarry_probe_${process.pid}`;
const dial = createEgress({ allowPrivateHosts: true, denied: () => [] });
const { postgresql } = createEngines({ dial });

beforeAll(async () => {
  database = await createTestDatabase(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
});
afterAll(async () => {
  await database?.client.query(`DROP ROLE ${role}`);
  await database?.[Symbol.asyncDispose]();
});

async function capabilitiesOf(credentials: { user: string; password: string }, hosted = false) {
  const { host, port, database: name } = database;
  const target = { host, port, database: name, ssl: 'DISABLE', hosted, allowInsecureAuthentication: false } as const;
  const { signal } = new AbortController();
  return (await postgresql.probe({ ...target, ...credentials }, { signal })).capabilities;
}

test('changes of rows can be followed by who may read the log, and in a database that Quarry hosts', async () => {
  const plain = { user: role, password: 'secret' };
  expect(await capabilitiesOf(database)).toContain('ROW_CHANGES');
  expect(await capabilitiesOf(plain)).not.toContain('ROW_CHANGES');
  expect(await capabilitiesOf(plain, true)).toContain('ROW_CHANGES');
  await database.client.query(`ALTER ROLE ${role} REPLICATION`);
  expect(await capabilitiesOf(plain)).toEqual(expect.arrayContaining([...postgresql.capabilities]));
});
