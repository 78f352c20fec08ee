/** Leaves out of a feed that goes on what its reader has had before. */
import type { CommitPosition, FeedEvent } from '../../engines/changes.ts';

/** @param after the place behind which he goes on; absent: he has had nothing. @returns to be called with all, in order */
export function createSkip(after: CommitPosition | undefined): (events: readonly FeedEvent[]) => readonly FeedEvent[] {
  if (after === undefined) return (events) => events;
  let inside = false;
  let passed = false;

  function isNew(event: FeedEvent): boolean {
    switch (event.type) {
      case 'begin':
        passed = event.position > after!;
        inside = !passed;
        return passed;
      case 'commit': {
        const old = inside;
        inside = false;
        return !old;
      }
      case 'alive':
        return event.position > after!;
      default:
        return !inside;
    }
  }

  // Once one transaction is new all are.
  return (events) => (passed ? events : events.filter(isNew));
}
