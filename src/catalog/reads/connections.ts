/** Connections of tables and functions: cursors are their names. */
import type { QualifiedName, RelationKind, RoutineName } from '../../engines/catalog.ts';
import { badInput } from '../../lib/errors.ts';
import { type Connection, connectionOf, type PageArguments, pageOf } from '../../lib/pages.ts';
import { type FunctionNode, keyOf, type TableNode } from '../nodes.ts';

export interface TableArguments extends PageArguments {
  search?: string | null | undefined;
  kinds?: readonly RelationKind[] | null | undefined;
}

export interface FunctionArguments extends PageArguments {
  search?: string | null | undefined;
}

/** What is left out filters nothing. */
export const filterOf = ({ search, kinds }: TableArguments) => ({
  ...(search ? { search } : {}),
  ...(kinds ? { kinds } : {}),
});

/** @throws AppError BAD_USER_INPUT for a cursor that is not of this list */
function nameOf(cursor: string, parts: number, path: string): string[] {
  try {
    const value: unknown = JSON.parse(cursor);
    if (Array.isArray(value) && value.length === parts && value.every((part) => typeof part === 'string')) return value;
  } catch {
    // Any text may be given as a cursor; the refusal is below.
  }
  throw badInput({ path, message: 'not a cursor of this list' });
}

async function connection<Node extends Name, Name extends QualifiedName>(
  args: PageArguments,
  parse: (cursor: string, path: string) => Name,
  read: (page: {
    limit: number;
    backward: boolean;
    after: Name | undefined;
    before: Name | undefined;
  }) => Promise<Node[]>,
  totalCount: () => Promise<number>,
): Promise<Connection<Node>> {
  const page = pageOf(args);
  const after = page.after === null ? undefined : parse(page.after, 'after');
  const before = page.before === null ? undefined : parse(page.before, 'before');
  const found = await read({ limit: page.limit + 1, backward: page.backward, after, before });
  return connectionOf(page, found, cursorOf, totalCount);
}

const cursorOf = (node: QualifiedName | RoutineName): string => keyOf(node);

export const tableConnection = (
  args: PageArguments,
  read: Parameters<typeof connection<TableNode, QualifiedName>>[2],
  totalCount: () => Promise<number>,
) =>
  connection<TableNode, QualifiedName>(
    args,
    (cursor, path) => {
      const [schema = '', name = ''] = nameOf(cursor, 2, path);
      return { schema, name };
    },
    read,
    totalCount,
  );

export const functionConnection = (
  args: PageArguments,
  read: Parameters<typeof connection<FunctionNode, RoutineName>>[2],
  totalCount: () => Promise<number>,
) =>
  connection<FunctionNode, RoutineName>(
    args,
    (cursor, path) => {
      const [schema = '', name = '', identity = ''] = nameOf(cursor, 3, path);
      return { schema, name, identity };
    },
    read,
    totalCount,
  );
