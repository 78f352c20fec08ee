/** The clients that front ends have: urql and Apollo Client, each on rows as they change. */
import { ApolloClient, gql, InMemoryCache } from '@apollo/client/core';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { decodeId, encodeId } from '../../src/lib/ids.ts';
import { createAnalyst } from '../acceptance/support.ts';
import { type Account, type Quarry, startQuarry } from '../support/server.ts';

let quarry: Quarry;
let account: Account;
let analyst: ReturnType<typeof createAnalyst>;
let variables: { databaseId: string; tables: { tableId: string }[] };

beforeAll(async () => {
  quarry = await startQuarry();
  account = await quarry.register();
  analyst = createAnalyst({ quarry, account });
  const databaseId = await analyst.host('herd');
  await analyst.run(databaseId, 'CREATE TABLE cows (id int PRIMARY KEY, name text)');
  const [uuid = ''] = decodeId(databaseId)!.parts;
  variables = { databaseId, tables: [{ tableId: encodeId('Table', uuid, 'public', 'cows') }] };
});
afterAll(async () => quarry?.[Symbol.asyncDispose]());

const document = gql`
  subscription ($databaseId: ID!, $tables: [RowChangeSource!]!) {
    rowChanges(databaseId: $databaseId, tables: $tables) {
      changes {
        event
        new
      }
      position
    }
  }
`;

interface Heard {
  rowChanges: { changes: { event: string; new: unknown }[]; position: string };
}

const socket = () =>
  createClient({
    url: quarry.url.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${account.token}` },
  });

/** What a client hands over, to be waited for one by one. */
function listener() {
  const heard: Heard['rowChanges'][] = [];
  let wake = () => {};
  let fault: unknown;
  return {
    next(data: Heard | null | undefined) {
      if (data) heard.push(data.rowChanges);
      wake();
    },
    error(error: unknown) {
      fault = error;
      wake();
    },
    async batch(): Promise<Heard['rowChanges']> {
      while (heard.length === 0) {
        if (fault) throw fault;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return heard.shift()!;
    },
  };
}

/** The first batch comes at once, and from then on nothing is missed. */
async function expectRow(listening: ReturnType<typeof listener>, id: number): Promise<void> {
  expect((await listening.batch()).changes).toEqual([]);
  await analyst.run(variables.databaseId, `INSERT INTO cows VALUES (${id}, 'Berta')`);
  expect((await listening.batch()).changes).toMatchObject([{ event: 'INSERT', new: { id, name: 'Berta' } }]);
}

test('urql hears rows as they change', async () => {
  const sockets = socket();
  const client = new Client({
    url: quarry.url,
    preferGetMethod: false,
    exchanges: [
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables: given }) => ({
          subscribe: (sink) => ({
            unsubscribe: sockets.subscribe({ query, variables: given as never }, sink as never),
          }),
        }),
      }),
    ],
  });
  const listening = listener();
  const { unsubscribe } = client.subscription<Heard>(document, variables).subscribe(({ data, error }) => {
    if (error) listening.error(error);
    else listening.next(data);
  });
  await expectRow(listening, 1);
  unsubscribe();
  await sockets.dispose();
});

test('Apollo Client hears rows as they change', async () => {
  const sockets = socket();
  const client = new ApolloClient({ link: new GraphQLWsLink(sockets), cache: new InMemoryCache() });
  const listening = listener();
  const subscription = client.subscribe<Heard>({ query: document, variables, fetchPolicy: 'no-cache' }).subscribe({
    next: ({ data, error }) => (error ? listening.error(error) : listening.next(data as Heard)),
    error: listening.error,
  });
  await expectRow(listening, 2);
  subscription.unsubscribe();
  client.stop();
  await sockets.dispose();
});
