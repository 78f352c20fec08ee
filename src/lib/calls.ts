/** Calls between a process and its child, over the channel that they have: each answers what the other may call. */

/** `process` in a child, a ChildProcess in its parent. */
export interface Channel {
  send?(message: unknown, sent: (error: Error | null) => void): unknown;
  on(event: 'message', heard: (message: unknown) => void): unknown;
  on(event: 'disconnect', heard: () => void): unknown;
}

/** Each takes one value that a message can hold, and answers with one. */
export type Api = Readonly<Record<string, (given: never) => Promise<unknown>>>;

export interface CallsOptions<Ours extends Api> {
  readonly channel: Channel;
  readonly ours: Ours;
  /** What the other side is told of an error of ours. */
  readonly encode: (error: unknown) => unknown;
  readonly decode: (fault: unknown) => unknown;
  /** Thrown to whoever waits, and calls, when the other side is gone. */
  readonly gone: () => Error;
}

export type Call<Theirs extends Api> = <Name extends keyof Theirs & string>(
  name: Name,
  ...given: Parameters<Theirs[Name]>
) => ReturnType<Theirs[Name]>;

type Message =
  | { readonly id: number; readonly call: string; readonly given: unknown }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: unknown };

/** @returns how the other side is called. @throws what `decode` makes of its errors, and `gone` */
export function createCalls<Ours extends Api, Theirs extends Api>({
  channel,
  ours,
  encode,
  decode,
  gone,
}: CallsOptions<Ours>): Call<Theirs> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let calls = 0;
  let left = false;

  function post(message: Message): void {
    // What cannot be sent at all is a fault of the caller's, and thrown.
    channel.send?.(message, (error) => {
      if (error && 'call' in message) settle(message.id)?.reject(gone());
    });
  }

  function settle(id: number): PromiseWithResolvers<unknown> | undefined {
    const call = waiting.get(id);
    waiting.delete(id);
    return call;
  }

  async function answer(id: number, name: string, given: unknown): Promise<void> {
    try {
      if (!Object.hasOwn(ours, name)) throw new Error(`nothing here is called ${name}`);
      post({ id, value: await ours[name]!(given as never) });
    } catch (error) {
      post({ id, fault: encode(error) });
    }
  }

  channel.on('message', (heard) => {
    const message = heard as Message;
    if ('call' in message) void answer(message.id, message.call, message.given);
    else if ('value' in message) settle(message.id)?.resolve(message.value);
    else settle(message.id)?.reject(decode(message.fault));
  });
  channel.on('disconnect', () => {
    left = true;
    for (const id of [...waiting.keys()]) settle(id)?.reject(gone());
  });

  return (name, ...[given]) => {
    const answered = Promise.withResolvers<unknown>();
    const id = ++calls;
    if (left) answered.reject(gone());
    else {
      post({ id, call: name, given });
      waiting.set(id, answered);
    }
    // What the other side says is of the kind that it is declared to be: both are of one version.
    return answered.promise as ReturnType<Theirs[typeof name]>;
  };
}
