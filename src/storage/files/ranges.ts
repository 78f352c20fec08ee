/** What a request for a file asks of it: a range of its bytes, or nothing where it is known already (RFC 9110, 13 and 14). */
import type { IncomingHttpHeaders } from 'node:http';

/** What conditions compare with. */
export interface Validators {
  /** Strong, in its quotes. */
  readonly etag: string;
  readonly modifiedAt: Date;
}

/** In bytes, both inclusive. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** HTTP's times have whole seconds. */
const secondsOf = (date: Date) => Math.floor(date.getTime() / 1_000);

const tagsOf = (header: string) => header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));

/** Whether the client's copy is still good. */
export function isFresh(headers: IncomingHttpHeaders, { etag, modifiedAt }: Validators): boolean {
  const tags = headers['if-none-match'];
  // Where tags are given, times do not count.
  if (tags !== undefined) return tags.trim() === '*' || tagsOf(tags).includes(etag);
  const since = Date.parse(headers['if-modified-since'] ?? '');
  return Number.isFinite(since) && secondsOf(modifiedAt) <= since / 1_000;
}

/**
 * Whether the client asks only for what is there no more. Tags are compared strongly, and where they are given, times do not
 * count.
 */
export function isOther(headers: IncomingHttpHeaders, { etag, modifiedAt }: Validators): boolean {
  const tags = headers['if-match'];
  if (tags !== undefined)
    return (
      tags.trim() !== '*' &&
      !tags
        .split(',')
        .map((tag) => tag.trim())
        .includes(etag)
    );
  const until = Date.parse(headers['if-unmodified-since'] ?? '');
  return Number.isFinite(until) && secondsOf(modifiedAt) > until / 1_000;
}

/**
 * Whether the parts that the client has are of this very file: by its tag alone. Two versions may have the same second, so
 * a time proves nothing, and he gets all of it.
 */
const isSame = (condition: string | undefined, { etag }: Validators): boolean =>
  condition === undefined || condition.trim() === etag;

/**
 * The one range that is asked for; null for all of the file: also for several ranges, and for what is no range at all,
 * which HTTP lets a server ignore.
 */
export function rangeOf(
  headers: IncomingHttpHeaders,
  size: number,
  validators: Validators,
): Range | 'unsatisfiable' | null {
  const [, first = '', last = ''] =
    /^bytes {0,9}= {0,9}(\d{0,15}) {0,9}- {0,9}(\d{0,15}) {0,9}$/.exec(headers.range ?? '') ?? [];
  if ((first === '' && last === '') || !isSame(headers['if-range'] as string | undefined, validators)) return null;
  if (first === '') {
    const suffix = Number(last);
    return suffix === 0 || size === 0 ? 'unsatisfiable' : { start: Math.max(size - suffix, 0), end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return null;
  return start >= size ? 'unsatisfiable' : { start, end };
}

export interface ContentRange {
  readonly start: number;
  /** Not included. */
  readonly end: number;
  /** Null for `*`. */
  readonly total: number | null;
}

/** Of a PUT; null for what is none. */
export function contentRangeOf(header: string): ContentRange | null {
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(header.trim()) ?? [];
  const start = Number(first);
  const end = Number(last) + 1;
  if (first === undefined || end <= start) return null;
  return { start, end, total: total === '*' ? null : Number(total) };
}
