/** When a schedule is due: five-field cron in UTC. The reckoning is croner's; this holds it to the five plain fields. */
import { Cron } from 'croner';
import { badInput } from '../../lib/errors.ts';

const maxLength = 200;

const fields = [
  { name: 'minute', values: '0 to 59' },
  { name: 'hour', values: '0 to 23' },
  { name: 'day of the month', values: '1 to 31' },
  { name: 'month', values: '1 to 12 or JAN to DEC' },
  { name: 'day of the week', values: '0 to 7 or SUN to SAT' },
] as const;

/** Stars, numbers and names, their ranges, steps and lists: none of the L, W, #, ? and + of one library or another. */
const value = String.raw`(?:\d{1,2}|[a-z]{3})`;
const item = String.raw`(?:\*|${value}(?:-${value})?)(?:/\d{1,2})?`;
const plain = new RegExp(`^${item}(?:,${item})*$`, 'i');

const cronOf = (schedule: string): Cron => new Cron(schedule, { mode: '5-part', timezone: 'UTC', paused: true });

/**
 * The schedule with one space between its fields.
 * @throws AppError BAD_USER_INPUT that names the field, also for one that is due at no time
 */
export function parseSchedule(text: string): string {
  const fault = (message: string) => badInput({ path: 'input.schedule', message });
  if (text.length > maxLength) throw fault(`at most ${maxLength} characters`);
  const given = text.trim().split(/\s+/);
  if (given.length !== fields.length || given[0] === '') {
    throw fault('five fields of cron, in UTC: minute, hour, day of the month, month, day of the week');
  }
  for (const [i, { name, values }] of fields.entries()) {
    const field = given[i]!;
    if (!isSound(field, i)) {
      throw fault(`the ${name} “${field}” is not one: ${values}, as * or as lists (1,3), ranges (1-5) and steps (*/2)`);
    }
  }
  const schedule = given.join(' ');
  if (!nextRun(schedule, new Date())) throw fault(`“${schedule}” is due at no time: no such day is in such a month`);
  return schedule;
}

/** On its own, so that what is wrong is wrong with this one. */
function isSound(field: string, index: number): boolean {
  if (!plain.test(field)) return false;
  try {
    cronOf(fields.map((_, i) => (i === index ? field : '*')).join(' '));
    return true;
  } catch {
    return false; // Its message counts days from 0 and knows no name of ours.
  }
}

/** The first time behind `after`; null where there is none any more. */
export const nextRun = (schedule: string, after: Date): Date | null => cronOf(schedule).nextRun(after);
