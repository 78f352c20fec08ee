/** What a table does on its own: triggers, and the policies that decide which rows a role sees. */
import { FunctionType, PolicyType, TriggerType } from './types.graph.ts';

TriggerType.implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    timing: t.exposeString('timing', { description: 'BEFORE, AFTER or INSTEAD OF.' }),
    events: t.exposeStringList('events', { description: 'INSERT, UPDATE, DELETE, TRUNCATE.' }),
    level: t.exposeString('level', { description: 'ROW or STATEMENT.' }),
    enabled: t.exposeBoolean('enabled'),
    definition: t.exposeString('definition'),
    function: t.field({
      type: FunctionType,
      nullable: true,
      resolve: ({ databaseId, function: name }, _args, context) =>
        name && context.services.catalog.functionNamed(context, databaseId, name),
    }),
  }),
});

PolicyType.implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    command: t.exposeString('command', { description: 'ALL, SELECT, INSERT, UPDATE or DELETE.' }),
    permissive: t.exposeBoolean('permissive', { description: 'True: one of them is enough. False: all must hold.' }),
    roles: t.exposeStringList('roles', { description: '`public` is everybody.' }),
    using: t.exposeString('using', { nullable: true, description: 'Which rows are seen.' }),
    check: t.exposeString('check', { nullable: true, description: 'Which rows may be written.' }),
  }),
});
