import { partitionOf } from './partition.ts'
import type { Chunk, Draft, LogRecord, Placed, TopicPartition, TopicSpec, Transaction } from './port.ts'

/** What outlives every user of a memory log. */
export type Disk = {
  readonly topics: Map<string, MemoryTopic>
  /** By group, topic and partition. */
  readonly positions: Map<string, number>
  /** The number of the newest writer of each identity. */
  readonly epochs: Map<string, number>
  /** Transactions that a server got whole but was not told to commit before their writer lost sight of it. */
  readonly undecided: Map<string, Transaction>
  /** Woken after every commit, in the order in which they came. */
  readonly followers: Set<() => void>
}

export type MemoryTopic = {
  spec: TopicSpec
  readonly id: string
  readonly parts: readonly MemoryPart[]
}

export type MemoryPart = { records: LogRecord[]; next: number }

export function makeTopic(spec: TopicSpec, id: string, partitions: number): MemoryTopic {
  return { spec, id, parts: Array.from({ length: partitions }, () => ({ records: [], next: 0 })) }
}

/** Appends the records and moves the positions of a transaction that was found to be right. */
export function appendAll(disk: Disk, transaction: Transaction, time: number): readonly Placed[] {
  const placed = transaction.records.map((draft) => append(disk, draft, time))
  for (const { group, position, ...at } of transaction.positions ?? []) {
    disk.positions.set(placeOf(group, at), position)
  }
  for (const wake of [...disk.followers]) wake()
  return placed
}

export function placeOf(group: string, at: TopicPartition): string {
  return JSON.stringify([group, at.topic, at.partition])
}

/** At most 1,000 records between two positions. */
export function chunkOf(part: MemoryPart, from: number, to: number): Chunk {
  const first = firstFrom(part.records, from)
  const past = Math.min(firstFrom(part.records, to), first + CHUNK_RECORDS_MAX)
  const records = part.records.slice(first, past)
  const beyond = part.records[past]
  return { records, position: beyond === undefined || beyond.offset >= to ? to : beyond.offset }
}

/** Drops what the topic's spec does not promise to keep, as `embedded-retention.ts` does; tells how many. */
export function pruneTopic(topic: MemoryTopic, now: number): number {
  const before = now - topic.spec.keepMs
  let removed = 0
  for (const part of topic.parts) {
    const young = part.records.findIndex((record) => record.time >= before)
    const old = young === -1 ? part.records : part.records.slice(0, young)
    const kept = topic.spec.cleanup === 'delete' ? [] : newestOf(old)
    removed += old.length - kept.length
    part.records = [...kept, ...part.records.slice(old.length)]
  }
  return removed
}

const CHUNK_RECORDS_MAX = 1_000

function append(disk: Disk, draft: Draft, time: number): Placed {
  const topic = disk.topics.get(draft.topic)
  const partition = partitionOf(draft.key, topic?.parts.length ?? 1)
  const part = topic?.parts[partition]
  if (part === undefined) throw new Error(`The topic ${draft.topic} vanished from a memory log.`)
  const offset = part.next
  part.next += 1
  part.records.push({
    topic: draft.topic,
    partition,
    offset,
    time,
    key: draft.key,
    value: draft.value === null ? null : Uint8Array.from(draft.value),
    headers: { ...draft.headers },
  })
  return { partition, offset }
}

function newestOf(records: readonly LogRecord[]): readonly LogRecord[] {
  const last = new Map(records.map((record) => [record.key, record.offset]))
  return records.filter(
    ({ key, offset, value }) => key === null || (last.get(key) === offset && value !== null),
  )
}

/** The place of the first record at or beyond an offset. */
function firstFrom(records: readonly LogRecord[], offset: number): number {
  let low = 0
  let high = records.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((records[middle]?.offset ?? offset) < offset) low = middle + 1
    else high = middle
  }
  return low
}
