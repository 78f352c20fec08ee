/** Whose request it is, by the proxies on its way that are trusted. */
import { type BlockList, isIP } from 'node:net';

export interface Addresses {
  /** Who is connected. */
  readonly remote: string;
  /** `X-Forwarded-For`: whoever handed it on has added to its right whom he had it from. */
  readonly forwardedFor: string;
}

/** The nearest address that is no trusted proxy's; null where nobody is connected any more. */
export function clientAddress({ remote, forwardedFor }: Addresses, trustProxy: BlockList): string | null {
  const trusted = (address: string) => trustProxy.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  const forwarded = forwardedFor.split(',');
  let address = plain(remote);
  while (address && trusted(address) && forwarded.length > 0) {
    const before = addressIn(forwarded.pop()!.trim());
    // A proxy that names no address does not know whom it speaks for; what stands further left is that caller's own word.
    if (before === null) break;
    address = before;
  }
  return address || null;
}

/** Some proxies name the port as well, and put an IPv6 address into brackets. */
function addressIn(part: string): string | null {
  const [, bracketed, beforePort] = /^(?:\[([^\]]+)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(part) ?? [];
  const address = bracketed ?? beforePort ?? part;
  return isIP(address) === 0 ? null : plain(address);
}

const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '');
