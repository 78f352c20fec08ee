/** Bytes that show where they belong: each four are their own place, so that a piece too much or too little is seen. */
export function filled(bytes: number): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let i = 0; i < words.length; i += 1) words[i] = i;
  return Buffer.from(words.buffer, 0, bytes);
}
