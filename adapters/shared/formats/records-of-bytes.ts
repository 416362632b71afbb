/** Encodings of text files that are read, by the names that TextDecoder and the settings share. */
export const ENCODINGS = ['utf-8', 'gb18030', 'big5', 'utf-16le'] as const
export type Encoding = (typeof ENCODINGS)[number]

/** The bytes of one record, without the line end. `fault`: its end is a guess, since it cannot be right as it is. */
export type Piece = Readonly<{ line: number; bytes: Uint8Array; fault: string | null }>

export type Splitter = Readonly<{
  /** Records that are complete with these bytes. */
  push(chunk: Uint8Array): readonly Piece[]
  /** What is left when the file ends. */
  end(): readonly Piece[]
}>

export type SplitterOptions = Readonly<{
  encoding: Encoding
  /** One ASCII character. */
  delimiter: string
  /** A longer record is unreadable; only its first bytes are kept. */
  recordBytesMax: number
  /** A quoted value over more lines than this was not closed. */
  recordLinesMax: number
}>

const QUOTE = 0x22
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * Cuts a file into records while it is still bytes, so that a record that cannot be decoded or parsed is known by its
 * raw bytes and line, and costs no neighbour. Line feeds inside quotes belong to the record. A quote that is not
 * closed within the limits spoils its own line alone: what follows is cut anew from the next line on.
 */
export function createSplitter(options: SplitterOptions): Splitter {
  let rest: Uint8Array = new Uint8Array(0)
  let line = 1
  let skipping = false
  let isAtStart = true

  const take = (isEnd: boolean): Piece[] => {
    const pieces: Piece[] = []
    let begin = isAtStart ? byteOrderMark(rest, options.encoding) : 0
    if (isAtStart && rest.length < 4 && !isEnd) return pieces
    isAtStart = false
    for (;;) {
      const found = skipping ? toLineEnd(rest, begin, options) : findEnd(rest, begin, isEnd, options)
      if (found === null) break
      const wasSkipping = skipping
      skipping = found.next === null
      if (!wasSkipping && (found.end > begin || found.fault !== null))
        pieces.push({ line, bytes: rest.slice(begin, found.end), fault: found.fault })
      line += found.lines
      begin = found.next ?? rest.length
    }
    rest = rest.subarray(skipping ? rest.length : begin)
    return pieces
  }

  return {
    push(chunk) {
      rest = rest.length === 0 ? chunk : concatenated(rest, chunk)
      return take(false)
    },
    end: () => take(true),
  }
}

/** `next` null: the end of the line is not in sight, and what comes up to there is to be skipped. */
type Found = Readonly<{ end: number; next: number | null; lines: number; fault: string | null }>

type State = 'field' | 'plain' | 'quoted' | 'closed'

function findEnd(bytes: Uint8Array, begin: number, isEnd: boolean, options: SplitterOptions): Found | null {
  const width = options.encoding === 'utf-16le' ? 2 : 1
  const delimiter = options.delimiter.charCodeAt(0)
  let state: State = 'field'
  let lines = 0
  let at = begin
  while (at + width <= bytes.length) {
    const unit = unitAt(bytes, at, width)
    if (unit === LINE_FEED) {
      lines += 1
      if (state !== 'quoted') return ended(bytes, begin, at, width, lines)
      if (lines >= options.recordLinesMax) return firstLine(bytes, begin, width)
    } else {
      // Text behind a closing quote lines below: the first of the two quotes was none, and these lines are records.
      const isText = unit !== QUOTE && unit !== delimiter && unit !== CARRIAGE_RETURN
      if (state === 'closed' && isText && lines > 0) return firstLine(bytes, begin, width)
      state = stateAfter(state, unit, delimiter)
    }
    if (at - begin > options.recordBytesMax)
      return lines > 0
        ? firstLine(bytes, begin, width)
        : { end: begin + KEPT_BYTES, next: null, lines: 0, fault: TOO_LONG }
    const length = lengthAt(bytes, at, options.encoding)
    if (at + length > bytes.length) {
      if (!isEnd) return null
      break
    }
    at += length
  }
  if (!isEnd || begin >= bytes.length) return null
  if (state === 'quoted')
    return lines > 0
      ? firstLine(bytes, begin, width)
      : { end: bytes.length, next: bytes.length, lines: 1, fault: NOT_CLOSED }
  return { end: bytes.length, next: bytes.length, lines: 1, fault: null }
}

/** How much of a record that is too long is kept for a person to recognise it. */
const KEPT_BYTES = 65_536
const TOO_LONG = 'is longer than a record may be'
export const NOT_CLOSED = 'has a quote that is not closed'

function stateAfter(state: State, unit: number, delimiter: number): State {
  if (state === 'quoted') return unit === QUOTE ? 'closed' : 'quoted'
  if (unit === delimiter) return 'field'
  if (unit === QUOTE && state !== 'plain') return 'quoted'
  return 'plain'
}

function ended(bytes: Uint8Array, begin: number, at: number, width: number, lines: number): Found {
  const before = at - width
  const isReturn = before >= begin && unitAt(bytes, before, width) === CARRIAGE_RETURN
  return { end: isReturn ? before : at, next: at + width, lines, fault: null }
}

/** The first line alone, where quotes make no sense of more. */
function firstLine(bytes: Uint8Array, begin: number, width: number): Found {
  let at = begin
  while (unitAt(bytes, at, width) !== LINE_FEED) at += width
  return { ...ended(bytes, begin, at, width, 1), fault: NOT_CLOSED }
}

/** Skips what is left of a line that is too long; null where its end has not come yet. */
function toLineEnd(bytes: Uint8Array, begin: number, options: SplitterOptions): Found | null {
  const width = options.encoding === 'utf-16le' ? 2 : 1
  for (let at = begin; at + width <= bytes.length; at += width) {
    if (unitAt(bytes, at, width) === LINE_FEED) return { end: at, next: at + width, lines: 1, fault: null }
  }
  return null
}

function unitAt(bytes: Uint8Array, at: number, width: number): number {
  const low = bytes[at] ?? 0
  return width === 1 ? low : low | ((bytes[at + 1] ?? 0) << 8)
}

/**
 * Bytes of the character here. The second byte of GB 18030 and Big5 may be an ASCII letter or `|`, so a delimiter is
 * only one where a character begins. A lead byte without its second is left alone, and decoding refuses it.
 */
function lengthAt(bytes: Uint8Array, at: number, encoding: Encoding): number {
  if (encoding === 'utf-16le') return 2
  const first = bytes[at] ?? 0
  if (encoding === 'utf-8' || first < 0x81 || first === 0xff) return 1
  const second = bytes[at + 1]
  if (second === undefined) return 2
  if (encoding === 'gb18030' && second >= 0x30 && second <= 0x39) return 4
  return second >= 0x40 && second !== 0x7f && second !== 0xff ? 2 : 1
}

const BYTE_ORDER_MARKS: Readonly<Record<Encoding, readonly number[]>> = {
  'utf-8': [0xef, 0xbb, 0xbf],
  gb18030: [0x84, 0x31, 0x95, 0x33],
  big5: [],
  'utf-16le': [0xff, 0xfe],
}

function byteOrderMark(bytes: Uint8Array, encoding: Encoding): number {
  const mark = BYTE_ORDER_MARKS[encoding]
  return mark.every((byte, index) => bytes[index] === byte) ? mark.length : 0
}

function concatenated(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}
