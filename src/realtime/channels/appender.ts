/** Messages of one project wait for each other: while some are written, what comes gathers and is written in one go. */
import { AppError } from '../../lib/errors.ts';
import type { NewMessage } from './store.ts';

export interface AppenderDeps {
  append(projectId: string, messages: readonly NewMessage[]): Promise<void>;
}

/** Of one project, waiting in this process. */
const maxWaiting = 2_000;
/** Written in one go. */
const maxAtOnce = 200;

interface Waiting {
  readonly message: NewMessage;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Resolves when the message is committed. */
export function createAppender({ append }: AppenderDeps) {
  const projects = new Map<string, Waiting[]>();

  async function write(projectId: string, waiting: Waiting[]): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, maxAtOnce);
      try {
        await append(
          projectId,
          batch.map(({ message }) => message),
        );
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    projects.delete(projectId);
  }

  /** @throws AppError LIMIT_EXCEEDED while too many wait; whatever `append` says */
  return (projectId: string, message: NewMessage): Promise<void> => {
    const known = projects.get(projectId);
    if (known && known.length >= maxWaiting)
      throw new AppError('LIMIT_EXCEEDED', 'Too many messages of this project wait to be written: try again', {
        details: { limit: maxWaiting, actual: known.length },
      });
    return new Promise((resolve, reject) => {
      const waiting = known ?? [];
      waiting.push({ message, resolve, reject });
      if (known) return;
      projects.set(projectId, waiting);
      void write(projectId, waiting);
    });
  };
}
