/** Makes events of the frames of the log: which changes are told, with which shapes, and how far all has been told. */
import type { ChangedRow, ChangedTable, CommitPosition, Coverage, FeedEvent } from '../../changes.ts';
import { before, firstPosition, later } from './lsn.ts';
import type { Relation, Tuple } from './pgoutput.ts';
import { createPgoutput, MalformedChange, type OldKind, type Pgoutput, type PgoutputHandler } from './pgoutput.ts';
import type { Shapes } from './shapes.ts';

export interface FollowedTable {
  /** Told of from the transaction behind it on; null: the place is not known yet, and nothing is told. */
  after: CommitPosition | null;
  coverage: Coverage;
}

export interface EventsDeps {
  readonly shapes: Shapes;
  /** By oid; changes while the log is read. */
  readonly followed: ReadonlyMap<number, FollowedTable>;
  readonly start: CommitPosition;
  /** The server wants to hear from us at once. */
  readonly replyRequested: () => void;
}

const dataTag = 0x77; // w
const keepaliveTag = 0x6b; // k
/** Before the message: its kind, where it begins, how far the log goes, the time. */
const dataHeaderBytes = 25;
const keepaliveBytes = 18;

/** Transactions that emptied a table are remembered, so many of each. */
const maxEmptied = 16;

/** Pushed into by frames, pulled from by whoever reads the feed. */
export class Events implements PgoutputHandler {
  /** Up to here all has been told, or has nothing to tell. */
  position: CommitPosition;
  /** The last transaction of which something was told. */
  told: CommitPosition = firstPosition;
  /** The last transaction that has begun, told of or not. */
  begun: CommitPosition = firstPosition;
  readonly #deps: EventsDeps;
  readonly #pgoutput: Pgoutput;
  readonly #relations = new Map<number, Relation>();
  readonly #tables = new Map<number, ChangedTable>();
  readonly #emptied = new Map<number, string[]>();
  #batch: FeedEvent[] = [];
  #news: FeedEvent[] = [];
  #inside = false;
  /** Of the last change of the transaction under way, told of or not: by the log alone, and not by who follows what. */
  #place = 0;
  /** Of the transaction under way, until something of it is told. */
  #silent: (FeedEvent & { type: 'begin' }) | null = null;
  #transactionId = '';
  #reached: CommitPosition;
  #waits: Promise<void> | undefined;

  constructor(deps: EventsDeps) {
    this.#deps = deps;
    this.#pgoutput = createPgoutput(this);
    this.position = deps.start;
    this.#reached = deps.start;
  }

  /** Those that have come since the last call. */
  take(): FeedEvent[] {
    const batch = this.#batch;
    this.#batch = [];
    if (this.#inside) return batch;
    batch.push(...this.#news);
    this.#news = [];
    if (this.#reached > this.position) {
      this.position = this.#reached;
      batch.push({ type: 'alive', position: this.position });
    }
    return batch;
  }

  /** @throws MalformedChange */
  readonly frame = (bytes: Buffer, start: number, end: number): Promise<void> | undefined => {
    const kind = bytes[start];
    if (kind === dataTag && end - start > dataHeaderBytes)
      return this.apply(() => this.#pgoutput.decode(bytes, start + dataHeaderBytes, end));
    if (kind !== keepaliveTag || end - start !== keepaliveBytes) throw new MalformedChange('a frame that is none');
    this.#reach(bytes.toString('hex', start + 1, start + 9));
    if (bytes[end - 1] === 1) this.#deps.replyRequested();
    return undefined;
  };

  /** Does one call of this; what it returns is to be waited for before the next one. */
  apply(call: () => void): Promise<void> | undefined {
    this.#waits = undefined;
    call();
    return this.#waits;
  }

  begin(position: CommitPosition, committedAtMs: number, xid: number): void {
    this.#inside = true;
    this.#place = 0;
    this.begun = position;
    this.#transactionId = String(xid);
    this.#silent = {
      type: 'begin',
      transactionId: this.#transactionId,
      committedAt: new Date(committedAtMs),
      position,
    };
  }

  commit(position: CommitPosition): void {
    if (!this.#inside || position !== this.begun) throw new MalformedChange('a commit of no transaction');
    this.#inside = false;
    this.#reached = later(this.#reached, position);
    if (this.#silent === null) {
      this.#batch.push({ type: 'commit', position });
      this.position = later(this.position, position);
    }
  }

  message(_prefix: string, transactional: boolean, position: CommitPosition): void {
    if (!transactional) this.#reach(position);
  }

  relation(relation: Relation): void {
    this.#relations.set(relation.oid, relation);
    this.#tables.delete(relation.oid);
  }

  insert(oid: number, row: Tuple, place = ++this.#place): void {
    if (!this.#isTold(oid)) return;
    const table = this.#tables.get(oid);
    if (table === undefined) return void this.#await(oid, () => this.insert(oid, row, place));
    this.#push({ type: 'insert', place, table, new: fitting(table, row) });
  }

  update(oid: number, kind: OldKind | null, oldRow: Tuple | null, row: Tuple, place = ++this.#place): void {
    if (!this.#isTold(oid)) return;
    const table = this.#tables.get(oid);
    if (table === undefined) return void this.#await(oid, () => this.update(oid, kind, oldRow, row, place));
    const old = kind === null || oldRow === null ? null : this.#oldRow(oid, table, kind, oldRow);
    fitting(table, row);
    // A large value that did not change is in the old row, where that is whole.
    if (kind === 'WHOLE' && old !== null)
      for (let index = 0; index < row.length; index++) if (row[index] === undefined) row[index] = old[index];
    this.#push({ type: 'update', place, table, old, new: row });
  }

  delete(oid: number, kind: OldKind, oldRow: Tuple, place = ++this.#place): void {
    if (!this.#isTold(oid)) return;
    const table = this.#tables.get(oid);
    if (table === undefined) return void this.#await(oid, () => this.delete(oid, kind, oldRow, place));
    this.#push({ type: 'delete', place, table, old: this.#oldRow(oid, table, kind, oldRow) });
  }

  truncate(oids: readonly number[]): void {
    const first = this.#place + 1;
    this.#place += oids.length;
    const places = new Map(oids.map((oid, index) => [oid, first + index]));
    this.#truncate(new Map([...places].filter(([oid]) => this.#isTold(oid))));
  }

  /** What is known from elsewhere than the log: told behind the transaction under way. */
  add(event: FeedEvent & { type: 'coverage' | 'gap' | 'schema' }): void {
    if (event.type === 'schema' && this.#news.some(({ type }) => type === 'schema')) return;
    this.#news.push(event);
  }

  /** The last transactions of which it was told that they emptied the table. */
  emptiedBy(oid: number): readonly string[] {
    return this.#emptied.get(oid) ?? [];
  }

  /** @param places by oid */
  #truncate(places: ReadonlyMap<number, number>): void {
    for (const oid of places.keys())
      if (!this.#tables.has(oid)) return void this.#await(oid, () => this.#truncate(places));
    let next = 0;
    let tables: ChangedTable[] = [];
    for (const [oid, place] of places) {
      // What is not told of the statement leaves a gap.
      if (place !== next) {
        tables = [];
        this.#push({ type: 'truncate', place, tables });
      }
      tables.push(this.#tables.get(oid)!);
      this.#emptied.set(oid, [...this.emptiedBy(oid), this.#transactionId].slice(-maxEmptied));
      next = place + 1;
    }
  }

  #isTold(oid: number): boolean {
    const followed = this.#deps.followed.get(oid);
    return followed !== undefined && followed.after !== null && this.begun > followed.after;
  }

  /** Its frame is done only when its shape is known: the next one waits. */
  #await(oid: number, again: () => void): void {
    const relation = this.#relations.get(oid);
    if (relation === undefined || !this.#inside) throw new MalformedChange('a row of an unknown relation');
    this.#waits = this.#deps.shapes.of(relation).then((table) => {
      this.#tables.set(oid, table);
      // Which may itself wait for the next one.
      this.#waits = undefined;
      again();
      return this.#waits;
    });
  }

  #oldRow(oid: number, table: ChangedTable, kind: OldKind, row: Tuple): ChangedRow {
    fitting(table, row);
    if (kind === 'WHOLE') return row;
    const columns = this.#relations.get(oid)?.columns ?? [];
    // What is no part of the identity is not told, and comes as null.
    for (let place = 0; place < row.length; place++) if (!columns[place]?.identity) row[place] = undefined;
    return row;
  }

  #push(event: FeedEvent): void {
    if (!this.#inside) throw new MalformedChange('a row of no transaction');
    if (this.#silent !== null) {
      this.told = this.#silent.position;
      this.#batch.push(this.#silent);
      this.#silent = null;
    }
    this.#batch.push(event);
  }

  /** All that was committed before `lsn` has come. */
  #reach(lsn: CommitPosition): void {
    // Inside of a transaction the server says how far it has read, not what it has sent.
    if (!this.#inside) this.#reached = later(this.#reached, before(lsn));
  }
}

function fitting(table: ChangedTable, row: Tuple): Tuple {
  if (row.length === table.columns.length) return row;
  throw new MalformedChange(`a row of ${row.length} columns for a relation of ${table.columns.length}`);
}
