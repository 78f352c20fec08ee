/** Where mails go, as SMTP_URL and MAIL_FROM say it; parsed by config.ts alone. */
import { Secret } from '../lib/secret.ts';
import type { SmtpPlace } from './smtp.ts';
import type { Address } from './transport.ts';

const allowedUrl =
  'smtp://USER:PASSWORD@HOST:PORT or smtps://… (user and password only where the server asks for them)';
const allowedFrom = 'an address such as quarry@example.com, or Quarry <quarry@example.com>';

/** @returns the fault as a string: what is allowed, never what was given */
export function smtpOf(text: string): SmtpPlace | string {
  const url = URL.parse(text);
  const secure = url?.protocol === 'smtps:';
  if (!url || (!secure && url.protocol !== 'smtp:') || !url.hostname) return allowedUrl;
  // What is behind the host would be options of a library.
  if ((url.pathname !== '' && url.pathname !== '/') || url.search || url.hash) return allowedUrl;
  if ((url.username === '') !== (url.password === '')) return allowedUrl;
  try {
    return {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port ? Number(url.port) : secure ? 465 : 587,
      secure,
      credentials: url.username
        ? { user: decodeURIComponent(url.username), password: new Secret(decodeURIComponent(url.password)) }
        : null,
    };
  } catch {
    return allowedUrl; // A % that begins no character.
  }
}

/** One line, one address: whatever else a header could hold is refused. */
const form = /^(?:"?([^"<>\p{Cc}]{0,100}?)"?\s*<([^\s<>@"]+@[^\s<>@"]+)>|([^\s<>@"]+@[^\s<>@"]+))$/u;

/** @returns the fault as a string */
export function senderOf(text: string): Address | string {
  const [, name, named, bare] = form.exec(text.trim()) ?? [];
  const address = named ?? bare;
  return address ? { name: name?.trim() || null, address } : allowedFrom;
}
