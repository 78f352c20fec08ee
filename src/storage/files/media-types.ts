/**
 * Media types: as declared by who uploads, checked against the bucket's list by that declaration alone, and how each is
 * served. A declared type is never believed: only what cannot run in a browser is shown there.
 */
import { badInput } from '../../lib/errors.ts';
import { storageLimits } from './limits.ts';

const token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
const mediaType = new RegExp(`^(${token}/${token})( *; *${token}=(${token}|"[A-Za-z0-9 !#-\\[\\]-~]*"))*$`);
const pattern = new RegExp(`^${token}/${token}$`);

export const unknownType = 'application/octet-stream';

/** @throws AppError BAD_USER_INPUT */
export function parseMediaType(given: string | null | undefined, field = 'input.mimeType'): string {
  if (given == null || given === '') return unknownType;
  if (given.length > storageLimits.mimeTypeCharacters || !mediaType.test(given))
    throw badInput({ path: field, message: 'a media type such as text/csv' });
  return given;
}

/** Null, which allows any, stays null. @throws AppError BAD_USER_INPUT */
export function parseAllowedTypes(given: readonly string[] | null): string[] | null {
  if (given === null) return null;
  const fault = (message: string) => badInput({ path: 'input.allowedMimeTypes', message });
  if (given.length === 0) throw fault('at least one; null allows any');
  if (given.length > storageLimits.mimeTypes) throw fault(`at most ${storageLimits.mimeTypes}`);
  if (given.some((type) => type.length > storageLimits.mimeTypeCharacters || !pattern.test(type) || type === '*/*'))
    throw fault('media types such as text/csv or image/*');
  return [...new Set(given.map((type) => type.toLowerCase()))];
}

/** Without its parameters, in lower case. */
const essenceOf = (type: string): string => (type.split(';', 1)[0] ?? '').trim().toLowerCase();

export function isAllowed(type: string, allowed: readonly string[] | null): boolean {
  const essence = essenceOf(type);
  return allowed === null || allowed.includes(essence) || allowed.includes(`${essence.split('/', 1)[0]}/*`);
}

/** What no browser runs, also when its content is something else: it is not sniffed. */
const inert = new Set([
  'text/plain',
  'application/json',
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/avif',
  'image/bmp',
  'audio/mpeg',
  'audio/ogg',
  'audio/wav',
  'audio/webm',
  'audio/flac',
  'video/mp4',
  'video/webm',
  'video/ogg',
]);

/** Another page could load these by an element, however the answer wants to be shown. */
const loadable = /^(text|application)\/(x-)?(java|ecma|j|live)script[0-9.]*$|^text\/css$|^application\/wasm$/;

/** As what it is sent, and whether a browser may show it. */
export function servedAs(type: string): { contentType: string; inline: boolean } {
  const essence = essenceOf(type);
  if (loadable.test(essence)) return { contentType: unknownType, inline: false };
  const inline = inert.has(essence);
  return { contentType: inline && essence === 'text/plain' ? 'text/plain; charset=utf-8' : type, inline };
}
