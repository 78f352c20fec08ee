/** PostgreSQL's own parser, compiled to WebAssembly: a script becomes the raw parse trees of its statements. */
import { setFlagsFromString } from 'node:v8';
import createModule from 'libpg-query/wasm/libpg-query.js';

/** One node of a parse tree: `{ SelectStmt: { … } }`, as `pg_query` prints it. */
export type Tree = Readonly<Record<string, unknown>>;

export interface ParsedStatement {
  readonly tree: Tree;
  /** Bytes of UTF-8 before it. */
  readonly start: number;
  /** Bytes; absent for one that reaches to the end of the script. */
  readonly length: number | undefined;
}

/** What the parser did not understand. */
export class SyntaxFault extends Error {
  /** 1-based code point; null where the parser names none. */
  readonly character: number | null;
  constructor(message: string, character: number | null) {
    super(message);
    this.name = 'SyntaxFault';
    this.character = character;
  }
}

export interface Parser {
  /** Synchronous inside: about half a second a megabyte. @throws SyntaxFault */
  parse(script: string): Promise<ParsedStatement[]>;
}

interface Module {
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  _wasm_parse_query_raw(text: number): number;
  _wasm_free_parse_result(result: number): void;
  lengthBytesUTF8(text: string): number;
  stringToUTF8(text: string, pointer: number, maxBytes: number): void;
  UTF8ToString(pointer: number): string;
  getValue(pointer: number, type: 'i32'): number;
}

/**
 * An instance of the module for each parser, and not the one that the package shares: an expression nested so deep that
 * it overflows the stack leaves an instance damaged for all who come later, so that it has to be thrown away.
 */
export function createParser(): Parser {
  let loading: Promise<Module> | null = null;

  return {
    async parse(script) {
      loading ??= load();
      const module = await loading;
      try {
        return parseWith(module, script);
      } catch (error) {
        if (error instanceof SyntaxFault) throw error;
        loading = null;
        throw new SyntaxFault('The script is nested too deeply', null);
      }
    },
  };
}

/**
 * V8 looks at these flags when a function of the module first runs. To optimize the grammar, one function of 100 kB,
 * takes 600 MB for a second and saves a fifth of the time of a parse: so it runs once before they are put back.
 */
async function load(): Promise<Module> {
  const tiers = ['wasm-tier-up', 'wasm-dynamic-tiering'];
  for (const tier of tiers) setFlagsFromString(`--no-${tier}`);
  try {
    const module = await (createModule as () => Promise<Module>)();
    parseWith(module, 'SELECT 1');
    return module;
  } finally {
    for (const tier of tiers) setFlagsFromString(`--${tier}`);
  }
}

function parseWith(module: Module, script: string): ParsedStatement[] {
  const bytes = module.lengthBytesUTF8(script) + 1;
  const text = module._malloc(bytes);
  module.stringToUTF8(script, text, bytes);
  const result = module._wasm_parse_query_raw(text);
  // Of its struct: the tree as JSON, standard error, the error.
  const fault = module.getValue(result + 8, 'i32');
  const failure = fault === 0 ? null : readFault(module, fault);
  const json = failure === null ? module.UTF8ToString(module.getValue(result, 'i32')) : '';
  module._wasm_free_parse_result(result);
  module._free(text);
  if (failure !== null) throw failure;
  const { stmts = [] } = JSON.parse(json) as { stmts?: { stmt: Tree; stmt_location?: number; stmt_len?: number }[] };
  return stmts.map(({ stmt, stmt_location, stmt_len }) => ({
    tree: stmt,
    start: stmt_location ?? 0,
    length: stmt_len,
  }));
}

function readFault(module: Module, fault: number): SyntaxFault {
  const message = module.UTF8ToString(module.getValue(fault, 'i32'));
  // After message, function, file and line.
  const character = module.getValue(fault + 16, 'i32');
  return new SyntaxFault(message, character > 0 ? character : null);
}
