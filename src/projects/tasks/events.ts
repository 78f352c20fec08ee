/** The tasks of a project followed: as they are now, then every change, while the reader is a member. */
import { type ProjectRole, requireCan } from '../../accounts/policy.ts';
import type { Viewer } from '../../accounts/viewer.ts';
import { createPatience } from '../../db/patience.ts';
import { type Bus, createDoorbell } from '../../lib/bus.ts';
import { AppError, badInput } from '../../lib/errors.ts';
import { formatPosition, parsePosition } from '../../lib/positions.ts';
import type { Topic } from '../../lib/topics.ts';
import type { TaskStore } from './store.ts';
import type { Task } from './task.ts';

/** The newest state of a task, or that it is gone. */
export interface TaskEvent {
  readonly position: string;
  readonly task: Task | null;
  readonly deletedTaskId: string | null;
}

export interface TaskEvents {
  /**
   * Without `after` every task as it is now, then every change; only the newest state of each.
   * @throws AppError NOT_FOUND, also when the right or the project goes; BAD_USER_INPUT; POSITION_LOST where deletions
   * behind the position are forgotten
   */
  events(
    viewer: Viewer | null,
    options: { readonly projectId: string; readonly after: string | null },
    signal: AbortSignal,
  ): AsyncIterable<TaskEvent>;
}

export interface TaskEventsDeps {
  readonly store: Pick<TaskStore, 'begin' | 'changes'>;
  readonly bus: Bus<Topic>;
}

/** A ring that was lost costs so long. */
const pollMs = 2_000;
/** What was read is told for so long; then it, and whether the reader may still see it, is read again. */
const freshMs = 1_000;
const batch = 100;

export function createTaskEvents({ store, bus }: TaskEventsDeps): TaskEvents {
  return {
    async *events(viewer, { projectId, after }, signal) {
      requireCan(viewer, 'server:use', { kind: 'server' });
      const { userId } = viewer;
      const patience = createPatience(signal);
      using bell = createDoorbell(bus, 'tasks.of_project', projectId);

      const see = (role: ProjectRole | null) => requireCan(viewer, 'task:see', { kind: 'project', role });
      const { role, newest } = await patience(() => store.begin(userId, projectId));
      see(role);
      const asked = after === null ? null : parsePosition(after);
      if (asked !== null && asked > newest)
        throw badInput({ path: 'after', message: 'not a position of this project' });
      let position = asked ?? 0n;
      // Who begins anew has never heard of what was deleted before.
      const begun = asked ?? newest;
      while (!signal.aborted) {
        const deletionsBehind = position > begun ? position : begun;
        const after = { position, deletionsBehind, limit: batch };
        const { changes, lost, ...found } = await patience(() => store.changes(userId, projectId, after));
        const readAt = performance.now();
        see(found.role);
        if (deletionsBehind < lost) throw positionLost();
        let told = 0;
        for (const { position: next, ...change } of changes) {
          if (performance.now() - readAt > freshMs) break;
          if (signal.aborted) return;
          yield { ...change, position: formatPosition(next) };
          position = next;
          told += 1;
        }
        if (told === changes.length && told < batch) await bell.wait(pollMs, signal);
      }
    },
  };
}

const positionLost = (): AppError =>
  new AppError('POSITION_LOST', 'Tasks that were deleted since are forgotten: begin anew, without `after`');
