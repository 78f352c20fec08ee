/**
 * Makes indexes in a thread of its own, one at a time. The thread begins with the first that is wanted and ends when none
 * is: what it needed to read a large snapshot goes with it.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { createGate } from '../../lib/gate.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { CatalogIndex } from './catalog-index.ts';
import type { IndexAnswer, IndexTask } from './index-worker.ts';

/** A snapshot that needs more to be read ends the thread, and not the server. */
const maxHeapMegabytes = 2_048;

export interface IndexBuilder extends Service {
  /** @param load gives what is kept of a snapshot when its turn comes. @throws what `load` throws; Error for a content that is none */
  build(databaseName: string, load: () => Promise<Uint8Array | null>): Promise<CatalogIndex | null>;
}

export function createIndexBuilder(): IndexBuilder {
  const gate = createGate({ max: 1 });
  const stopped = new AbortController();
  let thread: Worker | null = null;
  let wanted = 0;

  function start(): Worker {
    // It needs nothing of this process: neither its environment nor its flags.
    const started = new Worker(new URL('./index-worker.ts', import.meta.url), {
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes },
    });
    started.on('error', () => undefined); // Whoever waits for its answer is told.
    started.on('exit', () => {
      if (thread === started) thread = null;
    });
    return started;
  }

  async function inThread(task: IndexTask): Promise<CatalogIndex> {
    thread ??= start();
    const answered = new AbortController();
    const ended = once(thread, 'exit', { signal: answered.signal }).then(() => {
      throw new Error('the thread that makes indexes ended');
    });
    try {
      const answer = once(thread, 'message');
      thread.postMessage(task);
      const [made] = (await Promise.race([answer, ended])) as [IndexAnswer];
      if ('fault' in made) throw new Error(made.fault);
      return made.index;
    } finally {
      answered.abort();
    }
  }

  return {
    async build(databaseName, load) {
      wanted += 1;
      try {
        return await gate.run(async () => {
          const content = await load();
          stopped.signal.throwIfAborted();
          return content && (await inThread({ databaseName, content }));
        }, stopped.signal);
      } finally {
        wanted -= 1;
        if (wanted === 0) {
          await thread?.terminate();
          thread = null;
        }
      }
    },
    async stop() {
      stopped.abort(new Error('the search has stopped'));
      await thread?.terminate();
    },
  };
}
