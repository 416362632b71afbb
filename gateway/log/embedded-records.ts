import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { corrupt } from './embedded-sums.ts'

/**
 * A record's row id is its partition's number times this, plus its offset: records of a partition lie together and in
 * order, without an index. 2^13 partitions of 2^40 records fit the 53 bits that a JS number holds exactly.
 */
export const OFFSETS = 2 ** 40
export const PARTS_MAX = 2 ** 13

/** The checksum of a record (see `embedded-sums.ts`); text and its UTF-8 have the same one. */
export type RecordSum = (
  record: number,
  time: number,
  key: Uint8Array | string | null,
  headers: Uint8Array | string | null,
  value: Uint8Array | null,
) => number

/** Keeps one buffer, through which the records of a thread pass. */
export function createRecordSum(): RecordSum {
  let buffer = Buffer.allocUnsafe(4_096)
  const write = (text: Uint8Array | string | null, at: number): number => {
    if (text === null) return -1
    if (typeof text === 'string') return buffer.write(text, at)
    buffer.set(text, at)
    return text.length
  }
  return (record, time, key, headers, value) => {
    const needed = HEAD_BYTES + UTF8_BYTES_MAX * ((key?.length ?? 0) + (headers?.length ?? 0))
    if (needed > buffer.length) buffer = Buffer.allocUnsafe(2 * needed)
    const keyBytes = write(key, HEAD_BYTES)
    const headersAt = HEAD_BYTES + Math.max(0, keyBytes)
    const headersBytes = write(headers, headersAt)
    buffer.writeDoubleLE(record, 0)
    buffer.writeDoubleLE(time, 8)
    // The lengths say where one ends and the next begins, and whether there is any.
    buffer.writeInt32LE(keyBytes, 16)
    buffer.writeInt32LE(headersBytes, 20)
    buffer.writeInt32LE(value === null ? -1 : value.length, 24)
    const head = crc32(buffer.subarray(0, headersAt + Math.max(0, headersBytes)))
    // Signed, so that SQLite stores four bytes.
    return (value === null ? head : crc32(value, head)) | 0
  }
}

const HEAD_BYTES = 28
const UTF8_BYTES_MAX = 3

export type StoredRecord = Readonly<{
  record: number
  time: number
  key: string | null
  headers: string | null
  value: Uint8Array | null
}>

/** A row of `records` with all of its columns. Throws LOG_CORRUPT where it does not fit its sum. */
export function readRecord(
  db: DatabaseSync,
  recordSum: RecordSum,
  row: Readonly<Record<string, SQLOutputValue>>,
): StoredRecord {
  const stored = {
    record: Number(row.record),
    time: Number(row.time),
    key: typeof row.key === 'string' ? row.key : null,
    headers: typeof row.headers === 'string' ? row.headers : null,
    value: row.value instanceof Uint8Array ? row.value : null,
  }
  const { record, time, key, headers, value } = stored
  if (recordSum(record, time, key, headers, value) === row.sum) return stored
  const [part, offset] = [Math.floor(record / OFFSETS), record % OFFSETS]
  throw corrupt(
    db.location(),
    `the record at offset ${offset} of partition number ${part} does not fit its checksum`,
  )
}
