/** What is taken from a client about accounts, checked once where it comes in. */
import { z } from 'zod';
import { formats } from '../exports/registry.ts';
import { passwordFault } from './passwords.ts';
import { maxExportPrefixCharacters, settingsBounds } from './settings.ts';

const maxEmailCharacters = 254;
const maxNameCharacters = 100;

/** An address that mail can be sent to (RFC 5321 has the length). */
export const emailAddress = z
  .string()
  .trim()
  .max(maxEmailCharacters, `at most ${maxEmailCharacters} characters`)
  .pipe(z.email('an address such as ann@example.com'));

/** To sign in any text may be tried, as far as the database can compare it. */
export const triedAddress = z
  .string()
  .max(maxEmailCharacters, `at most ${maxEmailCharacters} characters`)
  .refine((text) => !text.includes('\0'), 'text without NUL');

const newPassword = z.string().superRefine((password, context) => {
  const message = passwordFault(password);
  if (message) context.addIssue({ code: 'custom', message });
});

/** One line of visible text. */
export const displayName = z
  .string()
  .trim()
  .min(1, 'at least one character')
  .max(maxNameCharacters, `at most ${maxNameCharacters} characters`)
  .regex(/^\P{Cc}*$/u, 'text without control characters')
  // Half a pair of surrogates is no text: JSON of it is refused by the database.
  .refine((text) => text.isWellFormed(), 'well-formed Unicode');

const within = ({ min, max }: { readonly min: number; readonly max: number }) =>
  z
    .int()
    .refine((value) => value >= min && value <= max, `from ${min} to ${max}`)
    .nullish();

/** The type's own, and not a field's each: so that all faults are told at once. */
export const registerInput = z.object({
  email: emailAddress,
  password: newPassword,
  name: displayName.nullish(),
  invitationToken: z.string().nullish(),
});

export const oneAddress = z.object({ email: triedAddress });
export const passwordChange = z.object({ currentPassword: z.string(), newPassword });
export const passwordReset = z.object({ token: z.string(), newPassword });
export const profileChange = z.object({
  name: displayName.nullish(),
  email: emailAddress.nullish(),
  password: z.string().nullish(),
});

/** Of an authenticator, or a recovery code; as it is typed. */
export const typedCode = z.string().max(64, 'at most 64 characters');

export const loginInput = z.object({ email: triedAddress, password: z.string(), code: typedCode.nullish() });

export const settingsInput = z.object({
  maxParallelJobs: within(settingsBounds.maxParallelJobs),
  statementTimeoutMs: within(settingsBounds.statementTimeoutMs),
  maxRows: within(settingsBounds.maxRows),
  queuePriority: within(settingsBounds.queuePriority),
  defaultExportFormat: z.enum(Object.keys(formats)).nullish(),
  defaultExportBucketId: z.string().nullish(),
  defaultExportPrefix: z
    .string()
    .max(maxExportPrefixCharacters, `at most ${maxExportPrefixCharacters} characters`)
    .nullish(),
});
