/**
 * The newest changes of one database, in memory and in the order of the commits. Readers come for what is behind their
 * place and wait for nobody; what is oldest goes when there is too much. Who is too slow for that is log-readers.ts'.
 */
import type { ChangedRow, CommitPosition, FeedEvent } from '../engines/changes.ts';
import { AppError } from '../lib/errors.ts';
import type { Change, Piece, Transaction } from './change.ts';
import { comparePositions, laterOf, type Position, wholeTransaction } from './positions.ts';

export interface ChangeLogLimits {
  /** About what the changes may take in memory; asked again and again. */
  readonly maxBytes: () => number;
  readonly maxPieces: number;
  /** A transaction is cut into pieces of so many changes. */
  readonly changesOfPiece: number;
  readonly bytesOfPiece: number;
}

export const changeLogLimits = {
  maxPieces: 200_000,
  changesOfPiece: 500,
  bytesOfPiece: 512 * 1_024,
} as const;

export interface ChangeLog {
  /** @returns the pieces that were added */
  append(events: readonly FeedEvent[]): readonly Piece[];
  /** Nothing up to here has been left out. */
  alive(commit: CommitPosition): void;
  /** Behind all that is in it. */
  readonly end: { readonly ordinal: number; readonly position: Position };
  /** Of the first change that is left, or will come. */
  readonly firstOrdinal: number;
  /** The first change behind a position. @throws AppError POSITION_LOST where something behind it is gone */
  find(position: Position): number;
  /** Behind the change before this one. */
  positionBefore(ordinal: number): Position;
  /** What there is from this change on, the piece that it is in first. @throws AppError POSITION_LOST */
  from(ordinal: number): Generator<Piece, void>;
  /** Behind the last transaction that is gone whole: the log can tell of all that was committed since. */
  readonly tail: CommitPosition;
  /** Bytes of the changes from this one on. */
  bytesBehind(ordinal: number): number;
  readonly bytes: number;
  readonly maxBytes: number;
}

/** @param start behind which the log begins */
export function createChangeLog({ start, limits }: { start: Position; limits: ChangeLogLimits }): ChangeLog {
  /** Those before `head` are gone. */
  let pieces: Piece[] = [];
  let head = 0;
  /** Behind the last one that is gone. */
  let gone = start;
  let goneBytes = 0;
  let tail = start.commit;
  let end = { ordinal: 0, position: start, bytes: 0 };
  let transaction: Transaction | null = null;
  /** Place of the last change of the transaction. */
  let told = 0;

  function add(current: Transaction, changes: readonly Change[], size: number, last: boolean): Piece {
    const piece: Piece = {
      transaction: current,
      ordinal: end.ordinal,
      place: told + 1,
      changes,
      last,
      bytes: size,
      bytesBefore: end.bytes,
    };
    pieces.push(piece);
    told += changes.length;
    end = { ordinal: end.ordinal + changes.length, position: endOf(piece), bytes: end.bytes + size };
    return piece;
  }

  function makeRoom(): void {
    const maxBytes = limits.maxBytes();
    // The newest one stays, however large: somebody has to be able to read it.
    while (pieces.length - head > 1 && (end.bytes - goneBytes > maxBytes || pieces.length - head > limits.maxPieces)) {
      const piece = pieces[head]!;
      pieces[head] = emptied;
      head += 1;
      goneBytes += piece.bytes;
      gone = endOf(piece);
      if (piece.last) tail = piece.transaction.position;
    }
    // Seldom, so that each piece is moved about once.
    if (head > spare && head * 2 > pieces.length) {
      pieces = pieces.slice(head);
      head = 0;
    }
  }

  /** The first one for which it holds, as it does for all behind that. */
  function firstThat(holds: (piece: Piece) => boolean): Piece | undefined {
    let [low, high] = [head, pieces.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(pieces[middle]!)) high = middle;
      else low = middle + 1;
    }
    return pieces[low];
  }

  const pieceOf = (ordinal: number) => firstThat((piece) => piece.ordinal + piece.changes.length > ordinal);
  const firstOrdinal = () => pieces[head]?.ordinal ?? end.ordinal;

  return {
    append(events) {
      const added: Piece[] = [];
      let changes: Change[] = [];
      let size = pieceBytes;
      const cut = (last: boolean) => {
        if (transaction === null || (changes.length === 0 && !last)) return;
        added.push(add(transaction, changes, size, last));
        changes = [];
        size = pieceBytes;
      };
      const take = (change: Change) => {
        // Between them was what nobody follows: the places of a piece have no gaps.
        if (change.place !== told + changes.length + 1) {
          cut(false);
          told = change.place - 1;
        }
        changes.push(change);
        size += bytesOf(change);
        if (changes.length >= limits.changesOfPiece || size >= limits.bytesOfPiece) cut(false);
      };
      for (const event of events) {
        if (event.type === 'begin') {
          transaction = { id: event.transactionId, committedAt: event.committedAt, position: event.position };
          told = 0;
        } else if (event.type === 'commit') {
          cut(true);
          transaction = null;
        } else if (event.type === 'truncate') {
          for (const [index, table] of event.tables.entries())
            take({ type: 'truncate', place: event.place + index, table });
        } else if (event.type === 'insert' || event.type === 'update' || event.type === 'delete') take(event);
      }
      cut(false);
      makeRoom();
      return added;
    },

    alive(commit) {
      end = { ...end, position: laterOf(end.position, { commit, place: wholeTransaction }) };
    },

    get end() {
      return end;
    },
    get tail() {
      return tail;
    },
    get firstOrdinal() {
      return firstOrdinal();
    },
    get bytes() {
      return end.bytes - goneBytes;
    },
    get maxBytes() {
      return limits.maxBytes();
    },

    find(position) {
      if (comparePositions(position, gone) < 0) throw tooOld();
      const piece = firstThat((one) => comparePositions(endOf(one), position) > 0);
      if (!piece) return end.ordinal;
      const inside = piece.transaction.position === position.commit ? position.place + 1 - piece.place : 0;
      return piece.ordinal + Math.max(0, inside);
    },

    positionBefore(ordinal) {
      if (ordinal >= end.ordinal) return end.position;
      const piece = ordinal > firstOrdinal() ? pieceOf(ordinal - 1) : undefined;
      if (!piece) return gone;
      const place = piece.place + (ordinal - 1 - piece.ordinal);
      const whole = piece.last && ordinal === piece.ordinal + piece.changes.length;
      return { commit: piece.transaction.position, place: whole ? wholeTransaction : place };
    },

    *from(ordinal) {
      // By number: a reader who stops for a while finds the log as it is then.
      for (let next = ordinal; next < end.ordinal; ) {
        if (next < firstOrdinal()) throw tooOld();
        const piece = pieceOf(next)!;
        yield piece;
        next = piece.ordinal + piece.changes.length;
      }
    },

    bytesBehind(ordinal) {
      const piece = pieceOf(ordinal);
      return piece ? end.bytes - piece.bytesBefore : 0;
    },
  };
}

/** In the place of one that is gone, so that its rows are let go at once. */
const emptied: Piece = {
  transaction: { id: '', committedAt: new Date(0), position: '' },
  ordinal: 0,
  place: 0,
  changes: [],
  last: false,
  bytes: 0,
  bytesBefore: 0,
};
/** Places of those that are gone. */
const spare = 1_000;

const endOf = ({ transaction, place, changes, last }: Piece): Position => ({
  commit: transaction.position,
  place: last ? wholeTransaction : place + changes.length - 1,
});

const tooOld = (): AppError =>
  new AppError(
    'POSITION_LOST',
    'Changes behind this position are kept no longer: read the rows again, then subscribe without `after`',
  );

/** About what V8 takes beside the letters. */
const pieceBytes = 200;
const changeBytes = 64;
const valueBytes = 24;
const nothingBytes = 8;

function bytesOf(change: Change): number {
  if (change.type === 'truncate') return changeBytes;
  const old = change.type === 'insert' ? null : change.old;
  const now = change.type === 'delete' ? null : change.new;
  return changeBytes + rowBytes(old) + rowBytes(now);
}

function rowBytes(row: ChangedRow | null): number {
  let bytes = 0;
  for (const text of row ?? []) bytes += text == null ? nothingBytes : valueBytes + text.length;
  return bytes;
}
