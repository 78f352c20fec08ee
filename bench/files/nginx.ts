/** An nginx that serves and takes files of one folder, on a port of this machine, with no settings but its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface Nginx extends AsyncDisposable {
  /** Of a file in its folder: GET and PUT. */
  urlOf(name: string): string;
  /** Where that is on the disk. */
  pathOf(name: string): string;
}

/** Looks for its socket so often, and for so long. */
const looks = 100;
const lookEveryMs = 50;

/** Null where there is none, or it has no `dav_methods`. @param folder its own; files are in `files/` below it */
export async function startNginx(folder: string): Promise<Nginx | null> {
  const built = await promisify(execFile)('nginx', ['-V']).then(
    ({ stderr }) => stderr,
    () => '',
  );
  if (!built.includes('http_dav_module')) return null;
  const port = await freePort();
  const files = join(folder, 'files');
  await mkdir(join(folder, 'body'), { recursive: true });
  await mkdir(files, { recursive: true });
  const path = join(folder, 'nginx.conf');
  await writeFile(path, configOf({ folder, files, port }));
  const child = spawn('nginx', ['-c', path, '-p', folder, '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'inherit'] });
  await untilServes(child, port);
  return {
    urlOf: (name) => `http://127.0.0.1:${port}/${name}`,
    pathOf: (name) => join(files, name),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

const configOf = ({ folder, files, port }: { folder: string; files: string; port: number }) => `
daemon off;
error_log stderr crit;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
pid ${folder}/nginx.pid;
events { worker_connections 64; }
http {
  access_log off;
  sendfile on;
  client_max_body_size 0;
  client_body_temp_path ${folder}/body;
  server {
    listen 127.0.0.1:${port};
    root ${files};
    location / { dav_methods PUT; }
  }
}
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function untilServes(child: ChildProcess, port: number): Promise<void> {
  for (let look = 0; look < looks; look += 1) {
    if (child.exitCode !== null) break;
    const answered = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (answered) return;
    await setTimeout(lookEveryMs);
  }
  child.kill('SIGTERM');
  throw new Error('nginx does not serve');
}
