/** Five-field cron in UTC: what is taken, what is refused and why, and when it is due. */
import { expect, test } from 'vitest';
import { nextRun, parseSchedule } from '../../../src/queries/saved/schedule.ts';

const dueAfter = (schedule: string, after: string) => nextRun(parseSchedule(schedule), new Date(after))?.toISOString();

test.each([
  ['* * * * *', '2026-11-21T07:00:30.500Z', '2026-11-21T07:01:00.000Z'],
  ['*/15 * * * *', '2026-11-21T07:00:00.000Z', '2026-11-21T07:15:00.000Z'],
  ['0 0 * * *', '2026-12-31T23:59:59.999Z', '2027-01-01T00:00:00.000Z'],
  ['0 9 * * MON-FRI', '2026-11-20T09:00:00.000Z', '2026-11-23T09:00:00.000Z'],
  ['0 0 31 * *', '2026-08-31T00:00:00.000Z', '2026-10-31T00:00:00.000Z'],
  ['0 0 29 2 *', '2026-01-01T00:00:00.000Z', '2028-02-29T00:00:00.000Z'],
  ['0 0 29 2 *', '2096-03-01T00:00:00.000Z', '2104-02-29T00:00:00.000Z'],
  ['0 0 * * 0', '2026-11-21T00:00:00.000Z', '2026-11-22T00:00:00.000Z'],
  ['0 0 * * 7', '2026-11-21T00:00:00.000Z', '2026-11-22T00:00:00.000Z'],
  // Both days given: either will do, as in every cron.
  ['0 0 13 * 5', '2026-11-10T00:00:00.000Z', '2026-11-13T00:00:00.000Z'],
  ['0 0 13 * 5', '2026-11-13T00:00:00.000Z', '2026-11-20T00:00:00.000Z'],
  // The clocks of Europe and America change in these nights; UTC has no such hour.
  ['30 1 * * *', '2026-03-29T00:00:00.000Z', '2026-03-29T01:30:00.000Z'],
  ['30 2 * * *', '2026-03-08T02:30:00.000Z', '2026-03-09T02:30:00.000Z'],
])('“%s” after %s is due at %s', (schedule, after, due) => {
  expect(dueAfter(schedule, after)).toBe(due);
});

test('space around and between the fields is nothing', () => {
  expect(parseSchedule('  0\t 9 *  * MON-FRI \n')).toBe('0 9 * * MON-FRI');
});

test.each([
  ['', 'five fields'],
  ['* * * *', 'five fields'],
  ['0 * * * * *', 'five fields'],
  ['0 0 1 1 * 2030', 'five fields'],
  ['@daily', 'five fields'],
  ['2030-01-01T00:00:00', 'five fields'],
  ['60 * * * *', 'the minute “60”'],
  ['-1 * * * *', 'the minute “-1”'],
  ['5/5 * * * *', 'the minute “5/5”'],
  ['*/0 * * * *', 'the minute “*/0”'],
  ['1,,2 * * * *', 'the minute “1,,2”'],
  ['10-5 * * * *', 'the minute “10-5”'],
  ['0 24 * * *', 'the hour “24”'],
  ['0 22-4 * * *', 'the hour “22-4”'],
  ['0 0 0 * *', 'the day of the month “0”'],
  ['0 0 L * *', 'the day of the month “L”'],
  ['0 0 15W * *', 'the day of the month “15W”'],
  ['0 0 ? * *', 'the day of the month “?”'],
  ['0 0 * 13 *', 'the month “13”'],
  ['0 0 * MON *', 'the month “MON”'],
  ['0 0 * * 8', 'the day of the week “8”'],
  ['0 0 * * FRI#2', 'the day of the week “FRI#2”'],
  ['0 0 * * 5L', 'the day of the week “5L”'],
  ['0 0 * * +5', 'the day of the week “+5”'],
  ['0 0 * * \u0661', 'the day of the week “\u0661”'],
  ['0 0 30 2 *', 'due at no time'],
  ['0 0 31 4,6,9,11 *', 'due at no time'],
  [`${'0,'.repeat(200)}0 * * * *`, 'at most 200 characters'],
])('“%s” is refused: %s', (schedule, message) => {
  expect(() => parseSchedule(schedule)).toThrow(
    expect.objectContaining({
      code: 'BAD_USER_INPUT',
      details: { fields: [{ path: 'input.schedule', message: expect.stringContaining(message) }] },
    }),
  );
});
