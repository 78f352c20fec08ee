/** Opens the log of a database for a feed: checks what it needs, makes what it needs in the target, begins to read. */
import { AppError } from '../../../lib/errors.ts';
import type { CommitPosition, FeedLimits, FeedOptions } from '../../changes.ts';
import type { Target } from '../../engine.ts';
import { type ConnectDeps, type Connection, connect } from '../connect.ts';
import type { FollowedTable } from './events.ts';
import { unlessGone } from './failures.ts';
import { coverageOf } from './following.ts';
import { after as behind, later, lsnOf } from './lsn.ts';
import { type FeedNames, namesOf } from './names.ts';
import { retireOutbox } from './outbox/retire.ts';
import { createPublication, isLockTimeout, type Publication } from './publication.ts';
import { checkServer, openFailure } from './requirements.ts';
import { openSide, type Side } from './side.ts';
import { dropSlots, findKeptSlot, makeSlot, positionLost, takeOver } from './slot.ts';
import { startWalStream, type WalStream } from './wal-stream.ts';

/** The parts of a feed that is open. Disposing them closes both sessions. */
export interface OpenedLog extends AsyncDisposable {
  readonly side: Side;
  readonly replication: Connection;
  readonly publication: Publication;
  readonly stream: WalStream;
  readonly slot: string;
  readonly start: CommitPosition;
  readonly resumed: boolean;
  readonly followed: Map<number, FollowedTable>;
}

/** @throws as ChangeSource.open does */
export async function openLog(
  deps: ConnectDeps,
  target: Target,
  { feedId, kept, after, beginsAnew, signal }: FeedOptions,
  limits: FeedLimits,
): Promise<OpenedLog> {
  const names = namesOf(feedId);
  await using opening = new AsyncDisposableStack();
  const side = opening.use(await openSide(deps, target, { signal, label: `${names.label} side` }));
  const sessions = [side.connection];
  try {
    const { major } = await checkServer(side, { target, kept }, { signal });
    await takeOver(side, names, { signal });
    const publication = createPublication({ side, names, major });
    const replication = opening.use(await connect(deps, target, { signal, label: names.label, replication: true }));
    sessions.push(replication);
    // How long it may wait for the transactions of others.
    await replication.client.query(`SET lock_timeout = ${limits.patienceMs}`);
    const making = { side, names, publication, replication, kept, signal };
    const log = (kept ? await goOn(making, after) : null) ?? (await beginAnew(making, beginsAnew));
    const { slot, start } = log;
    const stream = await startWalStream(replication, startCommand({ names, slot, start, major }), { signal });
    await side.query(`LISTEN ${names.ddlChannel}`, [], { signal });
    await retireOutbox(side, { feedId, signal });
    const held = opening.move();
    return {
      side,
      replication,
      publication,
      stream,
      ...log,
      [Symbol.asyncDispose]: () => held.disposeAsync(),
    };
  } catch (error) {
    signal.throwIfAborted();
    if (isLockTimeout(error)) throw impatient(limits, error);
    throw unlessGone(openFailure(error), ...sessions);
  }
}

interface Making {
  readonly side: Side;
  readonly names: FeedNames;
  readonly publication: Publication;
  readonly replication: Connection;
  readonly kept: boolean;
  readonly signal: AbortSignal;
}

type Log = Pick<OpenedLog, 'slot' | 'start' | 'resumed' | 'followed'>;

/** Null: nothing was kept. @throws AppError POSITION_LOST */
async function goOn(
  { side, names, publication, signal }: Making,
  after: CommitPosition | undefined,
): Promise<Log | null> {
  const slot = await findKeptSlot(side, names, { signal });
  if (slot === null) return null;
  const facts = await publication.resume({ signal });
  if (facts === null) {
    // What was committed without them is not told.
    await dropSlots(side, [slot.name], { signal });
    throw positionLost();
  }
  if (after !== undefined && after < slot.start) throw positionLost();
  const start = later(slot.start, after ?? slot.start);
  return { slot: slot.name, start, resumed: true, followed: coverageOf(facts, start) };
}

/** The publications first: before 18 the log cannot be read at a place where they are not. */
async function beginAnew(
  { side, names, publication, replication, kept, signal }: Making,
  beginsAnew: FeedOptions['beginsAnew'],
): Promise<Log> {
  if (kept) await beginsAnew?.();
  else await dropSlots(side, [names.keptSlot], { signal });
  await publication.make({ signal });
  const { name, start } = await makeSlot(replication, names, { kept, signal });
  return { slot: name, start, resumed: false, followed: new Map() };
}

/** From here on the log can tell of messages of ours, which prove that it moves. */
const messagesSince = 14;

function startCommand({
  names: { publication, insertPublication },
  slot,
  start,
  major,
}: {
  names: FeedNames;
  slot: string;
  start: CommitPosition;
  major: number;
}): string {
  const messages = major >= messagesSince ? `, messages 'true'` : '';
  const options = `proto_version '1', publication_names '${publication},${insertPublication}'${messages}`;
  return `START_REPLICATION SLOT ${slot} LOGICAL ${lsnOf(behind(start))} (${options})`;
}

const impatient = ({ patienceMs }: FeedLimits, cause: unknown): AppError =>
  new AppError(
    'TIMEOUT',
    `The feed waited ${patienceMs} ms for a transaction that writes to end: changes can only be told from behind it`,
    { cause },
  );
