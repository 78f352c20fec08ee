import { expect } from 'vitest';
import { createTestDatabase } from '../../support/databases.ts';
import { describeEngine } from '../../support/describe-engine.ts';
import { postgresql, targetOf } from './support.ts';

describeEngine('postgresql', async () => {
  const database = await createTestDatabase();
  return {
    engine: postgresql(),
    target: targetOf(database),
    asleep: async ({ identity }) => {
      const seen = async () =>
        (await database.client.query('SELECT wait_event FROM pg_stat_activity WHERE pid = $1', [identity.sessionId]))
          .rows[0]?.wait_event;
      await expect.poll(seen, { timeout: 10_000 }).toBe('PgSleep');
    },
    sql: {
      series: (n) => `select n from generate_series(1, ${n}) as n`,
      createTable: (name) => `create table ${name} (id integer)`,
      sleep: (seconds) => `select pg_sleep(${seconds})`,
      echoParameter: 'select $1::text',
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
});
