/**
 * Memory for what has not come whole yet, shared by all who send it. When it is full, whoever holds most of it loses what
 * he has held longest: who sends little, and at once, is not kept out by who sends much, and slowly.
 */

export interface ByteBudget {
  /**
   * Holds so many bytes until they are released.
   * @param of whose they are, e.g. an address
   * @param end ends what they are for, when others need them
   * @returns null where nobody holds more than he who asks, and for more than there is
   */
  hold(of: string, bytes: number, end: () => void): Held | null;
}

export interface Held {
  /** Once more does nothing. */
  release(): void;
}

interface Holding {
  readonly bytes: number;
  readonly end: () => void;
}

interface Holder {
  bytes: number;
  /** The one that is held longest first. */
  readonly holdings: Set<Holding>;
}

export function createByteBudget(max: number): ByteBudget {
  const holders = new Map<string, Holder>();
  let total = 0;

  function release(of: string, holding: Holding): void {
    const holder = holders.get(of);
    if (!holder?.holdings.delete(holding)) return;
    holder.bytes -= holding.bytes;
    total -= holding.bytes;
    if (holder.holdings.size === 0) holders.delete(of);
  }

  /** False where that is nobody else. */
  function takeFromLargest(of: string): boolean {
    let largest = of;
    for (const [name, { bytes }] of holders) if (bytes > (holders.get(largest)?.bytes ?? 0)) largest = name;
    if (largest === of) return false;
    const [oldest] = holders.get(largest)!.holdings;
    release(largest, oldest!);
    oldest!.end();
    return true;
  }

  return {
    hold(of, bytes, end) {
      if (bytes > max) return null;
      while (total + bytes > max) if (!takeFromLargest(of)) return null;
      const holding: Holding = { bytes, end };
      const holder = holders.get(of) ?? { bytes: 0, holdings: new Set() };
      holders.set(of, holder);
      holder.holdings.add(holding);
      holder.bytes += bytes;
      total += bytes;
      return { release: () => release(of, holding) };
    },
  };
}
