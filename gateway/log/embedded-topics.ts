import type { DatabaseSync } from 'node:sqlite'
import type { Parts } from './embedded-parts.ts'
import { PARTS_MAX } from './embedded-records.ts'
import { assertRow, rowSum } from './embedded-sums.ts'
import type { TopicRequest } from './embedded-wire.ts'
import { LogError } from './errors.ts'
import type { Cleanup, TopicSpec, TopicState } from './port.ts'
import { compareSpec } from './topic-faults.ts'

/** A topic as it is stored. Its partitions have consecutive numbers, which no other topic ever gets. */
export type TopicRow = TopicSpec & Readonly<{ id: string; firstPart: number; partitions: number }>

/** Throws LOG_CORRUPT. */
export function readTopics(db: DatabaseSync): ReadonlyMap<string, TopicRow> {
  const rows = db
    .prepare('SELECT name, id, first_part, partitions, cleanup, keep_ms, sum FROM topics ORDER BY name')
    .all()
  return new Map(
    rows.map((row) => {
      assertRow(db, 'topics', row)
      const cleanup: Cleanup = row.cleanup === 'compact' ? 'compact' : 'delete'
      const name = String(row.name)
      const keepMs = Number(row.keep_ms)
      return [
        name,
        {
          name,
          id: String(row.id),
          firstPart: Number(row.first_part),
          partitions: Number(row.partitions),
          cleanup,
          keepMs,
        },
      ]
    }),
  )
}

/**
 * Makes what is missing, takes over what harms nothing, and tells what would lose records that a spec promises. Throws
 * LOG_MISUSED, with nothing done, where there would be too many partitions.
 */
export function ensureTopics(
  db: DatabaseSync,
  before: ReadonlyMap<string, TopicRow>,
  specs: readonly TopicRequest[],
  partitions: number,
  parts: Parts,
  next: (part: number) => number,
): Readonly<{
  topics: ReadonlyMap<string, TopicRow>
  made: readonly number[]
  states: readonly TopicState[]
}> {
  const topics = new Map(before)
  assertRoom(topics, specs.filter(({ name }) => !before.has(name)).length * partitions)
  const made: number[] = []
  const states = specs.map((spec): TopicState => {
    const found = topics.get(spec.name)
    if (found === undefined) {
      const topic = makeTopic(db, topics, spec, partitions, parts)
      topics.set(spec.name, topic)
      made.push(...partsOf(topic))
      return { name: topic.name, id: topic.id, partitions: topic.partitions, faults: [] }
    }
    const isEmpty = partsOf(found).every((part) => next(part) === 0)
    const faults = compareSpec(found, spec, isEmpty)
    if (faults.length === 0 && (found.cleanup !== spec.cleanup || found.keepMs !== spec.keepMs)) {
      const changed = { ...found, cleanup: spec.cleanup, keepMs: spec.keepMs }
      writeTopic(db, changed)
      topics.set(spec.name, changed)
    }
    return { name: found.name, id: found.id, partitions: found.partitions, faults }
  })
  return { topics, made, states }
}

function makeTopic(
  db: DatabaseSync,
  topics: ReadonlyMap<string, TopicRow>,
  spec: TopicRequest,
  partitions: number,
  parts: Parts,
): TopicRow {
  const firstPart = freePart(topics)
  const topic: TopicRow = { ...spec, firstPart, partitions }
  writeTopic(db, topic)
  for (const part of partsOf(topic)) parts.write(part, { next: 0, compacted: 0 })
  return topic
}

function writeTopic(db: DatabaseSync, topic: TopicRow): void {
  const row = [topic.name, topic.id, topic.firstPart, topic.partitions, topic.cleanup, topic.keepMs]
  db.prepare(
    'INSERT OR REPLACE INTO topics (name, id, first_part, partitions, cleanup, keep_ms, sum) VALUES (?, ?, ?, ?, ?, ?, ?)',
  ).run(...row, rowSum('topics', row))
}

function freePart(topics: ReadonlyMap<string, TopicRow>): number {
  return [...topics.values()].reduce((free, topic) => Math.max(free, topic.firstPart + topic.partitions), 0)
}

function assertRoom(topics: ReadonlyMap<string, TopicRow>, partitions: number): void {
  const whole = freePart(topics) + partitions
  if (whole <= PARTS_MAX) return
  throw new LogError(
    'LOG_MISUSED',
    `The log cannot have ${whole} partitions in all, ${PARTS_MAX} are its limit; set fewer for each topic.`,
  )
}

function partsOf(topic: TopicRow): readonly number[] {
  return Array.from({ length: topic.partitions }, (_, partition) => topic.firstPart + partition)
}
