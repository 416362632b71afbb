import { loadavg } from 'node:os'
import { textTable } from '../../gateway/cli/text-table.ts'
import { judge, percentile, pollToLog } from '../../test/isolation/goals.ts'
import { type Seen, watchGateway } from '../../test/isolation/run.ts'
import { freshDatabase } from '../services/fresh-database.ts'
import { createServices, mustHave } from '../services.ts'

/**
 * Four healthy sources alone, then the same beside four sick ones (one hung before the first byte, one dripping, one
 * burning CPU in its mapping, one whose rows are all rejected), in turn, so that what else the machine does weighs on
 * both. Prints as it goes, then one line for each goal. False where one is missed.
 */
export async function benchIsolation(rounds: number, forMs: number): Promise<boolean> {
  const services = createServices({ environment: process.env, report: (line) => console.log(line) })
  const alone: Seen[] = []
  const beside: Seen[] = []
  try {
    const url = await mustHave(services, 'postgres')
    for (let round = 1; round <= rounds; round += 1) {
      for (const [withSick, runs] of [
        [false, alone],
        [true, beside],
      ] as const) {
        const name = `bench_isolation_${process.pid}_${round}_${withSick ? 'sick' : 'well'}`
        const databaseUrl = await freshDatabase(url, name)
        const seen = await watchGateway({ databaseUrl, withSick, forMs })
        runs.push(seen)
        console.log(`${round}/${rounds} ${withSick ? 'beside sick ones' : 'alone'}: ${lineOf(seen)}`)
      }
    }
  } finally {
    await services.stop()
  }
  console.log(`\n${figures(alone, beside)}\n`)
  const goals = judge(alone, beside)
  for (const { goal, isMet, seen } of goals) console.log(`${isMet ? 'met    ' : 'NOT MET'}  ${goal}: ${seen}`)
  return goals.every(({ isMet }) => isMet)
}

function lineOf(seen: Seen): string {
  const { pollToLogMs, loopLag, stop } = seen
  const [load = 0] = loadavg()
  return `${pollToLogMs.length} rows, p99 ${percentile(pollToLogMs, 99).toFixed(0)} ms, loop lag p99 ${loopLag.p99Ms.toFixed(1)} ms, stopped in ${stop.ms.toFixed(0)} ms; load of the machine ${load.toFixed(1)}`
}

function figures(alone: readonly Seen[], beside: readonly Seen[]): string {
  const line = (what: string, of: (runs: readonly Seen[]) => readonly number[], percent: number) => {
    const [without, with_] = [percentile(of(alone), percent), percentile(of(beside), percent)]
    return [`${what} p${percent}`, without.toFixed(1), with_.toFixed(1), (with_ / without).toFixed(2)]
  }
  const commitToLog = (runs: readonly Seen[]) => runs.flatMap((run) => run.commitToLogMs)
  return textTable(
    ['ms', 'ALONE', 'BESIDE SICK ONES', 'RATIO'],
    [
      line('poll to log', pollToLog, 50),
      line('poll to log', pollToLog, 99),
      line('commit to log', commitToLog, 50),
      line('commit to log', commitToLog, 99),
      line('loop lag', (runs) => runs.map(({ loopLag }) => loopLag.p99Ms), 100),
    ],
  )
}
