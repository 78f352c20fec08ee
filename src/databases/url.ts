/** Takes a connection URL apart into the fields of a connection. The URL itself goes nowhere: to a driver it is a program. */
import type { SslMode } from '../engines/engine.ts';

export interface UrlParts {
  host: string;
  port: number | null;
  database: string;
  user: string;
  password: string;
  ssl: SslMode | null;
}

const sslModeNames: Readonly<Record<string, SslMode>> = {
  disable: 'DISABLE',
  prefer: 'PREFER',
  require: 'REQUIRE',
  'verify-ca': 'VERIFY_CA',
  'verify-full': 'VERIFY_FULL',
};

/** @returns what is wrong with it as text, which repeats nothing of it: a password may be anywhere in it */
export function partsOfUrl(text: string): UrlParts | string {
  const url = URL.parse(text);
  if (!url || !['postgresql:', 'postgres:'].includes(url.protocol)) {
    return 'not a URL of the form postgresql://user:password@host:port/database';
  }
  if (url.hash !== '') return 'has a # in it; inside a name or a password it is written %23';
  const path = url.pathname.slice(1);
  if (path.includes('/')) return 'has more than one name in its path; a / inside a name is written %2F';

  const unknown = [...url.searchParams.keys()].filter((name) => name !== 'sslmode');
  if (unknown.length > 0) return 'has a parameter that is not sslmode; give what it says in a field of its own';
  const modes = url.searchParams.getAll('sslmode');
  const ssl = modes.length === 0 ? null : sslModeNames[modes[0]!];
  if (modes.length > 1 || ssl === undefined) return `sslmode is one of ${Object.keys(sslModeNames).join(', ')}, once`;

  try {
    return {
      host: decodeURIComponent(url.hostname.replace(/^\[(.*)\]$/, '$1')),
      port: url.port === '' ? null : Number(url.port),
      database: decodeURIComponent(path),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      ssl,
    };
  } catch {
    return 'has a % that begins no escape; a % itself is written %25'; // URIError
  }
}
