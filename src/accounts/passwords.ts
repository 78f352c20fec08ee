/** What a password may be, and the fixed-length form of it that is hashed. The hashing itself: password-hasher.ts. */
import { createHmac } from 'node:crypto';

export const minPasswordCharacters = 8;
export const maxPasswordBytes = 1_024;

/**
 * NFC (as RFC 8265 has it), so that an é typed on two systems is one é; not NFKC, under which different passwords would
 * be equal.
 */
const normalized = (password: string): string => password.normalize('NFC');

/** Null for a password that may be used; otherwise what is allowed. */
export function passwordFault(password: string): string | null {
  // Lone surrogates all become the same replacement character in UTF-8.
  if (!password.isWellFormed()) return 'text that is valid Unicode';
  if ([...normalized(password)].length < minPasswordCharacters) return `at least ${minPasswordCharacters} characters`;
  if (Buffer.byteLength(normalized(password)) > maxPasswordBytes) return `at most ${maxPasswordBytes} bytes of UTF-8`;
  return null;
}

/** To whose account was made by another issuer, and takes one for what he wants. */
export const noPasswordYet = 'this account has none yet: `requestPasswordReset` mails a link that sets one';

/** Whether it is worth a hash; a longer one is nobody's. */
export const canBePassword = (text: string): boolean =>
  Buffer.byteLength(text) <= maxPasswordBytes && text.isWellFormed();

/**
 * 64 characters of base64, all of which bcrypt reads: it would stop at 72 bytes or at a NUL. Keyed, so that a SHA-384
 * that leaked elsewhere is not an input here.
 */
export const digestOf = (password: string): string =>
  createHmac('sha384', 'quarry/password').update(normalized(password), 'utf8').digest('base64');
