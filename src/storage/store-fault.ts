/** What a store's own error means to who reads or writes there now: it is full, or it does not serve. Null: a bug. */
export type StoreFault = 'full' | 'unavailable';

/** Of a file system. */
const fullCodes = ['ENOSPC', 'EDQUOT'];
/** RFC 4918: what S3's look-alikes answer with. */
const insufficientStorage = 507;

export function storeFaultOf(error: unknown): StoreFault | null {
  if (!(error instanceof Error)) return null;
  const { name, code, status } = error as Error & { code?: unknown; status?: unknown };
  if (fullCodes.includes(String(code)) || status === insufficientStorage) return 'full';
  // By its name: its class comes with the whole client of S3.
  return name === 'S3Failure' ? 'unavailable' : null;
}
