/** Workbooks as a reader that nobody here wrote sees them; values as PostgreSQL would print them. */
import { read, utils, type WorkSheet } from '@e965/xlsx';

interface ReadSheet {
  name: string;
  /** With the header; null where there is no cell. */
  rows: (string | null)[][];
}

export function readXlsx(file: Buffer): ReadSheet[] {
  const book = read(file, { dense: true, cellNF: true, cellText: false, cellHTML: false });
  return book.SheetNames.map((name) => ({ name, rows: rowsOf(book.Sheets[name]!) }));
}

/** The cells themselves: type, value and number format. */
export interface ReadCell {
  t: string;
  v?: unknown;
  f?: string;
  z?: string;
}

export function readCells(file: Buffer): (ReadCell | undefined)[][] {
  const book = read(file, { dense: true, cellNF: true, cellText: false, cellHTML: false });
  return (book.Sheets[book.SheetNames[0]!] as { '!data': ReadCell[][] })['!data'];
}

/** Of the first sheet, as it is in the zip. */
export function sheetXml(file: Buffer): string {
  const { files } = read(file, { bookFiles: true }) as unknown as { files: Record<string, { content: Uint8Array }> };
  return Buffer.from(files['xl/worksheets/sheet1.xml']!.content).toString();
}

function rowsOf(sheet: WorkSheet): (string | null)[][] {
  const cells = (sheet as { '!data': (ReadCell | undefined)[][] })['!data'];
  if (sheet['!ref'] === undefined) return [];
  const { e: end } = utils.decode_range(sheet['!ref']);
  return Array.from({ length: end.r + 1 }, (_, row) =>
    Array.from({ length: end.c + 1 }, (_, column) => textOf(cells[row]?.[column])),
  );
}

function textOf(cell: ReadCell | undefined): string | null {
  if (cell?.v === undefined) return null;
  const format = cell.z ?? 'General';
  if (cell.t === 'n' && format.includes('yyyy')) return dateText(cell.v as number, { time: format.includes('hh') });
  if (cell.t === 'n' && format.includes('hh')) return dateText(cell.v as number, { time: true }).slice(11);
  return String(cell.v);
}

/** To the microsecond, as a serial of these years tells it. */
function dateText(serial: number, { time }: { time: boolean }): string {
  const day = Math.floor(serial);
  const micros = Math.round((serial - day) * 86_400e6);
  const milliseconds = (day - 25_569) * 86_400e3 + Math.floor(micros / 1_000);
  const text = new Date(milliseconds).toISOString().replace('T', ' ').replace('Z', '');
  return time ? text + String(micros % 1_000).padStart(3, '0') : text.slice(0, 10);
}
