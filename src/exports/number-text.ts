/** Which texts of numbers are number literals, in JSON and in SQL alike. */

const zero = 48;
const nine = 57;

/** `-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?`, in a loop: a regular expression costs four times as much. */
export function isNumberLiteral(text: string): boolean {
  const { length } = text;
  let at = text.charCodeAt(0) === 45 /* - */ ? 1 : 0;
  const first = at;
  at = endOfDigits(text, at);
  if (at === first || (at > first + 1 && text.charCodeAt(first) === zero)) return false;
  if (at === length) return true;
  if (text.charCodeAt(at) === 46 /* . */) {
    const fraction = at + 1;
    at = endOfDigits(text, fraction);
    if (at === fraction) return false;
    if (at === length) return true;
  }
  const mark = text.charCodeAt(at);
  if (mark !== 101 /* e */ && mark !== 69 /* E */) return false;
  const sign = text.charCodeAt(at + 1);
  const exponent = sign === 43 /* + */ || sign === 45 /* - */ ? at + 2 : at + 1;
  at = endOfDigits(text, exponent);
  return at > exponent && at === length;
}

function endOfDigits(text: string, start: number): number {
  let at = start;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < zero || code > nine) break;
  }
  return at;
}
