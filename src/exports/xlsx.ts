/**
 * XLSX: a workbook with a sheet for each result set, written as a stream. What a value becomes is xlsx-cells.ts. Rows
 * past the last of a sheet go on in a next one, under the same header; what no sheet can hold ends the export.
 */
import { AppError } from '../lib/errors.ts';
import type { ExportRow, Format, FormatOptions, FormatWriter, ResultSet, Sink } from './format.ts';
import { CellTooLong, cellWriter, headerCell, maxCellLength, type WriteCell } from './xlsx-cells.ts';
import { createXlsxPackage, type XlsxPart } from './xlsx-package.ts';
import { columnLetters, sheetHead, sheetName, sheetPart, sheetTail, workbookParts } from './xlsx-parts.ts';
import { stylesPart } from './xlsx-styles.ts';

/** With the header. */
const maxSheetRows = 1_048_576;
const maxSheetColumns = 16_384;
/** Each is remembered until the file ends. */
const maxSheets = 1_000;
/** UTF-16 units that are gathered before they go on. */
const chunkLength = 65_536;

/** @throws AppError LIMIT_EXCEEDED, from a writer: more columns, sheets or characters of a cell than a workbook holds */
export const xlsx: Format = {
  name: 'xlsx',
  extension: 'xlsx',
  mimeType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  canBeSafe: false,
  sheets: true,
  open: openXlsx,
};

interface Sheet {
  readonly part: XlsxPart;
  readonly set: ResultSet;
  readonly letters: readonly string[];
  readonly writers: readonly WriteCell[];
  /** Rows that this sheet has, with its header. */
  rows: number;
  /** Rows of the result set that earlier sheets have. */
  readonly rowsBefore: number;
}

function openXlsx(sink: Sink, { signal }: FormatOptions): FormatWriter {
  const file = createXlsxPackage(sink, signal);
  const names: string[] = [];
  const taken = new Set<string>();
  let sheet: Sheet | null = null;
  let text = '';

  async function openSheet(set: ResultSet, rowsBefore: number): Promise<Sheet> {
    if (names.length === maxSheets) throw limitExceeded(`A workbook takes ${maxSheets} sheets.`);
    const name = sheetName(set.name, taken);
    names.push(name);
    taken.add(name.toLowerCase());
    const letters = set.columns.map((_, index) => columnLetters(index));
    const opened = {
      part: file.open(sheetPart(names.length)),
      set,
      letters,
      writers: set.columns.map(({ type }) => cellWriter(type)),
      rows: 1,
      rowsBefore,
    };
    text = `${sheetHead(set.columns)}<row r="1">`;
    for (const [index, column] of set.columns.entries()) text += headerCell(`${letters[index]}1`, column.name);
    text += '</row>';
    return opened;
  }

  async function closeSheet({ part }: Sheet): Promise<void> {
    await part.write(text + sheetTail);
    text = '';
    part.end();
  }

  function rowXml({ set, letters, writers, rows, rowsBefore }: Sheet, row: ExportRow): string {
    const number = rows + 1;
    let xml = `<row r="${number}">`;
    let index = 0;
    try {
      for (; index < row.length; index++) {
        const value = row[index];
        // A null is no cell; an empty text is one.
        if (value !== null) xml += writers[index]!(letters[index]! + number, value!);
      }
    } catch (error) {
      if (!(error instanceof CellTooLong)) throw error;
      throw tooLong(set.columns[index]!.name, rowsBefore + rows, row[index]!.length);
    }
    return `${xml}</row>`;
  }

  return {
    async begin(set) {
      signal.throwIfAborted();
      if (set.columns.length > maxSheetColumns) {
        throw limitExceeded(`A sheet takes ${maxSheetColumns} columns; ${set.columns.length} are more.`);
      }
      sheet = await openSheet(set, 0);
    },
    async rows(rows) {
      signal.throwIfAborted();
      for (const row of rows) {
        if (sheet!.rows === maxSheetRows) {
          await closeSheet(sheet!);
          sheet = await openSheet(sheet!.set, sheet!.rowsBefore + maxSheetRows - 1);
        }
        text += rowXml(sheet!, row);
        sheet!.rows++;
        if (text.length < chunkLength) continue;
        await sheet!.part.write(text);
        text = '';
      }
    },
    async end() {
      await closeSheet(sheet!);
      sheet = null;
    },
    async close() {
      // A workbook without a sheet is none.
      if (names.length === 0) await closeSheet(await openSheet({ name: '', columns: [] }, 0));
      file.add('xl/styles.xml', stylesPart);
      for (const [name, xml] of workbookParts(names)) file.add(name, xml);
      await file.close();
    },
    async [Symbol.asyncDispose]() {
      await file[Symbol.asyncDispose]();
    },
  };
}

const limitExceeded = (message: string) => new AppError('LIMIT_EXCEEDED', message);

function tooLong(column: string, row: number, length: number): AppError {
  return new AppError(
    'LIMIT_EXCEEDED',
    `Column "${column}" of row ${row} has ${length} characters; a cell of XLSX takes ${maxCellLength}. Other formats take it.`,
    { details: { column, row, length } },
  );
}
