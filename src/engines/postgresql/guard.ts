/**
 * Stands between a socket and the protocol parser of `pg`: reads the length of every message before a parser builds a
 * row or a string of it, and keeps what a hostile server sends from throwing where nobody could catch it.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { MessageTooLong, NotPostgresql } from './errors.ts';

/** One byte of type, four of length. */
const headerBytes = 5;
const copyData = 0x64; // d
const dataRow = 0x44; // D
/** A message of so many bytes is put together here, at its length: the parser would double a buffer until it fits. */
const longBytes = 2 ** 20;

/** Takes the rows of a COPY past the parser, which would make an object of each. Called with one row after the other. */
export interface CopyTaker {
  begin(bytes: number): void;
  /** The next piece of it; valid only during the call. */
  piece(chunk: Buffer, start: number, end: number): void;
  end(): void;
}

/** Takes a row of an answer past the parser, which would make a text of each value: its body, valid only during the call. */
export type RowTaker = (bytes: Buffer, start: number, end: number) => void;

/** The part of a socket that `pg` uses. Emits `connect`, `data`, `error`, `end` and `close`. */
export interface GuardedStream extends EventEmitter {
  readonly writable: boolean;
  /** From now on; the start of a session needs little, rows need more. */
  maxMessageBytes: number;
  /** While it is set, messages CopyData go there and nowhere else. */
  copyTaker: CopyTaker | null;
  /** Where there is one, rows go to its taker while that is set. What is before a row is handed on first: it may set it. */
  rowTaking: { taker: RowTaker | null } | null;
  connect(): void;
  write(data: Uint8Array, done?: () => void): boolean;
  /** What is written between the two goes out in one piece. */
  cork(): void;
  uncork(): void;
  end(): void;
  destroy(error?: Error): void;
  pause(): void;
  resume(): void;
  ref(): void;
  unref(): void;
  setNoDelay(): void;
  setKeepAlive(): void;
}

export interface GuardOptions {
  readonly maxMessageBytes: number;
  /** What the socket gives is there only while it tells of it: the parser, which keeps ends, gets copies. */
  readonly reused?: boolean | undefined;
}

/** Takes a socket that is connected, and encrypted where it is to be; owns it from then on. */
export function guard(socket: Socket, options: GuardOptions): GuardedStream {
  return new Guard(socket, options);
}

class Guard extends EventEmitter implements GuardedStream {
  maxMessageBytes: number;
  copyTaker: CopyTaker | null = null;
  rowTaking: { taker: RowTaker | null } | null = null;
  readonly #socket: Socket;
  readonly #reused: boolean;
  /** Bytes of the message under way that are still to come. */
  #rest = 0;
  /** The message under way is a row of a COPY that goes to its taker. */
  #taken = false;
  /** A header that is not whole yet. */
  readonly #header = Buffer.alloc(headerBytes);
  #headerFilled = 0;
  #long: Buffer | null = null;
  #longFilled = 0;

  constructor(socket: Socket, { maxMessageBytes, reused = false }: GuardOptions) {
    super();
    this.#socket = socket;
    this.maxMessageBytes = maxMessageBytes;
    this.#reused = reused;
    socket.on('error', (error) => this.emit('error', error));
    socket.on('end', () => this.emit('end'));
    socket.on('close', () => this.emit('close'));
  }

  /** The socket is connected already: only from here on does it flow, and `pg` hears of it in the next tick. */
  connect(): void {
    process.nextTick(() => {
      if (this.#socket.destroyed) {
        this.emit('close');
        return;
      }
      this.#socket.on('data', (chunk) => this.#receive(chunk));
      this.#socket.resume();
      this.emit('connect');
    });
  }

  get writable(): boolean {
    return this.#socket.writable;
  }

  write(data: Uint8Array, done?: () => void): boolean {
    return this.#socket.write(data, done);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  // Whoever dialled has set both.
  setNoDelay(): void {}
  setKeepAlive(): void {}

  #receive(chunk: Buffer): void {
    if (this.#socket.destroyed) return;
    try {
      const gathered = this.#gather(chunk);
      this.#walk(gathered === 0 ? chunk : chunk.subarray(gathered));
    } catch (error) {
      // Also what the parser throws at malformed messages: in an event handler it would end the process.
      const known = error instanceof MessageTooLong || error instanceof NotPostgresql;
      this.#socket.destroy(known ? error : new NotPostgresql({ cause: error }));
    }
  }

  /** Adds to the long message under way, and hands it on when it is whole. @returns how many bytes of the chunk are its */
  #gather(chunk: Buffer): number {
    if (this.#long === null) return 0;
    const bytes = chunk.copy(this.#long, this.#longFilled);
    this.#longFilled += bytes;
    if (this.#longFilled === this.#long.length) {
      const whole = this.#long;
      this.#long = null;
      const taker = this.#rowTaker(whole, 0);
      if (taker) taker(whole, headerBytes, whole.length);
      else this.emit('data', whole);
    }
    return bytes;
  }

  /** Of the message that begins there. */
  #rowTaker(bytes: Buffer, at: number): RowTaker | null {
    return bytes[at] === dataRow && this.rowTaking !== null ? this.rowTaking.taker : null;
  }

  /** Walks from header to header, at one read of five bytes a message, and hands on what is between them. */
  #walk(chunk: Buffer): void {
    let at = 0;
    /** From here on nothing has been handed on. */
    let from = 0;
    if (this.#headerFilled > 0) {
      at = chunk.copy(this.#header, this.#headerFilled, 0, headerBytes - this.#headerFilled);
      this.#headerFilled += at;
      if (this.#headerFilled < headerBytes) return;
      this.#headerFilled = 0;
      from = at;
      this.#begin(this.#header, 0);
      if (!this.#taken) {
        const header = Buffer.from(this.#header);
        const whole = this.#rest >= longBytes || this.#rowTaker(header, 0) !== null;
        if (whole) at = from = at + this.#beginLong(header, chunk.subarray(at));
        else this.#pass(header, 0, headerBytes);
      }
      if (this.#long !== null) return;
    }
    for (;;) {
      const end = Math.min(at + this.#rest, chunk.length);
      this.#rest -= end - at;
      if (this.#taken) {
        if (end > at) this.copyTaker?.piece(chunk, at, end);
        from = end;
        if (this.#rest === 0) {
          this.#taken = false;
          this.copyTaker?.end();
        }
      }
      at = end;
      if (this.#rest > 0 || at === chunk.length) break;
      if (chunk.length - at < headerBytes) {
        // Kept until it is whole: whose the message is, and how long, is not known before.
        this.#headerFilled = chunk.copy(this.#header, 0, at);
        this.#pass(chunk, from, at);
        return;
      }
      this.#begin(chunk, at);
      const body = at + headerBytes;
      if (this.#taken) {
        this.#pass(chunk, from, at);
        from = body;
      } else if (this.rowTaking !== null && chunk[at] === dataRow) {
        this.#pass(chunk, from, at);
        from = at;
      }
      const taker = this.#rowTaker(chunk, at);
      const isWhole = body + this.#rest <= chunk.length;
      if (taker !== null && isWhole) {
        from = body + this.#rest;
        taker(chunk, body, from);
      } else if (!isWhole && (taker !== null || (this.#rest >= longBytes && !this.#taken))) {
        this.#pass(chunk, from, at);
        this.#beginLong(chunk.subarray(at, body), chunk.subarray(body));
        return;
      }
      at = body;
    }
    this.#pass(chunk, from, chunk.length);
  }

  /** @returns how many bytes of what there is belong to it; all of it may be there already */
  #beginLong(header: Buffer, there: Buffer): number {
    this.#long = Buffer.allocUnsafeSlow(headerBytes + this.#rest);
    this.#longFilled = header.copy(this.#long);
    this.#rest = 0;
    return this.#gather(there);
  }

  #begin(bytes: Buffer, at: number): void {
    this.#rest = this.#bodyBytes(bytes, at);
    if (this.copyTaker === null || bytes[at] !== copyData) return;
    this.#taken = true;
    this.copyTaker.begin(this.#rest);
  }

  #pass(chunk: Buffer, start: number, end: number): void {
    if (start >= end) return;
    const bytes = start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
    this.emit('data', this.#reused ? Buffer.from(bytes) : bytes);
  }

  #bodyBytes(bytes: Buffer, at: number): number {
    // The length counts itself, not the type before it.
    const length = bytes.readUInt32BE(at + 1);
    if (length < 4) throw new NotPostgresql();
    if (length > this.maxMessageBytes) throw new MessageTooLong(this.maxMessageBytes);
    return length - 4;
  }
}
