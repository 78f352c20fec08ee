/** What an operator can switch on, as clients may know it: one line each. */
import type { Config } from './config.ts';
import type { ServerFeature } from './services.ts';

/** By name: the variable that decides, and whether it is on. */
const features: Readonly<Record<string, readonly [setting: string, enabled: (config: Config) => boolean]>> = {
  REGISTRATION: ['REGISTRATION', ({ registration }) => registration === 'open'],
  VERIFIED_EMAIL: ['REQUIRE_VERIFIED_EMAIL', ({ requireVerifiedEmail }) => requireVerifiedEmail],
  MAIL: ['SMTP_URL', ({ mail }) => mail.smtp !== null],
  SIGN_IN_BY_ISSUER: ['OIDC_ISSUER', ({ oidc }) => oidc !== null],
  HOSTED_DATABASES: ['PLAYGROUND_URL', ({ playground }) => playground !== 'off'],
  PERSISTED_DOCUMENTS: ['PERSISTED_DOCUMENTS', ({ persistedDocuments }) => persistedDocuments !== null],
  PERSISTED_DOCUMENTS_ONLY: ['PERSISTED_DOCUMENTS_ONLY', ({ persistedDocumentsOnly }) => persistedDocumentsOnly],
  GRAPHIQL: ['GRAPHIQL', ({ graphiql }) => graphiql],
  INTROSPECTION: ['INTROSPECTION', ({ introspection }) => introspection],
};

export const featuresOf = (config: Config): readonly ServerFeature[] =>
  Object.entries(features).map(([name, [setting, enabled]]) => ({ name, setting, enabled: enabled(config) }));
