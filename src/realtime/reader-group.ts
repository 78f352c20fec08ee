/**
 * Readers who want the same of the same tables: what one of them is given is made once, and given to all who come from the
 * same place. Where the filters name values, only those changes are looked at that were found by them.
 */
import { setImmediate } from 'node:timers/promises';
import { tableId } from '../catalog/ids.ts';
import type { QualifiedName } from '../engines/catalog.ts';
import type { ChangedTable } from '../engines/changes.ts';
import type { Piece } from './change.ts';
import type { ChangeLog } from './change-log.ts';
import { createLane, type Lane, type LanePlace, type Waiting } from './lane.ts';
import type { Position, Positions } from './positions.ts';
import { createTeller, type Source, type Told } from './row-change.ts';
import type { PieceRights, RowRights } from './row-rights.ts';

export interface RowChange extends Told {
  /** Of the graph. */
  readonly tableId: string;
  readonly table: QualifiedName;
  readonly at: Position;
  /** `at` as a text. */
  readonly position: string;
  readonly committedAt: Date;
  readonly transactionId: string;
}

export interface GroupBatch {
  readonly changes: readonly RowChange[];
  /** The change to go on with. */
  readonly next: number;
  /** Behind the batch. */
  readonly at: Position;
  /** `at` as a text. */
  readonly position: string;
}

export interface GroupDeps {
  readonly databaseId: string;
  readonly sources: readonly Source[];
  readonly log: ChangeLog;
  readonly positions: Positions;
  readonly rights: Pick<RowRights, 'of'>;
  /** `found` is called for every change that may be one of its. */
  readonly indexed: boolean;
}

export interface ReaderGroup {
  /**
   * What there is now from this change on; no more than so many changes.
   * @throws AppError POSITION_LOST; whatever Teller.tell and RowRights.of throw
   */
  read(ordinal: number, size: number): Promise<GroupBatch>;
  /** For who has all that there is: nothing, up to where all is told. The same for all until that is further on. */
  quiet(): GroupBatch;
  /** @param woken once, when there may be something from that change on. @returns how to wait no longer */
  wait(woken: (ordinal: number) => void): () => void;
  /**
   * As a reader who is given what comes where he waits, no more than so many changes at once.
   * @param next the change that he would go on with: there is none yet
   */
  waitInLane(waiting: Waiting, next: number, size: number): LanePlace;
  found(ordinal: number): void;
  /** There may be something, from this change on. */
  wake(ordinal: number): void;
}

/** Changes that were found and are kept; who is further behind looks at all. */
const maxFound = 4_096;
/** Batches that are given again, and kept no longer than that. */
const maxShared = 8;
const sharedMs = 1_000;
/** About what the changes of a batch may take; one is always given. */
const maxBatchBytes = 2 ** 20;
/** Changes that are looked at before others have their turn. */
const maxAtOnce = 2_000;

export function createReaderGroup({ databaseId, sources, log, positions, rights, indexed }: GroupDeps): ReaderGroup {
  const tellers = new Map(sources.map((source) => [source.tableId, createTeller(source)]));
  const named = new WeakMap<ChangedTable, Pick<RowChange, 'tableId' | 'table'>>();
  const shared = new Map<string, { readonly madeAt: number; readonly batch: Promise<GroupBatch> }>();
  const waiting = new Set<(ordinal: number) => void>();
  /** By the size of their batches: no more than there may be sizes. */
  const lanes = new Map<number, Lane>();
  let forgetting = false;
  let quiet: GroupBatch | null = null;
  /** Rising. From `foundFrom` on it has all. */
  let found: number[] = [];
  let foundFrom = log.end.ordinal;

  /** What is told of a table, made once for each of its shapes. */
  function namedOf(shape: ChangedTable): Pick<RowChange, 'tableId' | 'table'> {
    const known = named.get(shape);
    if (known) return known;
    const table = { schema: shape.schema, name: shape.name };
    const made = { tableId: tableId(databaseId, table), table };
    named.set(shape, made);
    return made;
  }

  function tell(piece: Piece, index: number, { accessOf, verdicts }: PieceRights): RowChange | null {
    const change = piece.changes[index]!;
    const teller = tellers.get(change.table.id);
    if (!teller) return null;
    const access = accessOf(change.table.id);
    const told = teller.tell(change, access, access.rowSecurity ? (verdicts?.[index] ?? 'HIDDEN') : null);
    if (!told) return null;
    const { transaction, place } = piece;
    const at = { commit: transaction.position, place: place + index };
    return {
      ...told,
      ...namedOf(change.table),
      at,
      position: positions.write(at),
      committedAt: transaction.committedAt,
      transactionId: transaction.id,
    };
  }

  /** The places to look at: all of them, or those that were found. */
  function* candidates(from: number, end: number): Generator<[piece: Piece, index: number], void> {
    if (indexed && from >= foundFrom) {
      // A copy: more may be found while somebody waits for rights.
      for (const ordinal of found.slice(firstAtLeast(found, from))) {
        const [piece] = log.from(ordinal);
        if (piece) yield [piece, ordinal - piece.ordinal];
      }
      return;
    }
    for (const piece of log.from(from)) {
      for (let index = Math.max(0, from - piece.ordinal); index < piece.changes.length; index += 1) {
        if (piece.ordinal + index >= end) return;
        yield [piece, index];
      }
    }
  }

  /** A group that is quiet keeps nothing. */
  function forgetSoon(): void {
    if (forgetting) return;
    forgetting = true;
    setTimeout(() => {
      forgetting = false;
      const now = performance.now();
      for (const [key, { madeAt }] of shared) if (now - madeAt >= sharedMs) shared.delete(key);
      if (shared.size > 0) forgetSoon();
    }, sharedMs).unref();
  }

  const batchOf = (changes: readonly RowChange[], next: number, at: Position): GroupBatch => ({
    changes,
    next,
    at,
    position: positions.write(at),
  });

  async function readAnew(from: number, size: number): Promise<GroupBatch> {
    const { end } = log;
    const changes: RowChange[] = [];
    let looked = 0;
    let bytes = 0;
    let known: Piece | null = null;
    let may: PieceRights | null = null;
    for (const [piece, index] of candidates(from, end.ordinal)) {
      if (known !== piece || may === null) may = await rights.of(piece);
      known = piece;
      const change = tell(piece, index, may);
      if (change) {
        changes.push(change);
        bytes += piece.bytes / piece.changes.length;
      }
      if (changes.length >= size || bytes >= maxBatchBytes)
        return batchOf(changes, piece.ordinal + index + 1, changes.at(-1)!.at);
      looked += 1;
      if (looked % maxAtOnce === 0) await setImmediate();
    }
    return batchOf(changes, end.ordinal, end.position);
  }

  function read(from: number, size: number): Promise<GroupBatch> {
    // Others may have read from here when there was less: that is right for this reader, too.
    const key = `${from} ${size} ${from === log.end.ordinal ? log.end.position.commit : ''}`;
    const known = shared.get(key);
    // What may be told is asked anew for who comes later.
    if (known && performance.now() - known.madeAt < sharedMs) return known.batch;
    const batch = readAnew(from, size);
    batch.catch(() => {
      if (shared.get(key)?.batch === batch) shared.delete(key);
    });
    const [oldest] = shared.keys();
    if (shared.size >= maxShared && oldest !== undefined) shared.delete(oldest);
    shared.delete(key);
    shared.set(key, { madeAt: performance.now(), batch });
    forgetSoon();
    return batch;
  }

  return {
    read,

    quiet() {
      const { ordinal, position } = log.end;
      if (quiet?.at !== position) quiet = batchOf([], ordinal, position);
      return quiet;
    },

    wait(woken) {
      waiting.add(woken);
      return () => waiting.delete(woken);
    },

    waitInLane(one, next, size) {
      const lane =
        lanes.get(size) ?? createLane({ log, write: positions.write, read: (ordinal) => read(ordinal, size) });
      lanes.set(size, lane);
      return lane.wait(one, next);
    },

    found(ordinal) {
      if (found.at(-1) === ordinal) return;
      found.push(ordinal);
      if (found.length < maxFound * 2) return;
      found = found.slice(maxFound);
      foundFrom = found[0]!;
    },

    wake(ordinal) {
      const woken = [...waiting];
      waiting.clear();
      for (const one of woken) one(ordinal);
      for (const lane of lanes.values()) lane.wake(ordinal);
    },
  };
}

function firstAtLeast(rising: readonly number[], least: number): number {
  let [low, high] = [0, rising.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rising[middle]! >= least) high = middle;
    else low = middle + 1;
  }
  return low;
}
