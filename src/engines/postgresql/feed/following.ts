/** What a feed follows: adds tables and lets them go, and looks whether what is told of them is still what it was. */
import pg from 'pg';
import { createGate } from '../../../lib/gate.ts';
import type { QualifiedName } from '../../catalog.ts';
import type { CommitPosition, Coverage, FeedEvent, FollowOutcome } from '../../changes.ts';
import type { Events, FollowedTable } from './events.ts';
import type { TableFacts } from './followable.ts';
import { later } from './lsn.ts';
import type { Partitions } from './partitions.ts';
import { isLockTimeout, type Publication } from './publication.ts';
import { refusalOf } from './side.ts';
import { positionLost } from './slot.ts';

export interface Following {
  follow(tables: readonly QualifiedName[], options: { signal: AbortSignal }): Promise<FollowOutcome[]>;
  unfollow(ids: readonly string[], options: { signal: AbortSignal }): Promise<void>;
  /** @throws AppError POSITION_LOST where somebody took the publications away */
  check(options: { signal: AbortSignal }): Promise<void>;
}

export interface FollowingDeps {
  readonly publication: Publication;
  readonly partitions: Partitions;
  readonly followed: Map<number, FollowedTable>;
  readonly events: Events;
  readonly patienceMs: number;
  /** Told when there is something for the reader that is not in the log. */
  readonly news: (event: FeedEvent & { type: 'coverage' }) => void;
}

export function createFollowing(deps: FollowingDeps): Following {
  const { publication, partitions, followed, events, patienceMs, news } = deps;
  const gate = createGate({ max: 1 });
  /** Published and not followed: being added, or to be withdrawn as soon as they can be had. */
  const unfollowed = new Set<string>();
  let adding = false;
  /** Published as a whole again: all is told of them behind the place; null while others write who began before. */
  const rising = new Map<string, { after: CommitPosition | null }>();
  let settling = false;

  /** Nothing of the tables is told up to the place, and all behind it. @returns those for which it took too long */
  async function settle(facts: readonly TableFacts[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const { after, busy } = await publication.settle(
      facts.map(({ oid }) => oid),
      { signal, patienceMs },
    );
    // The log may have come here before the answer: what has begun in it was left out.
    const place = later(after, events.begun);
    for (const { oid, coverage } of facts)
      if (!busy.includes(oid)) {
        followed.set(Number(oid), { after: place, coverage });
        unfollowed.delete(oid);
      }
    return new Set(busy);
  }

  /** What cannot be had is withdrawn by a later look. */
  async function withdraw(oids: readonly string[], signal: AbortSignal): Promise<void> {
    for (const oid of oids) unfollowed.add(oid);
    try {
      await publication.withdraw(oids, { signal });
      for (const oid of oids) unfollowed.delete(oid);
    } catch (error) {
      unlessLocked(error);
    }
  }

  async function add(tables: readonly QualifiedName[], signal: AbortSignal): Promise<FollowOutcome[]> {
    const found: (TableFacts | string)[] = [];
    const added = new Map<string, TableFacts>();
    let busy: ReadonlySet<string> = new Set();
    try {
      for (const table of tables) {
        const one = await publishOne(publication, table, signal);
        found.push(one);
        if (typeof one === 'string' || isFollowed(followed, one)) continue;
        unfollowed.add(one.oid);
        added.set(one.oid, one);
      }
      // Before the place from which on they are told.
      await partitions.begin([...added.keys()], { signal });
      if (added.size > 0) busy = await settle([...added.values()], signal);
    } catch (error) {
      // Published and never told: the owner would pay for nothing.
      await withdraw([...added.keys()], AbortSignal.timeout(patienceMs)).catch(() => undefined);
      throw error;
    }
    if (busy.size > 0) await withdraw([...busy], signal);
    return found.map((one, index) => outcomeOf(tables[index]!, busy, one));
  }

  function outcomeOf(table: QualifiedName, busy: ReadonlySet<string>, found: TableFacts | string): FollowOutcome {
    if (typeof found === 'string') return { table, id: null, reason: found };
    const { oid, coverage, reason } = found;
    if (coverage === 'NOTHING') return { table, id: null, reason: reason ?? '' };
    const known = followed.get(Number(oid));
    if (busy.has(oid) || known === undefined || known.after === null)
      return {
        table,
        id: null,
        reason: `A transaction that writes to it has not ended within ${patienceMs} ms: try again`,
      };
    const { after } = known;
    if (known.coverage === coverage) return { table, id: oid, after, coverage, reason };
    // One of the two is not yet so for its readers, who are told when it is.
    return { table, id: oid, after, coverage: 'INSERTS', reason: reason ?? toldAgainSoon };
  }

  function tell(oid: string, coverage: Coverage, reason: string | null): void {
    rising.delete(oid);
    const table = followed.get(Number(oid));
    if (coverage === 'NOTHING') followed.delete(Number(oid));
    else if (table !== undefined) table.coverage = coverage;
    news({ type: 'coverage', tableId: oid, coverage, reason });
  }

  async function checkOne(oid: string, facts: TableFacts | undefined, signal: AbortSignal): Promise<void> {
    const before = followed.get(Number(oid))?.coverage;
    if (before === undefined) return;
    if (facts === undefined) return tell(oid, 'NOTHING', 'The table is gone');
    if (facts.published === null) return tell(oid, 'NOTHING', 'Somebody took the table out of the publication');
    if (facts.coverage === facts.published && (facts.coverage === before || rising.has(oid))) return;
    const now = await publication.publishById(oid, { signal });
    // Somebody let it go meanwhile.
    if (!followed.has(Number(oid))) return void unfollowed.add(oid);
    if (now === null) return tell(oid, 'NOTHING', 'The table is gone');
    if (now.coverage === 'ALL') return rise(oid, now, before);
    if (now.coverage !== before) tell(oid, now.coverage, now.reason);
  }

  /** Of transactions under way, and of those of before, the log tells their INSERTs alone. */
  function rise(oid: string, { published }: TableFacts, before: Coverage): void {
    if (before === 'ALL' && published === 'ALL') return;
    if (before === 'ALL') tell(oid, 'INSERTS', toldAgainSoon);
    rising.set(oid, { after: null });
  }

  /** Beside whatever else is done, and tried again with the next look. */
  async function settleAgain(signal: AbortSignal): Promise<void> {
    const unsettled = [...rising].filter(([, { after }]) => after === null);
    if (settling || unsettled.length === 0) return;
    settling = true;
    try {
      const oids = unsettled.map(([oid]) => oid);
      const { after, busy } = await publication.settle(oids, { signal, patienceMs });
      const place = later(after, events.begun);
      for (const [oid, one] of unsettled) if (!busy.includes(oid)) one.after = place;
    } finally {
      settling = false;
    }
  }

  /** Only behind the place: whoever begins to read there is owed all from there on. */
  function tellRisen(): void {
    for (const [oid, { after }] of [...rising]) {
      const table = followed.get(Number(oid));
      if (table === undefined) rising.delete(oid);
      else if (after !== null && events.position >= after) {
        table.after = after;
        tell(oid, 'ALL', null);
      }
    }
  }

  /** Whose key is taken away while it is being added must not break its owner's writes; nor one that could not be withdrawn. */
  async function checkUnfollowed(oid: string, facts: TableFacts | undefined, signal: AbortSignal): Promise<void> {
    if (!unfollowed.has(oid)) return;
    if (facts?.published == null) unfollowed.delete(oid);
    else if (!adding) await withdraw([oid], signal);
    else if (facts.coverage !== facts.published) await publication.publishById(oid, { signal });
  }

  return {
    follow: (tables, { signal }) =>
      gate.run(async () => {
        adding = true;
        try {
          return await add(tables, signal).catch(rethrow);
        } finally {
          adding = false;
        }
      }, signal),

    unfollow: (ids, { signal }) =>
      gate.run(async () => {
        const known = ids.filter((id) => followed.delete(Number(id)));
        for (const id of known) rising.delete(id);
        if (known.length > 0) await withdraw(known, signal).catch(rethrow);
      }, signal),

    // Beside the others: one of them may wait for long, and a table that has lost its key must not.
    async check({ signal }) {
      const oids = [...new Set([...[...followed.keys()].map(String), ...unfollowed])];
      const facts = await publication.look(oids, { signal }).catch(unlessLocked);
      if (facts === null) throw positionLost();
      if (facts === undefined) return;
      const byOid = new Map(facts.map((one) => [one.oid, one]));
      for (const oid of oids) {
        await checkOne(oid, byOid.get(oid), signal).catch(unlessLocked);
        await checkUnfollowed(oid, byOid.get(oid), signal).catch(unlessLocked);
      }
      tellRisen();
      await partitions.look([...followed.keys()].map(String), { signal }).catch(unlessLocked);
      // A line that is lost ends the feed by itself.
      void settleAgain(signal).catch(() => undefined);
    },
  };
}

const toldAgainSoon = 'UPDATE and DELETE are told again soon';

/** It is tried again with the next look. */
function unlessLocked(error: unknown): undefined {
  if (!isLockTimeout(error)) throw error;
}

/** What is told of one that is followed may have changed: its readers learn of that by the next look, and it keeps its place. */
const isFollowed = (followed: ReadonlyMap<number, FollowedTable>, { oid, coverage }: TableFacts): boolean =>
  coverage === 'NOTHING' || followed.has(Number(oid));

/** @returns what is known of it, or why it cannot be published */
async function publishOne(
  publication: Publication,
  table: QualifiedName,
  signal: AbortSignal,
): Promise<TableFacts | string> {
  try {
    return (await publication.publish(table, { signal })) ?? 'There is no such table';
  } catch (error) {
    if (isLockTimeout(error)) return 'Somebody holds a lock on it, e.g. to alter it or to vacuum it: try again';
    if (error instanceof pg.DatabaseError && error.code === '42501') return `It cannot be published: ${error.message}`;
    throw error;
  }
}

function rethrow(error: unknown): never {
  throw refusalOf(error);
}

/** As the contract names them. */
export const coverages = (followed: ReadonlyMap<number, FollowedTable>): Map<string, Coverage> =>
  new Map([...followed].map(([oid, { coverage }]) => [String(oid), coverage]));

export const coverageOf = (facts: readonly TableFacts[], after: CommitPosition): Map<number, FollowedTable> =>
  new Map(
    facts.flatMap(({ oid, published }) => (published === null ? [] : [[Number(oid), { after, coverage: published }]])),
  );
