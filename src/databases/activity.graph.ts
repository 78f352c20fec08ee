/** What runs in a database now. */
import { builder } from '../graph/builder.ts';
import { JobType } from '../jobs/jobs.graph.ts';
import type { DatabaseSession } from './activity.ts';
import { DatabaseType } from './databases.graph.ts';

const DatabaseSessionType = builder.objectRef<DatabaseSession>('DatabaseSession').implement({
  rights: 'parent',
  description: 'Who is connected. What the target does not show to the credentials of the database is null.',
  fields: (t) => ({
    sessionId: t.exposeString('sessionId', { description: 'As the engine names it: a pid, a thread.' }),
    user: t.exposeString('user', { nullable: true }),
    applicationName: t.exposeString('applicationName', {
      nullable: true,
      description: 'Quarry’s own begin with quarry.',
    }),
    state: t.exposeString('state', { nullable: true, description: 'In the engine’s words, e.g. active or idle.' }),
    query: t.exposeString('query', {
      nullable: true,
      description: 'What it runs, or ran last. Passwords and the like are hidden, and what is long is cut.',
    }),
    waitEvent: t.exposeString('waitEvent', { nullable: true, description: 'Kind and event, e.g. Lock: relation.' }),
    blockedBy: t.exposeStringList('blockedBy', {
      description: 'The sessions whose locks it waits for; 0 stands for a prepared transaction.',
    }),
    job: t.expose('job', { type: JobType, nullable: true, description: 'Null where the viewer may not see it, too.' }),
    startedAt: t.expose('since', {
      type: 'DateTime',
      nullable: true,
      description: 'When `query` began; of a session that has run nothing, when it connected.',
    }),
  }),
});

builder.objectField(DatabaseType, 'activity', (t) =>
  t.field({
    type: [DatabaseSessionType],
    nullable: true,
    // Each is a connection to a target: of the databases of a default page all may be asked for, not of 500.
    complexity: { field: 250, multiplier: 4 },
    description:
      'Who is connected and what runs there now, the busy first, at most 500; a session that runs a Quarry job names it. ' +
      'Viewers of a project and guests of the sample see the sessions of their own jobs alone.',
    resolve: ({ id }, _args, context) => context.services.activity.of(context, id),
  }),
);
