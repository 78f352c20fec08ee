/**
 * A WebSocket that sends what is printed already as it is. graphql-ws prints each message by itself; where its payload
 * is the same for many, it is given a mark to print, and the socket puts the payload in the mark's place.
 */
import { WebSocket } from 'ws';

/** What is answered has data or errors, never this. */
const mark = { told: true };
const printedMark = `,"type":"next","payload":${JSON.stringify(mark)}}`;
const beforePayload = ',"type":"next","payload":';

type Sent = Parameters<WebSocket['send']>[0];
type Done = (error?: Error) => void;
interface Options {
  binary?: boolean;
}

export class TellingSocket extends WebSocket {
  /** By what the message begins with. One operation sends one message at a time. */
  readonly #payloads = new Map<string, Buffer>();

  /** @returns what graphql-ws has to be given as the payload of this operation's next message */
  tell(operationId: string, payload: Buffer): typeof mark {
    this.#payloads.set(`{"id":${JSON.stringify(operationId)}`, payload);
    return mark;
  }

  override send(data: Sent, options?: Options | Done, done?: Done): void {
    const [given, then] = typeof options === 'function' ? [{}, options] : [options ?? {}, done];
    if (typeof data === 'string' && data.endsWith(printedMark))
      super.send(this.#message(data), { binary: false }, then);
    else super.send(data, given, then);
  }

  #message(printed: string): Buffer {
    const head = printed.slice(0, -printedMark.length);
    const payload = this.#payloads.get(head)!;
    this.#payloads.delete(head);
    const headBytes = Buffer.byteLength(head) + beforePayload.length;
    const message = Buffer.allocUnsafe(headBytes + payload.length + 1);
    message.write(head + beforePayload);
    payload.copy(message, headBytes);
    message[message.length - 1] = 0x7d; // The closing brace.
    return message;
  }
}
