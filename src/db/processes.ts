/** Tells a process from another that later got the same pid, and finds the server processes of a data directory. */
import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const linux = process.platform === 'linux';

interface ProcStat {
  name: string;
  startTicks: string;
}

/** Fields of /proc/PID/stat behind the name, which itself may hold blanks and brackets (proc_pid_stat(5)). */
async function procStat(pid: number): Promise<ProcStat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  // A zombie holds its pid and nothing else.
  if (state === 'Z' || state === 'X' || startTicks === undefined) return undefined;
  return { name: text.slice(text.indexOf('(') + 1, close), startTicks };
}

/** When the process of this pid began, as one word without meaning of its own; undefined when there is none. */
export async function processStart(pid: number): Promise<string | undefined> {
  if (linux) return (await procStat(pid))?.startTicks;
  const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.trim().replaceAll(/\W+/g, '_') || undefined;
}

/** Names this boot of the machine, so that a pid and a start time of the one before are not taken for today's. */
export async function bootId(): Promise<string> {
  const text = linux ? await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '') : '';
  return text.replaceAll('-', '').slice(0, 12).trim() || 'boot';
}

/** The server processes that work in a data directory: a postmaster changes into it and its children inherit that. */
export async function serversIn(directory: string): Promise<number[]> {
  const path = await realpath(directory);
  if (!linux) {
    const { stdout } = await run('ps', ['-axo', 'pid=,command=']);
    return stdout
      .split('\n')
      .filter((line) => line.includes(`postgres -D ${path} `))
      .map((line) => Number.parseInt(line, 10));
  }
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
      return cwd === path && (await procStat(pid))?.name === 'postgres' ? pid : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}

/** Sends a signal; false when there is no such process any more. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Whether the kernel knows this pid, be it of a zombie or of somebody else's process. */
export function pidTaken(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
