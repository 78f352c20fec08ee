/**
 * What an API key looks like: `quarry_ID.SECRET`. The id names its row and is no secret; of the secret, 256 random bits,
 * only the SHA-256 is kept. Not bcrypt: that makes a password dear to guess, and this cannot be guessed; it is asked at
 * every request.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { isUuid } from '../../lib/ids.ts';

const begin = 'quarry_';
const secretBytes = 32;
const form = /^quarry_([\w-]{22})\.([\w-]{43})$/;

/** Whether it wants to be one. */
export const isApiKey = (token: string): boolean => token.startsWith(begin);

/** What a person knows a key by. */
export const prefixOf = (id: string): string =>
  `${begin}${Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url')}`;

export const newSecret = (): string => randomBytes(secretBytes).toString('base64url');

export const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/** Takes as long whatever the secret is. */
export const isSecretOf = (hash: Uint8Array, secret: string): boolean => timingSafeEqual(hash, hashOf(secret));

export const printKey = (id: string, secret: string): string => `${prefixOf(id)}.${secret}`;

/** Null for what printKey() did not make. */
export function parseKey(token: string): { id: string; secret: string } | null {
  const [, encoded = '', secret = ''] = form.exec(token) ?? [];
  const hex = Buffer.from(encoded, 'base64url').toString('hex');
  const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return isUuid(id) && printKey(id, secret) === token ? { id, secret } : null;
}
