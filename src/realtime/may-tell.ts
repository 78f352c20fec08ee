/** Whether changes of a table can be told at all by what its credentials may read: asked of who comes, and of who is there. */
import type { RowAccess } from '../engines/row-access.ts';
import { AppError } from '../lib/errors.ts';

/** @throws AppError FORBIDDEN, UNSUPPORTED */
export function requireTold(access: RowAccess): void {
  const readable = new Set(access.columns.filter((column) => column.readable).map(({ name }) => name));
  if (readable.size === 0) throw unreadable(access, 'nothing of it');
  if (access.rowSecurity && !(access.key.length > 0 && access.key.every((name) => readable.has(name))))
    throw new AppError(
      'UNSUPPORTED',
      `Policies decide which rows of ${access.schema}.${access.name} may be read, and it has no primary key that may be: changes cannot be checked against them`,
    );
}

export const unreadable = ({ schema, name }: RowAccess, what: string): AppError =>
  new AppError('FORBIDDEN', `The database's credentials may read of ${schema}.${name} ${what}`);
