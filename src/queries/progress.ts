/** How far a script has come, told from the events of its run. */
import type { RunEvent } from '../engines/engine.ts';
import type { WrittenEvent } from './export-run.ts';

export interface RunProgress {
  readonly rows: number;
  readonly bytes: number;
  /** Of the statements that were begun: what they gave, or are expected to give; null where the planner says nothing. */
  readonly estimatedRows: number | null;
  /** Of all statements, each counting the same; below 100, since the run is not over. Null where unknown. */
  readonly percent: number | null;
}

/** Behind the last row there is still a commit. */
const maxPercent = 99;

/** @param maxRows of each statement: no more are read, whatever the planner expects */
export function createRunProgress({ maxRows }: { maxRows: number }): {
  after(event: RunEvent | WrittenEvent): RunProgress;
} {
  let rows = 0;
  let bytes = 0;
  let count = 1;
  let finished = 0;
  let finishedRows = 0;
  let running = false;
  let expected: number | null = null;
  /** The planner has said something about one of them. */
  let estimated = false;

  function take(event: RunEvent | WrittenEvent): void {
    if (event.type === 'statement') {
      count = event.count;
      running = true;
      expected = null;
    } else if (event.type === 'estimate') {
      expected = Math.min(event.rows, maxRows);
      estimated = true;
    } else if (event.type === 'written') {
      rows += event.rows;
      bytes += event.bytes;
    } else if (event.type === 'rows') {
      rows += event.rows.length;
      bytes += event.bytes;
    } else if (event.type === 'end') {
      finished += 1;
      finishedRows = rows;
      running = false;
    }
  }

  function estimatedRows(): number | null {
    if (running) return expected === null ? null : Math.max(finishedRows + expected, rows);
    return estimated ? rows : null;
  }

  function percent(): number | null {
    if (running && expected === null && count === 1) return null;
    const part = running && expected !== null ? (rows - finishedRows) / Math.max(expected, 1) : 0;
    return Math.min(maxPercent, ((finished + Math.min(part, 1)) / count) * 100);
  }

  return {
    after(event) {
      take(event);
      return { rows, bytes, estimatedRows: estimatedRows(), percent: percent() };
    },
  };
}
