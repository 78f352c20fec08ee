/**
 * Media types: as declared by who uploads, checked against the bucket's list by that declaration alone, and how each is
 * served. A declared type is never believed: only what cannot run in a browser is shown there.
 */
import { badInput } from '../../lib/errors.ts';
import { storageLimits } from './limits.ts';

const token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
const mediaType = new RegExp(`^(${token}/${token})( *; *${token}=(${token}|"[A-Za-z0-9 !#-\\[\\]-~]*"))*$`);

export const unknownType = 'application/octet-stream';

/** @throws AppError BAD_USER_INPUT */
export function parseMediaType(given: string | null | undefined, field = 'input.mimeType'): string {
  if (given == null || given === '') return unknownType;
  if (given.length > storageLimits.mimeTypeCharacters || !mediaType.test(given))
    throw badInput({ path: field, message: 'a media type such as text/csv' });
  return given;
}

/** Without its parameters, in lower case. */
const essenceOf = (type: string): string => (type.split(';', 1)[0] ?? '').trim().toLowerCase();

export function isAllowed(type: string, allowed: readonly string[] | null): boolean {
  const essence = essenceOf(type);
  return allowed === null || allowed.includes(essence) || allowed.includes(`${essence.split('/', 1)[0]}/*`);
}
