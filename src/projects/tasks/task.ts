/** A task as it is kept, and what is taken of one. */
import { z } from 'zod';
import type { ProjectRole } from '../../accounts/policy.ts';

export const taskStatuses = ['todo', 'in_progress', 'done'] as const;
export type TaskStatus = (typeof taskStatuses)[number];

export interface Task {
  readonly id: string;
  readonly projectId: string;
  readonly title: string;
  readonly description: string | null;
  readonly status: TaskStatus;
  /** A member of the project; null where nobody is to do it. */
  readonly assigneeId: string | null;
  readonly dueAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Of its last change: greater than that of every earlier one in its project. */
  readonly position: bigint;
}

export interface VisibleTask extends Task {
  /** What the asking user is in its project. */
  readonly role: ProjectRole | null;
}

export const taskLimits = {
  titleCharacters: 200,
  descriptionCharacters: 10_000,
  /** Of one project. */
  tasks: 10_000,
  /** Of one project, the newest: who was away for longer begins anew. */
  deletionsKept: 1_000,
} as const;

export const taskTitle = z
  .string()
  .trim()
  .min(1, 'at least one character')
  .max(taskLimits.titleCharacters, `at most ${taskLimits.titleCharacters} characters`)
  .regex(/^\P{Cc}*$/u, 'text without control characters');

export const taskDescription = z
  .string()
  .max(taskLimits.descriptionCharacters, `at most ${taskLimits.descriptionCharacters} characters`)
  .refine((text) => !text.includes('\0'), 'text without NUL');
