/** The blob store failed under a job: no place left, no answer. Its cause is the store's own error. */
export class StorageFailed extends Error {
  override readonly name = 'StorageFailed';
}
