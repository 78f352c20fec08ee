/** The least that an HTTP server can do, in a thread of its own: what it is late by, the machine is. */
import { createServer } from 'node:http';
import { parentPort } from 'node:worker_threads';

const server = createServer((request, response) => {
  request.resume();
  response.setHeader('content-type', 'application/json').end('{"data":{"__typename":"Query"}}');
}).listen(0, '127.0.0.1', () => parentPort?.postMessage((server.address() as { port: number }).port));
