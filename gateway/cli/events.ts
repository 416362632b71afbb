import { decodeEvent } from '../envelope.ts'
import { printableJson } from '../json-text.ts'
import type { LogRecord, TopicPartition } from '../log/port.ts'
import type { LogReader } from '../log/reader.ts'
import { sanitise } from '../sanitise.ts'
import { readConfiguration } from './configuration.ts'
import { EXIT } from './failure.ts'
import { lastRecords, openReader, partitionsOf } from './log-places.ts'
import type { World } from './world.ts'

export type EventsOptions = Readonly<{
  topic: string | null
  /** Record key, or the subject alone. */
  key: string | null
  follow: boolean
  /** `positions`: each event as JSON together with its place in the log. */
  form: 'text' | 'json' | 'positions'
  /** `all`: everything that is there, partition by partition. */
  limit: number | 'all'
}>

/** `erpgw events`: what stands in the log, newest last; with `follow`, what comes as well. Beside a running gateway. */
export async function showEvents(world: World, configPath: string, options: EventsOptions): Promise<number> {
  const { config } = readConfiguration(world, configPath, false)
  const reader = openReader(world, config)
  try {
    const partitions = await partitionsOf(reader, options.topic, 'erp.')
    const ends = await Promise.all(partitions.map((place) => reader.end(place, world.signal)))
    await showPast(world, reader, partitions, ends, options)
    if (!options.follow) return EXIT.ok
    // Ends when the person has seen enough, which is no failure.
    await Promise.all(
      partitions.map(async (place, index) => {
        for await (const { records } of reader.follow(place, ends[index] ?? 0, world.signal)) {
          show(world, records, options)
        }
      }),
    )
    return EXIT.ok
  } finally {
    await reader.close()
  }
}

async function showPast(
  world: World,
  reader: LogReader,
  partitions: readonly TopicPartition[],
  ends: readonly number[],
  options: EventsOptions,
): Promise<void> {
  const { limit } = options
  const { signal } = world
  if (limit !== 'all') {
    const isChosen = (record: LogRecord) => isWanted(record, options.key)
    show(world, await lastRecords(reader, partitions, ends, { limit, isChosen, signal }), options)
    return
  }
  for (const [index, place] of partitions.entries()) {
    for await (const { records } of reader.readTo(place, 0, { to: ends[index] ?? 0, signal })) {
      show(world, records, options)
    }
  }
}

function show(world: World, records: readonly LogRecord[], { key, form }: EventsOptions): void {
  for (const record of records) {
    if (isWanted(record, key)) world.out(`${lineOf(record, form)}\n`)
  }
}

function isWanted(record: LogRecord, key: string | null): boolean {
  if (record.value === null) return false
  return key === null || record.key === key || record.key?.endsWith(`/${key}`) === true
}

function lineOf(record: LogRecord, form: EventsOptions['form']): string {
  const { topic, partition, offset, key } = record
  const bytes = record.value ?? new Uint8Array()
  const text = new TextDecoder().decode(bytes)
  if (form === 'json') return printableJson(text)
  if (form === 'positions') {
    return printableJson(
      `{"topic":${JSON.stringify(topic)},"partition":${partition},"offset":${offset},"event":${text}}`,
    )
  }
  const at = new Date(record.time).toISOString()
  if (!topic.startsWith('erp.')) return `${at}  ${topic}  ${sanitise(key ?? '–')}  ${sanitise(text)}`
  const event = decodeEvent(bytes)
  const changed = event.changedfields === undefined ? '' : `  [${event.changedfields}]`
  return `${at}  ${event.type}  ${sanitise(key ?? '–')}  r${event.revision} ${event.origin}${sanitise(changed)}`
}
