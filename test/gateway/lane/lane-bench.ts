import { z } from 'zod'
import type { Adapter, Batch, Cursor, Json, Session, SourceRecord } from '../../../adapters/contract.ts'
import type { AnyAdapter } from '../../../adapters/registry.ts'
import type { FeedConfig, Fuses } from '../../../gateway/config/model.ts'
import { decodeEvent } from '../../../gateway/envelope.ts'
import type { Event } from '../../../gateway/event.ts'
import { Source, type SourceOptions, type SourcePorts } from '../../../gateway/lane/source.ts'
import type { LaneStatus } from '../../../gateway/lane/status.ts'
import { createMemoryLog, type MemoryLog } from '../../../gateway/log/memory.ts'
import type { Mapping } from '../../../gateway/mapping/mapping.ts'
import { createMemoryProjection } from '../../../gateway/node/projection.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import type { Projection } from '../../../gateway/ports.ts'
import { createTasks, type Logger, NO_FAILPOINTS } from '../../../gateway/runtime.ts'
import { DEFAULT_KEEP, entityTopic, TOPICS } from '../../../gateway/topics.ts'

/** A table of an old ERP, as a test writes it, and a lane over it on a log in memory. */
export type Row = { readonly [field: string]: Json }

export type Table = {
  /** By source key. */
  rows: Map<string, Row>
  /** What a `changes` feed delivers, in order; a `pass` feed reads `rows`. */
  changes: SourceRecord[]
  identity: string
  fields: Record<string, string>
  /** Records in one batch. */
  page: number
  canRead: boolean
  settled: string[]
}

function newTable(): Table {
  return {
    rows: new Map(),
    changes: [],
    identity: 'toy/1',
    fields: { number: 'text', amount: 'numeric' },
    page: 4,
    canRead: true,
    settled: [],
  }
}

/** Changes the row and queues the change. */
export function put(table: Table, key: string, row: Row): void {
  table.rows.set(key, row)
  table.changes.push(record(key, row))
}

export function record(key: string, data: Row, extra: Partial<SourceRecord> = {}): SourceRecord {
  return {
    type: 'toy',
    key,
    op: 'upsert',
    order: null,
    rowVersion: null,
    fingerprint: null,
    changedAt: null,
    data,
    ...extra,
  }
}

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
    reads: ['number', 'amount'],
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

/** Everything that outlives a gateway: the table, the log and the projections; `lane()` starts one over them. */
export function createBench(options: Readonly<{ log?: MemoryLog }> = {}) {
  const runtime = createRuntime()
  const log = options.log ?? createMemoryLog({ runtime, partitions: 3 })
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
        // The table stays when a lane closes it, as a file does.
        return Object.assign(Object.create(kept), bound(kept), { close: () => undefined }) as Projection
      },
    },
    secrets: { read: () => null },
    names: { resolve: async () => null },
  }
  return { runtime, log, projections, lines, ports, table: newTable() }
}

function bound(projection: Projection): Projection {
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
    rejected: (after, limit) => projection.rejected(after, limit),
    count: () => projection.count(),
    reset: () => projection.reset(),
    close: () => undefined,
  }
}

export type LaneOptions = Readonly<{
  mapping?: Mapping
  strategy?: 'changes' | 'pass'
  fuse?: Fuses
  start?: FeedConfig['start']
  source?: string
  system?: string
  ports?: SourcePorts
  shares?: boolean
}>

/** What a source with one feed over the bench's table is made of. */
export function sourceOptionsOf(bench: Bench, options: LaneOptions = {}): SourceOptions {
  const feed: FeedConfig = {
    name: 'payments',
    mapping: 'toy/payment',
    start: options.start ?? 'all',
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
    adapter: tableAdapter(bench.table, options.strategy ?? 'changes') as unknown as AnyAdapter,
    mappings: new Map([['payments', options.mapping ?? toyMapping()]]),
    keep: DEFAULT_KEEP,
    sharedFeeds: new Set(options.shares === true ? ['payments'] : []),
    ports: options.ports ?? bench.ports,
  }
}

/** A source with one feed over the bench's table. */
function sourceOf(bench: Bench, options: LaneOptions, signal: AbortSignal): Source {
  return new Source(sourceOptionsOf(bench, options), signal)
}

/** One complete run of a fresh lane, as after a restart; the lane's status afterwards. */
export async function runOnce(bench: Bench, options: LaneOptions = {}): Promise<LaneStatus> {
  const source = sourceOf(bench, options, new AbortController().signal)
  await source.run('once')
  const [status] = source.statuses()
  if (status === undefined) throw new Error('no lane')
  return status
}

/** A verb on a lane that reads nothing by itself. */
export async function verb(
  bench: Bench,
  request: Parameters<Source['request']>[0],
  options: LaneOptions = {},
): Promise<Json> {
  const stopping = new AbortController()
  const source = sourceOf(bench, options, stopping.signal)
  const running = source.run('idle')
  try {
    return await source.request(request)
  } finally {
    stopping.abort()
    await running
  }
}

export async function events(log: MemoryLog): Promise<Event[]> {
  const records = await recordsOf(log, entityTopic('payment'))
  return records.map((value) => decodeEvent(value))
}

export function rejects(log: MemoryLog): Promise<{ [name: string]: Json }[]> {
  return objectsOf(log, TOPICS.rejects)
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

function tableAdapter(table: Table, strategy: 'changes' | 'pass'): Adapter<z.ZodType, z.ZodObject, null> {
  return {
    kind: 'toy',
    summary: 'A table in memory.',
    connection: z.strictObject({}),
    feed: z.strictObject({}),
    example: { connection: {}, feeds: {} },
    traits: () => ({ order: 'total', deletes: 'by-pass', replay: 'from-any-cursor' }),
    hosts: () => [],
    connect: async () => null,
    session: () => tableSession(table, strategy),
  }
}

function tableSession(table: Table, strategy: 'changes' | 'pass'): Session {
  return {
    check: async () => ({ ok: true }),
    identity: async () => table.identity,
    discover: async () => [{ name: 'payments', key: ['number'], fields: table.fields }],
    preview: async (_feed, limit) => [...table.rows].slice(0, limit).map(([key, row]) => record(key, row)),
    poll: (_feed, cursor) => (strategy === 'changes' ? pollChanges(table, cursor) : pollPass(table, cursor)),
    startAt: async () => String(table.changes.length) as Cursor,
    ...(table.canRead
      ? {
          read: async (_feed: string, keys: readonly string[]) =>
            keys.flatMap((key) => {
              const row = table.rows.get(key)
              return row === undefined ? [] : [record(key, row)]
            }),
        }
      : {}),
    settle: async (_feed, cursor) => void table.settled.push(cursor),
    close: async () => undefined,
  }
}

async function* pollChanges(table: Table, cursor: Cursor | null): AsyncGenerator<Batch> {
  for (let at = Number(cursor ?? 0); at < table.changes.length; at += table.page) {
    const records = table.changes.slice(at, at + table.page)
    yield {
      records,
      unreadable: [],
      next: String(Math.min(at + table.page, table.changes.length)) as Cursor,
      fields: { ...table.fields },
    }
  }
}

async function* pollPass(table: Table, cursor: Cursor | null): AsyncGenerator<Batch> {
  const [id = '0', from = ''] = (cursor ?? '0|').split('|')
  const isFresh = from === ''
  const pass = isFresh ? String(Number(id) + 1) : id
  let after = from
  let begins = isFresh
  while (true) {
    const keys = [...table.rows.keys()].sort().filter((key) => key > after)
    const some = keys.slice(0, table.page)
    const ends = keys.length <= table.page
    after = some.at(-1) ?? after
    yield {
      records: some.map((key) => record(key, table.rows.get(key) ?? {})),
      unreadable: [],
      next: (ends ? `${pass}|` : `${pass}|${after}`) as Cursor,
      pass: { id: pass, begins, ends },
      fields: { ...table.fields },
    }
    if (ends) return
    begins = false
  }
}
