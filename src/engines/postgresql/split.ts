/** Takes a script apart into its statements, each with its place, before anything of it runs. */
import { RunError, type Statement } from '../engine.ts';
import { classify, type StatementKind } from './classify.ts';
import { type Place, positionIn } from './errors.ts';
import { type ParsedStatement, type Parser, SyntaxFault } from './parser.ts';

export type ScriptStatement = Statement & StatementKind;

/** Half a second of parsing, during which this process does nothing else. */
const maxScriptBytes = 2 ** 20;

/** @throws RunError SQL_ERROR where it does not parse or holds no statement, LIMIT_EXCEEDED where it is too long */
export async function split({ parser }: { parser: Parser }, script: string): Promise<ScriptStatement[]> {
  const statements = statementsOf(script, await parseScript({ parser }, script));
  if (statements.length === 0) {
    throw new RunError({ code: 'SQL_ERROR', message: 'The script holds no statement', hint: 'Write some SQL.' });
  }
  return statements;
}

/** @throws RunError SQL_ERROR where it does not parse, LIMIT_EXCEEDED where it is too long */
export async function parseScript({ parser }: { parser: Parser }, script: string): Promise<ParsedStatement[]> {
  if (Buffer.byteLength(script) > maxScriptBytes) {
    const hint = 'Run it in parts.';
    throw new RunError({ code: 'LIMIT_EXCEEDED', message: `The script is longer than ${maxScriptBytes} bytes`, hint });
  }
  if (script.includes('\0')) throw new RunError({ code: 'SQL_ERROR', message: 'The script holds a NUL character' });
  return await parser.parse(script).catch((fault: unknown) => {
    throw fault instanceof SyntaxFault ? syntaxError(script, fault) : fault;
  });
}

/** Each with its own text and its place. */
export function statementsOf(script: string, parsed: readonly ParsedStatement[]): ScriptStatement[] {
  const bytes = Buffer.from(script);
  const statements: ScriptStatement[] = [];
  // Offsets come in bytes; both cursors only ever go forward, so that a long script stays linear.
  let byte = 0;
  let unit = 0;
  for (const { tree, start, length } of parsed) {
    unit += bytes.toString('utf8', byte, start).length;
    byte = start;
    const text = bytes.toString('utf8', start, length === undefined ? bytes.length : start + length);
    const sql = text.trim();
    statements.push({ sql, offset: unit + text.indexOf(sql), ...classify(tree) });
  }
  return statements;
}

function syntaxError(script: string, { message, character }: SyntaxFault): RunError {
  const place: Place = { script, offset: 0, statement: 0 };
  return new RunError({
    code: 'SQL_ERROR',
    sqlState: character === null ? '54001' : '42601',
    message,
    ...(character === null ? {} : positionIn(place, character)),
    hint: syntaxHint(script, character),
  });
}

function syntaxHint(script: string, character: number | null): string | undefined {
  const atFault = character === null ? undefined : [...script][character - 1];
  if (atFault === '\\' || /^[ \t]*\\(?!\.[ \t\r]*$)\w*/m.test(script)) {
    return 'Commands of psql, such as \\d or \\set, are not SQL.';
  }
  if (/\bfrom\s+stdin\b/i.test(script) || /^\\\.[ \t\r]*$/m.test(script)) {
    return 'Data behind COPY FROM STDIN cannot be part of a script: use INSERT.';
  }
  return undefined;
}
