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
  /**
   * The same secret under the active key; the text itself where it is that already.
   * @throws SealError as `open` does, of the wrapping alone: the secret stays closed
   */
  rewrap(sealed: string, context: readonly string[]): string;
  /** 32 bytes for one purpose (HKDF, RFC 5869), of the active key. */
  derive(purpose: string): Buffer;
  /** Of every key of the ring, the active one first: what another replica derived is known here, whichever is active there. */
  derivations(purpose: string): readonly Buffer[];
  readonly activeKeyId: string;
  readonly keyIds: readonly string[];
}

/** Equal for as long as the secret is the same one, whichever key wraps it. */
export const secretOf = (sealed: string): string => sealed.split('.')[3] ?? sealed;

/** Which key of a ring wraps it. */
export const keyIdOf = (sealed: string): string => sealed.split('.')[1] ?? '';

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

  function unwrap({ keyId, wrapped }: Sealed, context: readonly string[]): Buffer {
    const key = byId.get(keyId);
    if (!key) throw new SealError(`no master key “${keyId}” in the ring`);
    return opened(() => decrypt(derive(key.reveal(), 'seal'), decode(wrapped), aadOf(keyId, context)));
  }

  const wrap = (dataKey: Buffer, context: readonly string[]) =>
    encode(encrypt(derive(active.key.reveal(), 'seal'), dataKey, aadOf(active.id, context)));

  return {
    activeKeyId: active.id,
    keyIds: keys.map(({ id }) => id),
    derive: (purpose) => derive(active.key.reveal(), purpose),
    derivations: (purpose) => keys.map(({ key }) => derive(key.reveal(), purpose)),
    seal(plain, context) {
      const dataKey = randomBytes(32);
      const box = encode(encrypt(dataKey, Buffer.from(plain), aadOf(active.id, context)));
      return textOf({ keyId: active.id, wrapped: wrap(dataKey, context), box, sealedBy: active.id });
    },
    open(sealed, context) {
      const parts = partsOf(sealed);
      const dataKey = unwrap(parts, context);
      return opened(() => decrypt(dataKey, decode(parts.box), aadOf(parts.sealedBy, context)).toString());
    },
    rewrap(sealed, context) {
      const parts = partsOf(sealed);
      if (parts.keyId === active.id) return sealed;
      return textOf({ ...parts, keyId: active.id, wrapped: wrap(unwrap(parts, context), context) });
    },
  };
}

/** `v1.KEY.WRAPPED.BOX`, and once it was wrapped again the key that it was sealed by, which its box is bound to. */
interface Sealed {
  readonly keyId: string;
  readonly wrapped: string;
  readonly box: string;
  readonly sealedBy: string;
}

function partsOf(sealed: string): Sealed {
  const [version, keyId = '', wrapped = '', box = '', sealedBy = keyId] = sealed.split('.');
  if (version !== 'v1') throw new SealError('this is no sealed secret');
  return { keyId, wrapped, box, sealedBy };
}

const textOf = ({ keyId, wrapped, box, sealedBy }: Sealed): string =>
  ['v1', keyId, wrapped, box, ...(sealedBy === keyId ? [] : [sealedBy])].join('.');

function opened<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new SealError('the secret does not open: it was changed, or belongs to something else', { cause });
  }
}
