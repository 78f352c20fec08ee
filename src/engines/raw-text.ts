/**
 * Cells that were kept, turned back into the raw text that they were read from. The way back of what each engine's
 * decoders do; exact as long as the script has not changed how its session prints.
 */
import type { Cell, ResultColumn } from './engine.ts';
import type { ExportType, ScalarType } from './export-type.ts';

/** One row after the other, as wide as the columns. */
export function rawTextOf(columns: readonly Pick<ResultColumn, 'type'>[]): (row: readonly Cell[]) => (string | null)[] {
  const encoders = columns.map(({ type }) => encoderOf(type));
  return (row) => encoders.map((encode, i) => encode(row[i] ?? null));
}

function encoderOf(type: ExportType): (cell: Cell) => string | null {
  if (type.kind !== 'list') return (cell) => (cell === null ? null : scalarText(cell, type));
  const { of, delimiter = ',' } = type;
  // One that begins elsewhere than at 1 has stayed text.
  return (cell) => (cell === null ? null : Array.isArray(cell) ? listText(cell, of, delimiter) : String(cell));
}

function scalarText(cell: Exclude<Cell, null>, { kind }: ScalarType): string {
  if (typeof cell === 'string') return kind === 'binary' ? hexOf(cell) : cell;
  if (typeof cell === 'boolean') return cell ? 't' : 'f';
  if (typeof cell === 'number') return kind === 'float64' || kind === 'float32' ? floatText(cell, kind) : String(cell);
  throw new TypeError('a list in a column that holds none');
}

const hexOf = (base64: string): string => `\\x${Buffer.from(base64, 'base64').toString('hex')}`;

/** From here on a float is printed with an exponent: as printf's %g, which PostgreSQL's d2s.c and f2s.c keep to. */
const fixedDigits = { float64: 15, float32: 6 } as const;

/** As PostgreSQL prints it: `1e+20`, `1e-05`, where JavaScript has other forms. */
function floatText(value: number, kind: 'float64' | 'float32'): string {
  const [mantissa = '', exponentText] = shortest(value, kind).split('e');
  const exponent = Number(exponentText);
  // JavaScript itself has no exponents between 1e-6 and 1e21.
  if (exponent >= -4 && exponent < fixedDigits[kind]) return String(value);
  const digits = String(Math.abs(exponent)).padStart(2, '0');
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${digits}`;
}

/**
 * The shortest digits that give the number back to any reader. JavaScript also takes those that lie halfway to the next
 * double, which only a reader gives back that rounds to even; d2s.c does not (acceptBounds). It takes 18 digits to lie
 * there below 2^53.
 */
function shortest(value: number, kind: 'float64' | 'float32'): string {
  const text = value.toExponential();
  const size = Math.abs(value);
  if (kind === 'float32' || size < 2 ** 53) return text;
  const exact = BigInt(size);
  const bits = exact.toString(2).length;
  const above = 1n << BigInt(bits - 53);
  const below = exact === 1n << BigInt(bits - 1) ? above / 2n : above;
  const isInside = (digits: string) => {
    const twiceOff = 2n * (integerOf(digits) - exact);
    return twiceOff < above && twiceOff > -below;
  };
  const longer = Array.from({ length: 17 }, (_, i) => value.toExponential(i)).filter((t) => t.length > text.length);
  return [text, ...longer].find(isInside) ?? text;
}

/** Of the digits of a double above 2^53, `-5.9e+16`, without its sign. */
function integerOf(digits: string): bigint {
  const [mantissa = '', exponent] = digits.replace('-', '').split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return BigInt(whole + fraction.padEnd(Number(exponent), '0'));
}

function listText(cells: readonly Cell[], of: ScalarType, delimiter: string): string {
  const items = cells.map((cell) => {
    if (cell === null) return 'NULL';
    if (Array.isArray(cell)) return listText(cell, of, delimiter);
    const text = scalarText(cell, of);
    return needsQuotes(text, delimiter) ? `"${text.replace(/["\\]/g, '\\$&')}"` : text;
  });
  return `{${items.join(delimiter)}}`;
}

/** As array_out() decides; its blanks are those of ASCII. */
const needsQuotes = (text: string, delimiter: string): boolean =>
  text === '' || /["\\{} \t\n\v\f\r]/.test(text) || text.includes(delimiter) || /^null$/i.test(text);
