/** Invitations, read from the mail that brings them: into a project and to the server, AUTH-8 for both. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ProjectRole } from '../../src/accounts/policy.ts';
import { encodeId, uuidv7 } from '../../src/lib/ids.ts';
import { invitationLimits } from '../../src/projects/invitations/invitations.ts';
import { maxMembers } from '../../src/projects/projects.ts';
import { createGraph } from '../accounts/graph.ts';
import { createMailedWorld, type MailedWorld, readerOf, tokenOf } from '../accounts/mailed.ts';
import { caller, issuer, password } from '../accounts/world.ts';

type Person = Awaited<ReturnType<MailedWorld['person']>>;
let world: MailedWorld;
let run: ReturnType<typeof createGraph>;
let people: Record<'admin' | ProjectRole | 'stranger', Person>;

beforeAll(async () => {
  world = await createMailedWorld();
  run = createGraph(world);
  people = {
    admin: await world.person('admin'),
    owner: await world.person('owner'),
    editor: await world.person('editor'),
    viewer: await world.person('viewer'),
    stranger: await world.person('stranger'),
  };
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(() => world.forgetMails());

const fields = 'id email role project { id } invitedBy { id } expiresAt acceptedAt revokedAt';
const documents = {
  invite: `mutation ($input: InviteMemberInput!) { inviteMember(input: $input) { invitation { ${fields} } } }`,
  inviteUser: `mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { ${fields} } } }`,
  accept: `mutation ($input: AcceptInvitationInput!) { acceptInvitation(input: $input) { project { id viewerRole } } }`,
  revoke: `mutation ($input: RevokeInvitationInput!) { revokeInvitation(input: $input) { invitation { ${fields} } } }`,
};
const as = (person: Pick<Person, 'viewer'> | null, document: keyof typeof documents, input: Record<string, unknown>) =>
  run(person?.viewer ?? null, documents[document], { input });

let made = 0;
const newAddress = () => `guest${++made}@example.com`;

async function shared() {
  const { owner, editor, viewer } = people;
  const { id: uuid } = await world.projects.create(owner.viewer, { name: 'Sales' }, caller);
  const add = ({ email }: Person, role: ProjectRole) =>
    world.projects.addMember(owner.viewer, { projectId: uuid, email, role }, caller);
  await add(editor, 'editor');
  await add(viewer, 'viewer');
  return { uuid, id: encodeId('Project', uuid) };
}

/** Invited by mail. @returns its token and its id */
async function invited(projectId: string, { email = newAddress(), role = 'EDITOR', by = people.owner } = {}) {
  const { data, errors } = await as(by, 'invite', { projectId, email, role });
  expect(errors).toBeUndefined();
  return { email, token: tokenOf(await world.mail()), id: data.inviteMember.invitation.id };
}

const register = (email: string, invitationToken?: string, accounts = world.accounts) =>
  accounts.register({ email, password, invitationToken }, caller);

const refusal = (message: string, path = 'input.token') => ({
  code: 'BAD_USER_INPUT',
  details: { fields: [{ path, message }] },
});

describe('into a project', () => {
  test('somebody with an account is invited by mail, and joins with its token, once', async () => {
    const { id: projectId } = await shared();
    const guest = await world.person('knownguest');
    await world.forgetMails();
    const { data } = await as(people.owner, 'invite', { projectId, email: ' KnownGuest@example.com ', role: 'EDITOR' });
    const { invitation } = data.inviteMember;
    expect(invitation).toMatchObject({
      email: 'KnownGuest@example.com',
      role: 'EDITOR',
      project: { id: projectId },
      invitedBy: { id: encodeId('User', people.owner.userId) },
      acceptedAt: null,
      revokedAt: null,
    });
    const mail = await world.mail();
    expect(readerOf(mail).toLowerCase()).toBe(guest.email);
    expect(mail.text).toContain('“Sales”');
    expect(mail.text).toContain(`${issuer}/#/accept-invitation?token=`);
    const token = tokenOf(mail);
    expect((await as(guest, 'accept', { token })).data.acceptInvitation.project).toEqual({
      id: projectId,
      viewerRole: 'EDITOR',
    });
    expect(await as(guest, 'accept', { token })).toMatchObject(refusal('this token has been used'));
    expect((await world.accounts.self(guest.viewer)).emailVerifiedAt).toBeInstanceOf(Date);
    const seen = await run(
      people.owner.viewer,
      `query ($id: ID!) { node(id: $id) { ... on Invitation { ${fields} } } }`,
      {
        id: invitation.id,
      },
    );
    expect(seen.data.node.acceptedAt).not.toBeNull();
    for (const action of ['invitation.sent', 'invitation.accepted'])
      expect((await world.auditOf(action)).at(-1)).toMatchObject({
        subject: invitation.id,
        details: { project: projectId, role: 'editor' },
      });
    // Neither the token nor anything that it could be made from is kept.
    const kept = await world.sql('SELECT t::text FROM one_time_tokens t UNION ALL SELECT i::text FROM invitations i');
    expect(JSON.stringify(kept)).not.toContain(token);
  });

  test('somebody new registers with the token, and is in the project, his address confirmed', async () => {
    const { id: projectId, uuid } = await shared();
    const strict = await world.startReplica({ registration: 'invite', requireVerifiedEmail: true });
    const { email, token } = await invited(projectId, { role: 'VIEWER' });
    await expect(register(newAddress(), undefined, strict.accounts)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(register(newAddress(), token, strict.accounts)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const joined = (await register(email.toUpperCase(), token, strict.accounts))!;
    expect(joined.viewer.role).toBe('member');
    expect(await world.access.roleOf(joined.viewer.userId, uuid)).toBe('viewer');
    expect((await world.accounts.self(joined.viewer)).emailVerifiedAt).toBeInstanceOf(Date);
    await expect(register(newAddress(), token, strict.accounts)).rejects.toMatchObject(
      refusal('this token has been used', 'input.invitationToken'),
    );
    expect((await world.auditOf('invitation.accepted')).at(-1)).toMatchObject({ actor_id: joined.viewer.userId });
  });

  test('with REGISTRATION=invite the link of the mail is the one way to an account, through the API as its user meets it', async () => {
    const { id: projectId } = await shared();
    const { email, token } = await invited(projectId, { role: 'VIEWER' });
    const strict = await world.startReplica({ registration: 'invite', requireVerifiedEmail: true });
    const ask = createGraph({ ...world, ...strict });
    const open = (invitationToken?: string | null) =>
      ask(
        null,
        `mutation ($input: RegisterInput!) { register(input: $input) { auth { user { email emailVerified } } } }`,
        { input: { email, password, invitationToken } },
      );
    for (const none of [undefined, null]) expect((await open(none)).code).toBe('FORBIDDEN');
    for (const nonsense of ['', 'x'.repeat(43), 'x'.repeat(100_000), '\0'])
      expect(await open(nonsense)).toMatchObject(
        refusal('this token is not one of this server', 'input.invitationToken'),
      );
    expect((await open(token)).data.register.auth).toEqual({ user: { email, emailVerified: true } });
    const { viewer } = await strict.accounts.login({ email, password }, caller);
    const { data } = await ask(viewer, '{ projects { nodes { id viewerRole } } }');
    expect(data.projects.nodes).toEqual([{ id: projectId, viewerRole: 'VIEWER' }]);
  });

  test('only administrators let somebody in where registration is closed', async () => {
    const { id: projectId } = await shared();
    const { accounts } = await world.startReplica({ registration: 'closed' });
    const { email, token } = await invited(projectId);
    await expect(register(email, token, accounts)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    // It is as good as before.
    await expect(register(email, token)).resolves.toMatchObject({ viewer: { role: 'member' } });
  });

  test('a hundred who come at once with one token are one member', async () => {
    const { id: projectId, uuid } = await shared();
    const guest = await world.person('manyguest');
    await world.forgetMails();
    const { token } = await invited(projectId, { email: guest.email });
    const answers = await Promise.all(Array.from({ length: 100 }, () => as(guest, 'accept', { token })));
    expect(answers.filter(({ errors }) => !errors)).toHaveLength(1);
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set([undefined, 'BAD_USER_INPUT']));
    const members = 'SELECT role FROM project_members WHERE project_id = $1 AND user_id = $2';
    expect(await world.sql(members, [uuid, guest.userId])).toEqual([{ role: 'editor' }]);
  });

  test('a token is good for nobody else, and not when it is old, replaced, revoked or nonsense', async () => {
    const { id: projectId, uuid } = await shared();
    const guest = await world.person('strictguest');
    await world.forgetMails();
    const old = await invited(projectId, { email: guest.email, role: 'OWNER' });
    const { token, id } = await invited(projectId, { email: guest.email, role: 'VIEWER' });
    expect(id).toBe(old.id);
    expect(await as(guest, 'accept', { token: old.token })).toMatchObject(
      refusal('this token has been replaced by a newer one'),
    );
    expect((await as(people.stranger, 'accept', { token })).code).toBe('FORBIDDEN');
    expect((await as(null, 'accept', { token })).code).toBe('UNAUTHENTICATED');
    for (const nonsense of ['', 'x', 'x'.repeat(43), 'x'.repeat(10_000), '\0'])
      expect(await as(guest, 'accept', { token: nonsense })).toMatchObject(
        refusal('this token is not one of this server'),
      );
    await world.sql(`UPDATE one_time_tokens SET expires_at = now() WHERE purpose = 'invitation'`);
    expect(await as(guest, 'accept', { token })).toMatchObject(refusal('this token has expired; ask for another one'));
    const again = await invited(projectId, { email: guest.email });
    expect((await as(people.owner, 'revoke', { id })).data.revokeInvitation.invitation.revokedAt).not.toBeNull();
    expect((await as(people.owner, 'revoke', { id })).errors).toBeUndefined();
    expect(await as(guest, 'accept', { token: again.token })).toMatchObject(
      refusal('this invitation has been revoked'),
    );
    await expect(register(guest.email, again.token)).rejects.toMatchObject(
      refusal('this invitation has been revoked', 'input.invitationToken'),
    );
    expect(await world.access.roleOf(guest.userId, uuid)).toBeNull();
  });

  test('only owners invite, see and revoke, and what one has sent goes with his right to', async () => {
    const { id: projectId, uuid } = await shared();
    const second = await world.person('secondowner');
    const member = await world.projects.addMember(
      people.owner.viewer,
      { projectId: uuid, email: second.email, role: 'owner' },
      caller,
    );
    await world.forgetMails();
    const { id, token, email } = await invited(projectId, { by: second, role: 'OWNER' });
    const told: Record<string, unknown> = {};
    const list = 'query ($id: ID!) { node(id: $id) { ... on Project { invitations { id email } } } }';
    for (const [name, person] of Object.entries({ ...people, nobody: null })) {
      const viewer = person?.viewer ?? null;
      const shown = (await run(viewer, list, { id: projectId })).data.node?.invitations;
      const node = (await run(viewer, 'query ($id: ID!) { node(id: $id) { id } }', { id })).data.node;
      const invite = await as(person, 'invite', { projectId, email: newAddress(), role: 'VIEWER' });
      const revoke = name === 'owner' ? null : await as(person, 'revoke', { id });
      told[name] = [shown?.length, node && 'seen', invite.code ?? 'ok', revoke?.code];
    }
    expect(told).toEqual({
      owner: [1, 'seen', 'ok', undefined],
      editor: [0, null, 'FORBIDDEN', 'NOT_FOUND'],
      viewer: [0, null, 'FORBIDDEN', 'NOT_FOUND'],
      stranger: [undefined, null, 'NOT_FOUND', 'NOT_FOUND'],
      admin: [undefined, null, 'NOT_FOUND', 'NOT_FOUND'],
      nobody: [undefined, null, 'UNAUTHENTICATED', 'UNAUTHENTICATED'],
    });
    await world.projects.updateMember(people.owner.viewer, member.id, 'editor', caller);
    await expect(register(email, token)).rejects.toMatchObject(
      refusal('whoever sent this invitation may invite nobody any more', 'input.invitationToken'),
    );
    await world.projects.delete(people.owner.viewer, uuid, caller);
    await expect(register(email, token)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  test('what a disabled owner has sent lets nobody in, and holds again when he is enabled', async () => {
    const second = await world.person();
    const { id: uuid } = await world.projects.create(second.viewer, { name: 'Left' }, caller);
    await world.forgetMails();
    const guest = await world.person();
    await world.forgetMails();
    const to = { by: second, role: 'OWNER' };
    const known = await invited(encodeId('Project', uuid), { ...to, email: guest.email });
    const fresh = await invited(encodeId('Project', uuid), to);
    const disable = (disabled: boolean) =>
      world.administration.update(people.admin.viewer, second.userId, { disabled }, caller);
    await disable(true);
    const over = 'whoever sent this invitation may invite nobody any more';
    await expect(register(fresh.email, fresh.token)).rejects.toMatchObject(refusal(over, 'input.invitationToken'));
    expect(await as(guest, 'accept', { token: known.token })).toMatchObject(refusal(over));
    expect(await world.access.roleOf(guest.userId, uuid)).toBeNull();
    await disable(false);
    expect((await as(guest, 'accept', { token: known.token })).data.acceptInvitation.project.viewerRole).toBe('OWNER');
  });

  test('who is a member is not invited, and stays what he is when an older invitation is accepted', async () => {
    const { id: projectId, uuid } = await shared();
    const input = { projectId, email: people.editor.email, role: 'OWNER' };
    expect((await as(people.owner, 'invite', input)).code).toBe('CONFLICT');
    const guest = await world.person('laterguest');
    await world.forgetMails();
    const { token, id } = await invited(projectId, { email: guest.email, role: 'OWNER' });
    const add = { projectId: uuid, email: guest.email, role: 'viewer' as const };
    await world.projects.addMember(people.owner.viewer, add, caller);
    expect((await as(guest, 'accept', { token })).data.acceptInvitation.project.viewerRole).toBe('VIEWER');
    expect((await as(people.owner, 'revoke', { id })).code).toBe('CONFLICT');
  });

  test('no address is sent more than a few mails an hour, from however many projects', async () => {
    const email = newAddress();
    const projects = [await shared(), await shared()];
    const invite = (i: number) => as(people.owner, 'invite', { projectId: projects[i % 2]!.id, email, role: 'VIEWER' });
    const answers = await Promise.all(Array.from({ length: invitationLimits.mailsPerHour + 2 }, (_, i) => invite(i)));
    const refused = answers.filter(({ code }) => code);
    expect(refused.map(({ code }) => code)).toEqual(['RATE_LIMITED', 'RATE_LIMITED']);
    expect(refused[0]!.details).toEqual({ retryAfterMs: expect.any(Number) });
    expect(await world.mails()).toHaveLength(invitationLimits.mailsPerHour);
    for (const wrong of ['', 'nobody', 'a@b', 'a\nb@example.com'])
      expect(
        (await as(people.owner, 'invite', { projectId: projects[0]!.id, email: wrong, role: 'VIEWER' })).code,
      ).toBe('BAD_USER_INPUT');
  });

  test('so many invitations are open at once, and so many members join', async () => {
    const { id: projectId, uuid } = await shared();
    const { email, token } = await invited(projectId);
    await world.sql(
      `INSERT INTO invitations (id, email, email_key, project_id, role, expires_at)
       SELECT gen_random_uuid(), n, n, $1, 'viewer', now() FROM generate_series(1, $2::int) g (i), text(g.i) n`,
      [uuid, invitationLimits.open - 1],
    );
    const input = { projectId, email: newAddress(), role: 'VIEWER' };
    expect(await as(people.owner, 'invite', input)).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { limit: invitationLimits.open, actual: invitationLimits.open },
    });
    await world.sql(
      `WITH made AS (
         INSERT INTO users (id, email, email_key, role, password_hash)
         SELECT gen_random_uuid(), 'i' || n, 'i' || n, 'member', '' FROM generate_series(1, $2::int) n RETURNING id
       )
       INSERT INTO project_members (id, project_id, user_id, role)
       SELECT gen_random_uuid(), $1::uuid, id, 'viewer' FROM made`,
      [uuid, maxMembers - 3],
    );
    await expect(register(email, token)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });
});

test('one user sends so many an hour, to whomever, and others go on', async () => {
  const sender = await world.person();
  const { id: uuid } = await world.projects.create(sender.viewer, { name: 'Letters' }, caller);
  const invite = (by: Person, projectId: string) =>
    as(by, 'invite', { projectId, email: newAddress(), role: 'VIEWER' }).then(({ code }) => code);
  const projectId = encodeId('Project', uuid);
  expect(await invite(sender, projectId)).toBeUndefined();
  await world.sql(`UPDATE rate_limits SET points = $1 WHERE key LIKE 'invitations.user:%' || $2`, [
    invitationLimits.mailsPerHourOfUser - 1,
    sender.userId,
  ]);
  const codes = await Promise.all(Array.from({ length: 5 }, () => invite(sender, projectId)));
  expect(codes.sort()).toEqual([...Array(4).fill('RATE_LIMITED'), undefined]);
  expect(await invite(people.owner, (await shared()).id)).toBeUndefined();
});

describe('to the server', () => {
  const inviteUser = async (email: string, role?: string) => {
    const { data, errors } = await as(people.admin, 'inviteUser', { email, role });
    expect(errors).toBeUndefined();
    return { invitation: data.inviteUser.invitation, token: tokenOf(await world.mail()) };
  };

  test('an administrator lets somebody in, in the role that he names, where registration is closed', async () => {
    const { accounts } = await world.startReplica({ registration: 'closed', requireVerifiedEmail: true });
    const email = newAddress();
    const { invitation, token } = await inviteUser(email, 'ADMIN');
    expect(invitation).toMatchObject({ email, role: null, project: null });
    const outsider = await world.person();
    await world.forgetMails();
    expect(await as(outsider, 'accept', { token })).toMatchObject({ code: 'FORBIDDEN' });
    await expect(register(newAddress(), token, accounts)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const answers = await Promise.allSettled(Array.from({ length: 10 }, () => register(email, token, accounts)));
    const opened = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value!] : []));
    expect(opened.map(({ viewer }) => viewer.role)).toEqual(['admin']);
    expect((await as(people.admin, 'inviteUser', { email })).code).toBe('CONFLICT');
    await world.administration.update(people.admin.viewer, opened[0]!.viewer.userId, { role: 'member' }, caller);
  });

  test('it opens an account and joins no project, is an administrator’s alone, and goes with his role', async () => {
    const email = newAddress();
    const { invitation, token } = await inviteUser(email);
    const here = (await register(email))!;
    await world.forgetMails();
    expect(await as({ viewer: here.viewer }, 'accept', { token })).toMatchObject(
      refusal('this invitation opens an account: it is for registering'),
    );
    for (const person of [people.owner, people.stranger]) {
      expect((await as(person, 'inviteUser', { email: newAddress() })).code).toBe('FORBIDDEN');
      expect((await as(person, 'revoke', { id: invitation.id })).code).toBe('NOT_FOUND');
    }
    expect((await as(people.admin, 'revoke', { id: invitation.id })).data.revokeInvitation.invitation.email).toBe(
      email,
    );
    expect((await as(people.admin, 'revoke', { id: encodeId('Invitation', uuidv7()) })).code).toBe('NOT_FOUND');

    const second = await world.person();
    await world.administration.update(people.admin.viewer, second.userId, { role: 'admin' }, caller);
    await world.forgetMails();
    const late = newAddress();
    const viewer = { ...second.viewer, role: 'admin' as const };
    await world.invitations.inviteUser(viewer, { email: late, role: 'admin' }, caller);
    const sent = tokenOf(await world.mail());
    await world.administration.update(people.admin.viewer, second.userId, { role: 'member' }, caller);
    await expect(register(late, sent)).rejects.toMatchObject(
      refusal('whoever sent this invitation may invite nobody any more', 'input.invitationToken'),
    );
  });

  test('those that there are are seen and revoked by administrators alone, and none into a project is among them', async () => {
    const list = (viewer: Person['viewer'] | null) => run(viewer, `{ invitations { ${fields} } }`);
    const emails = [newAddress(), newAddress()];
    for (const email of emails) await inviteUser(email);
    await invited((await shared()).id);
    const { data } = await list(people.admin.viewer);
    const [newest, before] = data.invitations;
    expect([before.email, newest.email]).toEqual(emails);
    expect(newest).toMatchObject({
      project: null,
      invitedBy: { id: encodeId('User', people.admin.userId) },
      acceptedAt: null,
      revokedAt: null,
    });
    for (const { project } of data.invitations) expect(project).toBeNull();
    await as(people.admin, 'revoke', { id: newest.id });
    expect((await list(people.admin.viewer)).data.invitations[0]).toMatchObject({
      id: newest.id,
      revokedAt: expect.anything(),
    });
    for (const person of [people.owner, people.stranger]) expect((await list(person.viewer)).code).toBe('FORBIDDEN');
    expect((await list(null)).code).toBe('UNAUTHENTICATED');
  });
});
