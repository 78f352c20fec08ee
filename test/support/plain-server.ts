/** A Quarry without clusters of its own: its metadata on the tests' server, no playground, no sample. Half the work of a whole one. */
import { masterKey, urlOf } from '../acceptance/support.ts';
import { createTestDatabase } from './databases.ts';
import { type Quarry, startQuarry } from './server.ts';

export async function startPlainQuarry(env: Record<string, string> = {}): Promise<Quarry> {
  const metadata = await createTestDatabase();
  const quarry = await startQuarry({
    env: { DATABASE_URL: urlOf(metadata), MASTER_KEYS: masterKey(), PLAYGROUND_URL: 'off', ...env },
  });
  const end = quarry[Symbol.asyncDispose].bind(quarry);
  quarry[Symbol.asyncDispose] = async () => {
    await end();
    await metadata[Symbol.asyncDispose]();
  };
  return quarry;
}
