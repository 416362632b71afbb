import type { SourceRecord } from '../../adapters/contract.ts'
import { joinKey, splitKey } from '../../adapters/cursor.ts'

/**
 * The place of a read in the order of a lane's reads, as one text: the lane's own count, and where the source has them
 * its snapshot or log position and the version of the row. The count comes first and is zero-padded, so texts compare
 * bytewise by it.
 */
export type ReadOrder = string

/** A record's place: `count` is that of the read that brought it. */
export function readOrderOf(count: string, record: Pick<SourceRecord, 'order' | 'rowVersion'>): ReadOrder {
  const { order, rowVersion } = record
  return order === null && rowVersion === null ? count : joinKey([count, order ?? '', rowVersion ?? ''])
}

/** The lane's own count of reads; a clock would step back. */
export function countedOrder(reads: number): string {
  return `n${String(reads).padStart(COUNT_DIGITS, '0')}`
}

const COUNT_DIGITS = 16

/** The count in a read order, or 0. */
export function readsCounted(order: ReadOrder | null): number {
  return order === null ? 0 : Number(order.slice(1, 1 + COUNT_DIGITS))
}

/** Whether it says more than the lane's own count, so that an older state may come after a newer one. */
export function tellsVersion(order: ReadOrder): boolean {
  return splitKey(order).length > 1
}

/**
 * Whether a read shows an older state than one that has been seen. What the row itself says counts most, then what the
 * source says of the read, then which read began first.
 */
export function isOlderRead(read: ReadOrder, seen: ReadOrder): boolean {
  const [count = '', order = '', version = ''] = splitKey(read)
  const [seenCount = '', seenOrder = '', seenVersion = ''] = splitKey(seen)
  if (version !== '' && seenVersion !== '' && version !== seenVersion) return version < seenVersion
  if (order !== '' && seenOrder !== '' && order !== seenOrder) return order < seenOrder
  return count < seenCount
}
