/** Prisma's adapter for `pg`, mended where migrations ask more of it than queries do. */
import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import { connectionOf } from './connection.mjs';

/** What the engine opens its connections with. */
export function createAdapterFactory(url) {
  const { provider, adapterName } = new PrismaPg({});
  return bindMigrationAwareSqlAdapterFactory({
    provider,
    adapterName,
    connect: () => open(connectionOf(url)),
    connectToShadowDb: () => openShadow(connectionOf(url)),
  });
}

async function open(connection) {
  const adapter = await new PrismaPg(connection).connect();
  const { startTransaction } = adapter;
  return Object.assign(readingChar(adapter), {
    startTransaction: async (isolation) => readingChar(await startTransaction.call(adapter, isolation)),
    // The adapter's own cuts a script at every semicolon, also inside a function's body, and runs the pieces on
    // whichever connection is free.
    executeScript: async (script) => {
      await adapter
        .underlyingDriver()
        .query(script)
        .catch((error) => adapter.onError(error));
    },
  });
}

/** An empty database beside the real one, in which the engine replays all migrations; it goes when the engine is done. */
async function openShadow(connection) {
  const main = await open(connection);
  const database = `prisma_migrate_shadow_db_${randomUUID()}`;
  await main.executeScript(`CREATE DATABASE "${database}"`);
  const shadow = await open({ ...connection, database });
  const close = shadow.dispose.bind(shadow);
  return Object.assign(shadow, {
    // PostgreSQL drops no database that somebody is connected to: the adapter's own order, drop and then close, fails.
    async dispose() {
      await close();
      await main.executeScript(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`);
      await main.dispose();
    },
  });
}

const oids = { char: 18, text: 25 };

/**
 * Teaches a connection the type "char" of PostgreSQL's catalogue, by which the engine tells constraints apart and which
 * the adapter refuses. It has to arrive as a character: given text, the engine panics.
 */
function readingChar(queryable) {
  const { queryRaw } = queryable;
  return Object.assign(queryable, {
    async queryRaw(query) {
      let isChar = [];
      const reader = Object.create(queryable, {
        performIO: {
          value: async (request) => {
            const result = await queryable.performIO(request);
            isChar = result.fields.map(({ dataTypeID }) => dataTypeID === oids.char);
            for (const field of result.fields) if (field.dataTypeID === oids.char) field.dataTypeID = oids.text;
            return result;
          },
        },
      });
      const result = await queryRaw.call(reader, query);
      const columnTypes = result.columnTypes.map((type, i) => (isChar[i] ? ColumnTypeEnum.Character : type));
      return { ...result, columnTypes };
    },
  });
}
