/** Foreign data: wrappers and servers. User mappings are left out, since their options are where passwords are. */
import type { Kind } from './kind.ts';
import { ranks } from './object.ts';
import { foreignOptions, functionOrNull } from './sql.ts';

export const foreignData: readonly Kind[] = [
  {
    catalog: 'pg_foreign_data_wrapper',
    rank: ranks.wrapper,
    sql: ({ asked }) => `select o.oid, null, o.fdwname, format('CREATE FOREIGN DATA WRAPPER %I%s;', o.fdwname, concat(
        ' HANDLER ' || ${functionOrNull('o.fdwhandler')}, ' VALIDATOR ' || ${functionOrNull('o.fdwvalidator')},
        ${foreignOptions('o.fdwoptions')}))
      from pg_foreign_data_wrapper o where ${asked}`,
  },
  {
    catalog: 'pg_foreign_server',
    rank: ranks.server,
    sql: ({
      asked,
    }) => `select o.oid, null, o.srvname, format('CREATE SERVER %I%s FOREIGN DATA WRAPPER %I%s;', o.srvname,
        concat(' TYPE ' || quote_literal(o.srvtype), ' VERSION ' || quote_literal(o.srvversion)), w.fdwname,
        ${foreignOptions('o.srvoptions')})
      from pg_foreign_server o join pg_foreign_data_wrapper w on w.oid = o.srvfdw where ${asked}`,
  },
];
