/** Bytes that show where they belong: each four are their own place, so that a piece too much or too little is seen. */

/** From the beginning. */
export function filled(bytes: number): Buffer {
  const whole = Buffer.alloc(Math.ceil(bytes / 4) * 4);
  fill(whole, 0);
  return whole.subarray(0, bytes);
}

/** @param start of the piece, in bytes; like its length, a multiple of four */
export function fill(piece: Buffer, start: number): void {
  const words = new Uint32Array(piece.buffer, piece.byteOffset, piece.length / 4);
  for (let i = 0; i < words.length; i += 1) words[i] = start / 4 + i;
}
