/** Tasks of a project: planned, looked through and followed. */
import { z } from 'zod';
import { UserType } from '../../accounts/users.graph.ts';
import { builder } from '../../graph/builder.ts';
import { enumOf } from '../../graph/enums.ts';
import { registerRow } from '../../graph/nodes.ts';
import { notFound } from '../../lib/errors.ts';
import { encodeId, uuidOf } from '../../lib/ids.ts';
import { ProjectType } from '../projects.graph.ts';
import type { TaskEvent } from './events.ts';
import { type Task, taskDescription, taskLimits, taskStatuses, taskTitle } from './task.ts';

const TaskStatusEnum = enumOf('TaskStatus', taskStatuses);

const TaskType = builder.objectRef<Task>('Task').implement({
  rights: 'task:see',
  interfaces: [builder.nodeInterfaceRef()],
  description: 'What is to be done in a project.',
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('Task', id) }),
    project: t.prismaField({
      type: ProjectType,
      resolve: (query, task, _args, { services }) => services.tasks.projectOf(task, query),
    }),
    title: t.exposeString('title'),
    description: t.exposeString('description', { nullable: true }),
    status: t.expose('status', { type: TaskStatusEnum }),
    assignee: t.field({
      type: UserType,
      nullable: true,
      description: 'A member of the project: the tasks of one who leaves are nobody’s.',
      resolve: ({ assigneeId }, _args, { services }) =>
        assigneeId === null ? null : services.accounts.account(assigneeId),
    }),
    dueAt: t.expose('dueAt', { type: 'DateTime', nullable: true }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime' }),
  }),
});

registerRow('Task', ({ viewer, services }, id) => services.tasks.find(viewer, id));

const TaskEdge = builder.edgeObject({ type: TaskType, name: 'TaskEdge' });
const TaskConnection = builder.connectionObject({ type: TaskType, name: 'TaskConnection' }, TaskEdge);

builder.prismaObjectField('Project', 'tasks', (t) =>
  t.connection(
    {
      type: TaskType,
      description: 'Newest first.',
      args: { status: t.arg({ type: [TaskStatusEnum], description: 'Absent: all.' }) },
      resolve: ({ id }, args, { viewer, services }) => services.tasks.list(viewer, id, args),
    },
    TaskConnection,
    TaskEdge,
  ),
);

const TaskEventType = builder.objectRef<TaskEvent>('TaskEvent').implement({
  rights: 'task:see',
  fields: (t) => ({
    position: t.exposeString('position', { description: 'Give it as `after` to go on behind this event.' }),
    task: t.field({ type: TaskType, nullable: true, resolve: ({ task }) => task }),
    deletedTaskId: t.id({
      nullable: true,
      resolve: ({ deletedTaskId }) => (deletedTaskId === null ? null : encodeId('Task', deletedTaskId)),
    }),
  }),
});

/** @throws AppError NOT_FOUND for what is not an id of this kind */
function uuidIn(kind: 'Project' | 'Task', id: string): string {
  const uuid = uuidOf(kind, id);
  if (!uuid) throw notFound(kind);
  return uuid;
}

/** What is no id of a user is nobody's: no member, like a stranger. */
const nobody = '00000000-0000-0000-0000-000000000000';
const assigneeOf = <Id extends string | null | undefined>(id: Id) =>
  typeof id === 'string' ? (uuidOf('User', id) ?? nobody) : (id as Exclude<Id, string>);

const times = { dueAt: z.date().nullish(), assigneeId: z.string().nullish() };

const CreateTaskInput = builder.inputType('CreateTaskInput', {
  validate: z.object({ projectId: z.string(), title: taskTitle, description: taskDescription.nullish(), ...times }),
  fields: (t) => ({
    projectId: t.id({ required: true }),
    title: t.string({ required: true, description: `One line of at most ${taskLimits.titleCharacters} characters.` }),
    description: t.string({ description: `At most ${taskLimits.descriptionCharacters} characters.` }),
    assigneeId: t.id({ description: 'A member of the project.' }),
    dueAt: t.field({ type: 'DateTime' }),
  }),
});

const UpdateTaskInput = builder.inputType('UpdateTaskInput', {
  validate: z.object({
    id: z.string(),
    title: taskTitle.optional(),
    description: taskDescription.nullish(),
    status: z.enum(taskStatuses).optional(),
    ...times,
  }),
  description: 'What is absent stays; null clears the description, the assignee and the due time.',
  fields: (t) => ({
    id: t.id({ required: true }),
    title: t.string(),
    description: t.string(),
    status: t.field({ type: TaskStatusEnum }),
    assigneeId: t.id({ description: 'A member of the project.' }),
    dueAt: t.field({ type: 'DateTime' }),
  }),
});

const DeleteTaskInput = builder.inputType('DeleteTaskInput', { fields: (t) => ({ id: t.id({ required: true }) }) });

const taskPayload = (name: string) =>
  builder.objectRef<{ task: Task }>(name).implement({
    rights: 'parent',
    fields: (t) => ({ task: t.expose('task', { type: TaskType }) }),
  });
const CreateTaskPayload = taskPayload('CreateTaskPayload');
const UpdateTaskPayload = taskPayload('UpdateTaskPayload');

const DeleteTaskPayload = builder.objectRef<Task>('DeleteTaskPayload').implement({
  rights: 'parent',
  fields: (t) => ({
    deletedTaskId: t.id({ resolve: ({ id }) => encodeId('Task', id) }),
    project: t.prismaField({
      type: ProjectType,
      resolve: (query, task, _args, { services }) => services.tasks.projectOf(task, query),
    }),
  }),
});

builder.mutationFields((t) => ({
  createTask: t.field({
    type: CreateTaskPayload,
    description: `For EDITORs and OWNERs; at most ${taskLimits.tasks} tasks of a project.`,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: CreateTaskInput, required: true }) },
    resolve: async (_root, { input: { projectId, assigneeId, ...rest } }, { viewer, services, caller }) => ({
      task: await services.tasks.create(
        viewer,
        { ...rest, projectId: uuidIn('Project', projectId), assigneeId: assigneeOf(assigneeId) },
        caller,
      ),
    }),
  }),
  updateTask: t.field({
    type: UpdateTaskPayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: UpdateTaskInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller }) => {
      const { id, title, status, assigneeId, ...rest } = input;
      const change = { ...rest, title: title ?? undefined, status: status ?? undefined };
      return {
        task: await services.tasks.update(
          viewer,
          uuidIn('Task', id),
          { ...change, assigneeId: assigneeOf(assigneeId) },
          caller,
        ),
      };
    },
  }),
  deleteTask: t.field({
    type: DeleteTaskPayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: DeleteTaskInput, required: true }) },
    resolve: (_root, { input: { id } }, { viewer, services, caller }) =>
      services.tasks.delete(viewer, uuidIn('Task', id), caller),
  }),
}));

builder.subscriptionField('taskEvents', (t) =>
  t.field({
    type: TaskEventType,
    description: `The tasks of a project as they are, then every change, for its members; the newest state of each only. With \`after\` what changed behind it, deletions as well: of these the newest ${taskLimits.deletionsKept} are kept, and POSITION_LOST says that one may be missing.`,
    authScopes: { signedIn: true },
    args: { projectId: t.arg.id({ required: true }), after: t.arg.string() },
    subscribe: (_root, { projectId, after }, { viewer, services, signal }) =>
      services.tasks.events(viewer, { projectId: uuidIn('Project', projectId), after: after ?? null }, signal),
    resolve: (event) => event,
  }),
);
