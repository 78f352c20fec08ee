/** Access tokens: JWTs of ten minutes (RFC 9068), signed Ed25519. Whether their session lives is asked in sessions.ts. */
import { createHash, createPrivateKey, createPublicKey, hash, type KeyObject } from 'node:crypto';
import { type JWTHeaderParameters, jwtVerify, SignJWT } from 'jose';
import { AppError } from '../lib/errors.ts';
import { isUuid } from '../lib/ids.ts';
import type { Keyring } from '../lib/keyring.ts';

export const accessTokenSeconds = 600;

const algorithm = 'EdDSA';
const audience = 'quarry';
const typ = 'at+jwt';
/** Compact serialization, and no more of it than ours could ever have: decoders would forgive what is beside it. */
const form = /^[\w-]{1,512}\.[\w-]{1,2048}\.[\w-]{1,512}$/;
/** PKCS #8 of an Ed25519 key up to its 32 bytes (RFC 8410). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

export interface TokenSubject {
  readonly userId: string;
  readonly sessionId: string;
}

export interface PublicJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  readonly use: 'sig';
  readonly alg: 'EdDSA';
  readonly kid: string;
}

export interface AccessTokens {
  issue(subject: TokenSubject): Promise<{ token: string; expiresAt: Date }>;
  /** @throws AppError UNAUTHENTICATED */
  verify(token: string): Promise<TokenSubject & { expiresAt: Date }>;
  /** A JSON Web Key Set (RFC 7517). */
  jwks(): { keys: PublicJwk[] };
}

export interface AccessTokensDeps {
  keyring: Pick<Keyring, 'derivations'>;
  /** The public URL of this installation. */
  issuer: string;
  clock: () => Date;
  /** Tokens whose signature is not verified again, at once. */
  maxVerified?: number;
}

type Claims = TokenSubject & { expiresAt: Date };

const refused = (cause?: unknown) =>
  new AppError('UNAUTHENTICATED', 'The access token is not valid, or has ended', { cause });

export function createAccessTokens({ keyring, issuer, clock, maxVerified = 10_000 }: AccessTokensDeps): AccessTokens {
  /** The active one signs; on another replica, or before the last start, that may be another one of the ring. */
  const keys = keyring.derivations('jwt').map(keyPairOf);
  const [{ kid, privateKey }] = keys as [KeyPair, ...KeyPair[]];

  /** The key is one of ours or none: what a header brings along or points at is never used. */
  function keyFor(header: JWTHeaderParameters) {
    const pair = keys.find((candidate) => candidate.kid === header.kid);
    if (!pair) throw new Error('signed by another key');
    return pair.publicKey;
  }

  /** By the token's hash, so that no token lies in memory; the one that was shown longest ago is first. */
  const verified = new Map<string, Claims>();

  function remembered(key: string): Claims | null {
    const claims = verified.get(key);
    if (!claims) return null;
    verified.delete(key);
    // As jose counts: in whole seconds, and the last one is over.
    if (claims.expiresAt.getTime() <= Math.floor(clock().getTime() / 1_000) * 1_000) return null;
    verified.set(key, claims);
    return claims;
  }

  function remember(key: string, claims: Claims): Claims {
    verified.set(key, claims);
    const [oldest] = verified.keys();
    if (verified.size > maxVerified && oldest !== undefined) verified.delete(oldest);
    return claims;
  }

  return {
    async issue({ userId, sessionId }) {
      const issuedAt = Math.floor(clock().getTime() / 1_000);
      const expiresAt = issuedAt + accessTokenSeconds;
      const token = await new SignJWT({ sid: sessionId })
        .setProtectedHeader({ alg: algorithm, typ, kid })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(userId)
        .setIssuedAt(issuedAt)
        .setExpirationTime(expiresAt)
        .sign(privateKey);
      return { token, expiresAt: new Date(expiresAt * 1_000) };
    },
    async verify(token) {
      if (!form.test(token)) throw refused();
      const key = hash('sha256', token, 'base64url');
      const known = remembered(key);
      if (known) return known;
      const { payload } = await jwtVerify(token, keyFor, {
        algorithms: [algorithm],
        issuer,
        audience,
        typ,
        requiredClaims: ['sub', 'sid', 'iat', 'exp'],
        currentDate: clock(),
      }).catch((cause: unknown) => {
        throw refused(cause);
      });
      const { sub = '', sid, exp = 0 } = payload;
      if (!isUuid(sub) || typeof sid !== 'string' || !isUuid(sid)) throw refused();
      return remember(key, { userId: sub, sessionId: sid, expiresAt: new Date(exp * 1_000) });
    },
    jwks: () => ({
      keys: keys.map(({ x, kid }) => ({ kty: 'OKP', crv: 'Ed25519', x, use: 'sig', alg: 'EdDSA', kid })),
    }),
  };
}

interface KeyPair {
  readonly kid: string;
  readonly x: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

function keyPairOf(seed: Buffer): KeyPair {
  const privateKey = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(privateKey);
  const { x = '' } = publicKey.export({ format: 'jwk' });
  return { kid: createHash('sha256').update(x).digest('base64url').slice(0, 16), x, privateKey, publicKey };
}
