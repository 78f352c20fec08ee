/** Says on stderr, in the words that Prisma's CLI reads, why the engine ends. */

const unreachable = 'P1001';
/** SQLSTATE of PostgreSQL → Prisma's code; the CLI decides by it, e.g. whether to make the database. */
const prismaCodes = { '28P01': 'P1000', 28000: 'P1000', '3D000': 'P1003', '42P04': 'P1009' };

const exitCodes = { error: 1, panic: 101 };

/** Ends the process: the CLI shows the message; of a panic it also says that it is a bug of the engine. */
export function fail(error, { panic } = {}) {
  const fields = {
    message: panic ?? (error.message || String(error.code ?? error)),
    error_code: prismaCodes[error.code] ?? unreachable,
    is_panic: panic !== undefined,
  };
  const line = { timestamp: new Date().toISOString(), level: 'ERROR', target: 'schema_engine::logger', fields };
  // The CLI throws the first line away unread and takes every other one for JSON.
  process.stderr.write(`schema engine\n${JSON.stringify(line)}\n`);
  process.exit(panic === undefined ? exitCodes.error : exitCodes.panic);
}
