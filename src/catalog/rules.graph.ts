/** What a table does on its own: triggers, rules, and the policies that decide which rows a role sees. */
import { FiringEnum, FunctionType, PolicyType, RuleType, TriggerType } from './types.graph.ts';

TriggerType.implement({
  rights: 'parent',
  answers: 'kept',
  fields: (t) => ({
    name: t.exposeString('name'),
    timing: t.exposeString('timing', { description: 'BEFORE, AFTER or INSTEAD OF.' }),
    events: t.exposeStringList('events', { description: 'INSERT, UPDATE, DELETE, TRUNCATE.' }),
    level: t.exposeString('level', { description: 'ROW or STATEMENT.' }),
    enabled: t.exposeBoolean('enabled'),
    fires: t.expose('fires', { type: FiringEnum }),
    definition: t.exposeString('definition'),
    comment: t.exposeString('comment', { nullable: true }),
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
    comment: t.exposeString('comment', { nullable: true }),
  }),
});

RuleType.implement({
  rights: 'parent',
  answers: 'kept',
  description: 'What a statement on the table is rewritten to. The query behind a view is its `definition`.',
  fields: (t) => ({
    name: t.exposeString('name'),
    fires: t.expose('fires', { type: FiringEnum }),
    definition: t.exposeString('definition'),
    comment: t.exposeString('comment', { nullable: true }),
  }),
});
