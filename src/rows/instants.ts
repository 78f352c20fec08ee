/** Dates and times as texts that compare as they do, in PostgreSQL's order: -infinity first, infinity last. */

const instant =
  /^(\d{4,7})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)? ?(Z|[+-]\d\d(?::?\d\d)?)?( BC)?$/;
const timeOfDay = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?$/;
const endless: Readonly<Record<string, string>> = { infinity: '~', '-infinity': ' ' };

/** 4713 BC and later are above zero then. */
const yearOffset = 10_000;
const yearDigits = 7;

export interface InstantForm {
  readonly time: boolean;
  readonly zone: boolean;
}

/** Undefined for what is none of this form; a time without a zone is UTC where the form has one. */
export function instantRank(text: string, form: InstantForm): string | undefined {
  const end = endless[text];
  if (end !== undefined) return end;
  const [, years, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone, era] =
    instant.exec(text) ?? [];
  if (years === undefined || (zone !== undefined && !form.zone)) return undefined;
  const dateAlone = !/[T ]\d/.test(text);
  if (!form.time && !dateAlone) return undefined;
  const year = era === undefined ? Number(years) : 1 - Number(years);
  const at = new Date(0);
  at.setUTCFullYear(year, Number(month) - 1, Number(day));
  // A day that there is not has become one of the next month. JavaScript ends in 275760, PostgreSQL's dates much later.
  const known = !Number.isNaN(at.getTime());
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > 31) return undefined;
  if (known && at.getUTCDate() !== Number(day)) return undefined;
  if (Number(hour) > 24 || Number(minute) > 59 || Number(second) > 60) return undefined;
  if (!known) return rankOf(year, `${month}-${day}`, `${hour}:${minute}:${second}`, fraction);
  at.setUTCHours(Number(hour), Number(minute) - offsetMinutes(zone), Number(second));
  const [, monthAndDay = '', time = ''] = /-(\d\d-\d\d)T(\d\d:\d\d:\d\d)/.exec(at.toISOString()) ?? [];
  return rankOf(at.getUTCFullYear(), monthAndDay, time, fraction);
}

const rankOf = (year: number, monthAndDay: string, time: string, fraction: string): string =>
  `${String(year + yearOffset).padStart(yearDigits, '0')}-${monthAndDay} ${time}.${fraction.padEnd(6, '0')}`;

function offsetMinutes(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(':', '') || 0);
  return zone.startsWith('-') ? -minutes : minutes;
}

export function timeRank(text: string): string | undefined {
  const [, hour, minute, second = '00', fraction = ''] = timeOfDay.exec(text) ?? [];
  if (hour === undefined || Number(hour) > 24 || Number(minute) > 59 || Number(second) > 60) return undefined;
  return `${hour}:${minute}:${second}.${fraction.padEnd(6, '0')}`;
}
