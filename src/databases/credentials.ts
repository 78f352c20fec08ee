/**
 * The secrets of databases. They are sealed to the row and to where they lead, and opened in one place: where a target is
 * made for a session that begins now.
 */
import type { ConnectionConfig } from '../db/connection.ts';
import type { Playground } from '../db/playground.ts';
import type { SealedColumn } from '../db/rotation.ts';
import type { SslMode, Target } from '../engines/engine.ts';
import { AppError } from '../lib/errors.ts';
import type { Keyring } from '../lib/keyring.ts';
import type { ConnectionSettings } from './input.ts';
import type { Address, Database, DatabaseStore } from './store.ts';

/** Whose session it will be: a user's, or Quarry's own to read the catalogue, or to be told of changed rows. */
export type Principal = { readonly userId: string } | 'catalogue' | 'feed';

export interface Credentials {
  /** Binds the password to the row and to its address: in another row, or for another server, it does not open. */
  seal(id: string, address: Address, password: string): string;
  /** @throws AppError CONNECTION_FAILED */
  open(database: Database): string;
  /**
   * How to reach the database now, with the password in clear: not to be kept or printed. What a user of a hosted database
   * did to its own role is undone first.
   * @throws AppError CONNECTION_FAILED when the secret does not open, NOT_CONFIGURED for a hosted one without a playground
   */
  targetOf(database: Database, principal: Principal, options: { signal: AbortSignal }): Promise<Target>;
}

export interface CredentialsDeps {
  readonly keyring: Keyring;
  /** Null: there is none. */
  readonly playground: Playground | null;
  readonly store: Pick<DatabaseStore, 'userRole' | 'addUserRole'>;
}

/** Stands in the rows of hosted databases, whose server is elsewhere after each start. No address of anything. */
export const hostedAddress = { host: 'playground', port: 0, ssl: 'DISABLE' } as const;

type Texts = Readonly<Record<Exclude<keyof Address, 'port'>, string>> & { readonly port: number | string };

const passwordContext = (id: string, { host, port, database, user, ssl }: Texts) =>
  ['databases', 'password', id, host, String(port), database, user, ssl] as const;

const roleContext = (databaseId: string, userId: string, user: string) =>
  ['database_roles', 'password', databaseId, userId, user] as const;

/** For a rotation of the keys. */
export const sealedPasswords: readonly SealedColumn[] = [
  {
    table: 'databases',
    column: 'sealed_password',
    key: { id: 'uuid' },
    boundTo: ['id', 'host', 'port', 'database_name', 'username', 'ssl_mode'],
    context: (id, host, port, database, user, ssl) => passwordContext(id, { host, port, database, user, ssl }),
  },
  {
    table: 'database_roles',
    column: 'sealed_password',
    key: { database_id: 'uuid', user_id: 'uuid' },
    boundTo: ['database_id', 'user_id', 'role_name'],
    context: roleContext,
  },
];

export function createCredentials({ keyring, playground, store }: CredentialsDeps): Credentials {
  function open(database: Database, sealed: string, context: readonly string[]): string {
    try {
      return keyring.open(sealed, context);
    } catch (cause) {
      const { host, port, hosted } = database;
      throw new AppError('CONNECTION_FAILED', 'The stored password of this database cannot be opened', {
        cause,
        details: {
          ...(hosted ? {} : { host, port }),
          reason: 'CREDENTIALS',
          hint: 'It was sealed for another connection or with a key that is not in MASTER_KEYS: give the password anew.',
        },
      });
    }
  }

  const openPassword = (database: Database) =>
    open(database, database.sealedPassword, passwordContext(database.id, database));

  function external(database: Database): Target {
    const { host, port, user, ssl, sslRootCertificate, allowInsecureAuthentication } = database;
    return {
      host,
      port,
      hosted: false,
      database: database.database,
      user,
      password: openPassword(database),
      ssl,
      sslRootCertificate: sslRootCertificate ?? undefined,
      allowInsecureAuthentication,
    };
  }

  /** The login of this user on a database of the system's, made at the first use. */
  async function ownRole(
    server: Playground,
    database: Database,
    userId: string,
    signal: AbortSignal,
  ): Promise<ConnectionConfig> {
    const found = await store.userRole(database.id, userId);
    if (found) {
      const { user, sealedPassword } = found;
      const password = open(database, sealedPassword, roleContext(database.id, userId, user));
      return { ...server.admin, database: database.database, user, password };
    }
    const made = await server.grantReader({ database: database.database, signal });
    const { user, password } = made;
    const sealedPassword = keyring.seal(password, roleContext(database.id, userId, user));
    if (await store.addUserRole(database.id, userId, { user, sealedPassword })) return made;
    await server.dropRole(user, { signal }); // Another session of the user was first; its role is the one.
    return ownRole(server, database, userId, signal);
  }

  /** Its owner may have shut it out. */
  async function feedOf(server: Playground, database: Database, signal: AbortSignal): Promise<Target> {
    if (!server.feed)
      throw new AppError('NOT_CONFIGURED', 'The server of hosted databases has no role that reads their changes', {
        details: { setting: 'PLAYGROUND_URL' },
      });
    const { database: name, user: role } = database;
    if (!database.system) await server.resetRole({ database: name, role, password: openPassword(database), signal });
    return hostedTarget({ ...server.feed, database: name });
  }

  async function hosted(database: Database, principal: Principal, signal: AbortSignal): Promise<Target> {
    if (!playground) throw playgroundMissing();
    if (principal === 'feed') return await feedOf(playground, database, signal);
    // The stored role of the system's database is a reader, which can change nothing of its own either.
    if (database.system) {
      return principal === 'catalogue'
        ? hostedTarget({
            ...playground.admin,
            database: database.database,
            user: database.user,
            password: openPassword(database),
          })
        : hostedTarget(await ownRole(playground, database, principal.userId, signal));
    }
    return hostedTarget(
      await playground.resetRole({
        database: database.database,
        role: database.user,
        password: openPassword(database),
        signal,
      }),
    );
  }

  return {
    seal: (id, address, password) => keyring.seal(password, passwordContext(id, address)),
    open: openPassword,
    targetOf: async (database, principal, { signal }) =>
      database.hosted ? await hosted(database, principal, signal) : external(database),
  };
}

/** The same for users whose sessions in the database have the same rights there. */
export const rightsKeyOf = ({ system }: Pick<Database, 'system'>, { userId }: { readonly userId: string }): string =>
  system ? userId : '';

/** Of a connection that a user named: whatever it says of itself, it is not the playground. */
export function targetWith({ sslRootCertificate, ...settings }: ConnectionSettings): Target {
  return { ...settings, hosted: false, sslRootCertificate: sslRootCertificate ?? undefined };
}

export const playgroundMissing = (): AppError =>
  new AppError('NOT_CONFIGURED', 'This server hosts no databases', { details: { setting: 'PLAYGROUND_URL' } });

/** A role on the playground as an engine sees it. The registry names the server, so that the egress policy does not ask. */
export function hostedTarget({ host, port, database, user, password, ssl }: ConnectionConfig): Target {
  const certificate = typeof ssl === 'object' && typeof ssl.ca === 'string' ? ssl.ca : undefined;
  return {
    host,
    port,
    hosted: true,
    database,
    user,
    password,
    ssl: sslModeOf(ssl),
    sslRootCertificate: certificate,
    allowInsecureAuthentication: false,
  };
}

function sslModeOf(ssl: ConnectionConfig['ssl']): SslMode {
  if (!ssl) return 'DISABLE';
  return typeof ssl === 'object' && ssl.rejectUnauthorized === false ? 'REQUIRE' : 'VERIFY_FULL';
}
