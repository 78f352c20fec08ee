import { expect, inject, test } from 'vitest';
import { connect } from '../../src/db/connection.ts';

test('a host that does not answer, and a server that is not there, are faults in time', async () => {
  const server = { ...inject('postgres'), database: 'postgres' };
  await expect(connect({ ...server, port: 1 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await expect(connect({ ...server, database: 'nothing' })).rejects.toMatchObject({ code: '3D000' });
  // Reserved for documentation: nothing there answers (RFC 5737).
  const signal = AbortSignal.timeout(50);
  await expect(connect({ ...server, host: '192.0.2.1' }, { signal })).rejects.toThrow();
});
