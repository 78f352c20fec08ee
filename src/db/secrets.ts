/** A cluster's own passwords: random, made once, kept in one file that only Quarry's user reads. */
import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { StartError } from './start-error.ts';

/** 192 random bits in characters that need no quoting anywhere. */
export const randomPassword = (): string => randomBytes(24).toString('base64url');

export type Secrets<Label extends string> = Readonly<Record<Label, string>>;

/** Reads the passwords of a cluster and makes those that are missing. @throws StartError when the file is damaged */
export async function openSecrets<Label extends string>(
  file: string,
  labels: readonly Label[],
): Promise<Secrets<Label>> {
  const known = await readSecrets(file);
  const secrets = Object.fromEntries(labels.map((label) => [label, known[label] ?? randomPassword()]));
  if (labels.some((label) => known[label] === undefined)) await writeSecrets(file, { ...known, ...secrets });
  return secrets as Record<Label, string>;
}

async function readSecrets(file: string): Promise<Record<string, string>> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{}';
    throw new StartError(`Cannot read ${file}: ${error.code}`, { cause: error });
  });
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).filter(([, secret]) => typeof secret === 'string'));
    }
  } catch {
    /* Said below; the cause would quote the file. */
  }
  throw new StartError(`${file} is damaged: restore it, or delete it together with the cluster beside it`);
}

/** Written whole or not at all: a cluster without its password is lost. */
async function writeSecrets(file: string, secrets: Record<string, string>): Promise<void> {
  const draft = `${file}.new`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(`${JSON.stringify(secrets, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
