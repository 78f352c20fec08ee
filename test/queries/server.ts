/** A real server whose metadata a test can look into, and a target that is none of its own: the same PostgreSQL behind another port. */
import { masterKey, urlOf } from '../acceptance/support.ts';
import { createTestDatabase } from '../support/databases.ts';
import { openProxy } from '../support/proxy.ts';
import { startQuarry } from '../support/server.ts';

export async function startSubmission(env: Record<string, string> = {}) {
  const [metadata, target] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  const proxy = await openProxy(target);
  const quarry = await startQuarry({
    env: { DATABASE_URL: urlOf(metadata), MASTER_KEYS: masterKey(), PLAYGROUND_URL: 'off', ...env },
  });
  const { user, password, database } = target;
  return {
    quarry,
    metadata: metadata.client,
    target: target.client,
    proxy,
    /** Of the target, as somebody types it. */
    connection: { host: '127.0.0.1', port: proxy.port, user, password, database, ssl: 'DISABLE' } as const,

    async [Symbol.asyncDispose]() {
      await quarry[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await Promise.all([metadata, target].map((one) => one[Symbol.asyncDispose]()));
    },
  };
}

export type Submission = Awaited<ReturnType<typeof startSubmission>>;
