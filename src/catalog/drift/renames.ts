/**
 * Texts that are equal but for names that are others by now. An engine prints a definition with the names of today: a
 * renamed column is another one in every view, index and constraint that has it, and none of these was altered.
 */

export interface Renames {
  /** A name that is another one by now, wherever it stands. */
  add(before: string, after: string): void;
  /** A value that is another one by now, as a literal that is cast. */
  addLiteral(before: string, after: string): void;
  /** Whether the texts say the same. */
  same(before: string, after: string): boolean;
}

export function createRenames(): Renames {
  const names = new Map<string, Set<string>>();
  const literals = new Map<string, Set<string>>();
  /** On either side. */
  const renamed = new Set<string>();

  const has = (pairs: ReadonlyMap<string, ReadonlySet<string>>, before: string, after: string) =>
    pairs.get(before)?.has(after) ?? false;

  function isSame(before: Token, after: Token, cast: string | null): boolean {
    if (before.text === after.text) return true;
    if (before.kind !== after.kind) return false;
    if (before.kind === 'name') return has(names, before.text, after.text);
    if (before.kind !== 'literal' || cast === null) return false;
    // nextval('shop.orders_id_seq'::regclass) names a sequence.
    return cast.startsWith('reg') ? sameTexts(before.text, after.text) : has(literals, before.text, after.text);
  }

  /** A column that lost its name to a rename keeps it in a view: `total` is `amount AS total` then. */
  const isAlias = (tokens: readonly Token[], place: number): boolean =>
    tokens[place]?.text.toUpperCase() === 'AS' && renamed.has(tokens[place + 1]?.text ?? '');

  function sameTexts(before: string, after: string): boolean {
    const [old, now] = [tokensOf(before), tokensOf(after)];
    let [place, other] = [0, 0];
    while (place < old.length || other < now.length) {
      const [one, two] = [old[place], now[other]];
      if (one && two && isSame(one, two, castOf(old, place))) {
        place += 1;
        other += 1;
      } else if (isAlias(old, place)) place += 2;
      else if (isAlias(now, other)) other += 2;
      else return false;
    }
    return true;
  }

  const put = (pairs: Map<string, Set<string>>, before: string, after: string) => {
    if (before === after) return;
    pairs.set(before, (pairs.get(before) ?? new Set()).add(after));
  };

  return {
    add(before, after) {
      put(names, before, after);
      if (before !== after) renamed.add(before).add(after);
    },
    addLiteral: (before, after) => put(literals, before, after),
    same(before, after) {
      if (before === after || has(names, before, after)) return true;
      return renamed.size + literals.size > 0 && sameTexts(before, after);
    },
  };
}

interface Token {
  readonly kind: 'name' | 'literal' | 'other';
  /** Of a name and of a literal without its quotes. */
  readonly text: string;
}

const tokenPattern = /"(?:[^"]|"")*"|E'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|[\p{L}_][\p{L}\p{N}_$]*|[^\s]/gsu;

function tokensOf(text: string): Token[] {
  return Array.from(text.matchAll(tokenPattern), ([token]): Token => {
    if (token.length > 1 && token.startsWith('"')) {
      return { kind: 'name', text: token.slice(1, -1).replaceAll('""', '"') };
    }
    if (token.length > 1 && token.startsWith("'")) {
      return { kind: 'literal', text: token.slice(1, -1).replaceAll("''", "'") };
    }
    return { kind: /^[\p{L}_]/u.test(token) && !token.endsWith("'") ? 'name' : 'other', text: token };
  });
}

/** The first name of the type behind `::`, null where there is none. */
const castOf = (tokens: readonly Token[], place: number): string | null =>
  tokens[place + 1]?.text === ':' && tokens[place + 2]?.text === ':' ? (tokens[place + 3]?.text ?? null) : null;
