import { CsvError, parse } from 'csv-parse/sync'
import { z } from 'zod'
import { text } from '../settings.ts'
import type { Encoding, Piece } from './records-of-bytes.ts'
import { createSplitter, ENCODINGS, NOT_CLOSED } from './records-of-bytes.ts'

/** Settings of the format `csv`. */
export const csvFormat = z
  .strictObject({
    kind: z.literal('csv').describe('Comma-separated values, quoted with ".'),
    encoding: z
      .enum(ENCODINGS)
      .default('utf-8')
      .describe('How text is written. gb18030 reads GBK and GB 2312 as well.'),
    delimiter: z
      .string()
      .regex(/^[\t -~]$/, { error: 'must be one ASCII character' })
      .refine((written) => written !== '"', { error: 'must not be the quote' })
      .default(',')
      .describe('Character between two values; a tab is written "\\t".'),
    header: z
      .union([z.literal('first-row'), z.array(text()).min(1)], {
        error: 'must be first-row, or a list of the columns',
      })
      .default('first-row')
      .describe('Where the names of the columns come from.'),
  })
  .describe('Comma-separated values.')

export type CsvFormat = z.output<typeof csvFormat>

/**
 * What a file says, in its order. `header` comes once and first; `fault` instead of it, and then nothing more, where
 * the file as a whole cannot be read. `number` counts the records from 1, readable or not.
 */
export type CsvItem = Readonly<
  | { kind: 'header'; columns: readonly string[] }
  | { kind: 'record'; number: number; line: number; values: readonly string[] }
  | { kind: 'unreadable'; number: number; line: number; raw: Uint8Array; reason: string }
  | { kind: 'fault'; line: number; raw: Uint8Array; reason: string }
>

/** A record is an ERP's line, not a document: more than this is a file of another kind. */
const RECORD_BYTES_MAX = 1_048_576
const RECORD_LINES_MAX = 200

/**
 * Decodes a file as its bytes come in, holding no more of it than a chunk and a record. Values are text as it is
 * written, nothing trimmed. A record that cannot be decoded or parsed, or has another number of values than the
 * header, is handed over with its bytes; those behind it are not touched by that. Empty lines are skipped.
 */
export async function* decodeCsv(
  chunks: AsyncIterable<Uint8Array>,
  format: CsvFormat,
): AsyncGenerator<readonly CsvItem[]> {
  const splitter = createSplitter({
    encoding: format.encoding,
    delimiter: format.delimiter,
    recordBytesMax: RECORD_BYTES_MAX,
    recordLinesMax: RECORD_LINES_MAX,
  })
  const reader = createReader(format)
  for await (const chunk of chunks) {
    const items = reader.read(splitter.push(chunk))
    if (items.length > 0) yield items
    if (reader.isFaulty()) return
  }
  const items = reader.read(splitter.end())
  const last = reader.isFaulty() ? [] : reader.end()
  if (items.length + last.length > 0) yield [...items, ...last]
}

type Read = Readonly<{ values: readonly string[] } | { reason: string }>

function createReader(format: CsvFormat) {
  const read = createParser(format)
  let columns = 0
  let number = 0
  let isFaulty = false

  const readHeader = (piece: Piece | null, header: Read): CsvItem => {
    const reason = 'reason' in header ? `its header ${header.reason}` : headerFault(header.values)
    if (reason === null && 'values' in header) {
      columns = header.values.length
      return { kind: 'header', columns: header.values }
    }
    isFaulty = true
    return {
      kind: 'fault',
      line: piece?.line ?? 1,
      raw: piece?.bytes ?? new Uint8Array(0),
      reason: reason ?? '',
    }
  }

  const item = (piece: Piece, result: Read): CsvItem => {
    number += 1
    const reason = 'reason' in result ? result.reason : countFault(result.values.length, columns)
    return reason === null && 'values' in result
      ? { kind: 'record', number, line: piece.line, values: result.values }
      : { kind: 'unreadable', number, line: piece.line, raw: piece.bytes, reason: reason ?? '' }
  }

  return {
    isFaulty: () => isFaulty,
    read(pieces: readonly Piece[]): readonly CsvItem[] {
      const items: CsvItem[] = []
      let records = pieces
      if (columns === 0 && format.header !== 'first-row')
        items.push(readHeader(null, { values: format.header }))
      const [first] = pieces
      if (columns === 0 && !isFaulty && first !== undefined) {
        items.push(readHeader(first, read([first])[0] ?? { reason: 'is missing' }))
        records = pieces.slice(1)
      }
      if (isFaulty) return items
      const results = read(records)
      for (const [index, piece] of records.entries())
        items.push(item(piece, results[index] ?? { reason: 'could not be parsed' }))
      return items
    },
    /** A file without even a header was cut off, or is not what the feed expects. */
    end(): readonly CsvItem[] {
      return columns > 0 ? [] : [readHeader(null, { reason: 'is missing: the file is empty' })]
    },
  }
}

/** Decodes and parses records; as many together as possible, and one by one where one of them is bad. */
function createParser(format: CsvFormat): (pieces: readonly Piece[]) => readonly Read[] {
  const decode = createDecoder(format.encoding)
  const parseText = (written: string) =>
    parse(written, {
      delimiter: format.delimiter,
      quote: '"',
      escape: '"',
      record_delimiter: ['\n'],
      relax_column_count: true,
    }) as readonly (readonly string[])[]
  const parseOne = (written: string): Read => {
    try {
      const [values, ...more] = parseText(written)
      return values === undefined || more.length > 0 ? { reason: 'is not one record' } : { values }
    } catch (error) {
      if (error instanceof CsvError) return { reason: reasonOf(error) }
      throw error
    }
  }
  const parseAll = (texts: readonly string[]): readonly Read[] => {
    try {
      const records = parseText(texts.join('\n'))
      if (records.length === texts.length) return records.map((values) => ({ values }))
    } catch (error) {
      if (!(error instanceof CsvError)) throw error
    }
    return texts.map(parseOne)
  }
  return (pieces) => {
    const decoded = pieces.map((piece) =>
      piece.fault === null ? decode(piece.bytes) : { reason: piece.fault },
    )
    const parsed = parseAll(decoded.flatMap((result) => ('text' in result ? [result.text] : [])))
    let next = 0
    return decoded.map((result) => {
      if ('reason' in result) return result
      const values = parsed[next]
      next += 1
      return values ?? { reason: 'could not be parsed' }
    })
  }
}

function createDecoder(
  encoding: Encoding,
): (bytes: Uint8Array) => Readonly<{ text: string } | { reason: string }> {
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true })
  // ICU maps bytes that are no Big5 or GBK character to control or private characters instead of refusing them.
  const foreign = encoding === 'big5' ? /[\u0080-\u009f\ue000-\uf8ff]/ : /[\u0080-\u009f]/
  const isLegacy = encoding === 'big5' || encoding === 'gb18030'
  return (bytes) => {
    try {
      const written = decoder.decode(bytes)
      if (written.includes('\u0000')) return { reason: 'holds a NUL character' }
      if (isLegacy && foreign.test(written)) return { reason: `is not written in ${encoding}` }
      return { text: written }
    } catch (error) {
      if (error instanceof TypeError) return { reason: `is not written in ${encoding}` }
      throw error
    }
  }
}

function headerFault(columns: readonly string[]): string | null {
  const empty = columns.indexOf('')
  if (empty >= 0) return `its header has no name for column ${empty + 1}`
  const twice = columns.find((column, index) => columns.indexOf(column) !== index)
  if (twice !== undefined) return `its header names ${twice} twice`
  return columns.includes('__proto__') ? 'its header names a column __proto__' : null
}

function countFault(count: number, columns: number): string | null {
  return count === columns ? null : `has ${count} values, the header ${columns} columns`
}

function reasonOf(error: CsvError): string {
  switch (error.code) {
    case 'INVALID_OPENING_QUOTE':
      return 'has a quote in the middle of a value that is not quoted'
    case 'CSV_INVALID_CLOSING_QUOTE':
      return 'has text behind a closing quote'
    case 'CSV_QUOTE_NOT_CLOSED':
      return NOT_CLOSED
    default:
      return `could not be parsed (${error.code})`
  }
}
