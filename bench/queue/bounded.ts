/** Many calls, so many of them at once: as that many clients that each wait for their answer. */
export async function bounded(calls: number, atOnce: number, call: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const client = async () => {
    while (next < calls) await call(next++);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, calls) }, client));
}
