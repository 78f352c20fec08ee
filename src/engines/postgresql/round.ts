/**
 * One round on the wire: messages up to a Sync, and what the server answers until it is ready again. Rows are handed
 * out in batches; while nobody takes them, the socket is paused and the server waits.
 */
import type pg from 'pg';
import type { Connection, Wire } from './connect.ts';
import { type CopyGatherer, type CopyLines, createCopyGatherer } from './copy-lines.ts';

export interface Batch {
  /** Raw text. */
  rows: (string | null)[][];
  /** On the wire. */
  bytes: number;
  /** Of a COPY, which has no other rows. */
  copied: CopyLines | null;
}

export interface BatchLimits {
  readonly batchRows: number;
  readonly batchBytes: number;
}

export interface RoundOptions extends BatchLimits {
  /** Writes the messages; the Sync behind them is written here. */
  readonly send: (wire: Wire) => void;
  /** Which rows are the statement's own: others, of queries of ours that go ahead, are left out. */
  readonly own: OwnRows;
  /** Expects rows of a COPY, and keeps so many of them. */
  readonly copies?: { readonly maxRows: number } | undefined;
}

/** DESCRIBED: those behind its description. EXPLAINED: those behind the EXPLAIN that follows its description. */
export type OwnRows = 'NONE' | 'ALL' | 'DESCRIBED' | 'EXPLAINED';

/** What the answers have said so far. */
export interface RoundResult {
  /** Null where it returns none at all, which is not the same as no columns. */
  readonly fields: readonly pg.FieldDef[] | null;
  readonly parameterTypes: readonly number[];
  /** Tag of the last command that came to its end. */
  readonly tag: string | null;
  /** The portal has more rows. */
  readonly suspended: boolean;
  /** Nothing that came was thrown away. */
  readonly whole: boolean;
  /** First line of the EXPLAIN that went ahead; null while that has not come to its end. */
  readonly plan: string | null;
}

export interface Round {
  /** The next batch that is full or the last one; null when there is none any more. @throws what ended the round */
  next(): Promise<Batch | null>;
  /** Rows that are still to come are thrown away from now on; resolves when the server is ready, or gone. */
  drain(): Promise<void>;
  /** Wakes whoever waits in `next`, which then gives an empty batch: there is other news. */
  wake(): void;
  /** Grows until the round has come to its end. */
  readonly result: RoundResult;
}

export interface Rounds {
  /** Only one at a time. */
  start(options: RoundOptions): Round;
  /** The round under way, if any. */
  readonly current: Round | null;
}

/** A round's end is what `pg` tells only of rounds without an error: it is heard on the wire instead. */
export function createRounds({ client, wire, closed }: Pick<Connection, 'client' | 'wire' | 'closed'>): Rounds {
  let current: RunningRound | null = null;
  const finish = () => {
    const round = current;
    current = null;
    round?.finish();
  };
  wire.on('readyForQuery', finish);
  wire.on('parameterDescription', ({ dataTypeIDs }: { dataTypeIDs: number[] }) => {
    if (current !== null) current.parameterTypes = dataTypeIDs;
  });
  closed.addEventListener('abort', () => {
    current?.handleError(closed.reason);
    finish();
  });

  return {
    start(options) {
      if (current !== null) throw new TypeError('A round is under way');
      const round = new RunningRound(wire, options);
      current = round;
      if (closed.aborted) {
        round.handleError(closed.reason);
        finish();
      } else client.query(round);
      return round;
    },
    get current() {
      return current;
    },
  };
}

/** Of a batch of a COPY, whatever the limits of others are: a write to a disk that is worth its call. */
const copyBytes = 2 ** 18;
/** Batches of a COPY that lie ready while the socket is not yet paused: nobody waits for the other then. */
const copyBatchesAhead = 2;

/** Rows of a batch that is not full wait so long for more, and not for the end of the round. */
const maxWaitMs = 100;

/** Called by `pg` with each message; the other side is pulled. */
class RunningRound implements Round {
  readonly #wire: Wire;
  readonly #options: RoundOptions;
  #rows: (string | null)[][] = [];
  #bytes = 0;
  #fields: readonly pg.FieldDef[] | null = null;
  #tag: string | null = null;
  #suspended = false;
  #planLine: string | null = null;
  #plan: string | null = null;
  #error: unknown = null;
  #finished = false;
  #draining = false;
  #whole = true;
  #news = false;
  #late = false;
  #lateTimer: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];
  readonly #copy: CopyGatherer | null;
  parameterTypes: readonly number[] = [];

  constructor(wire: Wire, options: RoundOptions) {
    this.#wire = wire;
    this.#options = options;
    this.#copy =
      options.copies === undefined
        ? null
        : createCopyGatherer({
            ...options.copies,
            bytes: copyBytes,
            onBegun: () => this.#startLate(),
            onFull: () => this.#filled(),
          });
  }

  async next(): Promise<Batch | null> {
    for (;;) {
      if (this.#full || this.#late || (this.#finished && this.#error === null && this.#hasRows)) {
        const batch = this.#take();
        // A row of a COPY may be half there.
        if (batch !== null) return batch;
      }
      if (this.#finished) {
        if (this.#error !== null) throw this.#error;
        return null;
      }
      if (this.#news) {
        this.#news = false;
        return { rows: [], bytes: 0, copied: null };
      }
      await this.#change();
    }
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#copy?.discard();
    if (this.#copy !== null || this.#hasRows) this.#whole = false;
    this.#take();
    this.#wire.stream.resume();
    while (!this.#finished) await this.#change();
  }

  wake(): void {
    this.#news = true;
    this.#notify();
  }

  get result(): RoundResult {
    return {
      fields: this.#fields,
      parameterTypes: this.parameterTypes,
      tag: this.#tag,
      suspended: this.#suspended,
      whole: this.#whole,
      plan: this.#plan,
    };
  }

  get #hasRows(): boolean {
    return this.#copy === null ? this.#rows.length > 0 : this.#copy.full > 0 || this.#copy.begun;
  }

  get #full(): boolean {
    if (this.#copy !== null) return this.#copy.full > 0;
    return this.#rows.length >= this.#options.batchRows || this.#bytes >= this.#options.batchBytes;
  }

  #take(): Batch | null {
    const copied = this.#copy?.take() ?? null;
    const batch = { rows: this.#rows, bytes: copied?.lines.length ?? this.#bytes, copied };
    clearTimeout(this.#lateTimer);
    this.#lateTimer = undefined;
    this.#late = false;
    this.#rows = [];
    this.#bytes = 0;
    this.#wire.stream.resume();
    if (this.#copy?.begun && !this.#finished) this.#startLate();
    return this.#copy !== null && copied === null ? null : batch;
  }

  #startLate(): void {
    this.#lateTimer ??= setTimeout(() => {
      this.#late = true;
      this.#notify();
    }, maxWaitMs);
  }

  /** The buffer of a COPY. */
  #filled(): void {
    if (this.#copy !== null && this.#copy.full >= copyBatchesAhead) this.#wire.stream.pause();
    this.#notify();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** The server is ready for the next round, or gone. */
  finish(): void {
    this.#finished = true;
    this.#wire.stream.copyTaker = null;
    clearTimeout(this.#lateTimer);
    this.#notify();
  }

  // ── what `pg` calls ──

  submit(): void {
    this.#wire.stream.copyTaker = this.#copy;
    this.#wire.stream.cork();
    this.#options.send(this.#wire);
    this.#wire.sync();
    this.#wire.stream.uncork();
  }

  handleRowDescription({ fields }: { fields: readonly pg.FieldDef[] }): void {
    this.#fields = fields;
    if (this.#options.own === 'DESCRIBED') this.wake();
  }

  handleDataRow({ fields, length }: { fields: (string | null)[]; length: number }): void {
    if (this.#options.own === 'NONE') return;
    if (this.#draining) {
      this.#whole = false;
      return;
    }
    if (this.#options.own === 'DESCRIBED' && this.#fields === null) return;
    if (this.#options.own === 'EXPLAINED' && this.#plan === null) {
      if (this.#fields !== null) this.#planLine ??= fields[0] ?? null;
      return;
    }
    this.#rows.push(fields);
    this.#bytes += length;
    this.#startLate();
    if (this.#full) {
      this.#wire.stream.pause();
      this.#notify();
    }
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.#tag = text;
    this.#suspended = false;
    if (this.#options.own === 'EXPLAINED' && text === 'EXPLAIN') {
      this.#plan = this.#planLine ?? '';
      this.wake();
    }
  }

  handlePortalSuspended(): void {
    this.#suspended = true;
  }

  handleError(error: unknown): void {
    // The first one is the cause: a closed socket follows what closed it.
    this.#error ??= error;
  }

  handleEmptyQuery(): void {}
  /** Heard on the wire, also behind an error. */
  handleReadyForQuery(): void {}

  // A script with COPY from the client is refused before it runs, and rows of our own COPY never come this far: here
  // the server breaks its own protocol.
  handleCopyInResponse(): void {
    this.#wire.stream.destroy(new Error('The server asked for data that nobody offered'));
  }

  handleCopyData(): void {
    this.#wire.stream.destroy(new Error('The server sent data that nobody asked for'));
  }
}
