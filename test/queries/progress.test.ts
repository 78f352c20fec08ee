/** How far a script has come, as its events tell. */
import { expect, test } from 'vitest';
import type { RunEvent } from '../../src/engines/engine.ts';
import { createRunProgress } from '../../src/queries/progress.ts';

const statement = (index: number, count: number): RunEvent => ({
  ...{ type: 'statement', index, count, sql: '', alters: false },
});
const estimate = (index: number, rows: number): RunEvent => ({ type: 'estimate', index, rows });
const rows = (index: number, count: number): RunEvent => ({
  type: 'rows',
  index,
  rows: Array.from({ length: count }, () => []),
  bytes: count * 10,
});
const end = (index: number): RunEvent => ({
  ...{ type: 'end', index, command: '', rowCount: null, truncated: false, durationMs: 0 },
});

/** Estimated rows and percent after each event. */
function progressOf(events: readonly RunEvent[], maxRows = 1_000) {
  const progress = createRunProgress({ maxRows });
  return events
    .map((event) => progress.after(event))
    .map(({ estimatedRows, percent }) => [estimatedRows, percent === null ? null : Math.round(percent)]);
}

test('of one statement is its rows against the estimate, and never whole before the end', () => {
  expect(progressOf([statement(0, 1), estimate(0, 200), rows(0, 50), rows(0, 149), rows(0, 1), end(0)])).toEqual([
    [null, null],
    [200, 0],
    [200, 25],
    [200, 99],
    [200, 99],
    [200, 99],
  ]);
});

test('an estimate is never below what was read, nor above what may be', () => {
  expect(progressOf([statement(0, 1), estimate(0, 10), rows(0, 40), end(0)]).slice(1)).toEqual([
    [10, 0],
    [40, 99],
    [40, 99],
  ]);
  expect(progressOf([statement(0, 1), estimate(0, 1e30), rows(0, 50)], 100).slice(1)).toEqual([
    [100, 0],
    [100, 50],
  ]);
});

test('nothing is made up where the planner says nothing', () => {
  expect(progressOf([statement(0, 1), rows(0, 5), end(0)])).toEqual([
    [null, null],
    [null, null],
    [null, 99],
  ]);
});

test('each statement of a script counts the same, and finished ones by the rows that they gave', () => {
  const script = [
    ...[statement(0, 4), end(0), statement(1, 4), estimate(1, 100), rows(1, 40), end(1)],
    ...[statement(2, 4), estimate(2, 10), rows(2, 5), end(2), statement(3, 4), end(3)],
  ];
  expect(progressOf(script)).toEqual([
    ...[
      [null, 0],
      [null, 25],
      [null, 25],
      [100, 25],
      [100, 35],
      [40, 50],
    ],
    ...[
      [null, 50],
      [50, 50],
      [50, 63],
      [45, 75],
      [null, 75],
      [45, 99],
    ],
  ]);
});

test('rows and bytes are those of all statements', () => {
  const progress = createRunProgress({ maxRows: 10 });
  const events = [statement(0, 2), rows(0, 2), end(0), statement(1, 2), rows(1, 3)];
  expect(events.map((event) => progress.after(event)).at(-1)).toMatchObject({ rows: 5, bytes: 50 });
});
