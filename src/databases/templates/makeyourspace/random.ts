/** Chance that can be repeated: the same seed and label give the same draws on every machine. */
import { createCipheriv, createHash } from 'node:crypto';

const blockBytes = 65_536;

export interface Random {
  /** A whole number of 0 … below - 1; `below` is at most 2^32. */
  below(below: number): number;
  /** A whole number of min … max, both included. */
  between(min: number, max: number): number;
  /** True in so many of a hundred cases. */
  percent(share: number): boolean;
  pick<T>(choices: readonly T[]): T;
  /** `count` different choices, or all of them, in an order of chance. */
  sample<T>(choices: readonly T[], count: number): T[];
  /** An index of 0 … length - 1, small ones more often: half of the draws fall into the first quarter. */
  early(length: number): number;
  /** A UUID in the form of version 4. */
  uuid(): string;
}

/** Draws come from the key stream of AES-256 in counter mode. Each label is a stream of its own, so that one more draw
 *  in one table changes no other table. */
export function createRandom(seed: string, label: string): Random {
  const key = createHash('sha256').update(`${seed}:${label}`).digest();
  const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(blockBytes);
  let block = stream.update(zeros);
  let offset = 0;

  function bytes(count: number): Buffer {
    if (offset + count > block.length) {
      block = stream.update(zeros);
      offset = 0;
    }
    offset += count;
    return block.subarray(offset - count, offset);
  }
  const fraction = () => bytes(4).readUInt32LE() / 2 ** 32;
  const below = (limit: number) => Math.floor(fraction() * limit);

  return {
    below,
    between: (min, max) => min + below(max - min + 1),
    percent: (share) => fraction() * 100 < share,
    pick: (choices) => choices[below(choices.length)]!,
    sample(choices, count) {
      const rest = [...choices];
      return Array.from({ length: Math.min(count, rest.length) }, () => rest.splice(below(rest.length), 1)[0]!);
    },
    early(length) {
      const share = fraction();
      // A product and no power: its last bit is the same on every machine.
      return Math.floor(share * share * length);
    },
    uuid() {
      const raw = Buffer.from(bytes(16));
      raw[6] = (raw[6]! & 0x0f) | 0x40;
      raw[8] = (raw[8]! & 0x3f) | 0x80;
      return raw.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    },
  };
}
