/**
 * Stands between a socket and the protocol parser of `pg`: reads the length of every message before a parser builds a
 * row or a string of it, and keeps what a hostile server sends from throwing where nobody could catch it.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { MessageTooLong, NotPostgresql } from './errors.ts';

/** One byte of type, four of length. */
const headerBytes = 5;
/** A message of so many bytes is put together here, at its length: the parser would double a buffer until it fits. */
const longBytes = 2 ** 20;

/** The part of a socket that `pg` uses. Emits `connect`, `data`, `error`, `end` and `close`. */
export interface GuardedStream extends EventEmitter {
  readonly writable: boolean;
  /** From now on; the start of a session needs little, rows need more. */
  maxMessageBytes: number;
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

/** Takes a socket that is connected, and encrypted where it is to be; owns it from then on. */
export function guard(socket: Socket, { maxMessageBytes }: { maxMessageBytes: number }): GuardedStream {
  return new Guard(socket, maxMessageBytes);
}

class Guard extends EventEmitter implements GuardedStream {
  maxMessageBytes: number;
  readonly #socket: Socket;
  /** Bytes of the message under way that are still to come. */
  #rest = 0;
  /** A header that is not whole yet. */
  readonly #header = Buffer.alloc(headerBytes);
  #headerFilled = 0;
  #long: Buffer | null = null;
  #longFilled = 0;

  constructor(socket: Socket, maxMessageBytes: number) {
    super();
    this.#socket = socket;
    this.maxMessageBytes = maxMessageBytes;
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
      const rest = gathered === 0 ? chunk : chunk.subarray(gathered);
      const end = this.#inspect(rest);
      if (end > 0) this.emit('data', end < rest.length ? rest.subarray(0, end) : rest);
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
      this.emit('data', whole);
    }
    return bytes;
  }

  /** Walks from header to header; costs one read of four bytes a message. @returns where a long message begins that goes on behind the chunk, else its end */
  #inspect(chunk: Buffer): number {
    let at = 0;
    if (this.#headerFilled > 0) {
      at = chunk.copy(this.#header, this.#headerFilled, 0, headerBytes - this.#headerFilled);
      this.#headerFilled += at;
      if (this.#headerFilled < headerBytes) return chunk.length;
      this.#rest = this.#bodyBytes(this.#header, 0);
      this.#headerFilled = 0;
    }
    for (;;) {
      const left = chunk.length - at;
      if (left <= this.#rest) {
        this.#rest -= left;
        return chunk.length;
      }
      at += this.#rest;
      this.#rest = 0;
      if (chunk.length - at < headerBytes) {
        this.#headerFilled = chunk.copy(this.#header, 0, at);
        return chunk.length;
      }
      const body = this.#bodyBytes(chunk, at);
      if (body >= longBytes && at + headerBytes + body > chunk.length) {
        this.#long = Buffer.allocUnsafeSlow(headerBytes + body);
        this.#longFilled = chunk.copy(this.#long, 0, at);
        return at;
      }
      this.#rest = body;
      at += headerBytes;
    }
  }

  #bodyBytes(bytes: Buffer, at: number): number {
    // The length counts itself, not the type before it.
    const length = bytes.readUInt32BE(at + 1);
    if (length < 4) throw new NotPostgresql();
    if (length > this.maxMessageBytes) throw new MessageTooLong(this.maxMessageBytes);
    return length - 4;
  }
}
