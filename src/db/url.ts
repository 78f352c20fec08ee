/** DATABASE_URL and PLAYGROUND_URL, which the operator gives, as a connection in parts. */
import type { ConnectionConfig } from './connection.ts';
import { StartError } from './start-error.ts';

const defaultPort = 5432;

const tlsModes = new Map<string, ConnectionConfig['ssl']>([
  ['disable', false],
  ['require', { rejectUnauthorized: false }],
  ['verify-ca', { checkServerIdentity: () => undefined }],
  ['verify-full', true],
]);

/**
 * Nothing but `sslmode` may be added to the URL: for other parameters a driver would open files and other hosts. Without
 * it there is no TLS.
 * @throws StartError naming the variable, never its value
 */
export function connectionOfUrl(url: URL, variable: string): ConnectionConfig {
  const { sslmode = 'disable', ...others } = Object.fromEntries(url.searchParams);
  if (!tlsModes.has(sslmode) || Object.keys(others).length > 0)
    throw new StartError(`${variable}: the only parameter is sslmode, one of ${[...tlsModes.keys()].join(', ')}`);
  const decoded = (text: string) => {
    try {
      return decodeURIComponent(text);
    } catch {
      throw new StartError(`${variable}: has a % that begins no escape; a % itself is written %25`);
    }
  };
  const [user, password, database] = [decoded(url.username), decoded(url.password), decoded(url.pathname.slice(1))];
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // An encoded slash would make a path of a Unix socket.
  if (!host || host.includes('%') || !user || !database)
    throw new StartError(`${variable}: needs host, user and database: postgresql://user:password@host:port/database`);
  return { host, port: Number(url.port) || defaultPort, user, password, database, ssl: tlsModes.get(sslmode) };
}
