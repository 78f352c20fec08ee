/** Says whether a query may be planned a second time, for its estimate alone: without an effect, and at a small price. */
import type { Tree } from './parser.ts';
import { membersOf } from './walk.ts';

/**
 * A function that claims to be immutable or stable runs while a query is planned, so that a second planning would count
 * twice, notify twice, wait twice. What only the server knows remains: the functions behind views, policies, operators,
 * casts and domains, those that are called like a column, and one of a user that bears the name of a harmless one.
 * Without a FROM a query gives the rows that it names: nothing to look up.
 */
export function isEstimable(query: Tree): boolean {
  let from = false;
  for (const [name, value] of membersOf(query)) {
    if (name === 'fromClause') from = true;
    if (name === 'FuncCall' && !isHarmless(value as Tree)) return false;
  }
  return from;
}

/** A function of the server's own that has no effect; of a user's nothing is known. */
export function isHarmless({ funcname }: Tree): boolean {
  const names = (Array.isArray(funcname) ? funcname : []).map((part: Tree) => (part.String as Tree)?.sval);
  const [schema, name] = names.length === 1 ? ['pg_catalog', names[0]] : names;
  return names.length <= 2 && schema === 'pg_catalog' && harmless.has(String(name));
}

/** Quick, and their result is about as long as what they are given: no repeat, lpad, replace, format. */
const harmless: ReadonlySet<string> = new Set(
  [
    'count sum avg min max bool_and bool_or every bit_and bit_or bit_xor any_value array_agg string_agg',
    'json_agg jsonb_agg json_object_agg jsonb_object_agg stddev stddev_pop stddev_samp variance var_pop var_samp',
    'corr covar_pop covar_samp regr_slope regr_intercept regr_r2 regr_count mode percentile_cont percentile_disc',
    'row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value grouping',
    'abs ceil ceiling floor round trunc sign sqrt cbrt ln log log10 mod div gcd lcm degrees radians pi random',
    'sin cos tan cot asin acos atan atan2 width_bucket',
    'lower upper initcap length char_length character_length octet_length bit_length ascii chr concat concat_ws',
    'substr substring left right trim btrim ltrim rtrim position strpos starts_with split_part reverse translate',
    'overlay md5 sha256 encode decode quote_ident quote_literal quote_nullable to_hex like_escape',
    'now transaction_timestamp statement_timestamp clock_timestamp timeofday age date_part extract date_trunc date_bin',
    'date time timestamp timestamptz interval make_date make_time make_timestamp make_timestamptz make_interval',
    'to_timestamp to_date to_char to_number timezone justify_days justify_hours justify_interval isfinite overlaps',
    'generate_series generate_subscripts unnest array_length array_lower array_upper array_ndims cardinality',
    'array_append array_prepend array_cat array_position array_remove string_to_array',
    'json_build_object jsonb_build_object json_build_array jsonb_build_array to_json to_jsonb row_to_json',
    'json_array_length jsonb_array_length json_array_elements jsonb_array_elements json_array_elements_text',
    'jsonb_array_elements_text json_each jsonb_each json_each_text jsonb_each_text json_object_keys jsonb_object_keys',
    'json_typeof jsonb_typeof json_extract_path json_extract_path_text jsonb_extract_path jsonb_extract_path_text',
    'num_nulls num_nonnulls pg_typeof current_database current_schema gen_random_uuid uuidv4 uuidv7',
    'lower_inc upper_inc isempty int4range int8range numrange daterange tsrange tstzrange',
  ].flatMap((names) => names.split(' ')),
);
