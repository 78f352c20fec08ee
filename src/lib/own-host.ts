/**
 * Whether a request is meant for this server. A page can have its own name lead to this machine (DNS rebinding), and is then
 * of one origin with what answers here; but its browser says that name.
 */
import { isIP } from 'node:net';

const loopback = new Set(['localhost', '127.0.0.1', '::1']);
const bare = (host: string): string => host.replace(/^\[|\]$/g, '');

export interface OwnHostDeps {
  /** What is listened on. */
  readonly host: string;
  readonly publicUrl: URL;
}

/** Takes the header `Host`. Who listens for other machines has names that only those know. */
export function createOwnHost({ host, publicUrl }: OwnHostDeps): (header: string | undefined) => boolean {
  if (!loopback.has(bare(host))) return () => true;
  const names = new Set(['localhost', publicUrl.hostname]);
  return (header) => {
    // No browser leaves it out, nor is led elsewhere by an address.
    if (header === undefined) return true;
    const name = URL.parse(`http://${header}`)?.hostname ?? '';
    return isIP(bare(name)) !== 0 || names.has(name);
  };
}
