/** What an installation makes up for itself once: sealed in the metadata, so that its replicas agree whichever key is active on each. */
import { type Keyring, SealError } from '../lib/keyring.ts';
import type { Executor } from './metadata.ts';
import type { SealedColumn } from './rotation.ts';

const contextOf = (name: string) => ['installation_secrets', name] as const;

export const sealedInstallationSecrets: SealedColumn = {
  table: 'installation_secrets',
  column: 'sealed',
  key: { name: 'text' },
  boundTo: ['name'],
  context: contextOf,
};

/** @param first what it is where there is none yet, or none that opens */
export async function installationSecret(
  { db, keyring }: { db: Executor; keyring: Keyring },
  name: string,
  first: string,
): Promise<string> {
  const sealed = keyring.seal(first, contextOf(name));
  await db.query('INSERT INTO installation_secrets (name, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    name,
    sealed,
  ]);
  const { rows } = await db.query<{ sealed: string }>('SELECT sealed FROM installation_secrets WHERE name = $1', [
    name,
  ]);
  try {
    return keyring.open(rows[0]!.sealed, contextOf(name));
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    await db.query('UPDATE installation_secrets SET sealed = $2 WHERE name = $1', [name, sealed]);
    return first;
  }
}
