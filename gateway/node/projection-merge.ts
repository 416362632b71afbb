import type { Entry } from './projection-entry.ts'
import type { Cursor } from './projection-run.ts'

/**
 * Goes through several sequences of entries as through one, in the order of hashes: of the entries of a key only that of
 * the first sequence which has it, so the newest must come first. `take` may end it with false.
 */
export function mergeEntries(cursors: readonly Cursor[], take: (entry: Entry) => boolean): void {
  const open = cursors.filter((cursor) => cursor.next())
  while (open.length > 0) {
    let lowest = 0
    let hash = open[0]?.entry.hash ?? 0
    let isMet = false
    for (let index = 1; index < open.length; index += 1) {
      const other = open[index]?.entry.hash ?? 0
      if (other === hash) isMet = true
      if (other >= hash) continue
      hash = other
      lowest = index
      isMet = false
    }
    if (!(isMet ? takeNewest(open, hash, take) : takeOnly(open, lowest, hash, take))) return
  }
}

/** Takes the entries of this hash, which one sequence alone has. */
function takeOnly(open: Cursor[], index: number, hash: number, take: (entry: Entry) => boolean): boolean {
  const cursor = open[index]
  if (cursor === undefined) return true
  do {
    if (!take(cursor.entry)) return false
    if (!cursor.next()) {
      open.splice(index, 1)
      return true
    }
  } while (cursor.entry.hash === hash)
  return true
}

/** Takes the entries of this hash, of each key the newest. */
function takeNewest(open: Cursor[], hash: number, take: (entry: Entry) => boolean): boolean {
  const met: Buffer[] = []
  for (const cursor of [...open]) {
    const { entry } = cursor
    while (entry.hash === hash) {
      const key = Buffer.from(entry.bytes.subarray(entry.keyStart, entry.valueStart))
      if (!met.some((other) => other.equals(key))) {
        met.push(key)
        if (!take(entry)) return false
      }
      if (cursor.next()) continue
      open.splice(open.indexOf(cursor), 1)
      break
    }
  }
  return true
}
