/** Projects and their members. What hangs off a project adds itself to ProjectType from its own folder. */
import { createContextCache } from '@pothos/core';
import { queryFromInfo } from '@pothos/plugin-prisma';
import DataLoader from 'dataloader';
import { z } from 'zod';
import { displayName, triedAddress } from '../accounts/inputs.ts';
import { type ProjectRole, projectRoles } from '../accounts/policy.ts';
import { builder } from '../graph/builder.ts';
import type { Context } from '../graph/context.ts';
import { ProjectRoleEnum } from '../graph/enums.ts';
import { registerRow } from '../graph/nodes.ts';
import { notFound } from '../lib/errors.ts';
import { encodeId, uuidOf } from '../lib/ids.ts';
import { connectionOf, pageOf } from '../lib/pages.ts';
import { projectRoleOfText } from './access.ts';
import type { Project, ProjectMember } from './projects.ts';

const maxDescriptionCharacters = 2_000;

const description = z
  .string()
  .max(maxDescriptionCharacters, `at most ${maxDescriptionCharacters} characters`)
  .refine((text) => !text.includes('\0'), 'text without NUL');

/** A member who has just left is shown the role that he had. */
interface Left {
  readonly viewerRole?: ProjectRole;
}

// Batches and keeps nothing: the next mutation of the same document may change it.
const roles = createContextCache(
  ({ services, viewer }: Context) =>
    new DataLoader<string, ProjectRole | null>(
      async (ids) => {
        const found = viewer ? await services.access.rolesOf(viewer.userId, ids) : new Map();
        return ids.map((id) => found.get(id) ?? null);
      },
      { cache: false },
    ),
);

async function viewerRole(project: Project & Left, context: Context): Promise<ProjectRole> {
  const role = project.viewerRole ?? (await roles(context).load(project.id));
  if (!role) throw notFound('Project');
  return role;
}

export const ProjectMemberType = builder.prismaObject('ProjectMember', {
  rights: 'project:see',
  interfaces: [builder.nodeInterfaceRef()],
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('ProjectMember', id) }),
    user: t.relation('user'),
    role: t.field({ type: ProjectRoleEnum, resolve: ({ role }) => projectRoleOfText(role) }),
    joinedAt: t.expose('joinedAt', { type: 'DateTime' }),
  }),
});

export const ProjectType = builder.prismaObject('Project', {
  rights: 'project:see',
  interfaces: [builder.nodeInterfaceRef()],
  description: 'Where people share databases.',
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('Project', id) }),
    name: t.exposeString('name'),
    description: t.exposeString('description', { nullable: true }),
    viewerRole: t.field({
      type: ProjectRoleEnum,
      resolve: (project, _args, context) => viewerRole(project, context),
    }),
    members: t.relation('members', {
      description: 'In the order in which they joined.',
      query: { orderBy: [{ joinedAt: 'asc' }, { id: 'asc' }] },
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
  }),
});

registerRow('Project', ({ viewer, services }, id) => services.projects.find(viewer, id));
registerRow('ProjectMember', ({ viewer, services }, id) => services.projects.findMember(viewer, id));

const ProjectEdge = builder.edgeObject({ type: ProjectType, name: 'ProjectEdge' });
const ProjectConnection = builder.connectionObject({ type: ProjectType, name: 'ProjectConnection' }, ProjectEdge);

builder.queryField('projects', (t) =>
  t.connection(
    {
      type: ProjectType,
      description: 'The viewer’s projects, newest first.',
      authScopes: { signedIn: true },
      resolve: async (_root, args, context, info) => {
        const page = pageOf(args);
        const selection = queryFromInfo({ context, info, typeName: 'Project', paths: [['nodes'], ['edges', 'node']] });
        const { projects, count } = await context.services.projects.list(context.viewer, page, selection);
        return connectionOf(page, projects, ({ id }) => id, count);
      },
    },
    ProjectConnection,
    ProjectEdge,
  ),
);

/** @throws AppError NOT_FOUND for what is not an id of this kind */
function uuidIn(kind: 'Project' | 'ProjectMember', id: string): string {
  const uuid = uuidOf(kind, id);
  if (!uuid) throw notFound(kind === 'Project' ? 'Project' : 'Member');
  return uuid;
}

const CreateProjectInput = builder.inputType('CreateProjectInput', {
  validate: z.object({ name: displayName, description: description.nullish() }),
  fields: (t) => ({
    name: t.string({ required: true }),
    description: t.string(),
  }),
});
const UpdateProjectInput = builder.inputType('UpdateProjectInput', {
  validate: z.object({ id: z.string(), name: displayName.optional(), description: description.nullish() }),
  description: 'What is absent stays; null clears the description.',
  fields: (t) => ({
    id: t.id({ required: true }),
    name: t.string(),
    description: t.string(),
  }),
});
const DeleteProjectInput = builder.inputType('DeleteProjectInput', {
  fields: (t) => ({ id: t.id({ required: true }) }),
});
const AddMemberInput = builder.inputType('AddMemberInput', {
  validate: z.object({ projectId: z.string(), email: triedAddress, role: z.enum(projectRoles) }),
  fields: (t) => ({
    projectId: t.id({ required: true }),
    email: t.string({ required: true, description: 'Of an account that is there.' }),
    role: t.field({ type: ProjectRoleEnum, required: true }),
  }),
});
const UpdateMemberInput = builder.inputType('UpdateMemberInput', {
  fields: (t) => ({
    id: t.id({ required: true }),
    role: t.field({ type: ProjectRoleEnum, required: true }),
  }),
});
const RemoveMemberInput = builder.inputType('RemoveMemberInput', {
  fields: (t) => ({ id: t.id({ required: true }) }),
});

const projectPayload = (name: string) =>
  builder.objectRef<{ project: Project }>(name).implement({
    rights: 'parent',
    fields: (t) => ({ project: t.field({ type: ProjectType, resolve: ({ project }) => project }) }),
  });
const memberPayload = (name: string) =>
  builder.objectRef<{ member: ProjectMember }>(name).implement({
    rights: 'parent',
    fields: (t) => ({ member: t.field({ type: ProjectMemberType, resolve: ({ member }) => member }) }),
  });

const CreateProjectPayload = projectPayload('CreateProjectPayload');
const UpdateProjectPayload = projectPayload('UpdateProjectPayload');
const AddMemberPayload = memberPayload('AddMemberPayload');
const UpdateMemberPayload = memberPayload('UpdateMemberPayload');

const DeleteProjectPayload = builder.objectRef<{ id: string }>('DeleteProjectPayload').implement({
  rights: 'parent',
  fields: (t) => ({ deletedProjectId: t.exposeID('id') }),
});
const RemoveMemberPayload = builder.objectRef<{ id: string; project: Project }>('RemoveMemberPayload').implement({
  rights: 'parent',
  fields: (t) => ({
    deletedMemberId: t.exposeID('id'),
    project: t.field({ type: ProjectType, resolve: ({ project }) => project }),
  }),
});

builder.mutationFields((t) => ({
  createProject: t.field({
    type: CreateProjectPayload,
    description: 'The viewer is its first OWNER.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: CreateProjectInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller }) => ({
      project: await services.projects.create(viewer, input, caller),
    }),
  }),
  updateProject: t.field({
    type: UpdateProjectPayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: UpdateProjectInput, required: true }) },
    resolve: async (_root, { input: { id, name, description } }, { viewer, services, caller }) => ({
      project: await services.projects.update(
        viewer,
        uuidIn('Project', id),
        { name: name ?? undefined, description },
        caller,
      ),
    }),
  }),
  deleteProject: t.field({
    type: DeleteProjectPayload,
    description:
      'Its databases stay with their owners. A bucket stays with who made it while he is a member, else with the OWNER who joined first.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: DeleteProjectInput, required: true }) },
    resolve: async (_root, { input: { id } }, { viewer, services, caller }) => {
      await services.projects.delete(viewer, uuidIn('Project', id), caller);
      return { id };
    },
  }),
  addMember: t.field({
    type: AddMemberPayload,
    description:
      'Adds somebody who has an account, by its address. NOT_FOUND says that there is none, which is told so often an hour.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: AddMemberInput, required: true }) },
    resolve: async (_root, { input }, { viewer, services, caller }) => ({
      member: await services.projects.addMember(
        viewer,
        { ...input, projectId: uuidIn('Project', input.projectId) },
        caller,
      ),
    }),
  }),
  updateMember: t.field({
    type: UpdateMemberPayload,
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: UpdateMemberInput, required: true }) },
    resolve: async (_root, { input: { id, role } }, { viewer, services, caller }) => ({
      member: await services.projects.updateMember(viewer, uuidIn('ProjectMember', id), role, caller),
    }),
  }),
  removeMember: t.field({
    type: RemoveMemberPayload,
    description: 'OWNERs remove anybody, every member himself; the last OWNER stays.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: RemoveMemberInput, required: true }) },
    resolve: async (_root, { input: { id } }, { viewer, services, caller }) => {
      const left = await services.projects.removeMember(viewer, uuidIn('ProjectMember', id), caller);
      return { id, project: { ...left.project, viewerRole: left.viewerRole } };
    },
  }),
}));
