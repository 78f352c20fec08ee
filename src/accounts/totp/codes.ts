/** What somebody types as a second factor: six digits of his authenticator (RFC 6238), or a recovery code. */
import { createHash, randomBytes } from 'node:crypto';
import { verify } from 'otplib';

export const recoveryCodes = 10;

const recoveryBytes = 10;
/** Of an authenticator: one step to both sides, for its clock and for who types slowly. */
const toleranceSeconds = 30;
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export type TypedCode = { readonly kind: 'totp' | 'recovery'; readonly text: string };

/** However it is spaced and cased. Null for what is neither. */
export function parseCode(typed: string): TypedCode | null {
  const text = typed.replace(/[\s-]/g, '').toUpperCase();
  if (/^\d{6}$/.test(text)) return { kind: 'totp', text };
  return /^[A-Z2-7]{16}$/.test(text) ? { kind: 'recovery', text } : null;
}

/** 80 random bits, in fours. */
export function newRecoveryCode(): string {
  const bits = [...randomBytes(recoveryBytes)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const text = bits.replace(/.{5}/g, (five) => letters[Number.parseInt(five, 2)]!);
  return text.replace(/.{4}(?=.)/g, '$&-');
}

/** Random, so that no more is needed than that it leads nowhere back. */
export const hashOfRecovery = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The 30 seconds that a code is of; null where it is not right, or of none behind `after`: no code is good twice. */
export async function stepOf(secret: string, text: string, { now, after }: { now: Date; after: number }) {
  const epoch = Math.floor(now.getTime() / 1_000);
  const result = await verify({ secret, token: text, epoch, epochTolerance: toleranceSeconds });
  const step = result.valid ? Math.floor(epoch / 30) + result.delta : 0;
  return step > after ? step : null;
}
