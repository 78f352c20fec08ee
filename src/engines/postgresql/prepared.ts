/** Which statements a connection keeps the plans of: most of the time of a page goes into planning the same few again. */
import type { AppError } from '../../lib/errors.ts';

/** Of a connection: a plan takes some 100 kB of the server. */
const maxStatements = 50;
/** What is asked about more at once is worth a plan of its own. */
const maxItems = 200;
/** SQLSTATEs of a prepared statement that is not there, or there already. */
const lost = /^(26000|42P05)$/;

export interface Prepared<Connection extends object> {
  /** What the statement goes by on this connection; undefined where it is not to be prepared. */
  nameOf(connection: Connection, sql: string, values: readonly unknown[]): string | undefined;
  /** Of a statement with a name: a pooler had another session answer than was asked before. Nothing is prepared from then on. */
  isLost(error: AppError): boolean;
}

export function createPrepared<Connection extends object>(): Prepared<Connection> {
  const named = new WeakMap<Connection, Map<string, string>>();
  let possible = true;
  return {
    nameOf(connection, sql, values) {
      if (!possible || values.some((value) => Array.isArray(value) && value.length > maxItems)) return undefined;
      const names = named.get(connection) ?? new Map<string, string>();
      named.set(connection, names);
      const known = names.get(sql);
      if (known !== undefined || names.size >= maxStatements) return known;
      const name = `quarry_${names.size}`;
      names.set(sql, name);
      return name;
    },
    isLost(error) {
      if (!lost.test(String(error.details?.sqlState))) return false;
      possible = false;
      return true;
    },
  };
}
