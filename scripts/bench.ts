import { benchDb } from './bench/db.ts'
import { benchIsolation } from './bench/isolation.ts'
import { benchLane, costTable } from './bench/lane.ts'
import { benchLateCommit } from './bench/late-commit.ts'
import { benchLog } from './bench/log.ts'
import { benchPolls } from './bench/polls.ts'
import { benchProjection, projectionTable } from './bench/projection.ts'
import { benchSource, sourceTable } from './bench/source.ts'

/**
 * `npm run bench -- NAME`: what things cost, always beside raw limits of the same run, since machines are not alike. Those
 * with goals end with a line for each, and badly where one is missed.
 */
const USAGE = `Usage:
  npm run bench -- log [--rows 1000000]                   every driver of the log: append and read; has goals
  npm run bench -- db [--rows 1000000] [--runs 3] [--full]
                                                          PostgreSQL to Kafka by the whole program; has goals. --full:
                                                          ten times as many rows as well
  npm run bench -- isolation [--rounds 3] [--seconds 25]  what healthy sources lose beside sick ones; has goals
  npm run bench -- late-commit [--changes 200000] [--full] [--seed 1]
                                                          what polls and sweeps lose of a busy table, beside a naive
                                                          poller; has promises. --full: five times as many changes
  npm run bench -- polls [--rows 1000000] [--full]        idle polls, latency, overlap and comparisons; has goals. --full:
                                                          ten million rows
  npm run bench -- source [--rows 100000]                 CPU time of a whole source, with a log that only counts
  npm run bench -- lane [--rows 40000]                    CPU time of a lane by what it does with a row
  npm run bench -- projection [--rows 1000000] [--random] CPU time, memory and bytes of a row of a projection on disk`

const [name = '', ...rest] = process.argv.slice(2)
const print = (line: string) => console.log(line)

const BENCHES: Readonly<Record<string, () => Promise<boolean> | boolean>> = {
  log: () => benchLog(option('rows', 1_000_000), print),
  db: () =>
    benchDb({
      rows: option('rows', 1_000_000),
      runs: option('runs', 3),
      full: rest.includes('--full'),
      print,
    }),
  isolation: () => benchIsolation(option('rounds', 3), option('seconds', 25) * 1_000),
  'late-commit': () =>
    benchLateCommit(
      option('changes', 200_000) * (rest.includes('--full') ? 5 : 1),
      String(option('seed', 1)),
      print,
    ),
  polls: () => benchPolls(option('rows', 1_000_000) * (rest.includes('--full') ? 10 : 1), print),
  async source() {
    for (const order of ['ascending', 'random'] as const) {
      print(`${sourceTable(await benchSource(option('rows', 100_000), order))}\n`)
    }
    return true
  },
  lane() {
    print('payments, first load, mapping demo-trading/payment, everything in memory\n')
    print(costTable(benchLane(option('rows', 40_000))))
    return true
  },
  projection() {
    const order = rest.includes('--random') ? 'random' : 'ascending'
    print(projectionTable(benchProjection(option('rows', 1_000_000), order)))
    return true
  },
}

const bench = BENCHES[name]
if (bench === undefined) {
  console.error(USAGE)
  process.exitCode = 2
} else {
  process.exitCode = (await bench()) ? 0 : 1
}

function option(wanted: string, fallback: number): number {
  const index = rest.indexOf(`--${wanted}`)
  const given = index < 0 ? fallback : Number(rest[index + 1])
  if (!Number.isSafeInteger(given) || given < 1) throw new Error(`--${wanted} must be a whole number from 1.`)
  return given
}
