import { hash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { Parts } from './embedded-parts.ts'
import type { RecordSum } from './embedded-records.ts'
import { OFFSETS, readRecord } from './embedded-records.ts'
import type { Cleanup } from './port.ts'

/** How many records, or about how many bytes, one step of retention looks at: a few milliseconds of the writer's time. */
const PRUNE_STEP_RECORDS = 500
const PRUNE_STEP_BYTES = 8_000_000

export type Pruned = Readonly<{ removed: number; isDone: boolean }>
export type PruneAccess = Readonly<{ db: DatabaseSync; parts: Parts; recordSum: RecordSum }>

/**
 * One step of retention in one partition, inside a transaction of the caller: what is older than `before` (epoch ms)
 * goes by age (`delete`), or once a newer record of its key is older than that too (`compact`), as Kafka's cleaner
 * does with `min.compaction.lag.ms`. A tombstone older than that goes with all that was before it. Throws LOG_CORRUPT:
 * by a damaged time or key it would take away what must be kept.
 */
export function prunePart(access: PruneAccess, part: number, cleanup: Cleanup, before: number): Pruned {
  return cleanup === 'delete' ? pruneByAge(access, part, before) : compact(access, part, before)
}

function pruneByAge(access: PruneAccess, part: number, before: number): Pruned {
  const first = part * OFFSETS
  const { old, isDone } = readOld(access, first, (part + 1) * OFFSETS, before)
  const last = old.at(-1)?.record
  if (last !== undefined) {
    access.db.prepare('DELETE FROM records WHERE record >= ? AND record <= ?').run(first, last)
    access.parts.noteRemoved(first, last)
  }
  return { removed: old.length, isDone }
}

type Old = Readonly<{ record: number; key: string | null; isTombstone: boolean }>

/** Records that are old enough, until one is not. */
function readOld(
  { db, recordSum }: PruneAccess,
  from: number,
  to: number,
  before: number,
): Readonly<{ old: readonly Old[]; isDone: boolean }> {
  const rows = db.prepare(
    'SELECT record, time, key, headers, sum, value FROM records WHERE record >= ? AND record < ? ORDER BY record',
  )
  const old: Old[] = []
  let bytes = 0
  for (const row of rows.iterate(from, to)) {
    const { record, time, key, value } = readRecord(db, recordSum, row)
    if (time >= before) return { old, isDone: true }
    if (old.length >= PRUNE_STEP_RECORDS || bytes >= PRUNE_STEP_BYTES) return { old, isDone: false }
    bytes += value?.length ?? 0
    old.push({ record, key, isTombstone: value === null })
  }
  return { old, isDone: true }
}

/**
 * Walks once over each record, in offset order, when it has become old enough. The table `newest` remembers where the
 * newest walked record of each key is, by a hash of the key; keys themselves are compared, so a collision costs a look
 * and never a record. Appending pays nothing for all this.
 */
function compact(access: PruneAccess, part: number, before: number): Pruned {
  const { db, parts } = access
  const base = part * OFFSETS
  const row = parts.read(part)
  const { old, isDone } = readOld(access, base + row.compacted, base + OFFSETS, before)
  const candidates = db.prepare(
    'SELECT newest.record FROM newest JOIN records ON records.record = newest.record ' +
      'WHERE newest.hash = ? AND newest.record >= ? AND newest.record < ? AND records.key = ?',
  )
  const forget = db.prepare('DELETE FROM newest WHERE hash = ? AND record = ?')
  const removal = db.prepare('DELETE FROM records WHERE record = ?')
  const remember = db.prepare('INSERT INTO newest (hash, record) VALUES (?, ?)')
  let removed = 0
  const remove = (record: number) => {
    removal.run(record)
    parts.noteRemoved(record, record)
    removed += 1
  }
  for (const { record, key, isTombstone } of old) {
    // Written before the topic was compacted; nothing can supersede it.
    if (key === null) continue
    const digest = digestOf(key)
    for (const older of candidates.all(digest, base, record, key)) {
      remove(Number(older.record))
      forget.run(digest, Number(older.record))
    }
    if (isTombstone) remove(record)
    else remember.run(digest, record)
  }
  const last = old.at(-1)
  if (last !== undefined) parts.write(part, { ...row, compacted: last.record - base + 1 })
  return { removed, isDone }
}

/** 48 bits of SHA-256: exact as a JS number. */
function digestOf(key: string): number {
  return Number.parseInt(hash('sha256', key, 'hex').slice(0, 12), 16)
}
