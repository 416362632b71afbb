import type { DatabaseSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { topicUnknown } from './drafts.ts'
import { createPositions } from './embedded-bookkeeping.ts'
import type { LogFiles } from './embedded-folder.ts'
import { createParts } from './embedded-parts.ts'
import type { StoredRecord } from './embedded-records.ts'
import { createRecordSum, OFFSETS, readRecord } from './embedded-records.ts'
import { asCorrupt, openForReading } from './embedded-schema.ts'
import { corrupt } from './embedded-sums.ts'
import type { TopicRow } from './embedded-topics.ts'
import { readTopics } from './embedded-topics.ts'
import { LogError } from './errors.ts'
import type { Chunk, LogRecord, TopicPartition } from './port.ts'

/** One thread's read-only connection. */
export interface Reading {
  /** Null where there is no such topic. */
  topic(name: string): TopicRow | null
  topics(): readonly TopicRow[]
  /** Throws LOG_TOPIC_UNKNOWN, as all below do. */
  part(at: TopicPartition): number
  end(at: TopicPartition): number
  position(group: string, at: TopicPartition): number | null
  /**
   * From a position to the end or to `to`, in chunks of at most 1,000 records or about 1 MB, letting other work of the
   * thread in between.
   */
  readTo(
    at: TopicPartition,
    from: number,
    options: Readonly<{ to?: number; signal: AbortSignal }>,
  ): AsyncIterable<Chunk>
  /** Reads on for ever: at the end it waits by `wait`. Ends when the signal aborts. */
  follow(
    at: TopicPartition,
    from: number,
    wait: (position: number) => Promise<void>,
    signal: AbortSignal,
  ): AsyncIterable<Chunk>
  close(): void
}

/** Throws LOG_FOLDER_MISSING, LOG_FORMAT_UNKNOWN or LOG_CORRUPT. */
export function openReading(files: LogFiles): Reading {
  const db = openForReading(files)
  const guarded = <Value>(read: () => Value): Value => {
    if (!db.isOpen) throw new LogError('LOG_CLOSED', 'The log was read after it was closed.')
    try {
      return read()
    } catch (error) {
      throw asCorrupt(error, files)
    }
  }
  const { topic, topics, end, position, chunk, part } = readerOf(db)
  return {
    topic: (name) => guarded(() => topic(name)),
    topics: () => guarded(topics),
    part: (at) => guarded(() => part(at)),
    end: (at) => guarded(() => end(at)),
    position: (group, at) => guarded(() => position(group, at)),
    readTo: (at, from, { to, signal }) => {
      const last = guarded(() => Math.min(end(at), to ?? Number.POSITIVE_INFINITY))
      return readChunks((place) => guarded(() => chunk(at, place, last)), from, last, signal)
    },
    async *follow(at, from, wait, signal) {
      let place = Math.max(0, from)
      while (!signal.aborted) {
        const last = guarded(() => end(at))
        for await (const next of readChunks((start) => guarded(() => chunk(at, start, last)), place, last)) {
          place = next.position
          yield next
          if (signal.aborted) return
        }
        await wait(place)
      }
    },
    close: () => db.close(),
  }
}

function readerOf(db: DatabaseSync) {
  const parts = createParts(db)
  const positions = createPositions(db)
  const recordSum = createRecordSum()
  const rows = db.prepare(
    'SELECT record, time, key, headers, sum, value FROM records WHERE record >= ? AND record < ? ORDER BY record LIMIT ?',
  )
  const headersOf = createHeaderReader()
  let known = readTopics(db)
  const topics = () => {
    known = readTopics(db)
    return [...known.values()]
  }
  const topic = (name: string) => {
    // Topics are never taken away, so only an unknown one is worth another look.
    if (!known.has(name)) topics()
    return known.get(name) ?? null
  }
  const part = (at: TopicPartition) => partOf(topic(at.topic), at)
  return {
    topic,
    topics,
    part,
    end: (at: TopicPartition) => parts.read(part(at)).next,
    position: (group: string, at: TopicPartition) => positions.read(group, part(at)),
    /** One short read transaction, so that no reader holds up the writer. */
    chunk(at: TopicPartition, from: number, to: number): Chunk {
      const base = part(at) * OFFSETS
      const records: LogRecord[] = []
      let bytes = 0
      let place = from
      const goOnAt = (offset: number) => {
        // What retention takes away is noted with the removal, so it is noted by now.
        const isWhole =
          offset === place || (offset > place && parts.isRemoved(base + place, base + offset - 1))
        if (!isWhole) throw corrupt(db.location(), lossOf(at, place, offset))
        place = offset
      }
      for (const row of rows.iterate(base + from, base + to, CHUNK_RECORDS_MAX)) {
        const record = recordOf(at, base, readRecord(db, recordSum, row), headersOf)
        goOnAt(record.offset)
        records.push(record)
        place += 1
        bytes += record.value?.length ?? 0
        if (bytes >= CHUNK_BYTES) break
      }
      if (records.length < CHUNK_RECORDS_MAX && bytes < CHUNK_BYTES) goOnAt(to)
      return { records, position: place }
    },
  }
}

function lossOf({ topic, partition }: TopicPartition, from: number, to: number): string {
  return `records of ${topic} partition ${partition} are gone between offsets ${from} and ${to}`
}

const CHUNK_RECORDS_MAX = 1_000
const CHUNK_BYTES = 1_000_000
const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})

async function* readChunks(
  read: (position: number) => Chunk,
  from: number,
  to: number,
  signal?: AbortSignal,
): AsyncIterable<Chunk> {
  let position = Math.max(0, from)
  while (position < to) {
    signal?.throwIfAborted()
    const chunk = read(position)
    position = chunk.position
    yield chunk
    await nextTurn()
  }
}

function partOf(topic: TopicRow | null, at: TopicPartition): number {
  if (topic === null) throw new LogError('LOG_TOPIC_UNKNOWN', topicUnknown(at.topic))
  const isThere = Number.isInteger(at.partition) && at.partition >= 0 && at.partition < topic.partitions
  if (isThere) return topic.firstPart + at.partition
  throw new LogError(
    'LOG_TOPIC_UNKNOWN',
    `${at.topic} has ${topic.partitions} partitions and no ${at.partition}.`,
  )
}

/** Nearly all records of a topic have the same headers. */
function createHeaderReader(): (text: string) => LogRecord['headers'] {
  let lastText = '{}'
  let last = NO_HEADERS
  return (text) => {
    if (text === lastText) return last
    const headers: Record<string, string> = JSON.parse(text)
    lastText = text
    last = headers
    return headers
  }
}

function recordOf(
  at: TopicPartition,
  base: number,
  { record, headers, ...stored }: StoredRecord,
  headersOf: (text: string) => LogRecord['headers'],
): LogRecord {
  return {
    topic: at.topic,
    partition: at.partition,
    offset: record - base,
    time: stored.time,
    key: stored.key,
    value: stored.value,
    headers: headers === null ? NO_HEADERS : headersOf(headers),
  }
}
