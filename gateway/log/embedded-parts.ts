import type { DatabaseSync } from 'node:sqlite'
import { assertRow, corrupt, rowSum } from './embedded-sums.ts'

/** What is kept about a partition: the offset of its next record, and how far retention has walked through it. */
export type Part = Readonly<{ next: number; compacted: number }>

/** Partitions, and which of their records retention has taken away, as ranges of row ids. */
export interface Parts {
  /** Throws LOG_CORRUPT where the row is gone or damaged. */
  read(part: number): Part
  write(part: number, row: Part): void
  /**
   * Whether retention took away all from `first` to `last`. Offsets have no gaps of their own, so what is neither there
   * nor noted here was lost. Throws LOG_CORRUPT.
   */
  isRemoved(first: number, last: number): boolean
  noteRemoved(first: number, last: number): void
}

export function createParts(db: DatabaseSync): Parts {
  const read = db.prepare('SELECT part, next, compacted, sum FROM parts WHERE part = ?')
  const write = db.prepare('INSERT OR REPLACE INTO parts (part, next, compacted, sum) VALUES (?, ?, ?, ?)')
  const { before, note } = createRemoved(db)
  return {
    read(part) {
      const row = read.get(part)
      if (row === undefined) throw corrupt(db.location(), `the row of partition number ${part} is gone`)
      assertRow(db, 'parts', row)
      return { next: Number(row.next), compacted: Number(row.compacted) }
    },
    write(part, { next, compacted }) {
      write.run(part, next, compacted, rowSum('parts', [part, next, compacted]))
    },
    isRemoved: (first, last) => (before(first)?.last ?? -1) >= last,
    noteRemoved: note,
  }
}

type Range = Readonly<{ first: number; last: number }>

/** Ranges that touch are one, so that a gap is always covered by a single range. */
function createRemoved(db: DatabaseSync) {
  const columns = 'SELECT first, last, sum FROM removed'
  const newestFrom = db.prepare(`${columns} WHERE first <= ? ORDER BY first DESC LIMIT 1`)
  const drop = db.prepare('DELETE FROM removed WHERE first >= ? AND first <= ?')
  const insert = db.prepare('INSERT INTO removed (first, last, sum) VALUES (?, ?, ?)')
  const before = (record: number): Range | null => {
    const row = newestFrom.get(record)
    if (row === undefined) return null
    assertRow(db, 'removed', row)
    return { first: Number(row.first), last: Number(row.last) }
  }
  const note = (first: number, last: number) => {
    const left = before(first)
    const from = left !== null && left.last >= first - 1 ? left.first : first
    const to = Math.max(last, before(last + 1)?.last ?? last)
    drop.run(from, to + 1)
    insert.run(from, to, rowSum('removed', [from, to]))
  }
  return { before, note }
}
