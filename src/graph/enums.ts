/** GraphQL's enums, made from the const lists that the rest of the code uses; the only place that converts between them. */
import type { EnumRef } from '@pothos/core';
import { registrationModes } from '../accounts/admission.ts';
import { projectRoles } from '../accounts/policy.ts';
import { capabilities, sslModes } from '../engines/engine.ts';
import { engineKinds } from '../engines/registry.ts';
import { errorCodes } from '../lib/errors.ts';
import { builder } from './builder.ts';

/** A value's name is the key in upper case. */
export function enumOf<const K extends string>(
  name: string,
  keys: readonly K[],
  description?: string,
): EnumRef<never, K, K> {
  const values = Object.fromEntries(keys.map((key) => [key.toUpperCase(), { value: key }]));
  return builder.enumType(name, { values, ...(description && { description }) }) as unknown as EnumRef<never, K, K>;
}

enumOf('ErrorCode', errorCodes, 'The values of `extensions.code`.');
export const EngineNameEnum = enumOf('EngineName', engineKinds);
export const CapabilityEnum = enumOf('Capability', capabilities);
export const SslModeEnum = enumOf('SslMode', sslModes);
export const UserRoleEnum = enumOf('UserRole', ['admin', 'member']);
export const ProjectRoleEnum = enumOf('ProjectRole', projectRoles);
export const RegistrationModeEnum = enumOf('RegistrationMode', registrationModes);
