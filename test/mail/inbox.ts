/** A real SMTP server that keeps what it is given, and can be told to refuse. */
import type { AddressInfo } from 'node:net';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

export type ParsedMail = Email;

/** Values that come one by one, in their order. */
function createQueue<T>() {
  const come: T[] = [];
  const waiting: ((value: T) => void)[] = [];
  return {
    put(value: T) {
      const next = waiting.shift();
      if (next) next(value);
      else come.push(value);
    },
    next: (): Promise<T> =>
      come.length > 0 ? Promise.resolve(come.shift()!) : new Promise((resolve) => waiting.push(resolve)),
    /** Those that nobody has taken. */
    left: () => come.length,
  };
}

export interface InboxOptions extends SMTPServerOptions {
  /** An error's `responseCode` is what the client is answered; a promise that never ends, a server that hangs. */
  accept?: (recipient: string) => Promise<void> | void;
}

export async function startInbox({ accept = () => undefined, ...options }: InboxOptions = {}) {
  const mails = createQueue<ParsedMail>();
  const recipients = createQueue<string>();
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    logger: false,
    hideSTARTTLS: true,
    onRcptTo({ address }, _session, callback) {
      recipients.put(address);
      Promise.resolve(address)
        .then(accept)
        .then(() => callback(), callback);
    },
    onData(stream, _session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', async () => {
        mails.put(await PostalMime.parse(Buffer.concat(chunks)));
        callback();
      });
    },
    ...options,
  });
  // A client that breaks off is no fault of the test's.
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.server.address() as AddressInfo;
  return {
    port,
    next: mails.next,
    /** The next one that a mail was offered for, before it is accepted. */
    nextRecipient: recipients.next,
    left: mails.left,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

export const refusal = (responseCode: number, text: string) => Object.assign(new Error(text), { responseCode });
