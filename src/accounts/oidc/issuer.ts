/**
 * The OpenID Connect issuer that the operator named: its keys, and whether an access token is one of its own (RFC 9068,
 * OpenID Connect Discovery 1.0). Whose account that is says issued-accounts.ts.
 */
import { createRemoteJWKSet, decodeJwt, errors, type JWTHeaderParameters, type JWTPayload, jwtVerify } from 'jose';
import { AppError } from '../../lib/errors.ts';

/** None that is keyed with what is public, and none that signs nothing. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** Issuers that know RFC 9068 write the first; of the others an audience of its own tells an access token. */
const types = ['at+jwt', 'application/at+jwt', 'jwt'];
const maxTokenCharacters = 8_192;
const maxSubjectCharacters = 255;
const maxDocumentBytes = 1_000_000;
/** Clocks of two machines. */
const toleranceSeconds = 5;

export interface IssuerDeps {
  /** As its tokens name it, letter for letter. */
  readonly issuer: string;
  /** What the issuer calls this Quarry. */
  readonly audience: string;
  readonly clock: () => Date;
  readonly limits?: Partial<IssuerLimits> | undefined;
}

export interface IssuerLimits {
  readonly timeoutMs: number;
  /** An issuer that did not answer is asked again no sooner. */
  readonly retryMs: number;
  /** Keys are read again for one that is not among them, no sooner. */
  readonly keysCooldownMs: number;
}

const issuerLimits: IssuerLimits = { timeoutMs: 5_000, retryMs: 2_000, keysCooldownMs: 30_000 };

export interface IssuedToken {
  readonly subject: string;
  readonly expiresAt: Date;
  /** The issuer's session, where it tells. */
  readonly sid: string | null;
  /** To whom it was given; null where it says so by nothing that is a name. */
  readonly client: string | null;
  readonly claims: JWTPayload;
}

/** As the issuer says it; nothing of it is checked yet. */
export interface Profile {
  readonly email: unknown;
  readonly emailVerified: unknown;
  readonly name: unknown;
}

export interface Issuer {
  readonly issuer: string;
  /** @throws AppError UNAUTHENTICATED, CONNECTION_FAILED while the issuer does not answer and its keys are not known */
  verify(token: string): Promise<IssuedToken>;
  /** Of the token, or of the issuer's userinfo where the token has no address. @throws AppError CONNECTION_FAILED */
  profile(token: string, issued: IssuedToken): Promise<Profile>;
}

interface Discovered {
  readonly keys: ReturnType<typeof createRemoteJWKSet>;
  readonly userinfo: string | null;
}

const refused = (cause?: unknown) =>
  new AppError('UNAUTHENTICATED', 'The access token is not valid, or has ended', { cause });

/** Who says that a token is his; believed by nobody before it is verified. */
export function issuerNamedBy(token: string): string | null {
  try {
    return token.length > maxTokenCharacters ? null : (decodeJwt(token).iss ?? null);
  } catch {
    return null; // No JWT.
  }
}

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** Text that can be kept and shown; what is anything else counts as not told. */
const nameOf = (value: unknown): string | null => {
  const text = textOf(value);
  return text !== null && /^\P{Cc}*$/u.test(text) && text.isWellFormed() ? text : null;
};

export function createIssuer({ issuer, audience, clock, ...deps }: IssuerDeps): Issuer {
  const limits = { ...issuerLimits, ...deps.limits };
  const { protocol } = new URL(issuer);
  let discovered: Promise<Discovered> | null = null;

  const silent = (cause: unknown) =>
    new AppError('CONNECTION_FAILED', 'The issuer of the access token does not answer: try again later', {
      cause,
      details: { host: new URL(issuer).hostname, reason: 'ISSUER' },
    });

  /** @throws Error where it is not JSON, too long, or anything but an answer */
  async function read(url: string, headers: Record<string, string> = {}): Promise<Record<string, unknown>> {
    const signal = AbortSignal.timeout(limits.timeoutMs);
    const response = await fetch(url, {
      headers: { accept: 'application/json', ...headers },
      redirect: 'error',
      signal,
    });
    if (!response.ok || !response.body) throw new Error(`answered ${response.status}`);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body) {
      bytes += chunk.length;
      if (bytes > maxDocumentBytes) throw new Error(`answered more than ${maxDocumentBytes} bytes`);
      chunks.push(chunk);
    }
    const document: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof document !== 'object' || document === null) throw new Error('answered no object');
    return document as Record<string, unknown>;
  }

  /** What an issuer reached by TLS names is reached by TLS. */
  function endpoint(value: unknown): string | null {
    const url = typeof value === 'string' ? URL.parse(value) : null;
    return url && (url.protocol === 'https:' || url.protocol === protocol) ? url.href : null;
  }

  async function discover(): Promise<Discovered> {
    const document = await read(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
    if (document.issuer !== issuer) throw new Error('its configuration names another issuer');
    const jwksUri = endpoint(document.jwks_uri);
    if (!jwksUri) throw new Error('its configuration names no keys');
    const keys = createRemoteJWKSet(new URL(jwksUri), {
      timeoutDuration: limits.timeoutMs,
      cooldownDuration: limits.keysCooldownMs,
    });
    return { keys, userinfo: endpoint(document.userinfo_endpoint) };
  }

  /** Once for all who ask. */
  function known(): Promise<Discovered> {
    if (discovered) return discovered;
    const asked = discover().catch((cause: unknown) => {
      setTimeout(() => {
        if (discovered === asked) discovered = null;
      }, limits.retryMs).unref();
      throw silent(cause);
    });
    discovered = asked;
    return asked;
  }

  /** Of the issuer's published ones, the one that is named: what a header brings along or points at is never used. */
  async function keyFor(header: JWTHeaderParameters, token: Parameters<Discovered['keys']>[1]) {
    if (typeof header.kid !== 'string') throw refused();
    const { keys } = await known();
    try {
      return await keys(header, token);
    } catch (error) {
      const unknown = error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
      throw unknown || error instanceof errors.JOSENotSupported ? refused(error) : silent(error);
    }
  }

  return {
    issuer,

    async verify(token) {
      if (token.length > maxTokenCharacters) throw refused();
      const { payload, protectedHeader } = await jwtVerify(token, keyFor, {
        algorithms,
        issuer,
        audience,
        requiredClaims: ['sub', 'iat', 'exp'],
        clockTolerance: toleranceSeconds,
        currentDate: clock(),
      }).catch((error: unknown) => {
        throw error instanceof AppError ? error : refused(error);
      });
      const { sub = '', exp = 0, sid, cnf, azp, client_id: client } = payload;
      if (!types.includes(protectedHeader.typ?.toLowerCase() ?? '')) throw refused();
      // Bound to a key that its bearer has not shown.
      if (cnf !== undefined) throw refused();
      if (sub === '' || sub.length > maxSubjectCharacters || sub.includes('\0') || !sub.isWellFormed()) throw refused();
      return {
        subject: sub,
        expiresAt: new Date(exp * 1_000),
        sid: textOf(sid),
        client: nameOf(client) ?? nameOf(azp),
        claims: payload,
      };
    },

    async profile(token, { subject, claims }) {
      const { userinfo } = await known();
      const own = claims.email !== undefined || userinfo === null;
      const told = own
        ? claims
        : await read(userinfo, { authorization: `Bearer ${token}` }).catch((cause: unknown) => {
            throw silent(cause);
          });
      if (told.sub !== subject) throw refused();
      return { email: told.email, emailVerified: told.email_verified, name: told.name };
    },
  };
}
