/** Every kind of background task, one line each. */
import { createRunQueryTask, type RunQueryDeps } from '../queries/run-query.task.ts';
import type { JobKind } from './states.ts';
import type { Task } from './task.ts';

export type TaskDeps = RunQueryDeps;

export function createTasks(deps: TaskDeps): ReadonlyMap<JobKind, Task> {
  return new Map([createRunQueryTask(deps)].map((task) => [task.kind, task]));
}
