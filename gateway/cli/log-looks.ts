import type { Config } from '../config/model.ts'
import { decodeEvent } from '../envelope.ts'
import { printableJson } from '../json-text.ts'
import { type CursorRecord, decodeCursorRecord, laneKey } from '../lane/cursor-record.ts'
import { decodeReject } from '../lane/reject-record.ts'
import { LogError } from '../log/errors.ts'
import type { LogRecord, TopicPartition } from '../log/port.ts'
import type { LogReader } from '../log/reader.ts'
import { suggestion } from '../mapping/mistake.ts'
import { sanitise } from '../sanitise.ts'
import { TOPICS } from '../topics.ts'
import { readConfiguration } from './configuration.ts'
import { CommandFailure, EXIT } from './failure.ts'
import { textTable } from './text-table.ts'
import type { World } from './world.ts'

export type EventsOptions = Readonly<{
  topic: string | null
  /** Record key, or the subject alone. */
  key: string | null
  follow: boolean
  json: boolean
  limit: number
}>

/** `erpgw events`: what stands in the log, newest last; with `follow`, what comes as well. Beside a running gateway. */
export async function showEvents(world: World, configPath: string, options: EventsOptions): Promise<number> {
  const { config } = readConfiguration(world, configPath, false)
  const reader = openReader(world, config)
  try {
    const partitions = partitionsOf(reader, options.topic, 'erp.')
    const ends = await Promise.all(partitions.map((place) => reader.end(place, world.signal)))
    const isChosen = (record: LogRecord) => isWanted(record, options.key)
    const last = await lastRecords(reader, partitions, ends, { ...options, isChosen, signal: world.signal })
    for (const record of last) world.out(lineOf(record, options.json))
    if (options.follow) {
      // Ends when the person has seen enough, which is no failure.
      await Promise.all(
        partitions.map(async (place, index) => {
          for await (const chunk of reader.follow(place, ends[index] ?? 0, world.signal)) {
            for (const record of chunk.records) {
              if (isWanted(record, options.key)) world.out(lineOf(record, options.json))
            }
          }
        }),
      )
    }
    return EXIT.ok
  } finally {
    await reader.close()
  }
}

/** `erpgw rejects`: what could not be understood, newest last. Raw bytes are shown only on purpose. */
export async function showRejects(
  world: World,
  configPath: string,
  options: Readonly<{ raw: boolean; limit: number }>,
): Promise<number> {
  const { config } = readConfiguration(world, configPath, false)
  const reader = openReader(world, config)
  try {
    const partitions = partitionsOf(reader, TOPICS.rejects, '')
    const ends = await Promise.all(partitions.map((place) => reader.end(place, world.signal)))
    const isChosen = (record: LogRecord) => record.value !== null
    const last = await lastRecords(reader, partitions, ends, { ...options, isChosen, signal: world.signal })
    const rejects = last.flatMap(({ value }) => (value === null ? [] : [decodeReject(value)]))
    if (rejects.length === 0) {
      world.out('No record was rejected.\n')
      return EXIT.ok
    }
    world.out(
      textTable(
        ['WHEN', 'LANE', 'WHERE', 'CODE', 'RULE', 'REASON'],
        rejects.map((one) => [one.at, one.lane, one.where, one.code, one.rule ?? '–', one.reason]),
      ),
    )
    if (options.raw) {
      for (const one of rejects) {
        world.out(`\n${sanitise(one.lane)} ${sanitise(one.where)}\n${rawText(one.raw)}\n`)
      }
    }
    return EXIT.ok
  } finally {
    await reader.close()
  }
}

/** The newest record of a lane's cursor, or null where it never ran. */
export async function readLaneRecord(
  world: World,
  config: Config,
  lane: string,
): Promise<CursorRecord | null> {
  const reader = openReader(world, config)
  try {
    let newest: CursorRecord | null = null
    for (const place of partitionsOf(reader, TOPICS.cursors, '')) {
      for await (const chunk of reader.readTo(place, 0, { signal: world.signal })) {
        for (const { key, value } of chunk.records) {
          if (value !== null && key === laneKey(config.gateway, lane)) newest = decodeCursorRecord(value)
        }
      }
    }
    return newest
  } finally {
    await reader.close()
  }
}

/** The source's bytes, what is no UTF-8 among them as `\\xNN`, nothing that a terminal would obey. */
function rawText(base64: string): string {
  const bytes = Buffer.from(base64, 'base64')
  const text = bytes.toString('utf8')
  if (!text.includes('\ufffd')) return sanitise(text)
  return Array.from(bytes.toString('latin1'), (sign) =>
    sign >= ' ' && sign <= '~' ? sign : `\\x${sign.charCodeAt(0).toString(16).padStart(2, '0')}`,
  ).join('')
}

function openReader(world: World, config: Config): LogReader {
  try {
    return world.readLog(config)
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'LOG_FOLDER_MISSING') throw error
    throw new CommandFailure(`${error.message} The first \`erpgw run\` makes it.`)
  }
}

function partitionsOf(reader: LogReader, topic: string | null, prefix: string) {
  const topics = reader.topics()
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

type Choice = Readonly<{ limit: number; isChosen: (record: LogRecord) => boolean; signal: AbortSignal }>

/** How much of a partition is looked through first; each further look goes eight times as far back. */
const SPAN = 1_000

/** The newest of the chosen records before the ends, oldest first. Reads no more of a long log than it must. */
async function lastRecords(
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

async function recordsBetween(
  reader: LogReader,
  place: TopicPartition,
  from: number,
  end: number,
  { limit, isChosen, signal }: Choice,
): Promise<readonly LogRecord[]> {
  const found: LogRecord[] = []
  for await (const chunk of reader.readTo(place, from, { signal })) {
    for (const record of chunk.records) if (record.offset < end && isChosen(record)) found.push(record)
    if (found.length > limit * 20) keepNewest(found, limit)
  }
  return found
}

function isWanted(record: LogRecord, key: string | null): boolean {
  if (record.value === null) return false
  return key === null || record.key === key || record.key?.endsWith(`/${key}`) === true
}

function keepNewest(records: LogRecord[], limit: number): void {
  records.sort((a, b) => a.time - b.time || a.offset - b.offset)
  records.splice(0, Math.max(0, records.length - limit))
}

function lineOf(record: LogRecord, json: boolean): string {
  const text = new TextDecoder().decode(record.value ?? new Uint8Array())
  if (json) return `${printableJson(text)}\n`
  if (!record.topic.startsWith('erp.')) {
    return `${new Date(record.time).toISOString()}  ${record.topic}  ${sanitise(record.key ?? '–')}  ${sanitise(text)}\n`
  }
  const event = decodeEvent(record.value ?? new Uint8Array())
  const changed = event.changedfields === undefined ? '' : `  [${event.changedfields}]`
  return `${new Date(record.time).toISOString()}  ${event.type}  ${sanitise(record.key ?? '–')}  r${event.revision} ${event.origin}${sanitise(changed)}\n`
}
