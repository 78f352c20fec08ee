/**
 * A WebSocket that sends what is printed already as it is, however many are sent it. graphql-ws prints each message by
 * itself; where its payload is the same for many, it is given a mark to print, and the socket puts the payload in the
 * mark's place. Who has nothing before it in his socket can be sent it at once, past graphql-ws. What it is sent is looked at
 * before graphql-ws parses it.
 */
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { Held } from '../lib/byte-budget.ts';
import { isTooMuchJson } from './bodies.ts';

/** What is answered has data or errors, never this. */
const mark = { told: true };
const printedMark = `,"type":"next","payload":${JSON.stringify(mark)}}`;
const beforePayload = ',"type":"next","payload":';
const closing = Buffer.from('}');
/** A payload of less is copied behind its head: one write of one buffer is cheaper than of two. */
const maxCopiedBytes = 8_192;
/** A socket on which more waits already when it is sent something is ended: who reads too slowly for that connects again. */
const maxWaitingBytes = 16 * 2 ** 20;

/** Of a message that is still coming: more take room that others want, too. */
const freeBytes = 65_536;
/** Of a ping or pong of a client, before its payload: RFC 6455, 5.2. */
const controlHeadBytes = 6;

/** As `ws` closes for one of too many bytes: RFC 6455, 7.4.1. */
const messageTooBig = 1009;

type Sent = Parameters<WebSocket['send']>[0];
type Done = (error?: Error) => void;
interface Options {
  binary?: boolean;
}

export class TellingSocket extends WebSocket {
  /** By what the message begins with. One operation sends one message at a time. */
  readonly #payloads = new Map<string, Buffer>();
  #wire: Duplex | null = null;
  /** Bytes of the message that is coming. */
  #unread = 0;
  #room: Held | null = null;

  /**
   * What is told is framed here, so that its buffer is shared by all whom it waits for.
   * @param wire what this socket writes to. Nothing is compressed on it, so that no message is ever half written
   */
  tellsOver(wire: Duplex): void {
    this.#wire = wire;
  }

  /**
   * A long message that is still coming takes room; without any the socket ends.
   * @param hold asks for it, and is told how to end this socket when others need it
   */
  hearsOver(wire: Duplex, hold: (end: () => void) => Held | null): void {
    // Before those of `ws`, which emits what has come whole by then.
    wire.prependListener('data', ({ length }: Buffer) => {
      this.#unread += length;
      if (this.#unread <= freeBytes || this.#room) return;
      this.#room = hold(() => this.terminate());
      if (!this.#room) this.terminate();
    });
  }

  /** @param bytes that were of something else than the message that is coming */
  #hasRead(bytes: number): void {
    this.#unread = Math.max(0, this.#unread - bytes);
    if (this.#unread > freeBytes) return;
    this.#room?.release();
    this.#room = null;
  }

  override emit(event: string | symbol, ...given: unknown[]): boolean {
    if (event === 'message' || event === 'close') this.#hasRead(Number.POSITIVE_INFINITY);
    else if (event === 'ping' || event === 'pong') this.#hasRead((given[0] as Buffer).length + controlHeadBytes);
    if (event !== 'message' || !isTooMuchJson(given[0])) return super.emit(event, ...given);
    this.close(messageTooBig, 'The message holds more values than are taken, or deeper ones');
    return true;
  }

  /** @returns what graphql-ws has to be given as the payload of this operation's next message */
  tell(operationId: string, payload: Buffer): typeof mark {
    this.#payloads.set(`{"id":${JSON.stringify(operationId)}`, payload);
    return mark;
  }

  /** @returns false, and sends nothing, where something waits to be sent, or the socket is open no longer */
  tellNow(head: Buffer, payload: Buffer): boolean {
    const wire = this.#wire;
    if (wire === null || wire.writableLength > 0 || this.readyState !== this.OPEN) return false;
    write(wire, head, payload);
    return true;
  }

  override send(data: Sent, options?: Options | Done, done?: Done): void {
    const [given, then] = typeof options === 'function' ? [{}, options] : [options ?? {}, done];
    // What waits before this message alone: one answer may be larger by itself.
    if (this.#wire && this.#wire.writableLength > maxWaitingBytes) {
      // Not closed: the close would wait behind all that, for as long as it is not read.
      this.terminate();
      then?.();
      return;
    }
    if (typeof data !== 'string' || !data.endsWith(printedMark)) {
      super.send(data, given, then);
      return;
    }
    const begun = data.slice(0, -printedMark.length);
    const payload = this.#payloads.get(begun)!;
    this.#payloads.delete(begun);
    const head = Buffer.from(begun + beforePayload);
    if (this.#wire && this.readyState === this.OPEN) write(this.#wire, head, payload, then);
    else super.send(Buffer.concat([head, payload, closing]), { binary: false }, then);
  }
}

/** What `tellNow` is given of an operation. */
export const headOf = (operationId: string): Buffer =>
  Buffer.from(`{"id":${JSON.stringify(operationId)}${beforePayload}`);

function write(wire: Duplex, head: Buffer, payload: Buffer, done?: Done): void {
  const bytes = head.length + payload.length + closing.length;
  const headAt = bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10;
  const payloadAt = headAt + head.length;
  const copied = payload.length <= maxCopiedBytes;
  const begin = Buffer.allocUnsafe(payloadAt + (copied ? payload.length + closing.length : 0));
  writeFrameHead(begin, bytes);
  begin.set(head, headAt);
  if (copied) {
    begin.set(payload, payloadAt);
    begin.set(closing, payloadAt + payload.length);
    end(wire, begin, done);
    return;
  }
  wire.cork();
  wire.write(begin);
  wire.write(payload);
  end(wire, closing, done);
  wire.uncork();
}

/** A callback that does nothing is not free. */
function end(wire: Duplex, bytes: Buffer, done: Done | undefined): void {
  if (done) wire.write(bytes, (error) => done(error ?? undefined));
  else wire.write(bytes);
}

/** Of a whole text message from a server, which is not masked: RFC 6455, 5.2. */
function writeFrameHead(frame: Buffer, bytes: number): void {
  frame[0] = 0x81;
  if (bytes < 126) frame[1] = bytes;
  else if (bytes < 65_536) {
    frame[1] = 126;
    frame.writeUInt16BE(bytes, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(0, 2);
    frame.writeUInt32BE(bytes, 6);
  }
}
