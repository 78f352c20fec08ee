/** run-upload.ts as a child: its lines as they come, and its death. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface UploadLine {
  written?: number;
  safe?: number;
  bytes?: number;
  sha256?: string;
  memoryBytes?: number;
}

export function uploadInProcess(place: object, key: string, bytes: number, hold = '') {
  const script = join(import.meta.dirname, 'run-upload.ts');
  const child = spawn(process.execPath, [script, JSON.stringify(place), key, String(bytes), hold], {
    // What it says when it fails is expected.
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  async function kill(): Promise<void> {
    child.kill('SIGKILL');
    await exited;
  }

  return {
    /** Stops it in the middle of whatever it does. */
    pause: () => child.kill('SIGSTOP'),
    goOn: () => child.kill('SIGCONT'),
    /** When it has ended by itself: whether with an error. */
    async failed(): Promise<boolean> {
      for await (const _ of { [Symbol.asyncIterator]: () => lines });
      await exited;
      return child.exitCode !== 0;
    },
    /** The next one that is so. @throws Error when none comes */
    async line(isSo: (line: UploadLine) => boolean): Promise<UploadLine> {
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error('the upload ended before');
        const line = JSON.parse(value) as UploadLine;
        if (isSo(line)) return line;
      }
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
