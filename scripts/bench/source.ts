import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { adapterOf } from '../../adapters/registry.ts'
import { textTable } from '../../gateway/cli/text-table.ts'
import type { SourceConfig } from '../../gateway/config/model.ts'
import { Source, type SourceOptions } from '../../gateway/lane/source.ts'
import { loadLanguage } from '../../gateway/language.ts'
import type { Log, Placed, Writer } from '../../gateway/log/port.ts'
import { createFiles } from '../../gateway/node/files.ts'
import { createProjections } from '../../gateway/node/projection.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'
import type { Projection, Projections } from '../../gateway/ports.ts'
import { createTasks, NO_FAILPOINTS } from '../../gateway/runtime.ts'
import { DEFAULT_KEEP } from '../../gateway/topics.ts'
import { createServices, mustHave } from '../services.ts'
import { ROOT } from '../steps.ts'
import { fillPayments, type KeyOrder, readPayments } from './payments.ts'

/** CPU time of this process, all threads of it, in µs a row. What PostgreSQL itself takes is another process. */
export type SourceCosts = Readonly<{
  order: KeyOrder
  /** The same pages with the client library alone. */
  raw: number
  /** The first load, from the first query to the last commit; the two below are parts of it. */
  lane: number
  projection: number
  log: number
  /** Bytes of a row in the table as text, and of its event. */
  rowBytes: number
  eventBytes: number
}>

/**
 * What a first load takes as it is in production: a table of PostgreSQL, the adapter, the lane, and its projection in a
 * file. Only the log is none: it counts what it is given and answers at once, so that no driver's cost is measured. A first
 * run that counts for nothing warms up.
 */
export async function benchSource(rows: number, order: KeyOrder): Promise<SourceCosts> {
  const services = createServices({ environment: process.env, report: () => undefined })
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-bench-'))
  try {
    const url = await mustHave(services, 'postgres')
    const rowBytes = await fillPayments(url, rows, order)
    const raw = await costOf(rows, () => readPayments(url))
    const warming = createProjections(join(folder, 'warming'))
    await runOnce(url, countingLog(() => undefined).log, warming)
    const parts = { projection: 0, log: 0 }
    const counted = countingLog((micros) => {
      parts.log += micros
    })
    const projections = timedProjections(createProjections(join(folder, 'measured')), (micros) => {
      parts.projection += micros
    })
    const lane = await costOf(rows, () => runOnce(url, counted.log, projections))
    const { events, bytes } = counted.counts()
    if (events !== rows) throw new Error(`The bench has ${rows} rows and published ${events} events.`)
    return {
      ...{ order, raw, lane, rowBytes, eventBytes: bytes / events },
      ...{ projection: parts.projection / rows, log: parts.log / rows },
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
    await services.stop()
  }
}

/** Costs as a table: what the lane takes beside its projection and its log is what this bench is for. */
export function sourceTable(costs: SourceCosts): string {
  const { order, raw, lane, projection, log } = costs
  const rest = lane - projection - log
  const line = (what: string, micros: number) => [what, micros.toFixed(1), (micros / raw).toFixed(2)]
  return textTable(
    [`KEYS ${order.toUpperCase()}`, 'µs CPU A ROW', 'TIMES RAW'],
    [
      line('rows read with the client alone (raw)', raw),
      line('projection', projection),
      line('log', log),
      line('adapter, mapping, detection, envelope', rest),
      line(
        `in all (a row ${Math.round(costs.rowBytes)} B, its event ${Math.round(costs.eventBytes)} B)`,
        lane,
      ),
    ],
  )
}

async function costOf(rows: number, run: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await run()
  return microsSince(before) / rows
}

function microsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return user + system
}

/** One complete run of the source, as a worker thread does it. */
async function runOnce(url: string, log: Log, projections: Projections): Promise<void> {
  const { source, failures } = benchedSource(url, log, projections, new AbortController().signal)
  await source.run('once')
  if (failures.length > 0) throw new Error(failures.join('\n'))
}

/** A source of the bench's payments; what it complains of is gathered. */
export function benchedSource(
  url: string,
  log: Log,
  projections: Projections,
  signal: AbortSignal,
  of: Polling = {},
): Readonly<{ source: Source; failures: readonly string[] }> {
  const failures: string[] = []
  const fail = (message: string, fields: object = {}) =>
    void failures.push(`${message} ${JSON.stringify(fields)}`)
  const ports = {
    ...{ log, projections, runtime: createRuntime(), failpoints: NO_FAILPOINTS },
    logger: { info: () => undefined, warn: fail, error: fail },
    tasks: createTasks(({ name }, error) => fail(`${name}: ${String(error)}`)),
    secrets: { read: () => decodeURIComponent(new URL(url).password) },
    names: { resolve: async () => new URL(url).hostname },
  }
  return { source: new Source({ ...sourceOf(url, of), ports }, signal), failures }
}

/** How the bench's payments are polled, where not as usual. */
export type Polling = Readonly<{ everyMs?: number; overlap?: unknown }>

const COMPANY = '001'
const ZONE = 'Asia/Hong_Kong'

function sourceOf(url: string, { everyMs = 1_000, overlap = '10s' }: Polling): Omit<SourceOptions, 'ports'> {
  const adapter = adapterOf('database')
  if (adapter === null) throw new Error('There is no adapter for databases.')
  const { hostname, port, pathname, username } = new URL(url)
  const connection = adapter.connection.parse({
    ...{ engine: 'postgres', host: hostname, port, database: pathname.slice(1), user: username },
    password: 'env:BENCH_PASSWORD',
  })
  const feed = adapter.feed.parse({
    ...{ table: 'payment', key: ['payment_no'] },
    cursor: { strategy: 'watermark', columns: ['updated_at'], overlap },
  })
  const source: SourceConfig = {
    ...{ name: 'erp', kind: 'database', system: 'bench', company: COMPANY, zone: ZONE, connection },
    feeds: {
      payments: {
        ...{
          name: 'payments',
          mapping: 'bench/payment',
          start: 'all',
          sweep: null,
          poll: { everyMs },
          adapter: feed,
        },
        fuse: { deleted: null, changed: null, created: null, rejected: { atLeast: 5, percent: 1 } },
      },
    },
  }
  const companies = { [COMPANY]: { name: 'Example Trading', currency: 'HKD', zone: ZONE } }
  const mapping = loadLanguage(createFiles(), ROOT).mapping(
    'bench/payment',
    [join(ROOT, 'scripts', 'bench', 'mappings')],
    { system: source.system, company: COMPANY, companies, zone: ZONE },
  )
  const mappings = new Map([['payments', mapping]])
  return { gateway: 'bench', source, adapter, mappings, keep: DEFAULT_KEEP, sharedFeeds: new Set() }
}

/** A log of one partition that keeps nothing of what it is given but its size. */
export function countingLog(spend: (micros: number) => void, onEvent: () => void = () => undefined) {
  let [events, bytes] = [0, 0]
  const ends = new Map<string, number>()
  const place = (topic: string): Placed => {
    const offset = ends.get(topic) ?? 0
    ends.set(topic, offset + 1)
    return { partition: 0, offset }
  }
  const writer: Writer = {
    async transact({ records }) {
      const before = process.cpuUsage()
      const placed = records.map(({ topic, value }) => {
        if (topic.startsWith('erp.')) {
          events += 1
          onEvent()
          bytes += value?.byteLength ?? 0
        }
        return place(topic)
      })
      spend(microsSince(before))
      return { kind: 'committed', placed }
    },
    close: async () => undefined,
  }
  const log: Log = {
    ensure: async (topics) => topics.map(({ name }) => ({ name, id: null, partitions: 1, faults: [] })),
    writer: async () => writer,
    end: async ({ topic }) => ends.get(topic) ?? 0,
    async *readTo() {},
    position: async () => null,
    async *subscribe() {},
    close: async () => undefined,
  }
  return { log, counts: () => ({ events, bytes }) }
}

function timedProjections(projections: Projections, spend: (micros: number) => void): Projections {
  const timed = <Input, Output>(run: (input: Input) => Output) => {
    return (input: Input): Output => {
      const before = process.cpuUsage()
      const output = run(input)
      spend(microsSince(before))
      return output
    }
  }
  return {
    open(lane) {
      const projection = projections.open(lane)
      const parts: Pick<Projection, 'rows' | 'owners' | 'foreign' | 'apply'> = {
        rows: timed((keys: readonly string[]) => projection.rows(keys)),
        owners: timed((keys: readonly string[]) => projection.owners(keys)),
        foreign: timed((keys: readonly string[]) => projection.foreign(keys)),
        apply: timed((change: Parameters<Projection['apply']>[0]) => projection.apply(change)),
      }
      return new Proxy(projection, {
        get: (real, name) => {
          const own = Reflect.get(parts, name) ?? Reflect.get(real, name)
          return typeof own === 'function' ? own.bind(real) : own
        },
      })
    },
  }
}
