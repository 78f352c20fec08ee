/** One id a request: the caller's own when it is sound, in the log and in every answer as `x-request-id`. */
import type { IncomingMessage } from 'node:http';
import { uuidv7 } from '../lib/ids.ts';

const ids = new WeakMap<IncomingMessage, string>();
const sound = /^[A-Za-z0-9._-]{8,64}$/;

export function requestIdOf(request: IncomingMessage): string {
  const known = ids.get(request);
  if (known) return known;
  const given = request.headers['x-request-id'];
  const id = typeof given === 'string' && sound.test(given) ? given : uuidv7();
  ids.set(request, id);
  return id;
}
