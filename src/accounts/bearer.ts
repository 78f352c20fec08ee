/** Who shows a bearer: which of the doors it is for is told by its form, and that door alone is asked. */
import type { Accounts } from './accounts.ts';
import type { ApiKeys } from './keys/api-keys.ts';
import { isApiKey } from './keys/secrets.ts';
import type { IssuedAccounts } from './oidc/issued-accounts.ts';
import { issuerNamedBy } from './oidc/issuer.ts';
import type { Viewer } from './viewer.ts';

export interface BearerDeps {
  readonly accounts: Pick<Accounts, 'authenticate'>;
  readonly apiKeys: Pick<ApiKeys, 'authenticate'>;
  /** Null where the operator named no issuer. */
  readonly issued: Pick<IssuedAccounts, 'authenticate' | 'issuer'> | null;
}

/** @throws AppError UNAUTHENTICATED; of an account of an issuer FORBIDDEN and CONNECTION_FAILED, too */
export type Bearer = (token: string) => Promise<Viewer>;

export const createBearer =
  ({ accounts, apiKeys, issued }: BearerDeps): Bearer =>
  (token) => {
    if (isApiKey(token)) return apiKeys.authenticate(token);
    return (issued && issuerNamedBy(token) === issued.issuer ? issued : accounts).authenticate(token);
  };
