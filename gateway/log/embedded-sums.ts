import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { LogError } from './errors.ts'

/**
 * The checksum of a row: its table and its columns in their order. Every row of the log's file has one (those of records
 * are in `embedded-records.ts`), and nothing is believed before it was compared. CRC-32 finds all damage that lies within
 * 32 bits of a row, and misses one in four billion of what is wilder: enough against disks and memory, which damage at
 * random. It is none against people, who can write any row with its sum.
 */
export function rowSum(table: string, columns: readonly SQLOutputValue[]): number {
  return crc32(JSON.stringify([table, ...columns])) | 0
}

/** Throws LOG_CORRUPT where a row, read with all of its columns in their order, does not fit its sum. */
export function assertRow(
  db: DatabaseSync,
  table: string,
  row: Readonly<Record<string, SQLOutputValue>>,
): void {
  const { sum, ...columns } = row
  if (sum === rowSum(table, Object.values(columns))) return
  throw corrupt(db.location(), `a row of its table ${table} does not fit its checksum`)
}

/** The file and what is wrong with it. */
export function corrupt(file: string | null, what: string, cause?: unknown): LogError {
  return new LogError('LOG_CORRUPT', `${file} is damaged: ${what}; restore it from a backup.`, cause)
}
