/** Opens an outbox for a feed: ends who read it before, goes on where it was or begins anew. */
import { pause } from '../../../../lib/until-aborted.ts';
import type { ChangeFeed, CommitPosition, FeedLimits, FeedOptions } from '../../../changes.ts';
import type { Target } from '../../../engine.ts';
import type { ConnectDeps } from '../../connect.ts';
import type { FollowedTable } from '../events.ts';
import { later } from '../lsn.ts';
import { type FeedNames, namesOf, unsupported } from '../names.ts';
import { openSide, refusalOf, type Side } from '../side.ts';
import { positionLost } from '../slot.ts';
import { createFeed } from './feed.ts';
import { outboxNamesOf } from './installation.ts';
import { createOutbox, type Outbox, positionOfPlace } from './outbox.ts';
import { createTriggers, lockPatienceMs, type Triggers } from './triggers.ts';

/** Nobody has counted the rows: a planner that takes them for few sorts all of a transaction for each piece of it. */
const planning = ['SET enable_bitmapscan = off', 'SET enable_seqscan = off', 'SET jit = off'] as const;
const takeOverPauseMs = 50;

/** @throws as ChangeSource.open does; UNSUPPORTED where no outbox is installed */
export async function openOutboxFeed(
  deps: ConnectDeps,
  target: Target,
  options: FeedOptions,
  limits: FeedLimits,
): Promise<ChangeFeed> {
  const { feedId, signal } = options;
  const names = namesOf(feedId);
  await using opening = new AsyncDisposableStack();
  const side = opening.use(await openSide(deps, target, { signal, label: `${names.label} side` }));
  const outbox = createOutbox(side, outboxNamesOf(feedId));
  const triggers = createTriggers({ side, names: outboxNamesOf(feedId) });
  if (!(await outbox.isInstalled({ signal }))) throw unsupported('No outbox is installed');
  try {
    await takeOver(side, names, signal);
    for (const setting of planning) await side.query(setting, [], { signal });
    const begun = await begin(outbox, triggers, options);
    await side.query(`LISTEN ${outboxNamesOf(feedId).channel}`, [], { signal });
    await side.query(`LISTEN ${names.ddlChannel}`, [], { signal });
    return createFeed({ side, outbox, triggers, names, options, limits, ...begun, held: opening.move() });
  } catch (error) {
    signal.throwIfAborted();
    throw refusalOf(error);
  }
}

/** One reader at a time: whoever was left behind, or is not yet gone, is ended. */
async function takeOver(side: Side, { label, outbox }: FeedNames, signal: AbortSignal): Promise<void> {
  for (;;) {
    const [row] = await side.query('SELECT pg_try_advisory_lock(hashtextextended($1, 0))', [`quarry rows ${outbox}`], {
      signal,
    });
    if (row?.[0] === 't') return;
    await side.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()`,
      [`${label} side`],
      { signal },
    );
    await pause(takeOverPauseMs, signal);
  }
}

interface Begun {
  readonly start: CommitPosition;
  readonly resumed: boolean;
  readonly followed: Map<number, FollowedTable>;
}

/** @throws AppError POSITION_LOST */
async function begin(
  outbox: Outbox,
  triggers: Triggers,
  { kept, after, beginsAnew, signal }: FeedOptions,
): Promise<Begun> {
  const there = await triggers.there({ signal });
  const forgotten = kept ? await outbox.resume({ signal }) : null;
  if (forgotten !== null) {
    const first = positionOfPlace(forgotten);
    if (after !== undefined && after < first) throw positionLost();
    const start = later(first, after ?? first);
    const whole = [...there].filter(([, triggers]) => triggers === 'WHOLE');
    const followed = new Map(whole.map(([oid]) => [Number(oid), { after: start, coverage: 'ALL' as const }]));
    return { start, resumed: true, followed };
  }
  if (kept) await beginsAnew?.();
  // What they wrote while nobody had a place is not all there.
  await triggers.take([...there.keys()], { signal, patienceMs: lockPatienceMs });
  const start = positionOfPlace(await outbox.reset({ signal }));
  if (kept && after !== undefined) {
    await outbox.close({ signal });
    throw positionLost();
  }
  return { start, resumed: false, followed: new Map() };
}
