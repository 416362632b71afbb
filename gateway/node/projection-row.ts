import type { ProjectionRow } from '../ports.ts'
import { type Entry, Reader, writeCount } from './projection-entry.ts'

const FLAG = {
  isDeleted: 1,
  isRejected: 2,
  /** It was published, so it counts as living or deleted. */
  isPublished: 4,
  /** The record key ends in the source key. */
  isKeyed: 8,
  /** Some text has characters that take two bytes. */
  isWide: 16,
} as const

/** Flags, three numbers, three words and nine lengths. */
const HEAD_BYTES_MAX = 1 + 15 * 9

/**
 * Rows as bytes: flags, numbers, numbers of words, lengths of texts, then the texts, one byte a character if they can.
 * Words are texts that many rows have in common; a row names them by their number.
 */
export class RowCodec {
  readonly #words: string[]
  readonly #numbers: Map<string, number>
  readonly #digests = new DigestSplitter()
  #bytes = Buffer.alloc(1_024)

  constructor(words: readonly string[]) {
    this.#words = [...words]
    this.#numbers = new Map(words.map((word, index) => [word, index + 1]))
  }

  /** All words so far: what was encoded cannot be read without them. */
  words(): readonly string[] {
    return this.#words
  }

  /** The bytes of a row without its source key, until the next call. */
  encode(row: ProjectionRow): Uint8Array {
    const { recordKey, sourceKey } = row
    const isKeyed = recordKey !== '' && recordKey.endsWith(sourceKey)
    const cut = isKeyed ? recordKey.length - sourceKey.length : prefixEnd(recordKey)
    const rest = isKeyed ? '' : recordKey.slice(cut)
    const prefix = recordKey.slice(0, cut)
    const { names, values } = this.#digests.split(row.fieldDigests)
    const rejected = row.rejected ?? ''
    const [mapping, system, fields] = [
      this.#numberOf(row.mappingVersion),
      this.#numberOf(prefix),
      this.#numberOf(names),
    ]
    const spelt = [
      mapping === 0 ? row.mappingVersion : '',
      system === 0 ? prefix : '',
      fields === 0 ? names : '',
    ]
    const texts = [rest, row.contentHash, row.sourceFingerprint, row.readOrder, values, rejected, ...spelt]
    let text = ''
    for (const one of texts) text += one
    if (this.#bytes.length < 2 * text.length + HEAD_BYTES_MAX) this.#bytes = Buffer.alloc(4 * text.length)
    const bytes = this.#bytes
    let at = writeCount(bytes, 1, row.revision)
    at = writeCount(bytes, at, row.partition)
    at = writeCount(bytes, at, row.offset)
    at = writeCount(bytes, at, mapping)
    at = writeCount(bytes, at, system)
    at = writeCount(bytes, at, fields)
    for (const { length } of texts) at = writeCount(bytes, at, length)
    let end = at + bytes.write(text, at, 'latin1')
    // Asking a text for wide characters costs ten times what reading it back does.
    const isWide = bytes.toString('latin1', at, end) !== text
    if (isWide) end = at + bytes.write(text, at, 'utf16le')
    bytes[0] = flagsOf(row) | (isKeyed ? FLAG.isKeyed : 0) | (isWide ? FLAG.isWide : 0)
    return bytes.subarray(0, end)
  }

  /** The row in an entry. */
  decode(entry: Entry): ProjectionRow {
    const { bytes, valueStart } = entry
    const flags = bytes[valueStart] ?? 0
    const texts = new Texts(bytes, valueStart + 1, entry.end, (flags & FLAG.isWide) !== 0)
    const { revision, partition, offset, mapping, system, fields } = texts
    const sourceKey = entry.text
    const rest = texts.next()
    const contentHash = texts.next()
    const sourceFingerprint = texts.next()
    const readOrder = texts.next()
    const values = texts.next()
    const rejected = texts.next()
    const mappingVersion = this.#wordOf(mapping, texts.next())
    const prefix = this.#wordOf(system, texts.next())
    const names = this.#wordOf(fields, texts.next())
    return {
      sourceKey,
      recordKey: prefix + ((flags & FLAG.isKeyed) === 0 ? rest : sourceKey),
      revision,
      contentHash,
      fieldDigests: values + names,
      sourceFingerprint,
      readOrder,
      mappingVersion,
      deleted: (flags & FLAG.isDeleted) !== 0,
      rejected: (flags & FLAG.isRejected) === 0 ? null : rejected,
      partition,
      offset,
    }
  }

  /** The number of a word from 1; 0 where there are too many already. */
  #numberOf(word: string): number {
    const known = this.#numbers.get(word)
    if (known !== undefined) return known
    if (this.#words.length >= WORDS_MAX) return 0
    this.#words.push(word)
    this.#numbers.set(word, this.#words.length)
    return this.#words.length
  }

  #wordOf(number: number, spelt: string): string {
    return number === 0 ? spelt : (this.#words[number - 1] ?? '')
  }
}

const WORDS_MAX = 1_000

/** Texts of a row: rest of the record key, two hashes, read order, digests, rejected version, and three words. */
const TEXTS = 9

/** The numbers of a row, and its texts one after the other. */
class Texts {
  readonly revision: number
  readonly partition: number
  readonly offset: number
  readonly mapping: number
  readonly system: number
  readonly fields: number
  readonly #text: string
  readonly #lengths: Reader
  #at = 0

  constructor(bytes: Buffer, start: number, end: number, isWide: boolean) {
    const reader = new Reader(bytes, start)
    this.revision = reader.count()
    this.partition = reader.count()
    this.offset = reader.count()
    this.mapping = reader.count()
    this.system = reader.count()
    this.fields = reader.count()
    this.#lengths = new Reader(bytes, reader.at)
    for (let index = 0; index < TEXTS; index += 1) reader.count()
    this.#text = bytes.toString(isWide ? 'utf16le' : 'latin1', reader.at, end)
  }

  next(): string {
    const start = this.#at
    this.#at += this.#lengths.count()
    return this.#text.slice(start, this.#at)
  }
}

/** What a row counts as, without reading more of it. */
export function standingOf(entry: Entry): Readonly<{ isLive: boolean; isRejected: boolean }> {
  const flags = entry.bytes[entry.valueStart] ?? 0
  return {
    isLive: (flags & FLAG.isPublished) !== 0 && (flags & FLAG.isDeleted) === 0,
    isRejected: (flags & FLAG.isRejected) !== 0,
  }
}

function flagsOf(row: ProjectionRow): number {
  return (
    (row.deleted ? FLAG.isDeleted : 0) |
    (row.rejected === null ? 0 : FLAG.isRejected) |
    (row.revision > 0 ? FLAG.isPublished : 0)
  )
}

/** Behind system and company, which a record key has in common with many. */
function prefixEnd(recordKey: string): number {
  return recordKey.indexOf('/', recordKey.indexOf('/') + 1) + 1
}

/** Digests by field as two texts: the values, and what many rows have in common, the bar and all behind it. */
type SplitDigests = Readonly<{ names: string; values: string }>

/** Splits digests by field (`identity.ts`). Whatever the text is, values and names together are it. */
class DigestSplitter {
  #names = ''

  split(text: string): SplitDigests {
    const bar = text.indexOf('|')
    const end = bar < 0 ? 0 : bar
    // Most rows have the names of the row before, a text whose number is found at once.
    if (text.length - end !== this.#names.length || !text.endsWith(this.#names)) this.#names = text.slice(end)
    return { names: this.#names, values: text.slice(0, end) }
  }
}
