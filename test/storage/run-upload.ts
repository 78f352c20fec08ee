/**
 * Uploads bytes as a process of its own, which a test may kill: `run-upload.ts PLACE KEY BYTES [hold]`. Prints what is safe
 * behind each write as JSON lines, and at the end the sum and how much memory it took; with `hold` it stays before the end.
 */
import { Secret } from '../../src/lib/secret.ts';
import type { StoragePlace } from '../../src/storage/place.ts';
import { openStorage } from '../../src/storage/registry.ts';
import { fill } from './filled.ts';

const [place = '', key = '', size = '', hold] = process.argv.slice(2);
/** The one buffer there is: a store that kept it would upload the wrong bytes. */
const piece = Buffer.alloc(2 ** 20);
const { signal } = new AbortController();
const bytes = Number(size);

const store = await openStorage(placeOf(place));
// All that is loaded once is loaded.
await store.put(`${key}-warm`, piece);
const { maxRSS: before } = process.resourceUsage();
const upload = await store.upload(key, signal);
let written = upload.offset;
while (written < bytes) {
  fill(piece, written);
  const some = piece.subarray(0, bytes - written);
  await upload.write(some);
  written += some.length;
  say({ written, safe: upload.offset });
}
if (hold) await new Promise((resolve) => setTimeout(resolve, 600_000));
say({ ...(await upload.finish()), memoryBytes: (process.resourceUsage().maxRSS - before) * 1_024 });

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

/** Secrets are not JSON: a test's own come as they are. */
function placeOf(json: string): StoragePlace {
  const { endpoint, credentials, ...rest } = JSON.parse(json) as Record<string, string> & {
    credentials?: { accessKeyId: string; secretAccessKey: string };
  };
  if (rest.kind === 'file') return rest as unknown as StoragePlace;
  const { accessKeyId = '', secretAccessKey = '' } = credentials ?? {};
  return {
    ...rest,
    endpoint: new URL(endpoint ?? ''),
    credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey), sessionToken: null },
  } as unknown as StoragePlace;
}
