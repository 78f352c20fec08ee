/** What a store's own error means to who reads or writes there now: it is full, or it does not serve. Null: a bug. */
export type StoreFault = 'full' | 'unavailable';

/** Of a file system. */
const fullCodes = ['ENOSPC', 'EDQUOT'];
/** Of one that had to be mounted again to be read only, whose disk or server does not answer, or that is another's by now. */
const unavailableCodes = ['EROFS', 'EIO', 'ESTALE', 'ETIMEDOUT', 'EACCES', 'EPERM'];
/** RFC 4918: what S3's look-alikes answer with. */
const insufficientStorage = 507;

export function storeFaultOf(error: unknown): StoreFault | null {
  if (!(error instanceof Error)) return null;
  const { name, code, status } = error as Error & { code?: unknown; status?: unknown };
  if (fullCodes.includes(String(code)) || status === insufficientStorage) return 'full';
  if (unavailableCodes.includes(String(code)) && 'syscall' in error) return 'unavailable';
  // By its name: its class comes with the whole client of S3.
  return name === 'S3Failure' ? 'unavailable' : null;
}
