/** Pieces of SQL that print pieces of SQL. Names and literals are quoted by PostgreSQL itself. */
import { notSystem, secretOption } from '../catalog/sql.ts';

export const schemaOf = (o: string, column: string): string =>
  `join pg_namespace n on n.oid = ${o}.${column} and ${notSystem('n')}`;

/** ` OPTIONS (name 'value', …)` of an options array of foreign data, without those named as secrets; null where there are none. */
export const foreignOptions = (options: string): string => `(
  select ' OPTIONS (' || string_agg(quote_ident(option_name) || ' ' || quote_literal(option_value), ', ') || ')'
  from pg_options_to_table(${options}) where option_name !~* '${secretOption}')`;

/** `name=value, …` of storage parameters; null where there are none. */
export const parameters = (options: string, prefix = ''): string => `(
  select string_agg('${prefix}' || quote_ident(option_name) || case
    when option_value is null then ''
    when option_value ~ '^(-?[0-9]+([.][0-9]+)?|[a-z_]+)$' then '=' || option_value
    else '=' || quote_literal(option_value) end, ', ')
  from pg_options_to_table(${options}))`;

/** A function in a definition that takes one, null where there is none: a zero is no function. */
export const functionOrNull = (oid: string): string => `nullif(${oid}::oid, 0)::regproc`;

/** `WORD = value` where there is a value, to be put together by concat_ws. */
export const setting = (word: string, value: string): string => `'${word} = ' || ${value}`;

/** The options of a pg_sequence row that are not what they would be anyway, each with a space ahead. */
export const sequenceOptions = (s: string): string => {
  const bounds = (small: string, middle: string, large: string) =>
    `case ${s}.seqtypid when 'smallint'::regtype then ${small} when 'integer'::regtype then ${middle} else ${large} end`;
  const least = `case when ${s}.seqincrement > 0 then 1 else ${bounds('-32768', '-2147483648', '-9223372036854775808')} end`;
  const most = `case when ${s}.seqincrement > 0 then ${bounds('32767', '2147483647', '9223372036854775807')} else -1 end`;
  return `concat(
    case when ${s}.seqincrement <> 1 then ' INCREMENT BY ' || ${s}.seqincrement end,
    case when ${s}.seqmin <> ${least} then ' MINVALUE ' || ${s}.seqmin end,
    case when ${s}.seqmax <> ${most} then ' MAXVALUE ' || ${s}.seqmax end,
    case when ${s}.seqstart <> case when ${s}.seqincrement > 0 then ${s}.seqmin else ${s}.seqmax end
      then ' START WITH ' || ${s}.seqstart end,
    case when ${s}.seqcache <> 1 then ' CACHE ' || ${s}.seqcache end,
    case when ${s}.seqcycle then ' CYCLE' end)`;
};
