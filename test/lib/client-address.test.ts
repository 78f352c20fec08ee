import { BlockList } from 'node:net';
import { expect, test } from 'vitest';
import { clientAddress } from '../../src/lib/client-address.ts';

const trustProxy = new BlockList();
trustProxy.addSubnet('127.0.0.0', 8, 'ipv4');
trustProxy.addSubnet('10.0.0.0', 8, 'ipv4');
trustProxy.addSubnet('fd00::', 8, 'ipv6');

const of = (forwardedFor: string, remote = '127.0.0.1') => clientAddress({ remote, forwardedFor }, trustProxy);

test.each([
  ['nothing', '', '127.0.0.1'],
  ['one', '192.0.2.7', '192.0.2.7'],
  ['several, the nearest that is no trusted proxy', '6.6.6.6, 192.0.2.7, 10.1.1.1', '192.0.2.7'],
  ['trusted ones alone, the farthest', '10.2.2.2,10.1.1.1', '10.2.2.2'],
  ['an IPv4 address in IPv6', '::ffff:192.0.2.7', '192.0.2.7'],
  ['an address with its port', '6.6.6.6, 192.0.2.7:5678', '192.0.2.7'],
  ['an IPv6 address in brackets', '6.6.6.6, [2001:db8::1]', '2001:db8::1'],
  ['an IPv6 address with its port', '6.6.6.6, [2001:db8::1]:443', '2001:db8::1'],
])('of a trusted proxy that names %s', (_what, forwarded, expected) => {
  expect(of(forwarded)).toBe(expected);
});

test.each(['unknown', '_hidden', '', '1.2.3', '[2001:db8::1', '"192.0.2.7"'])(
  'where a trusted proxy names “%s” it is the proxy, and not whom the caller has named himself',
  (named) => expect(of(`6.6.6.6, ${named}`)).toBe('127.0.0.1'),
);

test('who is no trusted proxy is believed nothing', () => {
  expect(of('192.0.2.7', '198.51.100.1')).toBe('198.51.100.1');
  expect(of('192.0.2.7', '::ffff:127.0.0.1')).toBe('192.0.2.7');
  expect(of('192.0.2.7', '2001:db8::2')).toBe('2001:db8::2');
  expect(of('192.0.2.7', '')).toBeNull();
});
