/**
 * Readers of one group who have all that there is. What comes is read once for all of them, and given to each where he
 * waits; who cannot take it so comes for it himself (read-on.ts), and is back here when he has it.
 */
import { setImmediate as othersTurn } from 'node:timers/promises';
import type { ChangeLog } from './change-log.ts';
import type { Position } from './positions.ts';
import type { GroupBatch } from './reader-group.ts';

export interface Waiting {
  /** From this change on there is something, behind that position, and it is read for him. */
  begins(ordinal: number, position: string): void;
  /** It may be empty. @returns false: he comes for it himself */
  take(batch: GroupBatch): boolean;
  /** He has all that there is again. */
  ends(): void;
  /** He has to come himself, for all from this change on, and is here no more. */
  comes(ordinal: number): void;
}

export interface LaneDeps {
  readonly log: Pick<ChangeLog, 'end' | 'positionBefore'>;
  readonly write: (position: Position) => string;
  /** @throws as ReaderGroup.read */
  readonly read: (ordinal: number) => Promise<GroupBatch>;
}

/** Where one waits. */
export interface LanePlace {
  leave(): void;
  /** He has all before this change, also while others are being given what comes. */
  reached(): number;
}

export interface Lane {
  /** @param next the change that he would go on with */
  wait(waiting: Waiting, next: number): LanePlace;
  /** There may be something, from this change on. */
  wake(ordinal: number): void;
}

interface Place {
  readonly waiting: Waiting;
  next: number;
  begun: boolean;
}

/** Readers who are given something before others have their turn. */
const maxAtOnce = 500;

export function createLane({ log, write, read }: LaneDeps): Lane {
  const places = new Set<Place>();
  /** From where there may be something that is not being read yet. */
  let due: number | null = null;
  /** The batch that is being read or given begins there; null: all have all that there is. */
  let giving: number | null = null;

  function send(place: Place, ordinal: number): void {
    places.delete(place);
    place.waiting.comes(ordinal);
  }

  function begin(place: Place, ordinal: number, position: string): void {
    place.begun = true;
    place.waiting.begins(ordinal, position);
  }

  /** What is read at once, as most is, need not be said of thousands. */
  async function readFrom(from: number): Promise<GroupBatch> {
    const marking = setImmediate(() => {
      const position = write(log.positionBefore(from));
      for (const place of places) if (place.next <= from && !place.begun) begin(place, from, position);
    });
    try {
      return await read(from);
    } finally {
      clearImmediate(marking);
    }
  }

  function giveTo(place: Place, batch: GroupBatch, from: number): void {
    const { waiting, next } = place;
    if (next > from) {
      // He came while it was read.
      if (next < batch.next) send(place, next);
      return;
    }
    if (!waiting.take(batch)) {
      send(place, from);
      return;
    }
    place.next = batch.next;
    if (batch.next < log.end.ordinal) begin(place, batch.next, batch.position);
    else if (place.begun) {
      place.begun = false;
      waiting.ends();
    }
  }

  /** @param from the batch begins there */
  async function giveAll(batch: GroupBatch, from: number): Promise<void> {
    let looked = 0;
    for (const place of places) {
      giveTo(place, batch, from);
      looked += 1;
      if (looked % maxAtOnce === 0) await othersTurn();
    }
  }

  /** @returns the change to go on with */
  async function giveFrom(from: number): Promise<number> {
    try {
      const batch = await readFrom(from);
      await giveAll(batch, from);
      return batch.next;
    } catch {
      // Each is told what he meets himself.
      for (const place of places) send(place, Math.max(from, place.next));
      return from;
    }
  }

  async function give(): Promise<void> {
    while (due !== null && places.size > 0) {
      const from = due;
      giving = from;
      due = null;
      const next = await giveFrom(from);
      if (due !== null || next < log.end.ordinal) due = next;
      // What was written has to get out.
      if (due !== null) await othersTurn();
    }
    due = null;
    giving = null;
  }

  return {
    wait(waiting, next) {
      const place = { waiting, next, begun: false };
      places.add(place);
      return {
        leave: () => void places.delete(place),
        reached: () => (giving === null ? log.end.ordinal : Math.max(giving, place.next)),
      };
    },
    wake(ordinal) {
      due = Math.min(due ?? ordinal, ordinal);
      if (giving === null) void give();
    },
  };
}
