/** Rings as text, for whatever carries them to other processes: who rang, then a ring a line. */

export type Ring = readonly [topic: string, key: string];

/** @param sender empty where the ringing process has to hear it as well */
export function printRings(rings: readonly Ring[], sender: string, maxBytes: number): string[] {
  const texts: string[] = [];
  let text = sender;
  for (const ring of new Set(rings.map(([topic, key]) => `${topic}\t${key}`))) {
    if (text.length + ring.length + 1 > maxBytes) {
      texts.push(text);
      text = sender;
    }
    text += `\n${ring}`;
  }
  return [...texts, text];
}

/** None where it is the listener's own. */
export function readRings(text: string, listener: string): Ring[] {
  const [sender, ...lines] = text.split('\n');
  if (sender === listener) return [];
  return lines.map((line) => {
    const [topic = '', key = ''] = line.split('\t');
    return [topic, key];
  });
}
