/** Who writes a file, as a part of its name, by which another process can tell that he is surely dead. */
import { readlink } from 'node:fs/promises';
import { bootId, pidTaken, processStart } from '../db/processes.ts';

/** Of whom nobody can tell. */
const unknown = 'unknown';

/** `BOOT-SPACE-PID-START`: of another boot, or another space of pids, nobody can say who lives. */
export async function holderName(): Promise<string> {
  const [place, start] = [await placeName(), await processStart(process.pid)];
  return place !== null && start !== undefined ? `${place}-${process.pid}-${start}` : unknown;
}

/** False also where it cannot be told: then he may live. */
export async function isDead(holder: string): Promise<boolean> {
  const [, place, pid, start] = /^([0-9a-f]+-\d+)-(\d{1,10})-(\d+)$/.exec(holder) ?? [];
  if (place === undefined || place !== (await placeName())) return false;
  if (!pidTaken(Number(pid))) return true;
  const started = await processStart(Number(pid));
  return started !== undefined && started !== start;
}

/**
 * Null where there is no such thing: two machines with one disk cannot be told apart then. Two containers of one machine
 * may each have a process of the same number; as long as one lives, no other has its space of pids.
 */
async function placeName(): Promise<string | null> {
  const space = await readlink('/proc/self/ns/pid').catch(() => '');
  const [, number] = /^pid:\[(\d+)\]$/.exec(space) ?? [];
  const boot = await bootId();
  return number !== undefined && /^[0-9a-f]{12}$/.test(boot) ? `${boot}-${number}` : null;
}
