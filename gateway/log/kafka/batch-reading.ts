import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import { LogError } from '../errors.ts'
import type { LogRecord, TopicPartition } from '../port.ts'
import type { Aborted } from './fetch.ts'

/** What stands in the batches of an answer: committed records, and the position behind the last whole batch. */
export type Batches = Readonly<{ records: readonly LogRecord[]; position: number }>

/**
 * Reads batches (magic 2) from a position on. Leaves out what lies before it, markers, and what transactions wrote that
 * were broken off; all of them move the position. Throws LOG_CORRUPT where a batch is not what was written, and
 * LOG_UNFIT where it is compressed in a way that nobody here can undo.
 */
export function readBatches(
  bytes: Buffer,
  from: number,
  of: TopicPartition,
  aborted: readonly Aborted[],
): Batches {
  const waiting = aborted.toSorted((a, b) => a.first - b.first)
  const doomed = new Set<bigint>()
  const records: LogRecord[] = []
  const headersOf = createHeaderReader()
  let position = from
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const head = readHead(bytes, at)
    if (head.end > bytes.length) break
    assertWhole(bytes, at, head.end, of)
    while ((waiting[0]?.first ?? Number.POSITIVE_INFINITY) <= head.last)
      doomed.add(waiting.shift()?.producer ?? -1n)
    if (head.isControl) {
      // A marker ends its producer's transaction; those behind it are another's.
      if (isAbort(bytes, at)) doomed.delete(head.producer)
    } else if (!(head.isTransactional && doomed.has(head.producer))) {
      readRecords(bytes, at, head, of, from, headersOf, records)
    }
    position = Math.max(position, head.last + 1)
    at = head.end
  }
  return { records, position }
}

const HEAD_BYTES = 61
const CHECKSUM_AT = 17
const CODEC = 0x07
const APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

type Head = Readonly<{
  end: number
  base: number
  last: number
  codec: number
  isControl: boolean
  isTransactional: boolean
  /** Of the first record; with `isStamped` that of all, by the broker's clock. */
  time: number
  isStamped: boolean
  producer: bigint
  count: number
}>

function readHead(bytes: Buffer, at: number): Head {
  const base = Number(bytes.readBigInt64BE(at))
  const attributes = bytes.readInt16BE(at + 21)
  const isStamped = (attributes & APPEND_TIME) !== 0
  return {
    end: at + 12 + bytes.readInt32BE(at + 8),
    base,
    last: base + bytes.readInt32BE(at + 23),
    codec: attributes & CODEC,
    isControl: (attributes & CONTROL) !== 0,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    time: Number(bytes.readBigInt64BE(at + (isStamped ? 35 : 27))),
    isStamped,
    producer: bytes.readBigInt64BE(at + 43),
    count: bytes.readInt32BE(at + 57),
  }
}

function assertWhole(bytes: Buffer, at: number, end: number, { topic, partition }: TopicPartition): void {
  const isWhole =
    end >= at + HEAD_BYTES &&
    bytes[at + 16] === 2 &&
    crc32c(bytes.subarray(at + CHECKSUM_AT + 4, end)) === bytes.readUInt32BE(at + CHECKSUM_AT)
  if (isWhole) return
  const offset = bytes.readBigInt64BE(at)
  throw new LogError(
    'LOG_CORRUPT',
    `Partition ${partition} of ${topic} is damaged in the batch at offset ${offset}; check that broker's disk.`,
  )
}

/** The key of a marker: a version and what became of the transaction, 0 for abort. */
function isAbort(bytes: Buffer, at: number): boolean {
  const cursor = new Varints(bytes, at + HEAD_BYTES)
  cursor.skipHead()
  cursor.next()
  return bytes.readInt16BE(cursor.at + 2) === 0
}

function readRecords(
  bytes: Buffer,
  at: number,
  head: Head,
  of: TopicPartition,
  from: number,
  headersOf: HeaderReader,
  to: LogRecord[],
): void {
  const plain = head.codec === 0 ? bytes : inflate(bytes.subarray(at + HEAD_BYTES, head.end), head.codec, of)
  const cursor = new Varints(plain, head.codec === 0 ? at + HEAD_BYTES : 0)
  for (let count = head.count; count > 0; count -= 1) {
    const length = cursor.next()
    const end = cursor.at + length
    cursor.at += 1
    const delta = cursor.nextLong()
    const offset = head.base + cursor.next()
    if (offset >= from) {
      const key = cursor.bytes()
      const value = cursor.bytes()
      const time = head.isStamped ? head.time : head.time + delta
      const headers = headersOf(plain, cursor, end)
      to.push({ ...of, offset, time, key: key?.toString('utf8') ?? null, value, headers })
    }
    cursor.at = end
  }
}

const CODECS: Readonly<Record<number, string>> = { 2: 'snappy', 3: 'lz4' }

/** What inflated records may come to: a batch is at most 1 MB as it lies there. */
const INFLATED_BYTES_MAX = 64_000_000

function inflate(bytes: Buffer, codec: number, { topic }: TopicPartition): Buffer {
  const limit = { maxOutputLength: INFLATED_BYTES_MAX }
  if (codec === 1) return gunzipSync(bytes, limit)
  if (codec === 4) return zstdDecompressSync(bytes, limit)
  const name = CODECS[codec] ?? `codec ${codec}`
  throw new LogError(
    'LOG_UNFIT',
    `${topic} holds records compressed by ${name}; gzip, zstd or none are read.`,
  )
}

type HeaderReader = (bytes: Buffer, cursor: Varints, end: number) => LogRecord['headers']

/** Nearly all records have the headers of the one before, so that these are decoded once. */
function createHeaderReader(): HeaderReader {
  let lastBytes: Buffer | null = null
  let last: LogRecord['headers'] = {}
  return (bytes, cursor, end) => {
    const raw = bytes.subarray(cursor.at, end)
    if (lastBytes?.equals(raw) !== true) [lastBytes, last] = [raw, readHeaders(cursor)]
    return last
  }
}

function readHeaders(cursor: Varints): LogRecord['headers'] {
  const headers: Record<string, string> = {}
  for (let count = cursor.next(); count > 0; count -= 1) {
    const name = cursor.bytes()?.toString('utf8') ?? ''
    const value = cursor.bytes()?.toString('utf8') ?? ''
    // Some names (`__proto__`) would not become a property of their own otherwise.
    Object.defineProperty(headers, name, { value, enumerable: true, configurable: true })
  }
  return headers
}

/** Reads zigzag varints and what they measure. */
class Varints {
  readonly #bytes: Buffer
  at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  next(): number {
    let value = 0
    let byte = 0x80
    for (let shift = 0; byte >= 0x80; shift += 7) {
      byte = this.#byte()
      value |= (byte & 0x7f) << shift
    }
    return (value >>> 1) ^ -(value & 1)
  }

  /** Of up to 64 bits, exact below 2^53. */
  nextLong(): number {
    let value = 0
    let byte = 0x80
    for (let weight = 1; byte >= 0x80; weight *= 128) {
      byte = this.#byte()
      value += (byte & 0x7f) * weight
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  bytes(): Buffer | null {
    const length = this.next()
    if (length < 0) return null
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  /** Length, attributes, time and place of a record. */
  skipHead(): void {
    this.next()
    this.at += 1
    this.nextLong()
    this.next()
  }

  #byte(): number {
    const byte = this.#bytes[this.at++]
    if (byte === undefined) throw new RangeError('A record ends too early.')
    return byte
  }
}
