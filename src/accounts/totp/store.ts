/** Second factors and recovery codes in the metadata database. What has to be one transaction takes the transaction's client. */
import type { Executor } from '../../db/metadata.ts';
import type { SealedColumn } from '../../db/rotation.ts';

export const boundTo = (userId: string): readonly string[] => ['second_factors', userId];

/** For a rotation of the keys. */
export const sealedSecrets: SealedColumn = {
  table: 'second_factors',
  column: 'sealed_secret',
  key: { user_id: 'uuid' },
  boundTo: ['user_id'],
  context: boundTo,
};

export interface SecondFactor {
  readonly sealedSecret: string;
  readonly confirmed: boolean;
  /** Of the last code that was taken. */
  readonly lastStep: number;
}

/** Until the transaction ends nobody else tries a code of this user. */
export async function holdFactor(client: Executor, userId: string): Promise<SecondFactor | null> {
  const { rows } = await client.query<Omit<SecondFactor, 'lastStep'> & { lastStep: string }>(
    `SELECT sealed_secret AS "sealedSecret", confirmed_at IS NOT NULL AS confirmed, last_step AS "lastStep"
     FROM second_factors WHERE user_id = $1 FOR UPDATE`,
    [userId],
  );
  return rows[0] ? { ...rows[0], lastStep: Number(rows[0].lastStep) } : null;
}

/** False where one is confirmed. */
export async function beginFactor(client: Executor, userId: string, sealedSecret: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `INSERT INTO second_factors (user_id, sealed_secret) VALUES ($1, $2)
     ON CONFLICT (user_id) DO UPDATE SET sealed_secret = $2 WHERE second_factors.confirmed_at IS NULL`,
    [userId, sealedSecret],
  );
  return rowCount === 1;
}

export async function confirmFactor(client: Executor, userId: string, hashes: readonly Buffer[]): Promise<void> {
  await client.query('UPDATE second_factors SET confirmed_at = now() WHERE user_id = $1', [userId]);
  await client.query(
    'INSERT INTO recovery_codes (user_id, code_hash) SELECT $1, hash FROM unnest($2::bytea[]) AS code(hash)',
    [userId, hashes],
  );
}

/** @returns whether there was one that is asked for */
export async function removeFactor(client: Executor, userId: string): Promise<boolean> {
  const { rows } = await client.query<{ confirmed: boolean }>(
    'DELETE FROM second_factors WHERE user_id = $1 RETURNING confirmed_at IS NOT NULL AS confirmed',
    [userId],
  );
  return rows[0]?.confirmed === true;
}

/** False where it is none, or was used. */
export async function useRecovery(client: Executor, userId: string, hash: Buffer): Promise<boolean> {
  const { rowCount } = await client.query('DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2', [
    userId,
    hash,
  ]);
  return rowCount === 1;
}

/** Of the code that was taken: none is good twice. */
export async function noteStep(client: Executor, userId: string, step: number): Promise<void> {
  await client.query('UPDATE second_factors SET last_step = greatest(last_step, $2) WHERE user_id = $1', [
    userId,
    step,
  ]);
}

/** Of these users those who have one. */
export async function withFactor(client: Executor, userIds: readonly string[]): Promise<Set<string>> {
  const { rows } = await client.query<{ userId: string }>(
    `SELECT user_id AS "userId" FROM second_factors WHERE confirmed_at IS NOT NULL AND user_id = ANY($1::uuid[])`,
    [userIds],
  );
  return new Set(rows.map(({ userId }) => userId));
}

/** Null for an account that is gone. */
export async function addressOf(client: Executor, userId: string): Promise<string | null> {
  const { rows } = await client.query<{ email: string }>('SELECT email FROM users WHERE id = $1', [userId]);
  return rows[0]?.email ?? null;
}
