/** What the acceptance tests share: SQL run through the API to its end, and Quarrys that are made to fail at their start. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { graphql } from '../generated/gql.ts';
import type { OutcomeQuery, SubmitQueryInput } from '../generated/graphql.ts';
import type { TestDatabase } from '../support/databases.ts';
import { JobUpdatedDocument, SubmitDocument } from '../support/operations.ts';
import { type Account, inherited, type Quarry } from '../support/server.ts';

export const HostDocument = graphql(`
  mutation Host($name: String!) {
    createHostedDatabase(input: { name: $name }) {
      database {
        id
      }
    }
  }
`);

export const OutcomeDocument = graphql(`
  query Outcome($id: ID!) {
    job(id: $id) {
      id
      status
      startedAt
      durationMs
      error {
        code
        message
        sqlState
        line
        statement
      }
      notices(last: 1000)
      results(first: 100) {
        nodes {
          command
          rowCount
          truncated
          columns {
            name
            dataType
          }
          rows(first: 1000) {
            rows
          }
        }
      }
    }
  }
`);

export type Outcome = NonNullable<OutcomeQuery['job']>;
export type Script = Omit<SubmitQueryInput, 'target' | 'sql'>;

/** One account at one Quarry. */
export function createAnalyst({ quarry, account }: { quarry: Quarry; account: Account }) {
  async function submit(databaseId: string, sql: string, script: Script = {}): Promise<string> {
    const input = { target: { databaseId }, sql, ...script };
    return (await quarry.ask(SubmitDocument, { input }, account)).submitQuery.job.id;
  }

  /** Resolves when the job has this status, or has ended. */
  async function follow(id: string, status?: string): Promise<void> {
    for await (const { jobUpdated } of quarry.subscribe(JobUpdatedDocument, { id }, account)) {
      if (jobUpdated.status === status) break;
    }
  }

  async function outcome(id: string): Promise<Outcome> {
    await follow(id);
    return (await quarry.ask(OutcomeDocument, { id }, account)).job!;
  }

  return {
    account,
    submit,
    follow,
    outcome,
    run: async (databaseId: string, sql: string, script: Script = {}) => outcome(await submit(databaseId, sql, script)),
    /** The rows of each statement, in order. @throws Error when the job did not succeed */
    async rows(databaseId: string, sql: string, script: Script = {}): Promise<unknown[][]> {
      const { status, error, results } = await outcome(await submit(databaseId, sql, script));
      if (status !== 'SUCCEEDED') throw new Error(JSON.stringify(error));
      return results.nodes.map(({ rows }) => rows?.rows ?? []);
    },
    async host(name: string): Promise<string> {
      return (await quarry.ask(HostDocument, { name }, account)).createHostedDatabase.database.id;
    },
  };
}

export type Analyst = ReturnType<typeof createAnalyst>;

export const urlOf = ({ host, port, user, password, database }: TestDatabase): string =>
  `postgresql://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;

export const masterKey = (id = 'k1'): string => `${id}:${randomBytes(32).toString('base64')}`;

export interface Ended {
  /** Null when a signal ended it. */
  code: number | null;
  /** What it printed on both streams. */
  output: string;
}

const main = join(import.meta.dirname, '../../src/main.ts');

/** Runs a Quarry that is expected to end by itself, with this environment alone. */
export async function runToEnd(env: Record<string, string>): Promise<Ended> {
  const child: ChildProcess = spawn(process.execPath, [main], {
    env: { ...inherited(), PORT: '0', LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, errors, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'exit')]);
  return { code, output: output + errors };
}
