/**
 * Texts that are equal but for names that are others by now. An engine prints a definition with the names of today: a
 * renamed column is another one in every view, index and constraint that has it, and none of these was altered.
 */
import type { QualifiedName } from '../../engines/catalog.ts';

export interface Same {
  /** Whether the texts say the same. */
  same(before: string, after: string): boolean;
  /** Whether the names lead to one object. */
  sameObject(before: QualifiedName, after: QualifiedName): boolean;
}

/** A relation that was there before, as it was called and as it is. */
export interface Owner {
  readonly before: QualifiedName;
  readonly after: QualifiedName;
}

/** What is asked of it itself is asked for a text that names whatever it is about. */
export interface Renames extends Same {
  /** A name that is another one by now, wherever it stands; or one that is known to texts about its owner alone. */
  add(before: string, after: string, owner?: Owner): void;
  /** An object that is in another schema by now. */
  addMove(before: QualifiedName, after: QualifiedName): void;
  /** A value that is another one by now, as a literal that is cast. */
  addLiteral(before: string, after: string): void;
  /** For texts that are about these, whether they name them or not. */
  within(...owners: readonly (Owner | null | undefined)[]): Same;
  /** For texts that may be about anything. */
  readonly everywhere: Same;
}

/** Of a name that is another one: whose it is; null for one that anybody may name. */
type Owners = Set<Owner | null>;

export function createRenames(): Renames {
  const names = new Map<string, Map<string, Owners>>();
  const literals = new Map<string, Set<string>>();
  const moves = new Map<string, Set<string>>();
  /** On either side. */
  const renamed = new Set<string>();

  /** @param known whether a text is about the owner */
  function sameWhere(known: (owner: Owner, old: Text, now: Text) => boolean): Same {
    function hasName(before: string, after: string, old: Text, now: Text): boolean {
      const owners = names.get(before)?.get(after);
      return owners !== undefined && (owners.has(null) || owners.values().some((owner) => known(owner!, old, now)));
    }

    function isSame(before: Token, after: Token, cast: string | null, old: Text, now: Text): boolean {
      if (before.text === after.text) return true;
      if (before.kind !== after.kind) return false;
      if (before.kind === 'name') return hasName(before.text, after.text, old, now);
      if (before.kind !== 'literal' || cast === null) return false;
      // nextval('shop.orders_id_seq'::regclass) names a sequence.
      return cast.startsWith('reg') ? sameTexts(before.text, after.text) : sameValue(before.text, after.text);
    }

    function sameTexts(before: string, after: string): boolean {
      const [old, now] = [textOf(before), textOf(after)];
      let [place, other] = [0, 0];
      while (place < old.tokens.length || other < now.tokens.length) {
        const [one, two] = [old.tokens[place], now.tokens[other]];
        if (isMoved(qualifiedAt(old.tokens, place), qualifiedAt(now.tokens, other))) {
          place += 3;
          other += 3;
        } else if (one && two && isSame(one, two, castOf(old.tokens, place), old, now)) {
          place += 1;
          other += 1;
        } else if (isAlias(old.tokens, place)) place += 2;
        else if (isAlias(now.tokens, other)) other += 2;
        else return false;
      }
      return true;
    }

    const same = (before: string, after: string): boolean => {
      if (before === after) return true;
      return renamed.size + literals.size + moves.size > 0 && sameTexts(before, after);
    };
    /** A name as it is, which may be no word of SQL. */
    const sameName = (before: string, after: string): boolean =>
      before === after || hasName(before, after, textOf(before), textOf(after)) || same(before, after);
    return {
      same: sameName,
      sameObject: (before, after) =>
        isMoved(before, after) || (sameName(before.schema, after.schema) && sameName(before.name, after.name)),
    };
  }

  const sameValue = (before: string, after: string): boolean => {
    if (before === after || literals.get(before)?.has(after)) return true;
    if (!before.startsWith('{') || !after.startsWith('{')) return false;
    const [old, now] = [elementsOf(before), elementsOf(after)];
    return old.length === now.length && old.every((one, place) => sameElement(one, now[place]!));
  };
  const sameElement = (before: string, after: string): boolean =>
    before === after || (literals.get(bare(before))?.has(bare(after)) ?? false);

  const isMoved = (before: QualifiedName | null, after: QualifiedName | null): boolean =>
    before !== null && after !== null && (moves.get(keyOf(before))?.has(keyOf(after)) ?? false);

  /** A column that lost its name to a rename keeps it in a view: `total` is `amount AS total` then. */
  const isAlias = (tokens: readonly Token[], place: number): boolean =>
    tokens[place]?.text.toUpperCase() === 'AS' && renamed.has(tokens[place + 1]?.text ?? '');

  const put = (pairs: Map<string, Set<string>>, before: string, after: string) => {
    if (before === after) return;
    pairs.set(before, (pairs.get(before) ?? new Set()).add(after));
  };

  const isNamed = ({ before, after }: Owner, old: Text, now: Text): boolean =>
    old.names.has(before.name) && now.names.has(after.name);

  return {
    ...sameWhere(isNamed),
    everywhere: sameWhere(() => true),
    within(...owners) {
      const about = new Set(owners);
      return sameWhere((owner, old, now) => about.has(owner) || isNamed(owner, old, now));
    },
    add(before, after, owner) {
      if (before === after) return;
      const others = names.get(before) ?? new Map<string, Owners>();
      names.set(before, others.set(after, (others.get(after) ?? new Set()).add(owner ?? null)));
      renamed.add(before).add(after);
    },
    addMove(before, after) {
      if (before.schema !== after.schema) put(moves, keyOf(before), keyOf(after));
    },
    addLiteral: (before, after) => put(literals, before, after),
  };
}

const keyOf = ({ schema, name }: QualifiedName): string => JSON.stringify([schema, name]);

/** What `schema.name` stands for at a place. */
function qualifiedAt(tokens: readonly Token[], place: number): QualifiedName | null {
  const [schema, dot, name] = [tokens[place], tokens[place + 1], tokens[place + 2]];
  if (schema?.kind !== 'name' || dot?.text !== '.' || name?.kind !== 'name') return null;
  return { schema: schema.text, name: name.text };
}

/** Of an array as PostgreSQL writes one, with what is between them. */
const elementsOf = (array: string): string[] => array.match(/"(?:[^"\\]|\\.)*"|[^{},"]+|[{},]/gs) ?? [];
const bare = (element: string): string =>
  element.startsWith('"') ? element.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : element;

/** A text that is compared, with the names in it. */
interface Text {
  readonly tokens: readonly Token[];
  readonly names: ReadonlySet<string>;
}

function textOf(text: string): Text {
  const tokens = tokensOf(text);
  return { tokens, names: new Set(tokens.flatMap(({ kind, text }) => (kind === 'name' ? [text] : []))) };
}

interface Token {
  readonly kind: 'name' | 'literal' | 'other';
  /** Of a name and of a literal without its quotes. */
  readonly text: string;
}

const tokenPattern = /"(?:[^"]|"")*"|E'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|[\p{L}_][\p{L}\p{N}_$]*|[^\s]/gsu;

/** Begins the body of a function, as PostgreSQL prints it; it ends with the same again. */
const bodyQuote = /^AS (\$(?:function|procedure)x*\$)/m;

/** The body of a function is text as it was written, and no engine puts other names into it: one literal. */
function tokensOf(text: string): Token[] {
  const found = bodyQuote.exec(text);
  if (!found) return tokensOutside(text);
  const [line, quote = ''] = found;
  const begin = found.index + line.length;
  const end = text.indexOf(quote, begin);
  if (end < 0) return tokensOutside(text);
  return [
    ...tokensOutside(text.slice(0, found.index)),
    { kind: 'literal', text: text.slice(begin, end) },
    ...tokensOutside(text.slice(end + quote.length)),
  ];
}

function tokensOutside(text: string): Token[] {
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
