/**
 * Signed links: which file, what for, who made it, when, with which API key, and until when. A link proves nothing but that;
 * what its maker may do is asked again when it is used. The key is derived from the active master key; those of the others in the ring open, too.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Viewer } from '../../accounts/viewer.ts';
import type { Keyring } from '../../lib/keyring.ts';
import { keyLinkTtlMs } from './limits.ts';

export const linkPurposes = ['show', 'download', 'upload'] as const;
export type LinkPurpose = (typeof linkPurposes)[number];

export interface Link {
  readonly purpose: LinkPurpose;
  readonly fileId: string;
  /** Who made it. */
  readonly userId: string;
  /** The API key that he has shown: the link is good for no longer than it is. Null: none. */
  readonly keyId: string | null;
  readonly madeAt: Date;
  readonly expiresAt: Date;
}

export interface Links {
  /** 104 characters that fit into a path, or 126 with a key. */
  sign(link: Link): string;
  /** Null for what sign() did not make. Whether it has expired is the caller's to ask. */
  open(token: string): Link | null;
}

/** No later than the key of who makes it, if he has shown one, and soon. */
export const linkEnd = ({ key, expiresAt }: Viewer, wanted: Date): Date =>
  key ? new Date(Math.min(wanted.getTime(), Date.now() + keyLinkTtlMs, expiresAt?.getTime() ?? Infinity)) : wanted;

/** By what stands in it, how long it is: with a key its 16 bytes are last. */
const versions = {
  plain: { version: 3, bytes: 1 + 1 + 6 + 6 + 16 + 16 },
  keyed: { version: 4, bytes: 1 + 1 + 6 + 6 + 16 + 16 + 16 },
};
const macBytes = 32;
const maxTokenCharacters = Math.ceil(((versions.keyed.bytes + macBytes) * 4) / 3);

const bytesOfUuid = (uuid: string) => Buffer.from(uuid.replaceAll('-', ''), 'hex');
const uuidOfBytes = (bytes: Buffer) =>
  bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

export function createLinks({ keyring }: { keyring: Pick<Keyring, 'derivations'> }): Links {
  // Another replica may sign with another key of the ring.
  const [key, ...older] = keyring.derivations('file-links');
  const macOf = (body: Buffer, by = key!) => createHmac('sha256', by).update(body).digest();

  return {
    sign({ purpose, fileId, userId, keyId, madeAt, expiresAt }) {
      const head = Buffer.alloc(14);
      head.writeUInt8(versions[keyId === null ? 'plain' : 'keyed'].version, 0);
      head.writeUInt8(linkPurposes.indexOf(purpose), 1);
      head.writeUIntBE(expiresAt.getTime(), 2, 6);
      head.writeUIntBE(madeAt.getTime(), 8, 6);
      const body = Buffer.concat([head, ...[fileId, userId, keyId ?? ''].map(bytesOfUuid)]);
      return Buffer.concat([body, macOf(body)]).toString('base64url');
    },

    open(token) {
      if (token.length > maxTokenCharacters) return null;
      const bytes = Buffer.from(token, 'base64url');
      // One token, one link: other spellings of the same bytes are none of ours.
      const form = Object.values(versions).find((each) => bytes.length === each.bytes + macBytes);
      if (!form || bytes.toString('base64url') !== token) return null;
      const body = bytes.subarray(0, form.bytes);
      const mac = bytes.subarray(form.bytes);
      if (![key, ...older].some((by) => timingSafeEqual(macOf(body, by), mac))) return null;
      const purpose = linkPurposes[body.readUInt8(1)];
      if (body.readUInt8(0) !== form.version || !purpose) return null;
      return {
        purpose,
        expiresAt: new Date(body.readUIntBE(2, 6)),
        madeAt: new Date(body.readUIntBE(8, 6)),
        fileId: uuidOfBytes(body.subarray(14, 30)),
        userId: uuidOfBytes(body.subarray(30, 46)),
        keyId: form === versions.keyed ? uuidOfBytes(body.subarray(46)) : null,
      };
    },
  };
}
