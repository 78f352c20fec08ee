/** Who loses his right to a database in the middle of a job loses the job, and nobody else does. */
import { afterAll, beforeEach, expect, test } from 'vitest';
import { graphql } from '../generated/gql.ts';
import { CancelDocument, ConnectDocument, JobUpdatedDocument, SubmitDocument } from '../support/operations.ts';
import type { Account } from '../support/server.ts';
import { startSubmission } from './server.ts';

const TeamDocument = graphql(`
  mutation Team {
    createProject(input: { name: "team" }) {
      project {
        id
      }
    }
  }
`);
const JoinTeamDocument = graphql(`
  mutation JoinTeam($input: AddMemberInput!) {
    addMember(input: $input) {
      member {
        id
      }
    }
  }
`);
const LeaveTeamDocument = graphql(`
  mutation LeaveTeam($id: ID!) {
    removeMember(input: { id: $id }) {
      deletedMemberId
    }
  }
`);
const DemoteDocument = graphql(`
  mutation Demote($id: ID!, $role: ProjectRole!) {
    updateMember(input: { id: $id, role: $role }) {
      member {
        role
      }
    }
  }
`);
const MoveDocument = graphql(`
  mutation Move($id: ID!, $projectId: ID) {
    updateDatabase(input: { id: $id, projectId: $projectId }) {
      database {
        id
      }
    }
  }
`);
const DissolveDocument = graphql(`
  mutation Dissolve($id: ID!) {
    deleteProject(input: { id: $id }) {
      deletedProjectId
    }
  }
`);

const world = await startSubmission();
const owner = await world.quarry.register();
const editor = await world.quarry.register();
const other = await world.quarry.register();
afterAll(() => world[Symbol.asyncDispose]());

let projectId: string;
let databaseId: string;
let editorsMembership: string;
beforeEach(async () => {
  const { quarry, connection } = world;
  projectId = (await quarry.ask(TeamDocument, {}, owner)).createProject.project.id;
  const input = { name: 'target', connection, projectId };
  databaseId = (await quarry.ask(ConnectDocument, { input }, owner)).connectDatabase.database.id;
  editorsMembership = await join(editor);
  await join(other);
});

async function join({ email }: Account): Promise<string> {
  const input = { projectId, email, role: 'EDITOR' as const };
  return (await world.quarry.ask(JoinTeamDocument, { input }, owner)).addMember.member.id;
}

interface Work {
  runAt?: string;
  readOnly?: boolean;
}

let begun = 0;

/** A job that runs until somebody ends it, or waits for tomorrow. */
async function begin(account: Account, work: Work = {}) {
  const mark = `job ${++begun}`;
  const input = { target: { databaseId }, sql: `select pg_sleep(600), '${mark}'`, ...work };
  const { id } = (await world.quarry.ask(SubmitDocument, { input }, account)).submitQuery.job;
  const events = world.quarry.subscribe(JobUpdatedDocument, { id }, account);
  return {
    /** Resolves when it has the status. */
    async until(status: string): Promise<string> {
      for (;;) {
        const { value, done } = await events.next();
        if (done) return 'NONE';
        if (value.jobUpdated.status === status) return status;
      }
    },
    /** Resolves when its statement runs in the target: before, it may find at its start that it has no right. */
    async started(): Promise<void> {
      while (!(await sleeps(mark))) await new Promise((resolve) => setTimeout(resolve, 20));
    },
    sleeps: () => sleeps(mark),
    async now(): Promise<string> {
      const { rows } = await world.metadata.query(
        'SELECT status, cancel_requested_at AS cancel FROM jobs WHERE id = $1',
        [(JSON.parse(Buffer.from(id, 'base64url').toString()) as string[])[1]],
      );
      return rows[0].cancel ? 'cancelling' : rows[0].status;
    },
    stop: () => world.quarry.ask(CancelDocument, { input: { id } }, account),
  };
}

async function sleeps(mark: string): Promise<boolean> {
  const { rowCount } = await world.target.query(
    `SELECT FROM pg_stat_activity
      WHERE strpos(query, $1) > 0 AND state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()`,
    [`'${mark}'`],
  );
  return rowCount === 1;
}

const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString();

/** What the editor has running and waiting, and what two others run, when something happens. */
async function work() {
  const running = await begin(editor);
  const waiting = await begin(editor, { runAt: tomorrow() });
  const owners = await begin(owner);
  const others = await begin(other);
  for (const job of [running, owners, others]) await job.started();
  return { running, waiting, owners, others };
}

test('removal from the project ends what the member runs and has waiting, in the target too', async () => {
  const { running, waiting, owners, others } = await work();
  await world.quarry.ask(LeaveTeamDocument, { id: editorsMembership }, owner);
  expect(await waiting.until('CANCELLED')).toBe('CANCELLED');
  expect(await running.until('CANCELLED')).toBe('CANCELLED');
  expect(await running.sleeps()).toBe(false);
  for (const job of [owners, others]) {
    expect([await job.now(), await job.sleeps()]).toEqual(['running', true]);
    await job.stop();
  }
});

test('leaving by oneself does the same', async () => {
  const running = await begin(editor);
  await running.started();
  await world.quarry.ask(LeaveTeamDocument, { id: editorsMembership }, editor);
  expect(await running.until('CANCELLED')).toBe('CANCELLED');
});

test.each([
  [
    'taking the database out of the project',
    () => world.quarry.ask(MoveDocument, { id: databaseId, projectId: null }, owner),
  ],
  ['deleting the project', () => world.quarry.ask(DissolveDocument, { id: projectId }, owner)],
])('%s ends what its members run there, and nothing of the database’s owner', async (_what, act) => {
  const { running, waiting, owners, others } = await work();
  await act();
  for (const job of [running, waiting, others]) expect(await job.until('CANCELLED')).toBe('CANCELLED');
  expect(await owners.now()).toBe('running');
  await owners.stop();
});

test('who may only read from now on loses what he runs to write, and not what reads', async () => {
  const writes = await begin(editor);
  const reads = await begin(editor, { readOnly: true });
  const waiting = await begin(editor, { runAt: tomorrow() });
  for (const job of [writes, reads]) await job.started();
  await world.quarry.ask(DemoteDocument, { id: editorsMembership, role: 'VIEWER' }, owner);
  expect(await writes.until('CANCELLED')).toBe('CANCELLED');
  expect([await reads.now(), await waiting.now()]).toEqual(['running', 'queued']);
  await reads.stop();
});

test('a removal that is refused ends nothing', async () => {
  const running = await begin(editor);
  await running.started();
  const { code } = await world.quarry.execute(LeaveTeamDocument, { id: editorsMembership }, other);
  expect(code).toBe('FORBIDDEN');
  expect(await running.now()).toBe('running');
  await running.stop();
});
