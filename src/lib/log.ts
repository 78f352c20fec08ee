/** One structured logger. An event has a name and fields; secrets, tokens and rows are never among them. */
import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';

export type Log = Logger;
export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug' | 'trace';
export type LogFormat = 'pretty' | 'json';

const redacted = ['password', 'token', 'refreshToken', 'accessToken', 'authorization', 'secret', 'parameters'];

export function createLog({ level, format }: { level: LogLevel; format: LogFormat }): Log {
  const options = { level, redact: { paths: redacted.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' } };
  return format === 'pretty'
    ? pino(options, pretty({ ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l', sync: true }))
    : pino(options);
}
