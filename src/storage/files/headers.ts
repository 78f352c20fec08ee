/** How a file is sent: nothing of it runs, whatever it says it is, and it is saved under its own name. */
import type { OutgoingHttpHeaders } from 'node:http';
import { servedAs } from './media-types.ts';
import { fileNameOf } from './names.ts';
import type { StoredFile } from './store.ts';

/** No script, no form, no frame, and an origin of its own: also where somebody opens it by itself. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'; sandbox";

/** RFC 6266: a name in ASCII for everybody, the name itself (RFC 8187) for who can read it. */
export function dispositionOf(kind: 'inline' | 'attachment', path: string): string {
  const name = fileNameOf(path);
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${kind}; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

export const etagOf = ({ sha256 }: StoredFile): string => `"${sha256}"`;

export function fileHeaders(file: StoredFile, { download, shared }: { download: boolean; shared: boolean }) {
  const { contentType, inline } = servedAs(file.mimeType);
  return {
    'content-type': contentType,
    'content-disposition': dispositionOf(inline && !download ? 'inline' : 'attachment', file.path),
    'content-security-policy': policy,
    'x-content-type-options': 'nosniff',
    // Asked again each time: the right, the file or the bucket may have gone.
    'cache-control': shared ? 'public, no-cache' : 'private, no-cache',
    ...(shared && { 'cross-origin-resource-policy': 'cross-origin' }),
    etag: etagOf(file),
    'last-modified': file.updatedAt.toUTCString(),
    'accept-ranges': 'bytes',
  } satisfies OutgoingHttpHeaders;
}
