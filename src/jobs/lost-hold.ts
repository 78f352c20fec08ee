/** Thrown by whatever writes for a job that is another worker's by now: all that is left is to stop. */
export class LostHold extends Error {
  override readonly name = 'LostHold';
}
