import type { DatabaseSync } from 'node:sqlite'
import { createParts } from './embedded-parts.ts'
import { OFFSETS } from './embedded-records.ts'
import { assertRow, corrupt, rowSum } from './embedded-sums.ts'
import { readTopics } from './embedded-topics.ts'

/**
 * `epoch`: bumped by every opening for writing. `clean`: 1 where the file was closed well. `positions`: how many
 * positions of groups there are, since one that is gone would look like a group that never read.
 */
export type StateName = 'epoch' | 'clean' | 'positions'

/** Throws LOG_CORRUPT where the row is gone or damaged. */
export function readState(db: DatabaseSync, name: StateName): number {
  const row = db.prepare('SELECT name, value, sum FROM state WHERE name = ?').get(name)
  if (row === undefined) throw corrupt(db.location(), `the row "${name}" of its table state is gone`)
  assertRow(db, 'state', row)
  return Number(row.value)
}

export function writeState(db: DatabaseSync, name: StateName, value: number): void {
  const insert = db.prepare('INSERT OR REPLACE INTO state (name, value, sum) VALUES (?, ?, ?)')
  insert.run(name, value, rowSum('state', [name, value]))
}

/** Positions of groups. */
export interface Positions {
  /** Null where the group never had one. Throws LOG_CORRUPT. */
  read(group: string, part: number): number | null
  write(group: string, part: number, position: number): void
}

export function createPositions(db: DatabaseSync): Positions {
  const read = db.prepare(`${POSITIONS} WHERE member_group = ? AND part = ?`)
  const update = db.prepare('UPDATE positions SET position = ?, sum = ? WHERE member_group = ? AND part = ?')
  const insert = db.prepare('INSERT INTO positions (member_group, part, position, sum) VALUES (?, ?, ?, ?)')
  return {
    read(group, part) {
      const row = read.get(group, part)
      if (row === undefined) {
        assertPositions(db)
        return null
      }
      assertRow(db, 'positions', row)
      return Number(row.position)
    },
    write(group, part, position) {
      const sum = rowSum('positions', [group, part, position])
      if (update.run(position, sum, group, part).changes > 0) return
      insert.run(group, part, position, sum)
      writeState(db, 'positions', readState(db, 'positions') + 1)
    },
  }
}

const POSITIONS = 'SELECT member_group, part, position, sum FROM positions'

/** In one statement, and so at one moment: a writer may add a position between two. */
const COUNT = `SELECT name, value, sum, (SELECT count(*) FROM positions) AS found FROM state WHERE name = 'positions'`

function assertPositions(db: DatabaseSync): void {
  const { found, ...state } = db.prepare(COUNT).get() ?? {}
  assertRow(db, 'state', state)
  if (found === state.value) return
  throw corrupt(db.location(), `it has ${found} positions of groups and not ${state.value}`)
}

/**
 * What no single row can show: that topics, partitions and positions are all there, and that each partition ends where
 * its row says. Throws LOG_CORRUPT. The caller holds a transaction.
 */
export function assertBookkeeping(db: DatabaseSync): void {
  for (const name of ['epoch', 'clean', 'positions'] as const) readState(db, name)
  assertPositions(db)
  for (const row of db.prepare(POSITIONS).all()) assertRow(db, 'positions', row)
  const topics = [...readTopics(db).values()].sort((a, b) => a.firstPart - b.firstPart)
  let parts = 0
  for (const { name, firstPart, partitions } of topics) {
    if (firstPart !== parts) throw corrupt(db.location(), `the topic before ${name} is gone`)
    parts += partitions
  }
  const count = db.prepare('SELECT count(*) AS parts FROM parts').get()?.parts
  if (count !== parts) throw corrupt(db.location(), `it has ${count} partitions, its topics ${parts}`)
  assertEnds(db, parts)
}

function assertEnds(db: DatabaseSync, parts: number): void {
  const { read, isRemoved } = createParts(db)
  const newest = db.prepare('SELECT max(record) AS record FROM records WHERE record >= ? AND record < ?')
  for (let part = 0; part < parts; part += 1) {
    const base = part * OFFSETS
    const end = base + read(part).next
    const record = newest.get(base, base + OFFSETS)?.record ?? null
    const found = record === null ? base : Number(record) + 1
    if (found === end || (found < end && isRemoved(found, end - 1))) continue
    throw corrupt(
      db.location(),
      `partition number ${part} should end at ${end - base} and ends at ${found - base}`,
    )
  }
}
