/** The zip that a workbook is, written part after part: a part is deflated and handed on while it is written. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { ZipFile } from 'yazl';
import type { Sink } from './format.ts';

export interface XlsxPackage extends AsyncDisposable {
  /** Begins a part; the one before has ended. */
  open(name: string): XlsxPart;
  /** A small part, whole. */
  add(name: string, xml: string): void;
  /** Writes the directory; all is in the sink when it resolves. @throws what the sink threw, the signal's reason */
  close(): Promise<void>;
}

export interface XlsxPart {
  /** Resolves when more may come. @throws what the sink threw, the signal's reason */
  write(xml: string): Promise<void>;
  end(): void;
}

const options = {
  /** The lowest: three times as fast as the usual one, for a file a fifth larger. */
  compressionLevel: 1,
  /** The same rows are the same bytes: the earliest time that a zip can name, without the zone of this machine. */
  mtime: new Date(1980, 0, 1),
  forceDosTimestamp: true,
};

export function createXlsxPackage(sink: Sink, caller: AbortSignal): XlsxPackage {
  const zip = new ZipFile();
  const broken = new AbortController();
  const signal = AbortSignal.any([caller, broken.signal]);
  let part: PassThrough | null = null;

  zip.on('error', (error) => broken.abort(error));
  const written = pump();
  written.catch((error: unknown) => broken.abort(error));

  async function pump(): Promise<void> {
    for await (const bytes of zip.outputStream) {
      signal.throwIfAborted();
      await sink.write(bytes as Uint8Array);
    }
  }

  return {
    open(name) {
      const stream = new PassThrough();
      stream.on('error', (error) => broken.abort(error));
      part = stream;
      zip.addReadStream(stream, name, options);
      return {
        async write(xml) {
          signal.throwIfAborted();
          if (stream.write(xml)) return;
          await once(stream, 'drain', { signal }).catch((error: unknown) => {
            signal.throwIfAborted();
            throw error;
          });
        },
        end() {
          stream.end();
        },
      };
    },
    add(name, xml) {
      zip.addBuffer(Buffer.from(xml), name, options);
    },
    async close() {
      signal.throwIfAborted();
      zip.end();
      await written;
      signal.throwIfAborted();
    },
    async [Symbol.asyncDispose]() {
      part?.destroy();
      // Ends the pump, also one that waits for bytes that will not come; a write that is under way is waited for.
      (zip.outputStream as PassThrough).destroy();
      await written.catch(() => undefined);
    },
  };
}
