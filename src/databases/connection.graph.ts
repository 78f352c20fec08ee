/** What people say of a connection, and what they are told of it; a password goes in and never comes out. */
import { builder } from '../graph/builder.ts';
import { CapabilityEnum, EngineNameEnum, SslModeEnum } from '../graph/enums.ts';
import type { ConnectionReport, VisibleDatabase } from './databases.ts';
import type { Address } from './store.ts';

export const ConnectionInputType = builder.inputType('ConnectionInput', {
  description:
    'Where a database is: the separate parts, or `url`. A `url` is taken apart here and never given to a driver; a part of it that is not one of the fields below is BAD_USER_INPUT.',
  fields: (t) => ({
    engine: t.field({ type: EngineNameEnum, defaultValue: 'postgresql' }),
    host: t.string({ description: 'A name or an address alone.' }),
    port: t.int({ description: 'Absent: the engine’s default.' }),
    database: t.string(),
    user: t.string(),
    password: t.string(),
    url: t.string({ description: 'postgresql://user:password@host:port/database?sslmode=verify-full' }),
    ssl: t.field({ type: SslModeEnum, defaultValue: 'PREFER' }),
    sslRootCertificate: t.string({ description: 'PEM.' }),
    allowInsecureAuthentication: t.boolean({
      defaultValue: false,
      description: 'Answer a server that asks for the password in clear or by MD5 without TLS.',
    }),
  }),
});

export const UpdateConnectionInputType = builder.inputType('UpdateConnectionInput', {
  description:
    'What is absent stays. A change of host, port, database, user, ssl or its certificate, or to insecure authentication, needs `password` in the same input, else BAD_USER_INPUT.',
  fields: (t) => ({
    host: t.string(),
    port: t.int(),
    database: t.string(),
    user: t.string(),
    password: t.string(),
    ssl: t.field({ type: SslModeEnum }),
    sslRootCertificate: t.string({ description: 'PEM; null clears it.' }),
    allowInsecureAuthentication: t.boolean(),
  }),
});

const ConnectionProblemType = builder.objectRef<ConnectionReport['problems'][number]>('ConnectionProblem').implement({
  rights: 'parent',
  fields: (t) => ({
    code: t.exposeString('code', {
      description:
        'The stage that failed: DENIED, DNS, TCP, TLS, AUTHENTICATION, DATABASE; CREDENTIALS when the stored password does not open; or a warning such as SUPERUSER.',
    }),
    message: t.exposeString('message'),
    hint: t.exposeString('hint', { nullable: true }),
  }),
});

/** `of`: the stored database that was looked at. */
export type ReportOf = ConnectionReport & { readonly of?: VisibleDatabase };

export const ConnectionReportType = builder.objectRef<ReportOf>('ConnectionReport').implement({
  rights: 'parent',
  description: 'What a look at a server found.',
  fields: (t) => ({
    ok: t.exposeBoolean('ok'),
    checkedAt: t.expose('checkedAt', { type: 'DateTime' }),
    serverVersion: t.exposeString('serverVersion', { nullable: true }),
    latencyMs: t.exposeFloat('latencyMs', { nullable: true, description: 'Of one statement there and back.' }),
    capabilities: t.expose('capabilities', { type: [CapabilityEnum] }),
    problems: t.expose('problems', { type: [ConnectionProblemType] }),
  }),
});

export const ConnectionDetailsType = builder.objectRef<Address>('ConnectionDetails').implement({
  rights: 'parent',
  fields: (t) => ({
    host: t.exposeString('host', { nullable: true }),
    port: t.exposeInt('port', { nullable: true }),
    database: t.exposeString('database', { nullable: true }),
    user: t.exposeString('user', { nullable: true }),
    ssl: t.expose('ssl', { type: SslModeEnum, nullable: true }),
  }),
});
