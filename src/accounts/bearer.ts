/** Who shows a bearer: which of the doors it is for is told by its form, and that door alone is asked. */
import type { Accounts } from './accounts.ts';
import type { ApiKeys } from './keys/api-keys.ts';
import { isApiKey } from './keys/secrets.ts';
import type { Viewer } from './viewer.ts';

export interface BearerDeps {
  readonly accounts: Pick<Accounts, 'authenticate'>;
  readonly apiKeys: Pick<ApiKeys, 'authenticate'>;
}

/** @throws AppError UNAUTHENTICATED */
export type Bearer = (token: string) => Promise<Viewer>;

export const createBearer =
  ({ accounts, apiKeys }: BearerDeps): Bearer =>
  (token) =>
    (isApiKey(token) ? apiKeys : accounts).authenticate(token);
