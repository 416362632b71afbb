import { decodeEvent } from '../envelope.ts'
import type { LogRecord, TopicState, Writer } from '../log/port.ts'
import type { Applied, Projection } from '../ports.ts'
import { entityTopic, TOPICS, topicSpecs } from '../topics.ts'
import {
  type CursorRecord,
  decodeCursorRecord,
  decodeJson,
  laneKey,
  newCursorRecord,
  type StoredMark,
} from './cursor-record.ts'
import { type LaneOptions, laneName, writerIdentity } from './lane-options.ts'
import { LaneStop } from './lane-stop.ts'
import { applyEvent, applyReject, settleReject } from './rebuild.ts'
import { decodeReject, rejectKeyPrefix } from './reject-record.ts'
import { View } from './view.ts'

/** A lane that has its writer and knows what the log knows. */
export type OpenLane = {
  writer: Writer
  projection: Projection
  record: CursorRecord
  /** False until the record stands in the log. */
  isRecorded: boolean
  /** Something about the source was learnt (who it is, its fields) that the log does not say yet. */
  isLearnt: boolean
  marks: Map<string, StoredMark>
  /** Keys of marks that may be forgotten, for the next transactions to say so. */
  expired: string[]
  topics: ReadonlyMap<string, TopicState>
  /** What was found at the start that a person must decide about. */
  trouble: LaneStop | null
}

/**
 * The start of a lane, in this order and no other: fence whoever wrote before; only then ask where the log ends; read
 * up to there. What an earlier writer left undecided is decided by then, so the projection cannot miss it.
 */
export async function openLane(options: LaneOptions, signal: AbortSignal): Promise<OpenLane> {
  const { log, projections, failpoints } = options.ports
  const topics = await ensureTopics(options, signal)
  const writer = await log.writer(writerIdentity(options), signal)
  failpoints.hit('lane.after-fence')
  const projection = projections.open(laneName(options))
  try {
    const stored = await readCursorRecord(options, topics, signal)
    const record = stored ?? firstRecord(options)
    const losses = stored === null ? null : await findLosses(options, stored, topics, signal)
    const { marks, expired } = await readMarks(options, topics, signal)
    const lane: OpenLane = {
      writer,
      projection,
      record,
      isRecorded: stored !== null,
      isLearnt: false,
      marks,
      expired,
      topics,
      trouble: losses,
    }
    await discardForeignProjection(options, lane, signal)
    await catchUp(options, lane, signal)
    failpoints.hit('lane.after-catch-up')
    return lane
  } catch (error) {
    projection.close()
    await writer.close()
    throw error
  }
}

/** Applies to the projection what the log holds beyond what was applied. */
export async function catchUp(options: LaneOptions, lane: OpenLane, signal: AbortSignal): Promise<void> {
  const topic = entityTopic(options.mapping.entity)
  const lineages = { own: lane.record.lineage, former: new Set(lane.record.former) }
  await follow(options, lane, topic, signal, (view, record, foreign) => {
    if (record.value === null || record.key === null) return
    const event = readEvent(record)
    if (event.lineage === lineages.own) {
      const place = { recordKey: record.key, partition: record.partition, offset: record.offset }
      applyEvent(view, event, place, options.mapping.volatile)
    } else if (!lineages.former.has(event.lineage) && record.key.startsWith(`${options.system}/`)) {
      foreign.push(record.key)
    }
  })
  const prefix = rejectKeyPrefix(options.gateway, laneName(options))
  await follow(options, lane, TOPICS.rejects, signal, (view, record) => {
    if (record.key?.startsWith(prefix) !== true) return
    const reject = record.value === null ? null : decodeReject(record.value)
    if (reject === null) settleReject(view, record.key.slice(prefix.length))
    else if (reject.lineage === lineages.own) applyReject(view, reject)
  })
  lane.trouble ??= findContested(lane)
}

/** A topic that is new or compared with what its promise needs; a fault that would lose records stops the lane. */
async function ensureTopics(
  options: LaneOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TopicState>> {
  const states = await options.ports.log.ensure(topicSpecs([options.mapping.entity], options.keep), signal)
  const faults = states.flatMap((state) => state.faults.map((fault) => `${state.name}: ${fault}`))
  if (faults.length > 0) {
    throw new LaneStop(
      'TOPIC_UNSAFE',
      `A topic's settings would lose records that must be kept: ${faults.join('; ')}.`,
      faults,
    )
  }
  return new Map(states.map((state) => [state.name, state]))
}

function firstRecord(options: LaneOptions): CursorRecord {
  const { runtime } = options.ports
  const at = new Date(runtime.wall()).toISOString()
  return newCursorRecord(laneName(options), runtime.uuid(), options.mapping.version, at)
}

async function readCursorRecord(
  options: LaneOptions,
  topics: ReadonlyMap<string, TopicState>,
  signal: AbortSignal,
): Promise<CursorRecord | null> {
  const key = laneKey(options.gateway, laneName(options))
  let newest: CursorRecord | null = null
  for await (const record of everyRecord(options, topics, TOPICS.cursors, signal)) {
    if (record.key === key && record.value !== null) newest = decodeCursorRecord(record.value)
  }
  return newest
}

async function readMarks(
  options: LaneOptions,
  topics: ReadonlyMap<string, TopicState>,
  signal: AbortSignal,
): Promise<Pick<OpenLane, 'marks' | 'expired'>> {
  const prefix = `${laneKey(options.gateway, laneName(options))}/`
  const now = options.ports.runtime.wall()
  const marks = new Map<string, StoredMark>()
  for await (const record of everyRecord(options, topics, TOPICS.marks, signal)) {
    if (record.key?.startsWith(prefix) !== true) continue
    const key = record.key.slice(prefix.length)
    const mark = record.value === null ? null : (decodeJson(record.value) as StoredMark)
    if (mark === null) marks.delete(key)
    else marks.set(key, mark)
  }
  return { marks, expired: takeExpired(marks, now) }
}

/** Takes out the marks that may be forgotten. */
export function takeExpired(marks: Map<string, StoredMark>, now: number): string[] {
  const expired: string[] = []
  for (const [key, { until }] of marks) if (until < now) expired.push(key)
  for (const key of expired) marks.delete(key)
  return expired
}

async function* everyRecord(
  options: LaneOptions,
  topics: ReadonlyMap<string, TopicState>,
  topic: string,
  signal: AbortSignal,
): AsyncGenerator<LogRecord> {
  const partitions = topics.get(topic)?.partitions ?? 0
  for (let partition = 0; partition < partitions; partition += 1) {
    for await (const chunk of options.ports.log.readTo({ topic, partition }, 0, { signal }))
      yield* chunk.records
  }
}

/** The log ends before what this lane wrote, or is another log: what is gone must not be published as new. */
async function findLosses(
  options: LaneOptions,
  record: CursorRecord,
  topics: ReadonlyMap<string, TopicState>,
  signal: AbortSignal,
): Promise<LaneStop | null> {
  for (const [topic, known] of Object.entries(record.topics)) {
    const state = topics.get(topic)
    const isOther = known.id !== null && (state?.id ?? null) !== null && state?.id !== known.id
    if (state === undefined || isOther) return lostEvents(topic, 'is another topic than the one written to')
    for (const [partition, last] of Object.entries(known.last)) {
      const end = await options.ports.log.end({ topic, partition: Number(partition) }, signal)
      if (end <= last) return lostEvents(topic, `ends at ${end} in partition ${partition}, before ${last}`)
    }
  }
  return null
}

function lostEvents(topic: string, what: string): LaneStop {
  return new LaneStop(
    'LOG_LOST_EVENTS',
    `Topic ${topic} ${what}: events of this lane are lost. Run \`erpgw resync\` to publish what the ERP holds now.`,
    { topic },
  )
}

/** A projection of another lineage, of another topic, or ahead of the log is not this log's: it is rebuilt. */
async function discardForeignProjection(
  options: LaneOptions,
  lane: OpenLane,
  signal: AbortSignal,
): Promise<void> {
  const applied = lane.projection.applied()
  if (applied === null) {
    lane.projection.reset()
    return
  }
  let isOurs =
    lane.isRecorded && applied.lineage === lane.record.lineage && applied.sequence <= lane.record.sequence
  for (const [topic, id] of Object.entries(applied.topicIds)) {
    const now = lane.topics.get(topic)?.id ?? null
    isOurs &&= id === null || now === null || id === now
  }
  for (const [place, position] of Object.entries(applied.positions)) {
    const { topic, partition } = splitPlace(place)
    if (isOurs) isOurs = position <= (await options.ports.log.end({ topic, partition }, signal))
  }
  if (isOurs) return
  options.ports.logger.warn('The projection does not fit the log; it is rebuilt from it.', {
    lane: laneName(options),
  })
  lane.projection.reset()
}

export function placeName(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

function splitPlace(place: string): { topic: string; partition: number } {
  const slash = place.lastIndexOf('/')
  return { topic: place.slice(0, slash), partition: Number(place.slice(slash + 1)) }
}

type Take = (view: View, record: LogRecord, foreign: string[]) => void

async function follow(
  options: LaneOptions,
  lane: OpenLane,
  topic: string,
  signal: AbortSignal,
  take: Take,
): Promise<void> {
  const partitions = lane.topics.get(topic)?.partitions ?? 0
  for (let partition = 0; partition < partitions; partition += 1) {
    const place = placeName(topic, partition)
    const from = lane.projection.applied()?.positions[place] ?? 0
    for await (const chunk of options.ports.log.readTo({ topic, partition }, from, { signal })) {
      const view = new View(lane.projection)
      const foreign: string[] = []
      for (const record of chunk.records) take(view, record, foreign)
      const applied = advance(lane, { [place]: chunk.position })
      lane.projection.apply({ ...view.changes(), foreign, applied })
    }
  }
}

/** What will be applied when these positions are, too. */
export function advance(lane: OpenLane, positions: Readonly<Record<string, number>>): Applied {
  const before = lane.projection.applied()
  return {
    lineage: lane.record.lineage,
    sequence: lane.record.sequence,
    positions: { ...before?.positions, ...positions },
    topicIds: Object.fromEntries([...lane.topics].map(([name, state]) => [name, state.id])),
  }
}

/** The event in a record. Throws LOG_UNREADABLE, naming the place, when it holds none. */
export function readEvent(record: LogRecord): ReturnType<typeof decodeEvent> {
  try {
    return decodeEvent(record.value ?? new Uint8Array())
  } catch (error) {
    throw new LaneStop(
      'LOG_UNREADABLE',
      `${record.topic} partition ${record.partition} offset ${record.offset} is not an event: ${
        error instanceof Error ? error.message : String(error)
      }`,
    )
  }
}

/** Another lane's event under a record key of this one: two feeds write one record, and somebody must choose. */
function findContested(lane: OpenLane): LaneStop | null {
  const [shared] = lane.projection.contested(1)
  if (shared === undefined) return null
  return new LaneStop(
    'KEY_OWNED_ELSEWHERE',
    `Record ${shared} is published by another feed as well; two feeds must not write one record.`,
    { recordKey: shared },
  )
}
