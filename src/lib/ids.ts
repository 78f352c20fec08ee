/** Identities: UUIDs of version 7 (RFC 9562), which rise with time, and what a client sees of them. */
import { randomFillSync } from 'node:crypto';

/** Of an id, and of one call of the system's: a call costs as much for one as for all of them. */
const [idBytes, chanceBytes] = [16, 4_096];

function createChance(): () => Buffer {
  const pool = Buffer.alloc(chanceBytes);
  let used = chanceBytes;
  return () => {
    if (used === chanceBytes) {
      randomFillSync(pool);
      used = 0;
    }
    used += idBytes;
    return Buffer.from(pool.subarray(used - idBytes, used));
  };
}

/** 48 bits of milliseconds, 12 of a counter that keeps one process's ids rising inside a millisecond, 62 of chance. */
export function createUuidV7(clock: () => number = Date.now): () => string {
  const chance = createChance();
  let lastMs = 0;
  let counter = 0;
  return () => {
    const nowMs = clock();
    counter = nowMs > lastMs ? 0 : counter + 1;
    if (counter > 0xfff) {
      counter = 0;
      lastMs += 1;
    }
    lastMs = Math.max(lastMs, nowMs);
    const bytes = chance();
    bytes.writeUIntBE(lastMs, 0, 6);
    bytes.writeUInt16BE(0x7000 | counter, 6);
    bytes[8] = 0x80 | (bytes[8]! & 0x3f);
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}

export const uuidv7 = createUuidV7();

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const isUuid = (text: string): boolean => uuid.test(text);

/** The opaque id that a client holds: base64url of JSON `[kind, …parts]`. */
export const encodeId = (kind: string, ...parts: string[]): string =>
  Buffer.from(JSON.stringify([kind, ...parts])).toString('base64url');

/** Of `["` and a letter: what begins otherwise costs no more than that look, however much of it comes. */
const idBegin = 'WyJ';

/** Null for whatever encodeId() did not make. */
export function decodeId(id: string): { kind: string; parts: string[] } | null {
  if (!id.startsWith(idBegin) || id.length > 8_192 || !/^[A-Za-z0-9_-]+$/.test(id)) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(id, 'base64url').toString('utf8'));
    if (!Array.isArray(value) || value.length < 2 || !value.every((part) => typeof part === 'string')) return null;
    const [kind, ...parts] = value as [string, ...string[]];
    return encodeId(kind, ...parts) === id ? { kind, parts } : null;
  } catch {
    return null; // Not ours: any text may be given as an id.
  }
}

/** The UUID inside an id of this kind; null for every other id. */
export function uuidOf(kind: string, id: string): string | null {
  const decoded = decodeId(id);
  const [value, ...rest] = decoded?.parts ?? [];
  return decoded?.kind === kind && rest.length === 0 && value !== undefined && isUuid(value) ? value : null;
}
