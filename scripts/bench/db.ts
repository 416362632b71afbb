import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { textTable } from '../../gateway/cli/text-table.ts'
import { KAFKA_CLIENTS } from '../../gateway/config/model.ts'
import { startKafkaBroker } from '../services/kafka-broker.ts'
import { createServices, mustHave, type Services } from '../services.ts'
import { buildProgram } from './built.ts'
import { type Goal, measured, median, tellGoals, type Usage } from './measured.ts'
import { fillPayments, type KeyOrder, paymentsConfig, paymentsSecrets } from './payments.ts'

const RAW = fileURLToPath(new URL('./raw-limits.ts', import.meta.url))
const LOG_LOAD = fileURLToPath(new URL('./log-load.ts', import.meta.url))

/** CPU seconds for a million rows; scaled where a run has another number. */
const CPU_GOALS: Readonly<Record<KeyOrder, number>> = { ascending: 34, random: 45 }
const RSS_GOAL_MEGABYTES = 300
/** "The same" for ten times as many rows: what allocators leave lying about aside. */
const RSS_GROWTH = 1.1

/** Of an event of the table, for the raw limit of producing; `npm run bench -- source` tells it exactly. */
const EVENT_BYTES = 1_250

export type DbBenchOptions = Readonly<{
  rows: number
  runs: number
  /** Ten times as many rows as well, once. */
  full: boolean
  print(line: string): void
}>

/**
 * A first load from PostgreSQL to Kafka by the whole program under its default config, Ajv and detection on, beside the
 * raw limits of the same run. False where a goal is missed.
 */
export async function benchDb(options: DbBenchOptions): Promise<boolean> {
  const services = createServices({ environment: process.env, report: options.print })
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-bench-'))
  try {
    const program = await buildProgram()
    const goals: Goal[] = []
    for (const order of ['ascending', 'random'] as const) {
      goals.push(...(await benchOrder(options, services, program, folder, order)))
    }
    options.print('')
    return tellGoals(goals, options.print)
  } finally {
    rmSync(folder, { recursive: true, force: true })
    await services.stop()
  }
}

async function benchOrder(
  { rows, runs, full, print }: DbBenchOptions,
  services: Services,
  program: string,
  folder: string,
  order: KeyOrder,
): Promise<readonly Goal[]> {
  const url = await mustHave(services, 'postgres')
  const jars = await mustHave(services, 'kafka-jars')
  const rowBytes = await fillPayments(url, rows, order)
  print(`\nkeys ${order}, ${rows} rows of ${Math.round(rowBytes)} bytes`)
  const raw = await rawLimits(url, jars, folder, rows, order)
  const usages: Usage[] = []
  for (let run = 1; run <= runs; run += 1) {
    usages.push(await loadOnce(program, url, jars, join(folder, `${order}-${run}`)))
    print(`run ${run}: ${sentence(usages.at(-1))}`)
  }
  const cpuSeconds = median(usages.map((usage) => usage.cpuSeconds))
  const rssMegabytes = median(usages.map((usage) => usage.rssMegabytes))
  const sum = raw.reduce((total, { usage }) => total + usage.cpuSeconds, 0)
  const line = (what: string, cpu: number, rss: number) => [
    what,
    cpu.toFixed(1),
    (cpu / sum).toFixed(2),
    rss.toFixed(0),
  ]
  print(
    textTable(
      [`KEYS ${order.toUpperCase()}`, 'CPU S', 'TIMES ALL RAW LIMITS', 'RSS MB'],
      [
        ...raw.map(({ what, usage }) => line(`raw: ${what}`, usage.cpuSeconds, usage.rssMegabytes)),
        line(`gateway, median of ${runs}`, cpuSeconds, rssMegabytes),
      ],
    ),
  )
  const millions = rows / 1_000_000
  return [
    {
      what: `CPU, keys ${order}`,
      value: cpuSeconds / millions,
      limit: CPU_GOALS[order],
      unit: 'CPU s a million rows',
    },
    { what: `memory, keys ${order}`, value: rssMegabytes, limit: RSS_GOAL_MEGABYTES, unit: 'MB' },
    ...(full ? await tenfold(program, url, jars, folder, rows, order, rssMegabytes, print) : []),
  ]
}

/** Memory must not grow with the table. */
async function tenfold(
  program: string,
  url: string,
  jars: string,
  folder: string,
  rows: number,
  order: KeyOrder,
  before: number,
  print: (line: string) => void,
): Promise<readonly Goal[]> {
  await fillPayments(url, rows * 10, order)
  const usage = await loadOnce(program, url, jars, join(folder, `${order}-tenfold`))
  print(`ten times as many rows: ${sentence(usage)}`)
  const what = `memory with ten times as many rows, keys ${order}`
  return [{ what, value: usage.rssMegabytes, limit: Math.round(before * RSS_GROWTH), unit: 'MB' }]
}

type RawLimit = Readonly<{ what: string; usage: Usage }>

async function rawLimits(
  url: string,
  jars: string,
  folder: string,
  rows: number,
  order: KeyOrder,
): Promise<readonly RawLimit[]> {
  const run = (...args: readonly string[]) => measured(args, { folder })
  const read = await run(RAW, 'read', url)
  await using broker = await startKafkaBroker({ jars })
  const produced = ['append', KAFKA_CLIENTS[0], broker.address, String(rows), String(EVENT_BYTES)]
  return [
    { what: 'rows read with the driver alone', usage: read },
    { what: 'the same bytes produced alone', usage: await run(LOG_LOAD, ...produced) },
    {
      what: 'a row each into SQLite alone',
      usage: await run(RAW, 'sqlite', join(folder, `raw-${order}.db`), String(rows), order),
    },
  ]
}

/** The program from its start to its end, in a folder and on a cluster that are new. */
async function loadOnce(program: string, url: string, jars: string, folder: string): Promise<Usage> {
  await using broker = await startKafkaBroker({ jars })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'gateway.yaml'), paymentsConfig(url, broker.address))
  const usage = await measured([program, 'run', '--once'], {
    folder,
    environment: paymentsSecrets(url),
  })
  rmSync(folder, { recursive: true, force: true })
  return usage
}

function sentence(usage: Usage | undefined): string {
  if (usage === undefined) return 'nothing'
  const { cpuSeconds, rssMegabytes, seconds } = usage
  return `${cpuSeconds.toFixed(1)} CPU s, ${rssMegabytes.toFixed(0)} MB, ${seconds.toFixed(1)} s`
}
