/** Load by wrk, a client in C that takes far less of the machine than what it asks: Debian's package `wrk`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface Load {
  url: string;
  headers: Record<string, string>;
  /** Sent with each request; `COUNTER` in it is another number each time. */
  body: string;
  /** Of the server: what it takes of the processor is counted. */
  pid: number;
}

export interface Measured {
  perSecond: number;
  p99Ms: number;
  /** Of the server's own process for each request. */
  cpuUs: number;
}

const connections = 16;
/** USER_HZ of Linux. */
const ticksPerSecond = 100;

function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** A Lua string with any text in it. */
const quoted = (value: string): string => `[==[${value}]==]`;

function scriptOf({ headers, body }: Load): string {
  const set = Object.entries(headers).map(([name, value]) => `wrk.headers[ ${quoted(name)} ] = ${quoted(value)}`);
  return `
wrk.method = 'POST'
${set.join('\n')}
local before, behind = (${quoted(body)}):match('^(.*)COUNTER(.*)$')
if before then
  local count = os.time() * 1000000
  request = function()
    count = count + 1
    return wrk.format(nil, nil, nil, before .. string.format('%d', count) .. behind)
  end
else
  wrk.body = ${quoted(body)}
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('FIGURES {"requests":%d,"us":%d,"p99":%d,"failed":%d}', summary.requests, summary.duration,
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end`;
}

export async function measure(load: Load, { seconds, folder }: { seconds: number; folder: string }): Promise<Measured> {
  const script = join(folder, 'load.lua');
  await writeFile(script, scriptOf(load));
  const before = cpuSeconds(load.pid);
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '-s', script, load.url];
  const wrk = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [printed] = await Promise.all([text(wrk.stdout), once(wrk, 'exit')]);
  const cpu = cpuSeconds(load.pid) - before;
  const figures = JSON.parse(/FIGURES (.*)/.exec(printed)?.[1] ?? 'null') as Record<
    'requests' | 'us' | 'p99' | 'failed',
    number
  > | null;
  if (!figures || figures.failed > 0 || figures.requests === 0) throw new Error(`wrk at ${load.url}: ${printed}`);
  return {
    perSecond: figures.requests / (figures.us / 1e6),
    p99Ms: figures.p99 / 1e3,
    cpuUs: (cpu / figures.requests) * 1e6,
  };
}
