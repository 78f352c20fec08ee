/** Feeds of test databases, and what they tell in short. */
import { randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { ChangedRow, ChangedTable, ChangeFeed, FeedEvent, FeedOptions } from '../../../../src/engines/changes.ts';
import type { Target } from '../../../../src/engines/engine.ts';
import { postgresql } from '../support.ts';

export const never = new AbortController().signal;

export const source = postgresql().changes!;

/** One that is closed when the test has ended. */
export async function openFeed(target: Target, options: Partial<FeedOptions> = {}): Promise<ChangeFeed> {
  const feed = await source.open(target, { feedId: randomUUID(), kept: false, signal: never, ...options });
  onTestFinished(() => feed[Symbol.asyncDispose]());
  return feed;
}

/** Follows tables of the schema `public`, all of which have to be followable. */
export async function follow(feed: ChangeFeed, ...names: string[]): Promise<void> {
  const tables = names.map((name) => ({ schema: 'public', name }));
  for (const outcome of await feed.follow(tables, { signal: never }))
    if (outcome.id === null) throw new Error(`${outcome.table.name}: ${outcome.reason}`);
}

/** Events one by one, without those that come by themselves; what is read is confirmed with each transaction. */
export async function* told(feed: ChangeFeed, { confirms = true } = {}): AsyncGenerator<FeedEvent, void> {
  for await (const batch of feed) {
    for (const event of batch) {
      if (event.type === 'alive') continue;
      yield event;
      if (event.type === 'commit' && confirms) feed.confirm(event.position);
    }
  }
}

/** Changes as text, a transaction in brackets: `[+item(1,a) ~item(1,a → 1,b) -item(1)]`. */
export async function transactions(events: AsyncGenerator<FeedEvent, void>, count: number): Promise<string[]> {
  const found: string[] = [];
  let changes: string[] = [];
  while (found.length < count) {
    const { value: event, done } = await events.next();
    if (done || event === undefined) throw new Error(`The feed ended behind ${found.join(' ')}`);
    if (event.type === 'begin') changes = [];
    else if (event.type === 'commit') found.push(`[${changes.join(' ')}]`);
    else changes.push(inShort(event));
  }
  return found;
}

export function inShort(event: FeedEvent): string {
  switch (event.type) {
    case 'insert':
      return `+${event.table.name}(${row(event.new)})`;
    case 'update':
      return `~${event.table.name}(${event.old === null ? '' : `${row(event.old)} → `}${row(event.new)})`;
    case 'delete':
      return `-${event.table.name}(${row(event.old)})`;
    case 'truncate':
      return `0${event.tables.map(({ name }: ChangedTable) => name).join()}`;
    default:
      return event.type;
  }
}

const row = (values: ChangedRow): string =>
  values.map((value) => (value === undefined ? '?' : value === null ? 'null' : value)).join();
