/**
 * The process that listens to a database: holds its one feed for as long as it has the lease, hands what it tells to its own
 * reader, and writes it as chunks for the readers of other processes while there are any.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { SealedColumn } from '../../db/rotation.ts';
import type { ChangeFeed, CommitPosition, FeedEvent } from '../../engines/changes.ts';
import { type Bus, createDoorbell } from '../../lib/bus.ts';
import { AppError } from '../../lib/errors.ts';
import type { Keyring } from '../../lib/keyring.ts';
import type { Log } from '../../lib/log.ts';
import type { Topic } from '../../lib/topics.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import type { OpenedFeed } from '../feeds/lasting-feed.ts';
import { type Lease, leaseLost } from '../feeds/leases.ts';
import type { HeldFeed } from '../feeds/store.ts';
import { sealChunk } from './chunk.ts';
import { type ChunkWriter, createChunkWriter, TakenOver } from './chunk-writer.ts';
import type { RelayLimits } from './limits.ts';
import { createLocalReader, type LocalReader } from './local-reader.ts';
import { createParties, type Parties } from './parties.ts';
import { createPulse } from './pulse.ts';
import type { Epoch, Reader, RelayedStatus, RelayStore } from './store.ts';

export interface RelayedFeed extends OpenedFeed {
  /** Changes are kept also while nobody listens. */
  readonly kept: boolean;
}

/** Opens the feed for the process that holds it. */
export type OpenFeed = (
  held: HeldFeed,
  /** `after`: all up to here was told; absent: nothing was. */
  options: { readonly after: CommitPosition | undefined; readonly signal: AbortSignal },
) => Promise<OpenedFeed>;

export interface Leader {
  readonly revision: string;
  /** Of who has opened it. */
  readonly first: RelayedFeed;
  /** For this process, again. Null where it has one reader already, or cannot tell all behind that place. */
  attach(after: CommitPosition | undefined, signal: AbortSignal): Promise<RelayedFeed | null>;
  /** Ends all who read it. */
  stop(reason: AppError): Promise<void>;
  /** Resolves when nothing of it is left. */
  readonly done: Promise<void>;
}

export interface LeaderDeps {
  /** Is let go with the feed. */
  readonly lease: Lease;
  /** Of this process, also as a reader. */
  readonly holderId: string;
  readonly revision: string;
  /** What was had before; absent: nothing. */
  readonly after: CommitPosition | undefined;
  readonly open: OpenFeed;
  readonly store: RelayStore;
  readonly keyring: Pick<Keyring, 'seal'>;
  readonly bus: Bus<Topic>;
  readonly limits: RelayLimits;
  readonly log: Log;
}

/** The party of this process. */
const local = '';

/** What the key of the chunks is sealed for. */
export const keyContext = ({ databaseId, epoch }: Epoch): readonly string[] => ['changes', databaseId, epoch];

/** For a rotation of the keys. */
export const sealedFeedKeys: SealedColumn = {
  table: 'change_relays',
  column: 'sealed_key',
  key: { database_id: 'uuid' },
  boundTo: ['database_id', 'epoch'],
  context: (databaseId, epoch) => keyContext({ databaseId, epoch }),
};

interface Answering {
  readonly request: string;
  taken: number;
  takenAtMs: number;
}

/**
 * Begins to hold what was just taken.
 * @throws whatever `open` throws; AppError CONNECTION_FAILED where it was taken by another meanwhile,
 * POSITION_LOST where not all behind `after` is told
 */
export async function lead(deps: LeaderDeps, { signal }: { signal: AbortSignal }): Promise<Leader> {
  const { lease, holderId, revision, store, keyring, bus, limits, log } = deps;
  const { databaseId, kept } = lease.feed;
  const epoch: Epoch = { databaseId, epoch: randomUUID() };
  const closed = new AbortController();
  const key = randomBytes(32);
  const pulse = createPulse();
  const readers = new Map<string, Answering>();
  let feed: ChangeFeed | null = null;
  let parties: Parties | null = null;
  let writer: ChunkWriter | null = null;
  let reader: LocalReader | null = null;
  /** Wait for the transaction under way to end. */
  const arriving: ((position: CommitPosition) => void)[] = [];
  let inside = false;
  let position: CommitPosition = '';
  let confirmed: CommitPosition = '';
  let numbered = 0;
  let readAtMs = performance.now();

  const end = (reason: unknown) => closed.abort(reason instanceof TakenOver ? leaseLost() : reason);

  function statusOf(opened: ChangeFeed): RelayedStatus {
    const { retainedBytes, safeBytes, confirmed: upTo, heardAt } = opened.status();
    return { retainedBytes, safeBytes, confirmed: upTo, heardAt: heardAt.toISOString() };
  }

  /** Calls with the place when no transaction is under way, before anything behind it is told. */
  function atRest(arrive: (position: CommitPosition) => void): void {
    if (inside) arriving.push(arrive);
    else arrive(position);
  }

  function take(events: readonly FeedEvent[]): void {
    let from = 0;
    for (const [place, event] of events.entries()) {
      if (!inside && arriving.length > 0) {
        // Whoever was there has all before; who arrives has what follows.
        reader?.give(events.slice(from, place));
        from = place;
        for (const arrive of arriving.splice(0)) arrive(position);
      }
      if (event.type === 'begin') inside = true;
      else if (event.type === 'commit') inside = false;
      else if (event.type === 'coverage') parties?.cover(event);
      if (event.type === 'commit' || event.type === 'alive') position = event.position;
      if (event.type !== 'alive') writer?.add(event);
    }
    reader?.give(from === 0 ? events : events.slice(from));
    if (!inside) for (const arrive of arriving.splice(0)) arrive(position);
    writer?.flush();
  }

  async function pump(opened: ChangeFeed): Promise<void> {
    try {
      for await (const events of opened) {
        take(events);
        await reader?.taken();
        await writer?.room(closed.signal);
        while (writer && !closed.signal.aborted && writer.bytesBehind(slowest()) > limits.behindBytes)
          await pulse.wait(closed.signal);
        if (closed.signal.aborted) return;
      }
      end(ended());
    } catch (error) {
      end(error);
    }
  }

  /** What all have read who read at all. */
  function slowest(): number {
    const now = performance.now();
    const reading = [...readers.values()].filter(({ takenAtMs }) => now - takenAtMs < limits.stalledMs);
    return Math.min(...reading.map(({ taken }) => taken), Number.MAX_SAFE_INTEGER);
  }

  function tell(at: CommitPosition): void {
    if (writer || closed.signal.aborted) return;
    writer = createChunkWriter({
      start: { number: numbered, position: at },
      seal: (text, number) => sealChunk(text, key, { ...epoch, number }),
      append: (chunks, told) => store.append({ ...epoch, ...told }, chunks),
      forget: (number) => store.trim(epoch, number),
      told: () => bus.ringElsewhere('changes.told', databaseId),
      failed: end,
      limits,
      log,
      signal: closed.signal,
    });
  }

  function hush(): void {
    if (!writer) return;
    numbered = writer.cut().number;
    writer = null;
  }

  async function report(opened: ChangeFeed, wanting: Parties): Promise<void> {
    const told = writer ? tellable(writer) : { number: numbered, position: null };
    const found = await store.report({ ...epoch, ...told, status: statusOf(opened) });
    if (found === null) return end(leaseLost());
    if (closed.signal.aborted) return;
    await heed(
      opened,
      wanting,
      found.filter(({ id }) => id !== holderId),
    );
  }

  /** What is written; and how far it has come since, where nothing waits. */
  function tellable({ written }: ChunkWriter) {
    const last = writer?.cut();
    return last && last.number === written.number && !inside ? { ...written, position } : written;
  }

  async function heed(opened: ChangeFeed, wanting: Parties, found: readonly Reader[]): Promise<void> {
    const known = new Set(found.map(({ id }) => id));
    for (const id of [...wanting.all]) if (id !== local && !known.has(id)) wanting.leave(id);
    for (const id of [...readers.keys()]) if (!known.has(id)) readers.delete(id);
    for (const one of found) note(wanting, one);
    pulse.beat();
    advance(opened, found);
    if (found.length > 0) {
      readAtMs = performance.now();
      if (!writer) atRest(tell);
    } else {
      if (!reader) return end(ended());
      if (performance.now() - readAtMs > limits.keptMs && writer) {
        hush();
        return await store.trim(epoch, Number.MAX_SAFE_INTEGER);
      }
    }
    await writer?.trim(Math.min(...found.map(({ taken }) => taken), Number.MAX_SAFE_INTEGER));
  }

  function note(wanting: Parties, { id, request, taken, ...asked }: Reader): void {
    const known = readers.get(id);
    if (known && known.taken !== taken) Object.assign(known, { taken, takenAtMs: performance.now() });
    if (known?.request === request) return;
    readers.set(id, { request, taken, takenAtMs: performance.now() });
    void answer(wanting, { id, request, ...asked }).catch((error: unknown) => {
      // It is found again when it is renewed.
      readers.delete(id);
      log.debug({ error: String(error) }, 'relay.not_answered');
    });
  }

  async function answer(
    wanting: Parties,
    { id, request, held: ids, wanted }: Pick<Reader, 'id' | 'request' | 'held' | 'wanted'>,
  ): Promise<void> {
    wanting.hold(id, ids);
    const outcomes = wanting.follow(id, wanted, closed.signal).then(
      (found) => ({ outcomes: found, error: null }),
      (error: unknown) => ({ outcomes: [], error: sayable(error) }),
    );
    const telling = Promise.withResolvers<void>();
    atRest((at) => {
      tell(at);
      telling.resolve();
    });
    await untilAborted(telling.promise, closed.signal);
    const said = await outcomes;
    const told = writer?.cut() ?? { number: numbered, position: null };
    // Where nothing is to be written nothing else would say from where on it is told.
    if (writer && told.number === writer.written.number) await store.append({ ...epoch, ...told }, []);
    const followed = [...wanting.followed];
    await store.answer(epoch, id, { request, number: told.number, followed, ...said });
    bus.ringElsewhere('changes.told', databaseId);
  }

  /**
   * As far back as anybody may still ask for, who has read what another process told; where the target has let go of that,
   * where the last of them was.
   */
  async function openFeed(): Promise<OpenedFeed> {
    const options = { signal: AbortSignal.any([signal, lease.lost]) };
    const { after } = deps;
    if (after === undefined) return await deps.open(lease.feed, { ...options, after });
    const reading = await store.readers(databaseId);
    const least = (places: readonly (CommitPosition | null)[]) =>
      places.reduce<CommitPosition>((a, b) => (b !== null && b < a ? b : a), after);
    const had = least(reading.filter(({ id }) => id !== holderId).map((one) => one.position));
    const wanted = least([had, ...reading.map((one) => one.confirmed)]);
    try {
      return await deps.open(lease.feed, { ...options, after: wanted });
    } catch (error) {
      if (wanted === had || !(error instanceof AppError) || error.code !== 'POSITION_LOST') throw error;
      return await deps.open(lease.feed, { ...options, after: had });
    }
  }

  /** No further than all who read have confirmed. */
  function advance(opened: ChangeFeed, found: readonly Reader[]): void {
    const places = found.map((one) => one.confirmed ?? '');
    if (reader) places.push(reader.confirmed);
    const least = places.reduce((a, b) => (a < b ? a : b), position);
    if (least <= confirmed) return;
    confirmed = least;
    opened.confirm(least);
  }

  async function keep(opened: ChangeFeed, wanting: Parties): Promise<void> {
    using bell = createDoorbell(bus, 'changes.wanted', databaseId);
    while (!closed.signal.aborted) {
      await bell.wait(limits.reportMs, closed.signal);
      if (closed.signal.aborted) return;
      await report(opened, wanting).catch((error: unknown) => log.debug({ error: String(error) }, 'relay.not_told'));
    }
  }

  const onLost = () => end(lease.lost.reason);
  lease.lost.addEventListener('abort', onLost, { once: true });
  let generation: string;
  let pumping: Promise<unknown> = Promise.resolve();
  try {
    ({ feed, generation } = await openFeed());
    position = feed.start;
    confirmed = feed.start;
    if (deps.after !== undefined && deps.after < feed.start) throw positionLost();
    reader = createLocalReader({ start: feed.start, after: deps.after }, closed.signal);
    parties = createParties({
      feed,
      kept,
      failed: (error) => log.debug({ error: String(error) }, 'relay.not_unfollowed'),
    });
    const sealedKey = keyring.seal(key.toString('base64'), keyContext(epoch));
    const { lease: number } = lease.feed;
    if (!(await store.begin({ ...epoch, holderId, lease: number, revision, generation, kept, sealedKey })))
      throw leaseLost();
    // Who has read what another process told, or was that process, goes on from here, before anything is told.
    if (kept) tell(position);
    await report(feed, parties);
    pumping = Promise.all([pump(feed), keep(feed, parties)]);
  } catch (error) {
    end(error);
    await close();
    throw error;
  }

  async function close(): Promise<void> {
    lease.lost.removeEventListener('abort', onLost);
    await feed?.[Symbol.asyncDispose]();
    await pumping;
    await store.end(databaseId, epoch.epoch).catch(() => undefined); // It is swept.
    // It ends by itself.
    await untilAborted(Promise.resolve(lease[Symbol.asyncDispose]()), AbortSignal.timeout(limits.askMs)).catch(
      () => undefined,
    );
    bus.ringElsewhere('changes.told', databaseId);
  }

  const done = new Promise<void>((resolve) => {
    const onEnd = () =>
      void close()
        .catch((error: unknown) => log.debug({ error: String(error) }, 'relay.not_closed'))
        .finally(resolve);
    closed.signal.addEventListener('abort', onEnd, { once: true });
    if (closed.signal.aborted) onEnd();
  });
  const opened = feed;
  const wanting = parties;

  /** As the contract has it, for this process. */
  function feedOf(own: LocalReader): ChangeFeed {
    const over = AbortSignal.any([closed.signal, own.stopped]);
    return {
      start: own.start,
      resumed: opened.resumed,
      followed: new Map(wanting.followed),
      follow: (tables, options) => wanting.follow(local, tables, AbortSignal.any([options.signal, over])),
      async unfollow(ids) {
        wanting.unfollow(local, ids);
      },
      [Symbol.asyncIterator]: () => own.events(),
      confirm(upTo) {
        own.confirmed = upTo > own.confirmed ? upTo : own.confirmed;
        if (readers.size === 0) advance(opened, []);
      },
      status: () => opened.status(),
      closed: over,
      async [Symbol.asyncDispose]() {
        own.stop();
        if (reader === own) reader = null;
        wanting.leave(local);
        if (readers.size > 0 && !closed.signal.aborted) return;
        end(ended());
        await done;
      },
    };
  }

  return {
    revision,
    first: { feed: feedOf(reader), generation, kept },
    async attach(after, asked) {
      if (reader || closed.signal.aborted) return null;
      const arrived = Promise.withResolvers<LocalReader | null>();
      atRest((at) => {
        if (reader || asked.aborted || (after !== undefined && after < at)) return arrived.resolve(null);
        reader = createLocalReader({ start: at, after }, closed.signal);
        arrived.resolve(reader);
      });
      const own = await untilAborted(arrived.promise, AbortSignal.any([asked, closed.signal]));
      return own && { feed: feedOf(own), generation, kept };
    },
    async stop(reason) {
      end(reason);
      await done;
    },
    done,
  };
}

const sayable = (error: unknown) =>
  error instanceof AppError
    ? { code: error.code, message: error.message }
    : { code: 'CONNECTION_FAILED' as const, message: 'The process that listens to the database could not follow it' };

export const positionLost = (): AppError =>
  new AppError('POSITION_LOST', 'Not all that was committed since this place can be told any more');

const ended = (): AppError => new AppError('CONNECTION_FAILED', 'The database is listened to no longer');
