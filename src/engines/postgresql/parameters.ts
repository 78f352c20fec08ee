/** Values of JSON, turned into the text that PostgreSQL reads for the type of a parameter. The way back of types.ts. */
import { RunError } from '../engine.ts';
import type { ValueType } from './types.ts';

const bytea = 17;
const floats: ReadonlySet<number> = new Set([700, 701]);
const json: ReadonlySet<number> = new Set([114, 3802]);

/** Why a value cannot be given to its parameter; the message is for the one who gave it. */
class ParameterFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ParameterFault';
  }
}

/** What is given, for the types that the server has told. @throws RunError SQL_ERROR for a wrong number or a value that does not fit */
export function toParameters(given: readonly unknown[], types: readonly ValueType[]): (string | null)[] {
  if (given.length !== types.length) {
    const message = `The statement has ${types.length} parameters, and ${given.length} were given`;
    throw new RunError({ code: 'SQL_ERROR', message, sqlState: '08P01' });
  }
  return given.map((value, i) => {
    try {
      return toParameter(value, types[i]!);
    } catch (fault) {
      if (!(fault instanceof ParameterFault)) throw fault;
      throw new RunError({ code: 'SQL_ERROR', message: `Parameter $${i + 1}: ${fault.message}`, sqlState: '22023' });
    }
  });
}

/**
 * Text is given as it stands: for json it is the document, for an array its literal; bytea is base64. Numbers and
 * booleans as they are written, objects and arrays as json, arrays also as arrays. @throws ParameterFault
 */
function toParameter(value: unknown, type: ValueType): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return type.oid === bytea ? fromBase64(value) : value;
  if (json.has(type.oid)) return JSON.stringify(value);
  if (Array.isArray(value) && type.array !== undefined) return arrayLiteral(value, type.array);
  return scalar(value, type);
}

function scalar(value: unknown, type: ValueType): string {
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (Number.isInteger(value) && !Number.isSafeInteger(value) && !floats.has(type.oid)) {
      throw new ParameterFault('the number has lost digits on its way; give it as text');
    }
    return String(value);
  }
  throw new ParameterFault(
    Array.isArray(value) ? 'an array needs an array type, e.g. $1::integer[]' : 'an object needs json, e.g. $1::jsonb',
  );
}

function arrayLiteral(values: readonly unknown[], array: NonNullable<ValueType['array']>): string {
  const items = values.map((value) => {
    if (Array.isArray(value) && !json.has(array.element)) return arrayLiteral(value, array);
    const text = toParameter(value, { oid: array.element });
    return text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${items.join(array.delimiter)}}`;
}

function fromBase64(text: string): string {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    throw new ParameterFault('bytea is given as base64');
  }
  return `\\x${Buffer.from(text, 'base64').toString('hex')}`;
}
