/**
 * What an event costs that is sent to many, without anything of Quarry: `executed` by graphql-ws once for each socket, or
 * `shared`, one buffer that is written to all. Says its port; each message to it is a row to send.
 */
import { EventEmitter, on } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  GraphQLID,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLScalarType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { type WebSocket, WebSocketServer } from 'ws';

const server = createServer();
const sockets = new WebSocketServer({ server, handleProtocols: () => 'graphql-transport-ws' });
const rows = new EventEmitter().setMaxListeners(0);
const first = { changes: [], position: 'first' };

function serveExecuted(): void {
  const string = { type: new GraphQLNonNull(GraphQLString) };
  const json = new GraphQLScalarType({ name: 'JSON' });
  const change = new GraphQLObjectType({
    name: 'RowChange',
    fields: {
      event: string,
      tableId: { type: new GraphQLNonNull(GraphQLID) },
      key: string,
      position: string,
      new: { type: json },
    },
  });
  const batch = new GraphQLObjectType({
    name: 'RowChangeBatch',
    fields: { changes: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(change))) }, position: string },
  });
  const subscription = new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      rowChanges: {
        type: batch,
        async *subscribe() {
          const heard = on(rows, 'row');
          yield { rowChanges: first };
          for await (const [row] of heard) yield { rowChanges: row };
        },
      },
    },
  });
  const query = new GraphQLObjectType({ name: 'Query', fields: { a: string } });
  useServer({ schema: new GraphQLSchema({ query, subscription }) }, sockets);
}

function serveShared(): void {
  const listening: WebSocket[] = [];
  const message = (row: unknown) =>
    Buffer.from(JSON.stringify({ id: '1', type: 'next', payload: { data: { rowChanges: row } } }));
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => {
      const { type } = JSON.parse(String(data)) as { type: string };
      if (type === 'connection_init') socket.send('{"type":"connection_ack"}');
      if (type !== 'subscribe') return;
      listening.push(socket);
      socket.send(message(first), { binary: false });
    });
  });
  rows.on('row', (row) => {
    const buffer = message(row);
    for (const socket of listening) socket.send(buffer, { binary: false });
  });
}

if (process.argv[2] === 'shared') serveShared();
else serveExecuted();
process.on('message', (row) => rows.emit('row', row));
process.once('disconnect', () => process.exit());
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
