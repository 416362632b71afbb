import { hash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { OFFSETS } from './embedded-schema.ts'
import type { Cleanup } from './port.ts'

/** How many records one step of retention looks at: a few milliseconds of the writer's time. */
const PRUNE_STEP_RECORDS = 500

/**
 * One step of retention in one partition, inside a transaction of the caller: what is older than `before` (epoch ms)
 * goes by age (`delete`), or once a newer record of its key is older than that too (`compact`), as Kafka's cleaner
 * does with `min.compaction.lag.ms`. A tombstone older than that goes with all that was before it.
 */
export function prunePart(
  db: DatabaseSync,
  part: number,
  cleanup: Cleanup,
  before: number,
): Readonly<{ removed: number; isDone: boolean }> {
  return cleanup === 'delete' ? pruneByAge(db, part, before) : compact(db, part, before)
}

function pruneByAge(
  db: DatabaseSync,
  part: number,
  before: number,
): Readonly<{ removed: number; isDone: boolean }> {
  const rows = db
    .prepare('SELECT record, time FROM records WHERE record >= ? AND record < ? ORDER BY record LIMIT ?')
    .all(part * OFFSETS, (part + 1) * OFFSETS, PRUNE_STEP_RECORDS)
  const young = rows.findIndex((row) => Number(row.time) >= before)
  const old = young === -1 ? rows : rows.slice(0, young)
  const last = old.at(-1)
  if (last !== undefined) {
    db.prepare('DELETE FROM records WHERE record >= ? AND record <= ?').run(
      part * OFFSETS,
      Number(last.record),
    )
  }
  return { removed: old.length, isDone: old.length < PRUNE_STEP_RECORDS }
}

/**
 * Walks once over each record, in offset order, when it has become old enough. The table `newest` remembers where the
 * newest walked record of each key is, by a hash of the key; keys themselves are compared, so a collision costs a look
 * and never a record. Appending pays nothing for all this.
 */
function compact(
  db: DatabaseSync,
  part: number,
  before: number,
): Readonly<{ removed: number; isDone: boolean }> {
  const from = Number(db.prepare('SELECT compacted FROM parts WHERE part = ?').get(part)?.compacted ?? 0)
  const rows = db
    .prepare(
      'SELECT record, time, key, value IS NULL AS is_tombstone FROM records WHERE record >= ? AND record < ? ' +
        'ORDER BY record LIMIT ?',
    )
    .all(part * OFFSETS + from, (part + 1) * OFFSETS, PRUNE_STEP_RECORDS)
  const candidates = db.prepare(
    'SELECT newest.record FROM newest JOIN records ON records.record = newest.record ' +
      'WHERE newest.hash = ? AND newest.record >= ? AND newest.record < ? AND records.key = ?',
  )
  const forget = db.prepare('DELETE FROM newest WHERE hash = ? AND record = ?')
  const remove = db.prepare('DELETE FROM records WHERE record = ?')
  const remember = db.prepare('INSERT INTO newest (hash, record) VALUES (?, ?)')
  let removed = 0
  let walked = 0
  let next = from
  for (const row of rows) {
    if (Number(row.time) >= before) break
    const record = Number(row.record)
    walked += 1
    next = record - part * OFFSETS + 1
    // Written before the topic was compacted; nothing can supersede it.
    if (row.key === null) continue
    const key = String(row.key)
    const digest = digestOf(key)
    for (const older of candidates.all(digest, part * OFFSETS, record, key)) {
      remove.run(Number(older.record))
      forget.run(digest, Number(older.record))
      removed += 1
    }
    if (row.is_tombstone === 1) {
      remove.run(record)
      removed += 1
    } else {
      remember.run(digest, record)
    }
  }
  if (next > from) db.prepare('UPDATE parts SET compacted = ? WHERE part = ?').run(next, part)
  return { removed, isDone: walked < PRUNE_STEP_RECORDS }
}

/** 48 bits of SHA-256: exact as a JS number. */
function digestOf(key: string): number {
  return Number.parseInt(hash('sha256', key, 'hex').slice(0, 12), 16)
}
