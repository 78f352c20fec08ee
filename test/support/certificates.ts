/** Makes X.509 certificates for tests of TLS, as DER by hand: no key lies in the repository and none ever expires. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { isIP } from 'node:net';

export interface Certificate {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** For host names and IPv4 addresses, valid now unless `expired`. */
  issue(hosts: readonly string[], options?: { expired: boolean }): Certificate;
}

export function createAuthority(name: string): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const root = build({
    subject: name,
    issuer: name,
    publicKey,
    signer: privateKey,
    extensions: [isAuthority],
    expired: false,
  });
  return {
    certificate: root,
    key: pem(privateKey),
    issue(hosts, { expired } = { expired: false }) {
      const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const extensions = [alternativeNames(hosts)];
      const subject = hosts[0] ?? 'nobody';
      const certificate = build({
        subject,
        issuer: name,
        publicKey: leaf.publicKey,
        signer: privateKey,
        extensions,
        expired,
      });
      return { certificate, key: pem(leaf.privateKey) };
    },
  };
}

interface Parts {
  subject: string;
  issuer: string;
  publicKey: KeyObject;
  signer: KeyObject;
  extensions: readonly Buffer[];
  expired: boolean;
}

const day = 86_400_000;

function build({ subject, issuer, publicKey, signer, extensions, expired }: Parts): string {
  const algorithm = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)); // ecdsa-with-SHA256
  const to = Date.now() + (expired ? -1 : 1) * day;
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.from([1, ...crypto.getRandomValues(new Uint8Array(8))])), // positive serial number
    algorithm,
    nameOf(issuer),
    sequence(time(to - 2 * day), time(to)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, signer)]));
  const base64 = sequence(body, algorithm, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: Buffer[]): Buffer => der(0x30, Buffer.concat(parts));
const oid = (...bytes: number[]): Buffer => der(0x06, Buffer.from(bytes));
const nameOf = (text: string): Buffer =>
  sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from(text))))); // common name

/** `YYMMDDHHMMSSZ` */
const time = (at: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(at).toISOString().replace(/\D/g, '').slice(2, 14)}Z`));

/** basicConstraints, critical, CA */
const isAuthority = sequence(
  oid(0x55, 0x1d, 0x13),
  der(0x01, Buffer.from([0xff])),
  der(0x04, sequence(der(0x01, Buffer.from([0xff])))),
);

function alternativeNames(hosts: readonly string[]): Buffer {
  const names = hosts.map((host) =>
    isIP(host) === 4 ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host)),
  );
  return sequence(oid(0x55, 0x1d, 0x11), der(0x04, sequence(...names)));
}
