/** Whose an address is, as far as it can be told: one of IPv4 is one place, of IPv6 everybody has 2^64. */
import { isIPv6 } from 'node:net';

/** An IPv4 address as it is, of an IPv6 address its first 64 bits. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [front = '', back = ''] = address.split('%')[0]!.toLowerCase().split('::');
  const groups = front === '' ? [] : front.split(':');
  const behind = back === '' ? [] : back.split(':');
  // An address that ends in an IPv4 one has two groups in its last part.
  const width = [...groups, ...behind].reduce((sum, group) => sum + (group.includes('.') ? 2 : 1), 0);
  const whole = address.includes('::') ? [...groups, ...Array<string>(8 - width).fill('0'), ...behind] : groups;
  const first = whole.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ''));
  return `${first.join(':')}::/64`;
}
