/** What tells two addresses apart: NFKC, lower case, trimmed. */
export const emailKeyOf = (email: string): string => email.normalize('NFKC').trim().toLowerCase();
