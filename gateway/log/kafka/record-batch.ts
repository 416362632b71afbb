import { crc32c } from '@node-rs/crc32'
import type { Producer } from './messages-transaction.ts'

/** A record as it goes on the wire: UTF-8 key, value, and headers that are encoded already (`encodeHeaders`). */
export type BatchRecord = Readonly<{ key: Uint8Array | null; value: Uint8Array | null; headers: Uint8Array }>

/** Records that go to one partition in one piece. `bytes`: at most so many, its head included. */
export type RecordBatch = Readonly<{ records: readonly BatchRecord[]; bytes: number }>

/** Of a batch, before its records: offsets, CRC, attributes, who wrote it, their number. */
const HEAD_BYTES = 61

/** What a record may take besides key, value and headers: length, attributes, time, place and two lengths. */
const RECORD_HEAD_BYTES = 24

/** The broker takes 1,048,588 (`max.message.bytes`); a record alone may be larger than this, and is its own batch. */
const BATCH_BYTES = 900_000

const MAGIC = 2
const TRANSACTIONAL = 0x10

/** Splits records into batches by bytes, in their order. */
export function batchesOf(records: readonly BatchRecord[]): readonly RecordBatch[] {
  const batches: RecordBatch[] = []
  let first = 0
  let bytes = HEAD_BYTES
  for (const [place, { key, value, headers }] of records.entries()) {
    const size = RECORD_HEAD_BYTES + headers.length + (key?.length ?? 0) + (value?.length ?? 0)
    if (place > first && bytes + size > BATCH_BYTES) {
      batches.push({ records: records.slice(first, place), bytes })
      first = place
      bytes = HEAD_BYTES
    }
    bytes += size
  }
  batches.push({ records: first === 0 ? records : records.slice(first), bytes })
  return batches
}

/** Count, then names and values, as every record of a batch carries them. */
export function encodeHeaders(headers: Readonly<Record<string, string>>): Uint8Array {
  const entries = Object.entries(headers).map((pair) => pair.map((text) => Buffer.from(text, 'utf8')))
  const texts = entries.flat()
  const bytes = Buffer.alloc(5 + texts.reduce((sum, text) => sum + text.length + 5, 0))
  let at = putVarint(bytes, 0, entries.length)
  for (const text of texts) {
    at = putVarint(bytes, at, text.length)
    at += text.copy(bytes, at)
  }
  return bytes.subarray(0, at)
}

/**
 * Writes a batch of a transaction (magic 2) and returns where it ends. Own code, since the clients' encoders, which make
 * several buffers for every record, cost three to five times the CPU and 150 MB more (measured; see DECISIONS.md).
 */
export function putBatch(
  to: Buffer,
  from: number,
  batch: RecordBatch,
  writer: Readonly<{ producer: Producer; sequence: number; time: number }>,
): number {
  const { records } = batch
  const time = BigInt(writer.time)
  let at = to.writeBigInt64BE(0n, from)
  const lengthAt = at
  at = to.writeInt32BE(-1, lengthAt + 4)
  at = to.writeInt8(MAGIC, at)
  const checksumAt = at
  at = to.writeInt16BE(TRANSACTIONAL, checksumAt + 4)
  at = to.writeInt32BE(records.length - 1, at)
  at = to.writeBigInt64BE(time, at)
  at = to.writeBigInt64BE(time, at)
  at = to.writeBigInt64BE(writer.producer.id, at)
  at = to.writeInt16BE(writer.producer.epoch, at)
  at = to.writeInt32BE(writer.sequence, at)
  at = to.writeInt32BE(records.length, at)
  let place = 0
  for (const record of records) {
    at = putRecord(to, at, record, place)
    place += 1
  }
  to.writeInt32BE(at - lengthAt - 4, lengthAt)
  to.writeUInt32BE(crc32c(to.subarray(checksumAt + 4, at)), checksumAt)
  return at
}

function putRecord(to: Buffer, from: number, { key, value, headers }: BatchRecord, place: number): number {
  const keyLength = key === null ? -1 : key.length
  const valueLength = value === null ? -1 : value.length
  const bytes = Math.max(0, keyLength) + Math.max(0, valueLength) + headers.length
  const lengths = varintBytes(place) + varintBytes(keyLength) + varintBytes(valueLength)
  let at = putVarint(to, from, 2 + lengths + bytes)
  // No attributes, and the time of the batch.
  to[at++] = 0
  to[at++] = 0
  at = putVarint(to, at, place)
  at = putVarint(to, at, keyLength)
  if (key !== null) {
    to.set(key, at)
    at += keyLength
  }
  at = putVarint(to, at, valueLength)
  if (value !== null) {
    to.set(value, at)
    at += valueLength
  }
  to.set(headers, at)
  return at + headers.length
}

/** Zigzag, seven bits a byte. */
function putVarint(to: Buffer, from: number, value: number): number {
  let at = from
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  for (; rest >= 0x80; rest >>>= 7) to[at++] = (rest & 0x7f) | 0x80
  to[at++] = rest
  return at
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = ((value << 1) ^ (value >> 31)) >>> 0; rest >= 0x80; rest >>>= 7) bytes += 1
  return bytes
}
