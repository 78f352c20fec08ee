/**
 * Leaves out of a feed what was told before: a feed that is opened again tells a transaction that was cut off from its
 * beginning. What comes out is one stream, as if nothing had happened.
 */
import type { CommitPosition, FeedEvent } from '../../engines/changes.ts';

export interface Repeated {
  /** In their order, from any number of feeds of the same log. */
  leaveOut(events: readonly FeedEvent[]): FeedEvent[];
  /** Up to which all was told. */
  readonly told: CommitPosition;
}

export function createRepeated(start: CommitPosition): Repeated {
  let told = start;
  /** Of which a part was told, up to that place. */
  let open: { readonly position: CommitPosition; place: number } | null = null;
  /** What comes is of a transaction that was told. */
  let repeats = false;

  /** A later feed does not tell the rest: its tables are followed no longer. */
  function closeBefore(position: CommitPosition, fresh: FeedEvent[]): void {
    if (open === null || position <= open.position) return;
    fresh.push({ type: 'commit', position: open.position });
    told = open.position;
    open = null;
  }

  function take(event: FeedEvent, fresh: FeedEvent[]): void {
    switch (event.type) {
      case 'begin':
        repeats = event.position <= told;
        if (repeats) return;
        closeBefore(event.position, fresh);
        if (open !== null) return;
        open = { position: event.position, place: 0 };
        fresh.push(event);
        return;
      case 'commit':
        if (!repeats) {
          fresh.push(event);
          told = event.position;
          open = null;
        }
        repeats = false;
        return;
      case 'alive':
        closeBefore(event.position, fresh);
        if (open !== null || event.position <= told) return;
        told = event.position;
        fresh.push(event);
        return;
      case 'insert':
      case 'update':
      case 'delete':
        if (repeats || open === null || event.place <= open.place) return;
        open.place = event.place;
        fresh.push(event);
        return;
      case 'truncate': {
        if (repeats || open === null) return;
        const tables = event.tables.slice(Math.max(0, open.place + 1 - event.place));
        if (tables.length === 0) return;
        const last = event.place + event.tables.length - 1;
        open.place = last;
        fresh.push({ type: 'truncate', place: last + 1 - tables.length, tables });
        return;
      }
      default:
        fresh.push(event);
    }
  }

  return {
    leaveOut(events) {
      const fresh: FeedEvent[] = [];
      for (const event of events) take(event, fresh);
      return fresh;
    },
    get told() {
      return told;
    },
  };
}
