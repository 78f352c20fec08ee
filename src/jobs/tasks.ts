/** Every kind of background task, one line each. */
import { createExportTask, type ExportTaskDeps } from '../queries/export.task.ts';
import { createRunQueryTask, type RunQueryDeps } from '../queries/run-query.task.ts';
import type { JobKind } from './states.ts';
import type { Task } from './task.ts';

export type TaskDeps = RunQueryDeps & ExportTaskDeps;

export function createTasks(deps: TaskDeps): ReadonlyMap<JobKind, Task> {
  return new Map([createRunQueryTask(deps), createExportTask(deps)].map((task) => [task.kind, task]));
}
