import { join } from 'node:path'
import type { Violation } from '../kit/checkers/facts.ts'
import { installation } from '../kit/gateway-process.ts'
import { seededRandom } from '../kit/random.ts'
import { judge, marksOf } from './judge.ts'
import { type Kill, kindOf, runAndKill } from './kills.ts'
import type { ChaosLog } from './logs.ts'
import { startWorkload, workloadFiles } from './workload.ts'

export type ChaosResult = Readonly<{
  /** Kills by step, or by kind. What was never reached counts 0. */
  kills: Readonly<Record<string, number>>
  writes: number
  events: number
  violations: readonly Violation[]
}>

/**
 * Kills a gateway again and again while rows are written, then lets it finish and compares what the log says with what
 * the rows are and were.
 */
export async function chaos(
  options: Readonly<{
    databaseUrl: string
    folder: string
    log: ChaosLog
    kills: readonly Kill[]
    seed: string
    report(line: string): void
  }>,
): Promise<ChaosResult> {
  const { databaseUrl, folder, log, report } = options
  const random = seededRandom(options.seed)
  const secrets = { CHAOS_PASSWORD: new URL(databaseUrl).password || 'none' }
  const drop = join(folder, 'drop')
  const home = (name: string) =>
    installation(join(folder, name), workloadFiles(databaseUrl, log.config, drop), secrets)
  // An embedded log is found in the data folder of the first.
  const homes = {
    first: installation(folder, workloadFiles(databaseUrl, log.config, drop), secrets),
    second: home('second'),
    log,
  }
  const workload = await startWorkload(databaseUrl, drop, random)
  const kills: Record<string, number> = {}
  for (const [index, kill] of options.kills.entries()) {
    const kind = kindOf(kill)
    const isKilled = await runAndKill(homes, kill)
    kills[kind] = (kills[kind] ?? 0) + (isKilled ? 1 : 0)
    report(`${index + 1}/${options.kills.length} ${kind}: ${isKilled ? 'killed' : 'never reached'}`)
  }
  const truth = await workload.stop()
  const last = await homes.first.erpgw('run', '--once')
  const violations: Violation[] = []
  if (last.code !== 0) violations.push({ checker: 'ends-well', sentence: `The last run failed: ${last.err}` })
  const events = marksOf(await log.records('erp.item.'))
  violations.push(...judge(events, truth))
  return { kills, writes: workload.writes(), events: events.length, violations }
}
