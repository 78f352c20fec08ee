/**
 * Hides secrets in the text of statements that others are shown. It cannot know every secret: where something is named
 * like one, in a name, a literal or a comment, every literal and number of that statement is hidden, and of all that
 * follow. Rather too much than too little.
 */

const hidden = "'***'";

/** In names of any length: `app_pwd`, `PassCode`, `x-auth-key`; but not in `author` and `passenger`. */
const secretWord =
  /pass(?!enger)|pwd|secret|token|auth(?!or(?!i[sz]))|bearer|credential|crypt|pgp_|hmac|digest|(?:api|private|access)[_-]?key/i;
/** Of a URL, before its @: a user, and what stands behind it. */
const userInfo = /:\/\/[^/:]*:/;
const hasUserInfo = (text: string): boolean =>
  text.includes('@') &&
  text.split(/\s/).some((word) =>
    word
      .split('@')
      .slice(0, -1)
      .some((part) => userInfo.test(part)),
  );
/** Says in escapes what it is. */
const escapedName = /^u&"/i;

/** What is unfinished reaches to the end: a server cuts what it shows. Where a block comment ends is counted below. */
const tokens = new RegExp(
  [
    String.raw`(?<comment>--[^\n]*|/\*)`,
    String.raw`(?<literal>(?<![\w$])[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)|(?<plain>'(?:[^']|'')*(?:'|$))|(?<![\w$])\$(?<tag>(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$[\s\S]*?(?:\$\k<tag>\$|$))`,
    String.raw`(?<word>(?:[uU]&)?"(?:[^"]|"")*(?:"|$)|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)`,
    String.raw`(?<number>(?<![\w$])\d[\w.]*)`,
    '(?<mark>[=;])',
  ].join('|'),
  'g',
);

type Kind = 'comment' | 'literal' | 'word' | 'number' | 'mark' | 'rest';

interface Piece {
  readonly kind: Kind;
  readonly text: string;
}

/** The statement as it may be shown; of a length of its own. */
export function maskSecrets(sql: string): string {
  const pieces = piecesOf(sql);
  const first = pieces.findIndex(tells);
  if (first === -1) return sql;
  // A name may follow what it names: 'x' AS password.
  const start = pieces.findLastIndex(({ kind, text }, i) => i < first && kind === 'mark' && text === ';') + 1;
  let assigned = false;
  return pieces
    .map((piece, i) => {
      const { kind, text } = piece;
      if (kind === 'comment') return tells(piece) ? '/* *** */' : text;
      if (kind === 'rest') return text;
      // SET app.token TO hunter2
      const value = kind === 'literal' || kind === 'number' || (kind === 'word' && assigned && i > first);
      assigned = text === '=' || (kind === 'word' && text.toLowerCase() === 'to');
      return value && i >= start ? hidden : text;
    })
    .join('');
}

function tells({ kind, text }: Piece): boolean {
  if (kind === 'word') return secretWord.test(text) || escapedName.test(text);
  return (kind === 'literal' || kind === 'comment') && (secretWord.test(text) || hasUserInfo(text));
}

/** All of the text, in its order. */
function piecesOf(sql: string): Piece[] {
  const pieces: Piece[] = [];
  const suspect = secretWord.test(sql) || hasUserInfo(sql);
  const scanner = new RegExp(tokens);
  let end = 0;
  for (let found = scanner.exec(sql); found; found = scanner.exec(sql)) {
    const groups = found.groups!;
    const kind = kinds.find((name) => groups[name] !== undefined) ?? 'rest';
    if (found.index > end) pieces.push({ kind: 'rest', text: sql.slice(end, found.index) });
    end = scanner.lastIndex;
    if (found[0] === '/*') end = endOfComment(sql, end);
    // Whether \' ends it is a setting of a session that is not this one: either way may show what the other hides.
    if (suspect && groups.plain?.includes("\\'")) end = sql.length;
    scanner.lastIndex = end;
    pieces.push({ kind, text: sql.slice(found.index, end) });
  }
  if (end < sql.length) pieces.push({ kind: 'rest', text: sql.slice(end) });
  return pieces;
}

const kinds: readonly Kind[] = ['comment', 'literal', 'word', 'number', 'mark'];

/** Comments nest. */
function endOfComment(sql: string, from: number): number {
  const edges = /\/\*|\*\//g;
  edges.lastIndex = from;
  let depth = 1;
  for (let edge = edges.exec(sql); edge; edge = edges.exec(sql)) {
    depth += edge[0] === '/*' ? 1 : -1;
    if (depth === 0) return edges.lastIndex;
  }
  return sql.length;
}
