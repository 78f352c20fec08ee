/** Numbers of any length as texts that compare as the numbers do, exactly: PostgreSQL's order, where NaN is the greatest. */
import { withoutTrailing } from '../lib/trim.ts';

const decimal = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,6}))?$/i;
const specials: Readonly<Record<string, string>> = { NaN: 'z', Infinity: 'y', '-Infinity': 'a' };

/** Digits before the point lie between 10^6 and -10^6 of these: numeric has 131,072 of them at the most. */
const exponentMiddle = 5_000_000;
const exponentDigits = 7;

/** Equal numbers have equal texts: `1.10` and `11e-1`. Undefined for what is no number. */
export function decimalRank(text: string): string | undefined {
  const special = specials[text];
  if (special !== undefined) return special;
  const [, sign, whole = '', fraction = '', power = '0'] = decimal.exec(text) ?? [];
  if (sign === undefined || whole + fraction === '') return undefined;
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return 'o';
  const exponent = exponentMiddle + digits.length - fraction.length + Number(power);
  const significant = withoutTrailing(digits, '0');
  if (sign !== '-') return `p${padded(exponent)}${significant}`;
  // The larger it is without its sign, the smaller it is; behind its digits comes what is greater than any digit.
  return `n${padded(2 * exponentMiddle - exponent)}${complement(significant)}~`;
}

const padded = (exponent: number): string => String(exponent).padStart(exponentDigits, '0');

const complement = (digits: string): string => digits.replace(/\d/g, (digit) => String(9 - Number(digit)));
