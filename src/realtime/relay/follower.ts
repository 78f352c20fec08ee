/** The changes of a database that another process listens to: registers what is wanted with it, and reads its chunks. */
import { randomUUID } from 'node:crypto';
import type { QualifiedName } from '../../engines/catalog.ts';
import type { ChangeFeed, ChangeSource, CommitPosition, FeedEvent, FollowOutcome } from '../../engines/changes.ts';
import { type Bus, createDoorbell } from '../../lib/bus.ts';
import { AppError } from '../../lib/errors.ts';
import type { Keyring } from '../../lib/keyring.ts';
import type { Log } from '../../lib/log.ts';
import type { Topic } from '../../lib/topics.ts';
import { pause } from '../../lib/until-aborted.ts';
import { createChunkDecoder, openChunk } from './chunk.ts';
import { keyContext, positionLost, type RelayedFeed } from './leader.ts';
import type { RelayLimits } from './limits.ts';
import { createPulse } from './pulse.ts';
import { createSkip } from './skip.ts';
import type { Answer, Epoch, RelayState, RelayStore, Telling, Told } from './store.ts';

export interface FollowerDeps {
  readonly databaseId: string;
  /** Of this process. */
  readonly readerId: string;
  readonly revision: string;
  /** What was had before; absent: nothing. */
  readonly after: CommitPosition | undefined;
  readonly decoderOf: ChangeSource['decoderOf'];
  readonly store: RelayStore;
  readonly keyring: Pick<Keyring, 'open'>;
  readonly bus: Bus<Topic>;
  readonly limits: RelayLimits;
  readonly log: Log;
}

/** Nobody listens to the database any more, or another process does. */
export class HolderGone extends AppError {
  /** OTHER_FEED: he is there, but what he listens to leads elsewhere. */
  readonly why: 'GONE' | 'OTHER_FEED';

  constructor(why: 'GONE' | 'OTHER_FEED' = 'GONE') {
    super('CONNECTION_FAILED', 'The process that listened to the database does so no longer');
    this.name = 'HolderGone';
    this.why = why;
  }
}

/**
 * Begins to read where the holder is, or behind `after`.
 * @throws HolderGone; AppError POSITION_LOST where not all behind `after` is told; the signal's reason
 */
export async function followHolder(deps: FollowerDeps, { signal }: { signal: AbortSignal }): Promise<RelayedFeed> {
  const { databaseId, readerId, after, store, keyring, bus, limits, log } = deps;
  const session = randomUUID();
  const me = { databaseId, readerId, session };
  const decode = createChunkDecoder(deps);
  const skip = createSkip(after);
  const closed = new AbortController();
  const pulse = createPulse();
  const held = new Set<string>();
  /** When the lease was first seen to have ended. */
  let overSinceMs: number | null = null;
  /** Up to which all was had, also before; and up to which nothing is needed. Empty: not known yet. */
  let position: CommitPosition = after ?? '';
  let confirmed: CommitPosition = after ?? '';
  let disposed = false;
  let reading = false;
  let last: Promise<unknown> = Promise.resolve();

  const end = (reason: unknown) => closed.abort(reason);

  function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const done = last.then(work);
    last = done.catch(() => undefined); // Whoever asked is told.
    return done;
  }

  /** Null while he opens the feed. @throws HolderGone, also where this process has become the holder meanwhile */
  function holderOf(state: RelayState | null): Telling | null {
    if (!state || state.holderId === null || state.holderId === readerId) throw new HolderGone();
    if (state.telling && state.telling.revision !== deps.revision) throw new HolderGone('OTHER_FEED');
    return state.telling;
  }

  /** @throws HolderGone */
  function check(state: RelayState | null): Telling {
    if (!state?.telling || state.telling.epoch !== epoch.epoch) throw new HolderGone();
    if (state.holderId !== null) overSinceMs = null;
    else {
      overSinceMs ??= performance.now();
      if (performance.now() - overSinceMs >= limits.graceMs) throw new HolderGone();
    }
    return state.telling;
  }

  /** Looks again and again until there is something. @throws HolderGone, AppError TIMEOUT */
  async function until<Value>(look: () => Promise<Value | null>, within: AbortSignal): Promise<Value> {
    using bell = createDoorbell(bus, 'changes.told', databaseId);
    const deadline = performance.now() + limits.answerMs;
    for (;;) {
      within.throwIfAborted();
      const found = await look().catch((error: unknown) => {
        if (error instanceof AppError) throw error;
        log.debug({ error: String(error) }, 'relay.not_looked');
        return null;
      });
      if (found !== null) return found;
      if (performance.now() > deadline)
        throw new AppError('TIMEOUT', 'The process that listens to the database does not answer');
      await bell.wait(limits.pollMs, within);
    }
  }

  async function ask(
    wanted: readonly QualifiedName[],
    within: AbortSignal,
    look: (state: RelayState | null) => unknown,
  ): Promise<Answer> {
    const request = randomUUID();
    const places = { position: position || null, confirmed: confirmed || null };
    const asking = { ...me, request, held: [...held], wanted, ...places, readMs: limits.readMs };
    let asked = false;
    return await until(async () => {
      if (!asked) await store.ask(asking);
      if (!asked) bus.ringElsewhere('changes.wanted', databaseId);
      asked = true;
      const answer = await store.answerOf(me);
      if (answer?.request === request) return answer;
      look(await store.state(databaseId));
      return null;
    }, within);
  }

  async function begin() {
    const { followed } = await ask([], signal, holderOf);
    return await until(async () => {
      const telling = holderOf(await store.state(databaseId));
      if (!telling) return null;
      const place: Epoch = { databaseId, epoch: telling.epoch };
      const from = placeOf(await store.beginnings(place), after);
      if (!from) return null;
      const key = Buffer.from(keyring.open(telling.sealedKey, keyContext(place)), 'base64');
      return { telling, epoch: place, from, key, followed };
    }, signal);
  }

  const { telling, epoch, from, key, followed } = await begin();
  let { status } = telling;
  let { number } = from;
  let heardAt = new Date();
  position ||= from.position;
  confirmed ||= from.position;

  const stay = () => store.stay({ ...me, taken: number, position, confirmed, readMs: limits.readMs });

  async function keep(): Promise<void> {
    while (!closed.signal.aborted) {
      try {
        if (!(await stay())) throw new HolderGone();
        const seen = check(await store.state(databaseId));
        status = seen.status;
        heardAt = new Date();
      } catch (error) {
        if (error instanceof AppError) end(error);
        else if (Date.now() - heardAt.getTime() > limits.silentMs) end(silent());
        else log.debug({ error: String(error) }, 'relay.not_read');
      }
      await pause(limits.reportMs, closed.signal).catch(() => undefined); // The loop sees it.
    }
  }

  async function* read(): AsyncGenerator<readonly FeedEvent[]> {
    if (reading) throw new TypeError('A feed has one reader');
    reading = true;
    using bell = createDoorbell(bus, 'changes.told', databaseId);
    while (!closed.signal.aborted) {
      const found = await look();
      for (const chunk of found?.chunks ?? []) {
        if (closed.signal.aborted) break;
        if (chunk.number !== number + 1) end(positionLost());
        else yield* tell(await openChunk(chunk.payload, key, { ...epoch, number: chunk.number }));
      }
      if (!found) await bell.wait(limits.pollMs, closed.signal);
      else if (found.chunks.length === 0) {
        if (found.number > number) end(positionLost());
        else if (found.position !== null && found.position > position) yield* quiet(found.position);
        else await bell.wait(limits.pollMs, closed.signal);
      }
    }
    if (!disposed) throw closed.signal.reason;
  }

  /** Null where the metadata do not answer. */
  async function look() {
    try {
      const found = await store.read(databaseId, number, limits.readBytes);
      return { ...check(found), chunks: found!.chunks };
    } catch (error) {
      if (error instanceof AppError) end(error);
      else log.debug({ error: String(error) }, 'relay.not_read');
      return null;
    }
  }

  /** What its reader has come back from counts as had. */
  function* tell(text: string): Generator<readonly FeedEvent[]> {
    const events = decode(text);
    const rest = skip(events);
    if (rest.length > 0) yield rest;
    const last = events.findLast((event) => event.type === 'commit');
    if (last && last.position > position) ({ position } = last);
    number += 1;
    pulse.beat();
  }

  function* quiet(at: CommitPosition): Generator<readonly FeedEvent[]> {
    const rest = skip([{ type: 'alive', position: at }]);
    if (rest.length > 0) yield rest;
    position = at;
  }

  async function follow(tables: readonly QualifiedName[], within: AbortSignal): Promise<readonly FollowOutcome[]> {
    const { outcomes, error, number: before } = await ask(tables, within, check);
    if (error) throw new AppError(error.code, error.message);
    for (const { id } of outcomes) if (id !== null) held.add(id);
    // What was told of other tables before the answer is not this reader's news.
    while (number < before) {
      within.throwIfAborted();
      await pulse.wait(within);
    }
    return outcomes;
  }

  const keeping = keep();
  const feed: ChangeFeed = {
    start: after ?? from.position,
    resumed: after !== undefined,
    followed: new Map(followed),
    follow: (tables, options) =>
      inTurn(() => {
        const within = AbortSignal.any([options.signal, closed.signal]);
        return follow(tables, within);
      }),
    unfollow: (ids, options) =>
      inTurn(async () => {
        for (const id of ids) held.delete(id);
        await ask([], AbortSignal.any([options.signal, closed.signal]), check);
      }),
    [Symbol.asyncIterator]: read,
    confirm(upTo) {
      if (upTo > confirmed) confirmed = upTo;
    },
    status: () => ({
      retainedBytes: status?.retainedBytes ?? null,
      safeBytes: status?.safeBytes ?? null,
      confirmed: status?.confirmed ?? confirmed,
      position,
      heardAt: status ? new Date(status.heardAt) : heardAt,
    }),
    closed: closed.signal,
    async [Symbol.asyncDispose]() {
      disposed = true;
      // Who goes on with the next holder stays known until then.
      const leaves = !(telling.kept && closed.signal.aborted);
      end(new AppError('CONNECTION_FAILED', 'The feed was closed'));
      await keeping;
      if (!leaves) return;
      await store.leave(me).catch(() => undefined); // It is forgotten by itself.
      bus.ringElsewhere('changes.wanted', databaseId);
    },
  };
  return { feed, generation: telling.generation, kept: telling.kept };
}

/** Null where it has to be waited for. @throws AppError POSITION_LOST */
function placeOf(
  places: readonly (Told & { readonly position: CommitPosition })[],
  after: CommitPosition | undefined,
): (Told & { position: CommitPosition }) | null {
  const [first] = places;
  if (!first) return null;
  // As far back as there is, for who comes with a position that he was given elsewhere.
  if (after === undefined) return first;
  const place = places.findLast(({ position }) => position <= after);
  if (!place) throw positionLost();
  return place;
}

const silent = (): AppError =>
  new AppError('CONNECTION_FAILED', 'The changes that another process hears could not be read for too long');
