import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { textTable } from '../../gateway/cli/text-table.ts'
import { startKafkaBroker } from '../services/kafka-broker.ts'
import { createServices, mustHave } from '../services.ts'
import { type Goal, measured, tellGoals, type Usage } from './measured.ts'

const LOAD = fileURLToPath(new URL('./log-load.ts', import.meta.url))
const VALUE_BYTES = 350

/** What a driver may take for a million records: the clients' own producers alone take 9 to 25 (DECISIONS.md). */
const APPEND_GOALS = { embedded: 30, platformatic: 6, kafkajs: 8 } as const
const READ_GOAL = 6
const RSS_GOAL_MEGABYTES = 300

type Driver = keyof typeof APPEND_GOALS

/** Every driver of the log at the same work, one after the other. False where a goal is missed. */
export async function benchLog(rows: number, print: (line: string) => void): Promise<boolean> {
  const services = createServices({ environment: process.env, report: print })
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-bench-'))
  try {
    await using broker = await startKafkaBroker({ jars: await mustHave(services, 'kafka-jars') })
    const lines: string[][] = []
    const goals: Goal[] = []
    for (const driver of ['embedded', 'platformatic', 'kafkajs'] as const) {
      const where = driver === 'embedded' ? join(folder, 'log') : broker.address
      const work = (what: string) =>
        measured([LOAD, what, driver, where, String(rows), String(VALUE_BYTES)], { folder })
      const [append, read] = [await work('append'), await work('read')]
      lines.push(lineOf(driver, append, read))
      goals.push(...goalsOf(driver, rows, append, read))
    }
    print(`\n${rows} records of ${VALUE_BYTES} bytes, transactions of 2,000, six partitions\n`)
    print(
      textTable(['DRIVER', 'APPEND CPU S', 'RSS MB', 'SECONDS', 'READ CPU S', 'RSS MB', 'SECONDS'], lines),
    )
    print('')
    return tellGoals(goals, print)
  } finally {
    rmSync(folder, { recursive: true, force: true })
    await services.stop()
  }
}

function lineOf(driver: Driver, append: Usage, read: Usage): string[] {
  const name = driver === 'embedded' ? driver : `kafka by ${driver}`
  const figures = [append, read].flatMap(({ cpuSeconds, rssMegabytes, seconds }) => [
    cpuSeconds.toFixed(1),
    rssMegabytes.toFixed(0),
    seconds.toFixed(1),
  ])
  return [name, ...figures]
}

function goalsOf(driver: Driver, rows: number, append: Usage, read: Usage): readonly Goal[] {
  const unit = 'CPU s a million records'
  const millions = rows / 1_000_000
  const rssMegabytes = Math.max(append.rssMegabytes, read.rssMegabytes)
  return [
    { what: `append, ${driver}`, value: append.cpuSeconds / millions, limit: APPEND_GOALS[driver], unit },
    { what: `read, ${driver}`, value: read.cpuSeconds / millions, limit: READ_GOAL, unit },
    { what: `memory, ${driver}`, value: rssMegabytes, limit: RSS_GOAL_MEGABYTES, unit: 'MB' },
  ]
}
