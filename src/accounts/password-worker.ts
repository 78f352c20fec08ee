/** The thread in which bcrypt runs: one digest at a time, because a third of a second of it would stop an event loop. */
import { parentPort } from 'node:worker_threads';
import bcrypt from 'bcryptjs';

export type PasswordTask = { digest: string; cost: number } | { digest: string; hash: string };
export type PasswordAnswer = { value: string | boolean } | { fault: string };

function answer(task: PasswordTask): PasswordAnswer {
  try {
    return {
      value: 'hash' in task ? bcrypt.compareSync(task.digest, task.hash) : bcrypt.hashSync(task.digest, task.cost),
    };
  } catch (error) {
    return { fault: String(error) };
  }
}

parentPort?.on('message', (task: PasswordTask) => parentPort?.postMessage(answer(task)));
