import type { Json, Runtime } from '../../../adapters/contract.ts'
import type { AnyAdapter } from '../../../adapters/registry.ts'
import type { FeedConfig, Fuses } from '../../../gateway/config/model.ts'
import { decodeEvent } from '../../../gateway/envelope.ts'
import type { Event } from '../../../gateway/event.ts'
import {
  Source,
  type SourceMode,
  type SourceOptions,
  type SourcePorts,
} from '../../../gateway/lane/source.ts'
import type { LaneStatus } from '../../../gateway/lane/status.ts'
import type { Decision } from '../../../gateway/lane/verbs.ts'
import { createMemoryLog, type MemoryLog } from '../../../gateway/log/memory.ts'
import type { MemoryFaults } from '../../../gateway/log/memory-faults.ts'
import type { Mapping } from '../../../gateway/mapping/mapping.ts'
import { createMemoryProjection } from '../../../gateway/node/projection.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import type { Projection } from '../../../gateway/ports.ts'
import { createTasks, type Logger, NO_FAILPOINTS } from '../../../gateway/runtime.ts'
import { DEFAULT_KEEP, entityTopic, TOPICS } from '../../../gateway/topics.ts'
import { newTable, type Reading, type Row, tableAdapter } from './table-source.ts'

export const decision: Decision = { by: 'test', reason: 'because' }

export const NO_FUSES: Fuses = {
  deleted: null,
  changed: null,
  created: null,
  rejected: { atLeast: 1_000, percent: 100 },
}

/** Key: `number`; a row whose amount is `poison` is rejected. */
export function toyMapping(version = 'v1', change: (data: Row) => Row = (data) => data): Mapping {
  return {
    name: 'toy/payment',
    entity: 'payment',
    version,
    reads: [],
    identity: ['number'],
    volatile: ['changedAt'],
    map(source) {
      const { number, amount, company, changedAt } = source.data
      if (amount === 'poison') {
        return {
          kind: 'rejected',
          code: 'VALUE_REFUSED',
          field: 'amount',
          line: 7,
          reason: 'poison is no amount',
        }
      }
      return {
        kind: 'mapped',
        company: String(company ?? '001'),
        subject: String(number),
        time: null,
        data: change({ number: number ?? null, amount: amount ?? null, changedAt: changedAt ?? null }),
      }
    },
  }
}

export type Bench = ReturnType<typeof createBench>

/**
 * Everything that outlives a gateway: the table, the log and the projections; `runOnce` starts a lane over them.
 * `pace`: how many times faster than the world's its clock runs, so that a wait for a retry is no wait.
 */
export function createBench(
  options: Readonly<{ log?: MemoryLog; faults?: MemoryFaults; pace?: number }> = {},
) {
  const runtime = hurried(createRuntime(), options.pace ?? 1)
  const log = options.log ?? createMemoryLog({ runtime, partitions: 3, faults: options.faults ?? {} })
  const projections = new Map<string, Projection>()
  const lines: string[] = []
  const logger: Logger = {
    info: (message) => void lines.push(message),
    warn: (message) => void lines.push(message),
    error: (message, fields) => void lines.push(`${message} ${JSON.stringify(fields)}`),
  }
  const ports: SourcePorts = {
    runtime,
    logger,
    tasks: createTasks((_, error) => void lines.push(String(error))),
    failpoints: NO_FAILPOINTS,
    log,
    projections: {
      open(lane) {
        const kept = projections.get(lane) ?? createMemoryProjection()
        projections.set(lane, kept)
        return lent(kept)
      },
    },
    secrets: { read: () => null },
    names: { resolve: async () => null },
  }
  return { runtime, log, projections, lines, ports, table: newTable() }
}

function hurried(runtime: Runtime, pace: number): Runtime {
  return {
    ...runtime,
    mono: () => runtime.mono() * BigInt(pace),
    sleep: (ms, signal) => runtime.sleep(ms / pace, signal),
  }
}

/** The table stays when a lane closes it, as a file does. */
function lent(projection: Projection): Projection {
  return {
    applied: () => projection.applied(),
    rows: (keys) => projection.rows(keys),
    owners: (keys) => projection.owners(keys),
    foreign: (keys) => projection.foreign(keys),
    contested: (limit) => projection.contested(limit),
    highestReadOrder: () => projection.highestReadOrder(),
    apply: (change) => projection.apply(change),
    passBatches: (pass) => projection.passBatches(pass),
    unseen: (before, after, limit) => projection.unseen(before, after, limit),
    standing: (after, limit) => projection.standing(after, limit),
    rejected: (after, limit) => projection.rejected(after, limit),
    count: () => projection.count(),
    reset: () => projection.reset(),
    close: () => undefined,
  }
}

export type LaneOptions = Reading &
  Readonly<{
    mapping?: Mapping
    fuse?: Fuses
    start?: FeedConfig['start']
    source?: string
    system?: string
    ports?: SourcePorts
  }>

/** What a source with one feed over the bench's table is made of. */
export function sourceOptionsOf(bench: Bench, options: LaneOptions = {}): SourceOptions {
  const feed: FeedConfig = {
    name: 'payments',
    mapping: 'toy/payment',
    start: options.start ?? 'all',
    sweep: null,
    poll: { everyMs: 10 },
    fuse: options.fuse ?? NO_FUSES,
    adapter: {},
  }
  const name = options.source ?? 'erp'
  return {
    gateway: 'test',
    source: {
      name,
      kind: 'toy',
      system: options.system ?? 'toy',
      company: 'from-record',
      zone: 'UTC',
      connection: {},
      feeds: { payments: feed },
    },
    adapter: tableAdapter(bench.table, options) as unknown as AnyAdapter,
    mappings: new Map([['payments', options.mapping ?? toyMapping()]]),
    keep: DEFAULT_KEEP,
    sharedFeeds: new Set(),
    ports: options.ports ?? bench.ports,
  }
}

/** One complete run of a fresh lane, as after a restart; the lane's status afterwards. */
export async function runOnce(bench: Bench, options: LaneOptions = {}): Promise<LaneStatus> {
  const source = new Source(sourceOptionsOf(bench, options), new AbortController().signal)
  await source.run('once')
  return laneOf(source)
}

/** A verb on a lane that reads nothing by itself. */
export function verb(
  bench: Bench,
  request: Parameters<Source['request']>[0],
  options: LaneOptions = {},
): Promise<Json> {
  return atWork(bench, 'idle', options, (source) => source.request(request))
}

/** What happens while a source is at work; then it is told to end. */
export async function atWork<Answer>(
  bench: Bench,
  mode: SourceMode,
  options: LaneOptions,
  during: (source: Source) => Promise<Answer>,
): Promise<Answer> {
  const stopping = new AbortController()
  const source = new Source(sourceOptionsOf(bench, options), stopping.signal)
  const running = source.run(mode)
  try {
    return await during(source)
  } finally {
    stopping.abort()
    await running
  }
}

export function laneOf(source: Source): LaneStatus {
  const [status] = source.statuses()
  if (status === undefined) throw new Error('The source has no lane.')
  return status
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('It never came to that.')
}

export async function events(log: MemoryLog): Promise<Event[]> {
  const records = await recordsOf(log, entityTopic('payment'))
  return records.map((value) => decodeEvent(value))
}

/** The subjects that were deleted, as often as they were. */
export async function deleted(log: MemoryLog): Promise<string[]> {
  const all = await events(log)
  return all.filter(({ type }) => type === 'erp.payment.deleted.v1').map(({ subject }) => subject)
}

export function rejects(log: MemoryLog): Promise<{ [name: string]: Json }[]> {
  return objectsOf(log, TOPICS.rejects)
}

/** What the adapter's marks say that still stand in the log. */
export function marks(log: MemoryLog): Promise<{ [name: string]: Json }[]> {
  return objectsOf(log, TOPICS.marks)
}

/** What people decided, as the log has it. */
export function decisions(log: MemoryLog): Promise<{ [name: string]: Json }[]> {
  return objectsOf(log, TOPICS.decisions)
}

async function objectsOf(log: MemoryLog, topic: string): Promise<{ [name: string]: Json }[]> {
  const records = await recordsOf(log, topic)
  return records.map((value) => JSON.parse(new TextDecoder().decode(value)) as { [name: string]: Json })
}

async function recordsOf(log: MemoryLog, topic: string): Promise<Uint8Array[]> {
  const { signal } = new AbortController()
  const found: { value: Uint8Array; time: number }[] = []
  for (let partition = 0; partition < 3; partition += 1) {
    for await (const chunk of log.readTo({ topic, partition }, 0, { signal })) {
      for (const { value, time } of chunk.records) if (value !== null) found.push({ value, time })
    }
  }
  return found.map((one) => one.value)
}

/** What was published about one record, oldest first: `created 1 A`, `deleted 2`. */
export async function story(log: MemoryLog, subject: string): Promise<string[]> {
  const all = await events(log)
  return all
    .filter((event) => event.subject === subject)
    .sort((a, b) => a.revision - b.revision)
    .map((event) =>
      [event.type.split('.')[2], event.revision, event.data['amount']]
        .filter((part) => part !== undefined && part !== null)
        .join(' '),
    )
}
