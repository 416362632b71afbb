import type { Config } from '../config/model.ts'
import { type CursorRecord, decodeCursorRecord, laneKey } from '../lane/cursor-record.ts'
import { LogError } from '../log/errors.ts'
import type { LogRecord, TopicPartition } from '../log/port.ts'
import type { LogReader } from '../log/reader.ts'
import { suggestion } from '../mapping/mistake.ts'
import { TOPICS } from '../topics.ts'
import { CommandFailure, EXIT } from './failure.ts'
import type { World } from './world.ts'

/** The log as it can be read beside a running gateway. Throws CommandFailure where there is none yet. */
export function openReader(world: World, config: Config): LogReader {
  try {
    return world.readLog(config)
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'LOG_FOLDER_MISSING') throw error
    throw new CommandFailure(`${error.message} The first \`erpgw run\` makes it.`)
  }
}

/** Partitions of one topic, or of all whose names begin so. Throws CommandFailure for a topic that is not there. */
export async function partitionsOf(
  reader: LogReader,
  topic: string | null,
  prefix: string,
): Promise<readonly TopicPartition[]> {
  const topics = await reader.topics()
  const chosen = topics.filter(({ name }) => (topic === null ? name.startsWith(prefix) : name === topic))
  if (chosen.length === 0 && topic !== null) {
    const near = suggestion(
      topic,
      topics.map(({ name }) => name),
    )
    throw new CommandFailure(`The log has no topic ${topic}${near || ' yet'}.`, EXIT.usage)
  }
  return chosen.flatMap(({ name, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })),
  )
}

/** Which records to show: at most `limit` of the chosen ones. */
export type Choice = Readonly<{
  limit: number
  isChosen: (record: LogRecord) => boolean
  signal: AbortSignal
}>

/** The newest of the chosen records before the ends, oldest first. Reads no more of a long log than it must. */
export async function lastRecords(
  reader: LogReader,
  partitions: readonly TopicPartition[],
  ends: readonly number[],
  choice: Choice,
): Promise<readonly LogRecord[]> {
  const last: LogRecord[] = []
  for (const [index, place] of partitions.entries()) {
    const end = ends[index] ?? 0
    for (let span = SPAN; ; span *= 8) {
      const from = Math.max(0, end - span)
      const found = await recordsBetween(reader, place, from, end, choice)
      if (found.length < choice.limit && from > 0) continue
      last.push(...found)
      break
    }
  }
  keepNewest(last, choice.limit)
  return last
}

/** The newest cursor record of every lane of the gateway, by its key in the log. */
export async function readLaneRecords(
  reader: LogReader,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, CursorRecord>> {
  const newest = new Map<string, CursorRecord>()
  for (const place of await partitionsOf(reader, TOPICS.cursors, '')) {
    for await (const chunk of reader.readTo(place, 0, { signal })) {
      for (const { key, value } of chunk.records) {
        if (key !== null && value !== null) newest.set(key, decodeCursorRecord(value))
      }
    }
  }
  return newest
}

/** The newest record of a lane's cursor, or null where it never ran. */
export async function readLaneRecord(
  world: World,
  config: Config,
  lane: string,
): Promise<CursorRecord | null> {
  const reader = openReader(world, config)
  try {
    const records = await readLaneRecords(reader, world.signal)
    return records.get(laneKey(config.gateway, lane)) ?? null
  } finally {
    await reader.close()
  }
}

/** How much of a partition is looked through first; each further look goes eight times as far back. */
const SPAN = 1_000

async function recordsBetween(
  reader: LogReader,
  place: TopicPartition,
  from: number,
  end: number,
  { limit, isChosen, signal }: Choice,
): Promise<readonly LogRecord[]> {
  const found: LogRecord[] = []
  for await (const chunk of reader.readTo(place, from, { to: end, signal })) {
    for (const record of chunk.records) if (isChosen(record)) found.push(record)
    if (found.length > limit * 20) keepNewest(found, limit)
  }
  return found
}

function keepNewest(records: LogRecord[], limit: number): void {
  records.sort((a, b) => a.time - b.time || a.offset - b.offset)
  records.splice(0, Math.max(0, records.length - limit))
}
