/** Oids that are the same on every server: of the catalogues themselves (catalog/pg_*.h), and where users' begin. */

export const catalogs = {
  pg_type: 1247,
  pg_proc: 1255,
  pg_class: 1259,
  pg_foreign_server: 1417,
  pg_foreign_data_wrapper: 2328,
  pg_am: 2601,
  pg_cast: 2605,
  pg_constraint: 2606,
  pg_conversion: 2607,
  pg_language: 2612,
  pg_namespace: 2615,
  pg_opclass: 2616,
  pg_operator: 2617,
  pg_rewrite: 2618,
  pg_trigger: 2620,
  pg_opfamily: 2753,
  pg_extension: 3079,
  pg_policy: 3256,
  pg_statistic_ext: 3381,
  pg_collation: 3456,
  pg_event_trigger: 3466,
  pg_transform: 3576,
  pg_ts_dict: 3600,
  pg_ts_parser: 3601,
  pg_ts_config: 3602,
  pg_ts_template: 3764,
  pg_publication: 6104,
} as const;
export type CatalogTable = keyof typeof catalogs;

/** Oids from here on are given out; below are the server's own. */
export const firstUserOid = 16384;
