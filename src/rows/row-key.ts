/**
 * Names a row to clients: opaque, made of the texts of its primary key, as the engine prints them under Quarry's settings,
 * in the order of the table's columns.
 */
export const encodeRowKey = (values: readonly string[]): string =>
  Buffer.from(JSON.stringify(values)).toString('base64url');
