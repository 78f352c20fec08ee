/**
 * The one way out: every socket that is opened because a user named a host is opened here. A host is a name or an
 * address, never a path or a URL; it is resolved once, every address is checked, and what was checked is connected to.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP, Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { AppError } from './errors.ts';
import { untilAborted } from './until-aborted.ts';

/** Where a user wants to go. */
export interface EgressTarget {
  readonly host: string;
  readonly port: number;
  /** A server of Quarry's own playground, named by the registry and not by a user: passes unchecked. */
  readonly hosted: boolean;
}

/** Opens one TCP connection. @throws AppError CONNECTION_FAILED, details `{ host, port, reason, hint }` */
export type Dial = (target: EgressTarget, options: DialOptions) => Promise<Socket>;

export interface DialOptions {
  readonly signal: AbortSignal;
  /**
   * All that comes is read into this one, and a piece is its listener's only while he is told of it; nothing is read
   * before the socket is resumed.
   */
  readonly readInto?: Buffer | undefined;
}

/** DENIED by the policy, DNS when the name leads nowhere, TCP when nobody answers at any of its addresses. */
export type EgressReason = 'DENIED' | 'DNS' | 'TCP';

export interface EgressDeps {
  /** True opens private networks and this machine; CIDRs open exactly these. Never opens what is `denied`. */
  readonly allowPrivateHosts: boolean | readonly string[];
  /** Quarry's own infrastructure: metadata, bus, storage. Denied under every name and address it has. */
  readonly denied: () => readonly { readonly host: string; readonly port: number }[];
  /** All addresses of a name, as the system resolver gives them. */
  readonly resolve?: (host: string) => Promise<readonly { readonly address: string }[]>;
  readonly connectTimeoutMs?: number;
}

const defaultConnectTimeoutMs = 10_000;
const keepAliveAfterMs = 30_000;
const maxAddresses = 8;

export function createEgress({
  allowPrivateHosts,
  denied,
  resolve = (host) => lookup(host, { all: true, verbatim: true }),
  connectTimeoutMs = defaultConnectTimeoutMs,
}: EgressDeps): Dial {
  const allowed = allowedRanges(allowPrivateHosts);

  async function addressesOf(host: string): Promise<string[]> {
    if (isIP(host)) return [host];
    return [...new Set((await resolve(host)).map(({ address }) => address))];
  }

  async function isOwnInfrastructure(target: EgressTarget, addresses: readonly string[]): Promise<boolean> {
    const samePort = denied().filter(({ port }) => port === target.port);
    for (const { host } of samePort) {
      if (sameName(host, target.host)) return true;
      // A name of ours that does not resolve has no address by which it could be reached either.
      const own = await addressesOf(host).catch(() => []);
      if (addresses.some((address) => own.some((other) => sameServer(address, other)))) return true;
    }
    return false;
  }

  async function checkedAddresses(target: EgressTarget): Promise<string[]> {
    if (!isHost(target.host)) {
      throw failure(
        target,
        'DENIED',
        'is neither a host name nor an address',
        'Give the host alone: no URL, path or user.',
      );
    }
    const addresses = await addressesOf(target.host).catch((cause: unknown) => {
      throw failure(target, 'DNS', 'has no address', 'Check the spelling of the host name.', cause);
    });
    if (addresses.length === 0) throw failure(target, 'DNS', 'has no address', 'Check the spelling of the host name.');
    // One forbidden address condemns the name: which of them a later look-up would give is in its owner's hand.
    const forbidden = addresses.find((address) => isSpecial(address) && !contains(allowed, address));
    if (forbidden !== undefined) throw refusal(target, forbidden);
    if (await isOwnInfrastructure(target, addresses)) {
      throw failure(target, 'DENIED', "is part of Quarry's own infrastructure", 'No setting opens it.');
    }
    return addresses.slice(0, maxAddresses);
  }

  return async function dial(target, { signal, readInto }) {
    signal.throwIfAborted();
    if (!Number.isInteger(target.port) || target.port < 1 || target.port > 65_535) {
      throw failure(target, 'DENIED', 'has a port outside 1 to 65535', 'Give the port of the database server.');
    }
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMs)]);
    const addresses = await untilAborted(
      target.hosted ? addressesOf(target.host) : checkedAddresses(target),
      deadline,
    ).catch((cause: unknown) => {
      signal.throwIfAborted();
      if (!deadline.aborted) throw cause;
      throw failure(target, 'DNS', 'was not resolved in time', 'Check the name servers of this machine.', cause);
    });
    let cause: unknown;
    for (const address of addresses) {
      try {
        return await connect({ address, port: target.port, readInto }, deadline);
      } catch (error) {
        signal.throwIfAborted();
        cause = error;
      }
    }
    throw failure(target, 'TCP', 'does not accept connections', tcpHint(cause, deadline), cause);
  };
}

interface Place extends Pick<DialOptions, 'readInto'> {
  readonly address: string;
  readonly port: number;
}

function connect({ address, port, readInto }: Place, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = readInto === undefined ? new Socket() : socketInto(readInto);
    const onAbort = () => socket.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', (error) => {
      signal.removeEventListener('abort', onAbort);
      reject(error);
    });
    socket.connect({ host: address, port, family: isIP(address) }, () => {
      signal.removeEventListener('abort', onAbort);
      socket.removeAllListeners('error');
      // Between here and the first listener of whoever asked, a reset must not end the process.
      socket.on('error', () => {});
      socket.setNoDelay(true);
      socket.setKeepAlive(true, keepAliveAfterMs);
      resolve(socket);
    });
  });
}

function socketInto(buffer: Buffer): Socket {
  const callback = (bytes: number) => socket.emit('data', buffer.subarray(0, bytes));
  const socket: Socket = new Socket({ onread: { buffer, callback } });
  return socket.pause();
}

/** A name of letters, digits, `-`, `_` and `.`, or an address. Numbers like 127.1 are left to the resolver, then checked. */
export function isHost(host: unknown): host is string {
  if (typeof host !== 'string') return false;
  if (isIP(host)) return !host.includes('%');
  return (
    host.length <= 253 && /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/i.test(host)
  );
}

const sameName = (a: string, b: string): boolean =>
  a.toLowerCase().replace(/\.$/, '') === b.toLowerCase().replace(/\.$/, '');

/** Two addresses of this machine are the same server: what listens on one of them mostly listens on all. */
function sameServer(a: string, b: string): boolean {
  return a === b || (isOwnAddress(a) && isOwnAddress(b));
}

function isOwnAddress(address: string): boolean {
  if (contains(loopback, address)) return true;
  const own = Object.values(networkInterfaces()).flatMap((interfaces) => interfaces ?? []);
  return own.some((one) => one.address === address);
}

interface Ranges {
  v4: BlockList;
  v6: BlockList;
}

/** Two lists: in one, Node compares IPv4 addresses with IPv6 ranges as if they were mapped ones. */
function ranges(cidrs: readonly string[]): Ranges {
  const result = { v4: new BlockList(), v6: new BlockList() };
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/');
    if (isIP(address) === 4) result.v4.addSubnet(address, Number(prefix ?? 32), 'ipv4');
    else result.v6.addSubnet(address, Number(prefix ?? 128), 'ipv6');
  }
  return result;
}

function contains({ v4, v6 }: Ranges, address: string): boolean {
  // The IPv4 list also knows an address that is written as IPv4-mapped IPv6.
  return isIP(address) === 4 ? v4.check(address, 'ipv4') : v6.check(address, 'ipv6') || v4.check(address, 'ipv6');
}

const isSpecial = (address: string): boolean => isIP(address) === 0 || contains(special, address);

const loopback = ranges(['0.0.0.0/32', '127.0.0.0/8', '::/128', '::1/128']);

/** Networks of an organisation and this machine itself: what `true` opens. Link-local is not among them: cloud metadata. */
const privateCidrs = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
];

function allowedRanges(allowPrivateHosts: boolean | readonly string[]): Ranges {
  if (typeof allowPrivateHosts !== 'boolean') return ranges(allowPrivateHosts);
  return ranges(allowPrivateHosts ? privateCidrs : []);
}

/** IANA's special-purpose registries. Of IPv6 only 2000::/3 is public, and of that not what carries an IPv4 address. */
const special = ranges([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/3', // unspecified, loopback, IPv4-mapped and -compatible, NAT64 64:ff9b::/96 and 64:ff9b:1::/48, 100::/64
  '2001::/23', // Teredo, ORCHID, benchmarking
  '2001:db8::/32',
  '2002::/16', // 6to4
  '3fff::/20',
  '4000::/2',
  '8000::/1', // unique local, link-local, site-local, multicast
]);

function refusal(target: EgressTarget, address: string): AppError {
  const cidr = isIP(address) === 4 ? `${address}/32` : `${address}/128`;
  return failure(
    target,
    'DENIED',
    'leads to an address that is not public',
    `An operator can open it: ALLOW_PRIVATE_HOSTS=${cidr}`,
  );
}

function tcpHint(cause: unknown, deadline: AbortSignal): string {
  if (deadline.aborted) return 'Nothing answered in time: check the port and the firewalls on the way.';
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return code === 'ECONNREFUSED'
    ? 'Nothing listens there: check the port, and that the server is up and listens on this address.'
    : 'Check the host, the port and the network between.';
}

function failure(
  { host, port }: EgressTarget,
  reason: EgressReason,
  what: string,
  hint: string,
  cause?: unknown,
): AppError {
  // A host that is no host is not repeated: it may be a URL with a password in it.
  const shown = isHost(host) ? host : null;
  return new AppError('CONNECTION_FAILED', `${shown === null ? 'The host' : `${shown}:${port}`} ${what}`, {
    cause,
    details: { host: shown, port, reason, hint },
  });
}
