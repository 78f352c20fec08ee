/** What the benchmark asks of every queue; who submits and who works may be two processes. */

export interface Place {
  /** A database of the queue's own. */
  postgres: { host: string; port: number; user: string; password: string; database: string };
  /** Null where there is no Redis. */
  redis: { host: string; port: number } | null;
}

/** What a job does; `job` is the number that it was submitted with. */
export type Run = (job: number) => Promise<void>;

export interface QueueSystem {
  readonly name: string;
  /** Makes what the queue needs where it is missing; nothing works on it yet. */
  open(place: Place): Promise<Queue>;
}

export interface Queue {
  /** Throws away whatever jobs there are. */
  clear(): Promise<void>;
  /** One call; resolves when the job is accepted. */
  submit(job: number): Promise<void>;
  /** Jobs 0 to `jobs`, by whatever the system has for many at once. */
  submitAll(jobs: number): Promise<void>;
  unfinished(): Promise<number>;
  /** Takes jobs from now on, up to `concurrency` at once. */
  work(run: Run, concurrency: number): Promise<{ stop(): Promise<unknown> }>;
  close(): Promise<void>;
}
