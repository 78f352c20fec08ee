/** Takes a row apart that PostgreSQL has printed as one value: https://www.postgresql.org/docs/current/rowtypes.html */

/** A row that is not printed as one. */
export class MalformedRecord extends Error {
  constructor() {
    super('A row of the outbox could not be read');
    this.name = 'MalformedRecord';
  }
}

/** @returns a text for each column, null as in SQL. @throws MalformedRecord */
export function parseRecord(record: string): (string | null)[] {
  if (record[0] !== '(' || record.at(-1) !== ')') throw new MalformedRecord();
  const end = record.length - 1;
  const row: (string | null)[] = [];
  let at = 1;
  for (;;) {
    let text: string | null = null;
    // Only what stands between two commas is null; an empty text is in quotes.
    while (at < end && record[at] !== ',') {
      const [part, next] = record[at] === '"' ? quoted(record, at + 1, end) : bare(record, at, end);
      text = (text ?? '') + part;
      at = next;
    }
    row.push(text);
    if (at === end) return row;
    at += 1;
  }
}

function bare(record: string, start: number, end: number): [text: string, next: number] {
  let at = start;
  while (at < end && record[at] !== ',' && record[at] !== '"') at++;
  return [record.slice(start, at), at];
}

/** A quote, and a backslash, is doubled. */
function quoted(record: string, start: number, end: number): [text: string, next: number] {
  let text = '';
  let from = start;
  for (let at = start; at < end; at++) {
    const character = record[at];
    if (character !== '"' && character !== '\\') continue;
    text += record.slice(from, at);
    if (character === '"' && record[at + 1] !== '"') return [text, at + 1];
    // Its second half is the character itself.
    at += 1;
    from = at;
  }
  throw new MalformedRecord();
}
