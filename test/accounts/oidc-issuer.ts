/** An OpenID Connect issuer in this process: oidc-provider, which nobody here wrote, behind one port that can fall silent. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider from 'oidc-provider';

export const audience = 'https://quarry.test/api';

export interface Minted {
  subject: string;
  /** Beside what every access token has. */
  claims?: Record<string, unknown>;
  audience?: string;
  /** Negative: it has ended. */
  seconds?: number;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

export async function startIssuer() {
  let handle: Handler = () => undefined;
  /** Of /me, by the subject that the token names. */
  const people = new Map<string, Record<string, unknown>>();
  const asked: string[] = [];
  const extra = new WeakMap<object, Record<string, unknown>>();
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    handle(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let provider: Provider;
  let key: JWK & { kid: string };
  let keyPair: CryptoKeyPair;

  /** A new pair of keys, and none of the old ones. */
  async function rotate(kid: string): Promise<void> {
    keyPair = (await generateKeyPair('RS256', { extractable: true })) as CryptoKeyPair;
    key = { ...(await exportJWK(keyPair.privateKey)), kid, alg: 'RS256', use: 'sig' };
    provider = new Provider(issuer, {
      jwks: { keys: [key as never] },
      clients: [{ client_id: 'web', redirect_uris: ['https://app.test/back'], token_endpoint_auth_method: 'none' }],
      features: { devInteractions: { enabled: false } },
      extraTokenClaims: (_context, token) => extra.get(token),
    });
    // Its own knows opaque tokens alone; issuers such as Auth0 take the token of an API here.
    provider.use(async (context, next) => {
      if (context.path !== '/me') return next();
      const [, body = ''] = (context.get('authorization').split(' ')[1] ?? '').split('.');
      const { sub } = JSON.parse(Buffer.from(body, 'base64url').toString());
      context.body = { sub, ...people.get(sub) };
    });
    handle = provider.callback();
  }
  await rotate('first');

  return {
    issuer,
    people,
    asked,
    rotate,
    /** The public key that it has published. */
    publicKey: () => keyPair.publicKey,
    /** With which others than itself may sign what it would not. */
    privateKey: () => keyPair.privateKey,
    kid: () => key.kid,
    /** As after a sign-in, for a client that asked for this API. */
    async mint({ subject, claims, audience: aud = audience, seconds = 600 }: Minted): Promise<string> {
      const client = await provider.Client.find('web');
      const token = new provider.AccessToken({
        accountId: subject,
        client: client!,
        grantId: 'grant',
        gty: 'authorization_code',
        expiresIn: seconds,
      } as never);
      if (claims) extra.set(token, claims);
      token.resourceServer = {
        identifier: () => aud,
        audience: aud,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
        scopes: new Set(),
        scope: '',
      } as never;
      return await token.save();
    },
    silence() {
      handle = (_request, response) => (response as ServerResponse).writeHead(503).end();
    },
    speak() {
      handle = provider.callback();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
