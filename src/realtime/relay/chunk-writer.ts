/** Writes what a feed tells as chunks: what comes while some are written goes with the next, and is bounded. */
import type { CommitPosition, FeedEvent } from '../../engines/changes.ts';
import type { Log } from '../../lib/log.ts';
import { pause } from '../../lib/until-aborted.ts';
import { createChunkEncoder } from './chunk.ts';
import type { RelayLimits } from './limits.ts';
import { createPulse } from './pulse.ts';
import type { Chunk, Told } from './store.ts';

export interface ChunkWriter {
  /** In the order of the log; of what comes while all is quiet only the place is told. */
  add(event: Exclude<FeedEvent, { type: 'alive' }>): void;
  /** All that was added is in chunks now, which are written. @returns the last of them and what is told up to it */
  cut(): Told;
  /** What was added is written soon: with more, where something is written just now. */
  flush(): void;
  /** What is committed to the metadata. */
  readonly written: Told;
  /** Bytes of the chunks behind this one that are kept. */
  bytesBehind(number: number): number;
  /** Resolves when there is room for more. */
  room(signal: AbortSignal): Promise<void>;
  /** Forgets what is too old and was taken by all up to this number, or is too much. */
  trim(taken: number): Promise<void>;
}

export interface ChunkWriterDeps {
  /** Where it begins: outside of a transaction. */
  readonly start: { readonly number: number; readonly position: CommitPosition };
  readonly seal: (text: string, number: number) => Promise<Buffer>;
  /** @returns false where somebody else writes now. @throws Error where the metadata are away */
  readonly append: (chunks: readonly Chunk[], told: Told) => Promise<boolean>;
  readonly forget: (number: number) => Promise<void>;
  /** There is more to read. */
  readonly told: () => void;
  /** Nothing is written any more. */
  readonly failed: (error: unknown) => void;
  readonly limits: RelayLimits;
  readonly log: Log;
  readonly signal: AbortSignal;
}

interface Cut {
  readonly number: number;
  readonly behind: CommitPosition | null;
  readonly text: string;
  readonly told: Told;
}

/** Somebody else listens to the database now. */
export class TakenOver extends Error {
  override readonly name = 'TakenOver';
}

/** Chunks of one statement. */
const chunksAtOnce = 8;
const retryMs = 250;

export function createChunkWriter({ start, seal, append, limits, log, signal, ...deps }: ChunkWriterDeps): ChunkWriter {
  const encoder = createChunkEncoder();
  const pulse = createPulse();
  let number = start.number;
  let inside = false;
  let position = start.position;
  /** Of what is being gathered. */
  let behind: CommitPosition | null = position;
  const waiting: Cut[] = [];
  let waitingBytes = 0;
  let written: Told = start;
  let writing: Promise<void> | null = null;
  /** The oldest first. */
  let kept: { readonly number: number; readonly bytes: number; readonly atMs: number }[] = [];
  let keptBytes = 0;

  const told = (): Told => ({ number, position: inside ? null : position });

  function cut(): Told {
    if (encoder.size === 0) return told();
    number += 1;
    const text = encoder.take();
    waiting.push({ number, behind, text, told: told() });
    waitingBytes += text.length;
    behind = inside ? null : position;
    writing ??= write().catch(deps.failed);
    return told();
  }

  async function write(): Promise<void> {
    while (waiting.length > 0 && !signal.aborted) {
      const some = waiting.splice(0, chunksAtOnce);
      const chunks = await Promise.all(
        some.map(async (one) => ({ ...one, payload: await seal(one.text, one.number) })),
      );
      const last = some.at(-1)!.told;
      await appendOnce(chunks, last);
      written = last;
      for (const { payload, ...one } of chunks) {
        kept.push({ number: one.number, bytes: payload.length, atMs: performance.now() });
        keptBytes += payload.length;
      }
      for (const { text } of some) waitingBytes -= text.length;
      deps.told();
      pulse.beat();
      // What has gathered meanwhile.
      if (waiting.length === 0 && encoder.size > 0) cut();
    }
    writing = null;
  }

  /** Again where it is not known whether it was done. */
  async function appendOnce(chunks: readonly Chunk[], last: Told): Promise<void> {
    for (;;) {
      try {
        if (await append(chunks, last)) return;
      } catch (error) {
        log.debug({ error: String(error) }, 'relay.not_written');
        await pause(retryMs, signal);
        continue;
      }
      throw new TakenOver();
    }
  }

  return {
    add(event) {
      encoder.add(event);
      if (event.type === 'begin') inside = true;
      else if (event.type === 'commit') inside = false;
      if (event.type === 'commit') position = event.position;
      if (encoder.size >= limits.chunkBytes) cut();
    },

    cut,
    flush() {
      if (writing === null) cut();
    },

    get written() {
      return written;
    },

    bytesBehind(from) {
      let bytes = 0;
      for (let place = kept.length - 1; place >= 0 && kept[place]!.number > from; place -= 1)
        bytes += kept[place]!.bytes;
      return bytes;
    },

    async room(until) {
      while (waitingBytes + encoder.size > limits.pendingBytes && !until.aborted && !signal.aborted)
        await pulse.wait(until);
    },

    async trim(taken) {
      const before = performance.now() - limits.keptMs;
      let gone = 0;
      let goneBytes = 0;
      for (const one of kept) {
        const old = one.atMs < before && one.number <= taken;
        if (!old && keptBytes - goneBytes <= limits.keptBytes) break;
        gone += 1;
        goneBytes += one.bytes;
      }
      if (gone === 0) return;
      const last = kept[gone - 1]!.number;
      kept = kept.slice(gone);
      keptBytes -= goneBytes;
      await deps.forget(last);
    },
  };
}
