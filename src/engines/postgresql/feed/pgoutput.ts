/**
 * Reads the messages of pgoutput, protocol 1, and makes of them calls, in order. It knows no table: whether a row fits
 * its relation is for the one who is called. https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
import type { CommitPosition } from '../../changes.ts';

export interface RelationColumn {
  /** Part of what identifies an old row. */
  readonly identity: boolean;
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
}

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** `d` primary key, `i` another index, `f` the whole row, `n` nothing. */
  readonly replicaIdentity: string;
  readonly columns: readonly RelationColumn[];
}

/** A text for each column; null as in SQL; undefined: a large value that did not change. */
export type Tuple = (string | null | undefined)[];

/** KEY: the columns of the identity, the others null. WHOLE: all of them. */
export type OldKind = 'KEY' | 'WHOLE';

export interface PgoutputHandler {
  /** @param position where the commit's record begins; @param committedAtMs since 1970 */
  begin(position: CommitPosition, committedAtMs: number, xid: number): void;
  commit(position: CommitPosition): void;
  relation(relation: Relation): void;
  insert(relation: number, row: Tuple): void;
  update(relation: number, old: OldKind | null, oldRow: Tuple | null, row: Tuple): void;
  delete(relation: number, old: OldKind, oldRow: Tuple): void;
  truncate(relations: readonly number[]): void;
  /** @param position where it stands in the log */
  message(prefix: string, transactional: boolean, position: CommitPosition): void;
}

/** Bytes that are no message of pgoutput. */
export class MalformedChange extends Error {
  constructor(what: string) {
    super(`The server sent a change that could not be read: ${what}`);
    this.name = 'MalformedChange';
  }
}

/** 2000-01-01, from which PostgreSQL counts microseconds. */
const epochMs = 946_684_800_000;
/** What a Date holds. */
const maxDateMs = 8.64e15;
/** PostgreSQL has no table with more. */
const maxColumns = 1_664;

const tag = {
  begin: 0x42, // B
  commit: 0x43, // C
  origin: 0x4f, // O
  relation: 0x52, // R
  type: 0x59, // Y
  insert: 0x49, // I
  update: 0x55, // U
  delete: 0x44, // D
  truncate: 0x54, // T
  message: 0x4d, // M
  key: 0x4b, // K
  old: 0x4f, // O
  new: 0x4e, // N
  null: 0x6e, // n
  unchanged: 0x75, // u
  text: 0x74, // t
} as const;

export interface Pgoutput {
  /** Reads the one message between `start` and `end`, and makes at most one call. @throws MalformedChange */
  decode(bytes: Buffer, start: number, end: number): void;
}

export function createPgoutput(handler: PgoutputHandler): Pgoutput {
  return new Decoder(handler);
}

/** Its cursor is one for all messages, so that a row costs no more than its texts. */
class Decoder implements Pgoutput {
  readonly #handler: PgoutputHandler;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  constructor(handler: PgoutputHandler) {
    this.#handler = handler;
  }

  decode(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#message();
    if (this.#at !== this.#end) throw new MalformedChange('bytes are left over');
  }

  #message(): void {
    const handler = this.#handler;
    const kind = this.#byte();
    switch (kind) {
      case tag.insert: {
        const relation = this.#uint32();
        this.#expect(tag.new);
        handler.insert(relation, this.#tuple());
        return;
      }
      case tag.update: {
        const relation = this.#uint32();
        const next = this.#byte();
        if (next === tag.new) {
          handler.update(relation, null, null, this.#tuple());
          return;
        }
        const old = oldKind(next);
        const oldRow = this.#tuple();
        this.#expect(tag.new);
        handler.update(relation, old, oldRow, this.#tuple());
        return;
      }
      case tag.delete: {
        const relation = this.#uint32();
        const old = oldKind(this.#byte());
        handler.delete(relation, old, this.#tuple());
        return;
      }
      case tag.begin: {
        const position = this.#position();
        const committedAtMs = this.#timestampMs();
        handler.begin(position, committedAtMs, this.#uint32());
        return;
      }
      case tag.commit: {
        this.#skip(1);
        const position = this.#position();
        this.#skip(16); // its end, and its time, which `begin` has told
        handler.commit(position);
        return;
      }
      case tag.relation:
        handler.relation(this.#relation());
        return;
      case tag.truncate: {
        const count = this.#uint32();
        this.#skip(1);
        if (count * 4 !== this.#end - this.#at) throw new MalformedChange('the length of a list');
        handler.truncate(Array.from({ length: count }, () => this.#uint32()));
        return;
      }
      case tag.message: {
        const flags = this.#byte();
        const position = this.#position();
        const prefix = this.#cString();
        this.#skip(this.#uint32());
        handler.message(prefix, (flags & 1) === 1, position);
        return;
      }
      case tag.type: // The catalogue tells more of a type.
        this.#skip(4);
        this.#cString();
        this.#cString();
        return;
      case tag.origin:
        this.#skip(8);
        this.#cString();
        return;
      default:
        throw new MalformedChange(`a message of kind ${kind}`);
    }
  }

  #relation(): Relation {
    const oid = this.#uint32();
    // Of pg_catalog the name is left out.
    const schema = this.#cString() || 'pg_catalog';
    const name = this.#cString();
    const replicaIdentity = String.fromCharCode(this.#byte());
    const columns: RelationColumn[] = [];
    for (let left = this.#columnCount(); left > 0; left--) {
      const identity = (this.#byte() & 1) === 1;
      const column = this.#cString();
      columns.push({ identity, name: column, typeOid: this.#uint32(), typeModifier: this.#uint32() | 0 });
    }
    return { oid, schema, name, replicaIdentity, columns };
  }

  #tuple(): Tuple {
    const count = this.#columnCount();
    const row: Tuple = new Array(count);
    const bytes = this.#bytes;
    for (let column = 0; column < count; column++) {
      const kind = this.#byte();
      if (kind === tag.text) {
        const length = this.#uint32();
        const start = this.#at;
        this.#skip(length);
        row[column] = bytes.toString('utf8', start, start + length);
      } else if (kind === tag.null) row[column] = null;
      else if (kind === tag.unchanged) row[column] = undefined;
      else throw new MalformedChange(`a value of kind ${kind}`);
    }
    return row;
  }

  #columnCount(): number {
    this.#need(2);
    const count = (this.#bytes[this.#at]! << 8) | this.#bytes[this.#at + 1]!;
    this.#at += 2;
    if (count > maxColumns) throw new MalformedChange(`${count} columns`);
    return count;
  }

  #byte(): number {
    this.#need(1);
    return this.#bytes[this.#at++]!;
  }

  #uint32(): number {
    this.#need(4);
    const bytes = this.#bytes;
    const at = this.#at;
    this.#at = at + 4;
    return bytes[at]! * 2 ** 24 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
  }

  #position(): CommitPosition {
    this.#need(8);
    const at = this.#at;
    this.#at = at + 8;
    return this.#bytes.toString('hex', at, at + 8);
  }

  #timestampMs(): number {
    this.#need(8);
    const microseconds = this.#bytes.readBigInt64BE(this.#at);
    this.#at += 8;
    const milliseconds = Number(microseconds / 1000n) + epochMs;
    if (Math.abs(milliseconds) > maxDateMs) throw new MalformedChange('a time that is none');
    return milliseconds;
  }

  #cString(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0 || end >= this.#end) throw new MalformedChange('a name without an end');
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  #expect(kind: number): void {
    const found = this.#byte();
    if (found !== kind) throw new MalformedChange(`${found} in place of ${kind}`);
  }

  #skip(count: number): void {
    this.#need(count);
    this.#at += count;
  }

  #need(count: number): void {
    if (count > this.#end - this.#at) throw new MalformedChange('it ends too early');
  }
}

function oldKind(kind: number): OldKind {
  if (kind === tag.key) return 'KEY';
  if (kind === tag.old) return 'WHOLE';
  throw new MalformedChange(`an old row of kind ${kind}`);
}
