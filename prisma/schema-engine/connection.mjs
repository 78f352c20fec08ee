/** A URL as the separate parts that `pg` takes. */
import { parseIntoClientConfig } from 'pg-connection-string';

/**
 * Parts, because beside a `connectionString` pg ignores `database`: the migrations that were meant for the shadow
 * database would then run in the one that the URL names.
 */
export function connectionOf(url) {
  if (!url) throw new Error('No URL of a database: set DATABASE_URL');
  return { database: 'postgres', ...parseIntoClientConfig(url) };
}
