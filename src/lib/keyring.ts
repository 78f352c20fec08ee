/**
 * The master keys of an installation, and what is derived from them. Secrets are sealed with AES-256-GCM under a key of
 * their own, which is wrapped under a master key, so that a rotation wraps again and opens nothing.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Secret } from './secret.ts';

export interface MasterKey {
  /** Names the key in what it sealed. */
  readonly id: string;
  /** 32 bytes. */
  readonly key: Secret<Buffer>;
}

export interface Keyring {
  /** @param context what the secret belongs to; it opens only with the same. */
  seal(plain: string, context: readonly string[]): string;
  /** @throws SealError when the key is not in the ring, the context is another, or a bit has changed */
  open(sealed: string, context: readonly string[]): string;
  /** 32 bytes for one purpose (HKDF, RFC 5869); equal on every replica that has the same active key. */
  derive(purpose: string): Buffer;
  readonly activeKeyId: string;
  readonly keyIds: readonly string[];
}

export class SealError extends Error {
  override readonly name = 'SealError';
}

const algorithm = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

const encode = (bytes: Buffer): string => bytes.toString('base64url');
const decode = (text: string): Buffer => Buffer.from(text, 'base64url');

/** AES-256-GCM under a key of 32 bytes that seals no more than 2^32 of them. */
export function encrypt(key: Buffer, plain: Buffer, aad: Buffer): Buffer {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagBytes }).setAAD(aad);
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error where the key or `aad` is another, or a bit has changed */
export function decrypt(key: Buffer, box: Buffer, aad: Buffer): Buffer {
  const decipher = createDecipheriv(algorithm, key, box.subarray(0, ivBytes), { authTagLength: tagBytes })
    .setAAD(aad)
    .setAuthTag(box.subarray(-tagBytes));
  return Buffer.concat([decipher.update(box.subarray(ivBytes, -tagBytes)), decipher.final()]);
}

export function createKeyring(keys: readonly [MasterKey, ...MasterKey[]]): Keyring {
  const byId = new Map(keys.map(({ id, key }) => [id, key]));
  const [active] = keys;
  const derive = (key: Buffer, purpose: string) => Buffer.from(hkdfSync('sha256', key, '', `quarry/${purpose}`, 32));
  const aadOf = (keyId: string, context: readonly string[]) => Buffer.from(JSON.stringify(['v1', keyId, ...context]));

  return {
    activeKeyId: active.id,
    keyIds: keys.map(({ id }) => id),
    derive: (purpose) => derive(active.key.reveal(), purpose),
    seal(plain, context) {
      const aad = aadOf(active.id, context);
      const dataKey = randomBytes(32);
      const wrapped = encrypt(derive(active.key.reveal(), 'seal'), dataKey, aad);
      return ['v1', active.id, encode(wrapped), encode(encrypt(dataKey, Buffer.from(plain), aad))].join('.');
    },
    open(sealed, context) {
      const [version, keyId = '', wrapped = '', box = ''] = sealed.split('.');
      const key = byId.get(keyId);
      if (version !== 'v1' || !key) throw new SealError(`no master key “${keyId}” in the ring`);
      const aad = aadOf(keyId, context);
      try {
        const dataKey = decrypt(derive(key.reveal(), 'seal'), decode(wrapped), aad);
        return decrypt(dataKey, decode(box), aad).toString();
      } catch (cause) {
        throw new SealError('the secret does not open: it was changed, or belongs to something else', { cause });
      }
    },
  };
}
