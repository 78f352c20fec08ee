/** Which functions give another answer while no row changes: those of time and chance, and those that look elsewhere. */

export interface CalledFunction {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  /** Schema and name, quoted where SQL needs it. */
  readonly label: string;
  /** i, s or v. */
  readonly volatility: string;
  readonly language: string;
  readonly arguments: number;
}

/** Below it is what came with the server (access/transam.h). */
export const firstNormalOid = 16_384;

const ofTime: ReadonlySet<string> = new Set([
  'now',
  'transaction_timestamp',
  'statement_timestamp',
  'clock_timestamp',
  'timeofday',
]);

/**
 * Stable functions of the server are so for the settings of the session, which stay; but for these, which look into the
 * catalogue, at statistics or at other transactions.
 */
const ofElsewhere = [
  /^pg_(?!typeof|basetype|column_(size|compression)|collation_for|client_encoding|backend_pid|size_|input_|options_)/,
  /^(has_\w+_privilege|row_security_active|format_type)$/,
  /^to_reg(?!exp)/,
  /^(txid_|mxid_age$)/,
  /^(cursor|database|query|schema|table)_to_xml/,
  /^(col|obj|shobj)_description$/,
] as const;

/** Why what a function of the server gives may change by itself; null: it does not. */
export function unrestOf({ name, volatility, arguments: count }: CalledFunction): string | null {
  // age(timestamp) is counted from today, age(xid) from now; age(a, b) from b.
  if (ofTime.has(name) || (name === 'age' && count === 1)) return `${name}() changes with time`;
  if (volatility === 'v') return `${name}() may give something else each time`;
  if (volatility === 's' && ofElsewhere.some((pattern) => pattern.test(name))) {
    return `${name}() tells of what is in no table of the query`;
  }
  return null;
}

export const isServersOwn = ({ oid }: { readonly oid: string }): boolean => Number(oid) < firstNormalOid;

/** Current date and time, in their spelling without parentheses: the first nine of SQLValueFunctionOp (nodes/primnodes.h). */
const timeOps = 9;
export const isTimeOp = (op: string): boolean => (/^\d+$/.test(op) ? Number(op) < timeOps : /DATE|TIME/.test(op));

export const currentTime = 'the current date or time is part of it';
