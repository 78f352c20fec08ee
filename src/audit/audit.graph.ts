/** What was done, by whom, and with what outcome. */
import { UserType } from '../accounts/users.graph.ts';
import { builder } from '../graph/builder.ts';
import { registerRow } from '../graph/nodes.ts';
import { notFound } from '../lib/errors.ts';
import { encodeId, uuidOf } from '../lib/ids.ts';
import type { AuditEntry } from './audit-log.ts';

const AuditEntryType = builder.objectRef<AuditEntry>('AuditEntry').implement({
  rights: 'user:see-private',
  interfaces: [builder.nodeInterfaceRef()],
  description: 'Something that was done, or tried. Entries are never changed or deleted.',
  fields: (t) => ({
    id: t.id({ resolve: ({ id }) => encodeId('AuditEntry', id) }),
    createdAt: t.expose('createdAt', { type: 'DateTime' }),
    actor: t.field({
      type: UserType,
      nullable: true,
      description: 'With whose account; null where there was none, and once it is deleted.',
      resolve: ({ actorId }, _args, { services }) => (actorId === null ? null : services.accounts.account(actorId)),
    }),
    action: t.exposeString('action', { description: 'Such as `project.created`.' }),
    subject: t.exposeString('subject', {
      nullable: true,
      description: 'The id of what it was done to, which may be gone.',
    }),
    outcome: t.exposeString('outcome', {
      description: '`success`, `failure`, or `refused` for want of a right.',
    }),
    ipAddress: t.exposeString('ipAddress', { nullable: true }),
    details: t.expose('details', { type: 'JSON', nullable: true, description: 'Never SQL, never a secret.' }),
  }),
});

registerRow('AuditEntry', ({ viewer, services }, id) => services.auditLog.find(viewer, id));

const AuditEntryEdge = builder.edgeObject({ type: AuditEntryType, name: 'AuditEntryEdge' });
const AuditEntryConnection = builder.connectionObject(
  { type: AuditEntryType, name: 'AuditEntryConnection' },
  AuditEntryEdge,
);

/** @throws AppError NOT_FOUND for what is not the id of a user */
function actorOf(id: string | null | undefined): string | undefined {
  if (id == null) return undefined;
  const uuid = uuidOf('User', id);
  if (!uuid) throw notFound('User');
  return uuid;
}

builder.queryField('auditLog', (t) =>
  t.connection(
    {
      type: AuditEntryType,
      description: 'Newest first. Administrators see all; others what they did themselves.',
      authScopes: { signedIn: true },
      args: {
        actorId: t.arg.id(),
        action: t.arg.string({ description: 'Exactly this one.' }),
        since: t.arg({ type: 'DateTime' }),
      },
      resolve: (_root, { actorId, action, since, ...page }, { viewer, services }) => {
        const filter = { actorId: actorOf(actorId), action: action ?? undefined, since: since ?? undefined };
        return services.auditLog.list(viewer, filter, page);
      },
    },
    AuditEntryConnection,
    AuditEntryEdge,
  ),
);
