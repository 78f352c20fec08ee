/**
 * Reads the chain of the audit backwards from its sealed end, and names every entry that is not as it was written. The
 * hashes decide what belongs to it, and not the positions, which whoever changes the table can change as well.
 */
import type pg from 'pg';
import { transaction } from '../db/metadata.ts';
import type { Keyring } from '../lib/keyring.ts';
import type { AuditAction } from './audit.ts';
import { type Content, contentColumns, genesis, hashOf, openHead } from './chain.ts';

/**
 * `changed`, `inserted`, `moved`: the entry `id`, which is at `position` now. `removed`: `count` of them from `position` on;
 * who or what they were is gone with them. `head`: the seal of the end does not open, so that entries may be missing there.
 * `broken`: Quarry itself found the end moved or without its seal, and wrote the entry `id`: before it entries may be missing.
 */
export type AuditFault =
  | { readonly fault: 'changed' | 'inserted' | 'moved' | 'broken'; readonly position: number; readonly id: string }
  | { readonly fault: 'removed'; readonly position: number; readonly count: number }
  | { readonly fault: 'head'; readonly position: number };

export interface Verdict {
  /** Linked entries that were read. */
  readonly entries: number;
  /** Where the chain ends; the hash in hexadecimal, to be compared with what was noted elsewhere. */
  readonly head: { readonly position: number; readonly hash: string };
  readonly faults: readonly AuditFault[];
  /** False where it stopped at maxFaults. */
  readonly complete: boolean;
}

export interface VerifyDeps {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
}

export const maxFaults = 100;
const readAtOnce = 1_000;

interface Link extends Content {
  readonly position: string;
  readonly previous: Buffer;
  readonly hash: Buffer;
}

/** In one snapshot, a thousand entries at a time; entries of the last second that are not linked yet take no part. */
export async function verify({ pool, keyring }: VerifyDeps, signal: AbortSignal): Promise<Verdict> {
  return transaction(pool, async (client) => {
    await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const heads = await client.query<{ position: string; sealed: string | null }>(
      'SELECT position, sealed FROM audit_heads',
    );
    const row = heads.rows[0] ?? { position: '-1', sealed: null };
    const sealed = openHead(keyring, row);
    const exists = async (hash: Buffer, below: string): Promise<boolean> => {
      const found = await client.query('SELECT FROM audit_entries WHERE hash = $1 AND position < $2 LIMIT 1', [
        hash,
        below,
      ]);
      return found.rows.length > 0;
    };
    let walk = sealed && createWalk({ ...sealed, exists });
    let head = sealed;
    let entries = 0;
    for (let below: string | null = null; ; ) {
      signal.throwIfAborted();
      const page: pg.QueryResult<Link> = await client.query<Link>(
        `SELECT position, previous, hash, ${contentColumns} FROM audit_entries
         WHERE position < coalesce($1, 9223372036854775807) ORDER BY position DESC LIMIT ${readAtOnce}`,
        [below],
      );
      for (const link of page.rows) {
        // Without the seal the last one there is must be believed.
        head ??= { position: Number(link.position), hash: link.hash };
        walk ??= createWalk({ ...head, exists });
        entries += 1;
        await walk.meet(link);
        below = link.position;
        if (walk.faults.length + walk.strays >= maxFaults) break;
      }
      const broken = (walk?.faults.length ?? 0) + (walk?.strays ?? 0) >= maxFaults;
      if (page.rows.length === readAtOnce && !broken) continue;
      const end = head ?? { position: 0, hash: genesis };
      if (!broken) walk?.end();
      const lost: AuditFault[] = sealed ? [] : [{ fault: 'head', position: end.position }];
      return {
        entries,
        head: { position: end.position, hash: end.hash.toString('hex') },
        faults: [...lost, ...(walk?.faults ?? [])],
        complete: !broken,
      };
    }
  });
}

interface WalkDeps {
  /** Of the last entry. */
  readonly position: number;
  readonly hash: Buffer;
  /** Whether an entry further down has this hash. */
  exists(hash: Buffer, below: string): Promise<boolean>;
}

interface Walk {
  readonly faults: readonly AuditFault[];
  /** Entries that nothing has led to so far. */
  readonly strays: number;
  meet(link: Link): Promise<void>;
  end(): void;
}

/** Met by the entries from the last position down. */
function createWalk({ exists, ...head }: WalkDeps): Walk {
  const faults: AuditFault[] = [];
  const strays = new Map<string, Link>();
  let expected = head.hash;
  /** Where what is expected was, when it was linked. */
  let place = head.position;
  /** False behind an entry that was changed, whose own word for what was before it may be false. */
  let sure = true;

  function follow(link: Link): void {
    sure = isIntact(link);
    const at = { position: Number(link.position), id: link.id };
    if (!sure) faults.push({ fault: 'changed', ...at });
    else if (link.action === ('audit.chain_broken' satisfies AuditAction)) faults.push({ fault: 'broken', ...at });
    expected = link.previous;
    place -= 1;
  }

  function followMoved(): void {
    for (let early = strays.get(keyOf(expected)); early; early = strays.get(keyOf(expected))) {
      strays.delete(keyOf(expected));
      faults.push({ fault: 'moved', position: Number(early.position), id: early.id });
      follow(early);
    }
  }

  return {
    faults,
    get strays() {
      return strays.size;
    },

    async meet(link) {
      followMoved();
      const position = Number(link.position);
      if (link.hash.equals(expected)) return follow(link);
      if (position > place || (await exists(expected, link.position))) return void strays.set(keyOf(link.hash), link);
      if (position < place) {
        faults.push({ fault: 'removed', position: position + 1, count: place - position });
        place = position;
      } else if (sure && isIntact(link)) {
        // With a hash that fits what was made of it, and that nothing behind it knows.
        faults.push({ fault: 'changed', position, id: link.id });
      }
      follow(link);
    },

    end() {
      followMoved();
      if (!expected.equals(genesis) && (sure || place > 0))
        faults.push({ fault: 'removed', position: 1, count: Math.max(place, 1) });
      for (const { id, position } of strays.values())
        faults.push({ fault: 'inserted', position: Number(position), id });
    },
  };
}

const isIntact = (link: Link): boolean => hashOf(link.previous, link).equals(link.hash);

const keyOf = (hash: Buffer): string => hash.toString('hex');
