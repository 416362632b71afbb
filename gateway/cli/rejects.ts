import { decodeReject, type RejectRecord } from '../lane/reject-record.ts'
import type { LogRecord, TopicPartition } from '../log/port.ts'
import type { LogReader } from '../log/reader.ts'
import { sanitise } from '../sanitise.ts'
import { TOPICS } from '../topics.ts'
import { readConfiguration } from './configuration.ts'
import { EXIT } from './failure.ts'
import { lastRecords, openReader, partitionsOf } from './log-places.ts'
import { nameOfPlace, type RejectPlace, stillOpen } from './open-rejects.ts'
import { textTable } from './text-table.ts'
import type { World } from './world.ts'

export type RejectsOptions = Readonly<{
  /** With the bytes of the source. */
  raw: boolean
  /** Only those that nothing later has settled. */
  open: boolean
  limit: number
}>

/** `erpgw rejects`: what could not be understood, newest last. Raw bytes are shown only on purpose. */
export async function showRejects(
  world: World,
  configPath: string,
  options: RejectsOptions,
): Promise<number> {
  const { config } = readConfiguration(world, configPath, false)
  const reader = openReader(world, config)
  try {
    const partitions = await partitionsOf(reader, TOPICS.rejects, '')
    const ends = await Promise.all(partitions.map((place) => reader.end(place, world.signal)))
    const { limit } = options
    const last = (isChosen: (record: LogRecord) => boolean) =>
      lastRecords(reader, partitions, ends, { limit, isChosen, signal: world.signal })
    const newest = options.open ? null : await last((record) => record.value !== null)
    const candidates = newest?.flatMap(placeOf) ?? (await everyPlace(reader, partitions, world.signal))
    const open = await stillOpen(reader, candidates, world.signal)
    const records = newest ?? (await last((record) => open.has(nameOfPlace(record))))
    const shown = records.flatMap((record) =>
      record.value === null
        ? []
        : [{ reject: decodeReject(record.value), isOpen: open.has(nameOfPlace(record)) }],
    )
    if (shown.length === 0) world.out(options.open ? 'No reject is open.\n' : 'No record was rejected.\n')
    else printRejects(world, shown, options.raw)
    return EXIT.ok
  } finally {
    await reader.close()
  }
}

type Shown = Readonly<{ reject: RejectRecord; isOpen: boolean }>

function printRejects(world: World, shown: readonly Shown[], withRaw: boolean): void {
  const rows = shown.map(({ reject: one, isOpen }) => [
    ...[one.at, one.lane, one.where, isOpen ? 'yes' : 'no', one.code, one.rule ?? '–', one.reason],
  ])
  world.out(textTable(['WHEN', 'LANE', 'WHERE', 'OPEN', 'CODE', 'RULE', 'REASON'], rows))
  if (!withRaw) return
  for (const { reject } of shown) {
    world.out(`\n${sanitise(reject.lane)} ${sanitise(reject.where)}\n${rawText(reject.raw)}\n`)
  }
}

/** All rejects of the log without what makes them large. */
async function everyPlace(
  reader: LogReader,
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<readonly RejectPlace[]> {
  const places: RejectPlace[] = []
  for (const partition of partitions) {
    for await (const { records } of reader.readTo(partition, 0, { signal })) {
      places.push(...records.flatMap(placeOf))
    }
  }
  return places
}

function placeOf(record: LogRecord): readonly RejectPlace[] {
  const { topic, partition, offset, key, value } = record
  if (key === null || value === null) return []
  const { lineage, sourceKey } = decodeReject(value)
  return [{ topic, partition, offset, key, lineage, sourceKey }]
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
