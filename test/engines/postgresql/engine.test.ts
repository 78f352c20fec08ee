import { createTestDatabase } from '../../support/databases.ts';
import { describeEngine } from '../../support/describe-engine.ts';
import { postgresql, targetOf } from './support.ts';

describeEngine('postgresql', async () => {
  const database = await createTestDatabase();
  return {
    engine: postgresql(),
    target: targetOf(database),
    sql: {
      series: (n) => `select n from generate_series(1, ${n}) as n`,
      createTable: (name) => `create table ${name} (id integer)`,
      sleep: (seconds) => `select pg_sleep(${seconds})`,
      echoParameter: 'select $1::text',
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
});
