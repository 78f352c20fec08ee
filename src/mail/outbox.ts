/** The mails that are to leave: written in the transaction that causes them, sealed, as their links are secrets. */
import type { Executor } from '../db/metadata.ts';
import { ringInTransaction } from '../db/notify.ts';
import type { SealedColumn } from '../db/rotation.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Keyring } from '../lib/keyring.ts';
import { type RenderedMail, render } from './layout.ts';
import type { StoredMail } from './store.ts';
import * as store from './store.ts';
import { type LinkTo, type TemplateName, templates, type ValuesOf } from './templates.ts';
import type { Mail } from './transport.ts';

/** After so long without success a mail is given up, where its link does not end before. */
const giveUpHours = 48;

export interface QueuedMail<Name extends TemplateName> {
  /** Null: the same work for nobody, so that who asks cannot tell by the time whether somebody is there. */
  readonly to: string | null;
  readonly template: Name;
  readonly values: ValuesOf<Name>;
  /** When its link ends: it is not sent later. */
  readonly until?: Date;
}

export interface Outbox {
  /** Sent soon after the transaction commits, by any process; at least once, with one Message-ID. */
  queue<Name extends TemplateName>(client: Executor, mail: QueuedMail<Name>): Promise<void>;
  /** Null for a mail to nobody. @throws SealError */
  open(stored: StoredMail): Mail | null;
}

export interface OutboxDeps {
  keyring: Pick<Keyring, 'seal' | 'open'>;
  /** All links begin with it. */
  publicUrl: URL;
}

type Contents = RenderedMail & { readonly to: string | null };

const boundTo = (id: string): readonly string[] => ['outgoing_mails', id];

/** For a rotation of the keys. */
export const sealedMails: SealedColumn = {
  table: 'outgoing_mails',
  column: 'sealed',
  key: { id: 'uuid' },
  boundTo: ['id'],
  context: boundTo,
};

export function createOutbox({ keyring, publicUrl }: OutboxDeps): Outbox {
  // Behind the #: browsers send that to no server, and so to no log.
  const linkTo: LinkTo = (page, token) => {
    const link = new URL(publicUrl);
    link.hash = `/${page}?token=${encodeURIComponent(token)}`;
    return link.href;
  };
  return {
    async queue(client, { to, template, values, until }) {
      const id = uuidv7();
      const make = templates[template] as (values: unknown, linkTo: LinkTo) => Parameters<typeof render>[0];
      const contents: Contents = { to, ...render(make(values, linkTo), publicUrl.host) };
      const sealed = keyring.seal(JSON.stringify(contents), boundTo(id));
      await store.insertMail(client, { id, template, sealed, giveUpHours, until: until ?? null });
      await ringInTransaction(client, [['mail.queued', '*']]);
    },
    open({ id, template, sealed, queuedAt }) {
      const { to, ...rest } = JSON.parse(keyring.open(sealed, boundTo(id))) as Contents;
      return to === null ? null : { id, template, to, queuedAt, ...rest };
    },
  };
}
