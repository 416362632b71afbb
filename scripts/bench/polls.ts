import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Source } from '../../gateway/lane/source.ts'
import { createProjections } from '../../gateway/node/projection.ts'
import type { Statement } from '../../gateway/reconcile/statement.ts'
import type { SweepStatus } from '../../gateway/reconcile/sweeper.ts'
import { createServices, mustHave } from '../services.ts'
import { type Goal, median, tellGoals } from './measured.ts'
import { fillPayments } from './payments.ts'
import { benchedSource, countingLog, type Polling } from './source.ts'

const FEED = 'payments'
const SMALL_ROWS = 100_000
const DIFFERENCES = 100

/** Of the latency of a change. */
const POLL_MS = 200
const LATE_BY_MS = 50

/** What writing goes on at, and for how long, while overlaps are compared. */
const CHANGES_A_SECOND = 1_000
const CHANGING_SECONDS = 30

/**
 * What polls and comparisons cost: an idle poll of a large table beside that of a small one, how soon a change is in the
 * log, what looking back costs beside the changes themselves, and what a comparison sends. The log only counts. False
 * where a goal is missed.
 */
export async function benchPolls(rows: number, print: (line: string) => void): Promise<boolean> {
  const services = createServices({ environment: process.env, report: print })
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-bench-'))
  try {
    const url = await mustHave(services, 'postgres')
    const small = await benched(url, SMALL_ROWS, join(folder, 'small'), {}, (at) => idlePoll(at))
    print(`idle poll of ${SMALL_ROWS} rows: ${small.toFixed(2)} ms`)
    const large = await benched(url, rows, join(folder, 'large'), {}, async (at) => {
      const idle = await idlePoll(at)
      print(`idle poll of ${rows} rows: ${idle.toFixed(2)} ms`)
      const lateBy = await changeToLog(at)
      print(`a change is in the log after ${lateBy.toFixed(0)} ms, polled every ${POLL_MS} ms`)
      const swept = await compared(at)
      print(
        `a comparison of ${rows} rows, of which ${DIFFERENCES} differ: ${swept.sent} sent, ${swept.seconds.toFixed(0)} s, ${swept.growth.toFixed(0)} MB more than before`,
      )
      return { idle, lateBy, swept }
    })
    const costs = await overlapCosts(url, folder, print)
    print('')
    const goals: readonly Goal[] = [
      { what: 'an idle poll, large to small', value: large.idle / small, limit: 1.2, unit: 'times' },
      { what: 'from commit to log, median', value: large.lateBy, limit: POLL_MS + LATE_BY_MS, unit: 'ms' },
      { what: 'differences not found', value: DIFFERENCES - large.swept.found, limit: 0, unit: 'rows' },
      { what: 'rows that a comparison sends', value: (100 * large.swept.sent) / rows, limit: 1, unit: '%' },
      { what: 'memory that a comparison takes', value: large.swept.growth, limit: 64, unit: 'MB' },
      { what: 'looking back beside the changes', value: costs, limit: 2, unit: 'times' },
    ]
    return tellGoals(goals, print)
  } finally {
    rmSync(folder, { recursive: true, force: true })
    await services.stop()
  }
}

type Bench = Readonly<{ source: Source; client: pg.Client; eventTimes: readonly number[] }>

/** A table that is read once and then polled, while something is measured. */
async function benched<Result>(
  url: string,
  rows: number,
  folder: string,
  polling: Polling,
  measure: (bench: Bench) => Promise<Result>,
): Promise<Result> {
  await fillPayments(url, rows, 'random')
  const stop = new AbortController()
  const eventTimes: number[] = []
  let isLoaded = false
  const { log } = countingLog(
    () => undefined,
    () => void (isLoaded && eventTimes.push(performance.now())),
  )
  const made = benchedSource(url, log, createProjections(folder), stop.signal, {
    everyMs: POLL_MS,
    ...polling,
  })
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const running = made.source.run('run')
  try {
    while ((made.source.statuses()[0]?.lastRun ?? null) === null) await sleep(100)
    isLoaded = true
    const result = await measure({ source: made.source, client, eventTimes })
    if (made.failures.length > 0) throw new Error(made.failures.join('\n'))
    return result
  } finally {
    stop.abort()
    await running.catch(() => undefined)
    await client.end()
  }
}

/** Milliseconds that a poll takes which finds nothing, the median of many. */
async function idlePoll({ source }: Bench): Promise<number> {
  const took: number[] = []
  const seen = new Set<string>()
  // A feed is at rest some seconds after its load: connections, caches and compiled code.
  await sleep(5_000)
  while (took.length < 50) {
    const last = source.statuses()[0]?.lastRun
    if (last && !seen.has(last.at)) {
      seen.add(last.at)
      took.push(last.tookMs)
    }
    await sleep(POLL_MS / 4)
  }
  return median(took)
}

/** Milliseconds from a commit to its event in the log, the median of many. */
async function changeToLog({ client, eventTimes }: Bench): Promise<number> {
  const late: number[] = []
  for (let change = 0; change < 60; change += 1) {
    const before = eventTimes.length
    await client.query(
      `UPDATE payment SET memo = $1, updated_at = clock_timestamp() WHERE payment_no =
        (SELECT payment_no FROM payment OFFSET $2 LIMIT 1)`,
      [`latency ${change}`, change * 7],
    )
    const committed = performance.now()
    while (eventTimes.length === before) await sleep(1)
    late.push((eventTimes.at(-1) ?? committed) - committed)
    await sleep((change * 37) % POLL_MS)
  }
  return median(late)
}

async function compared({ source, client }: Bench) {
  await client.query(
    `UPDATE payment SET memo = 'blind' WHERE payment_no IN (SELECT payment_no FROM payment ORDER BY payment_no LIMIT ${DIFFERENCES})`,
  )
  const began = performance.now()
  const before = process.memoryUsage().rss
  let most = before
  const ask = async (begin: { heal: boolean; beyondFuse: boolean } | null) => {
    const decision = { by: 'bench', reason: 'bench' }
    const answer = await source.request({ verb: 'reconcile', feed: FEED, begin, decision })
    return answer as unknown as SweepStatus
  }
  let status = await ask({ heal: false, beyondFuse: false })
  while (status.statement === null && status.failed === null) {
    most = Math.max(most, process.memoryUsage().rss)
    await sleep(50)
    status = await ask(null)
  }
  if (status.statement === null) throw new Error(status.failed ?? 'The comparison came to nothing.')
  const { rowsSent, changed }: Statement = status.statement
  const seconds = (performance.now() - began) / 1_000
  return { sent: rowsSent, found: changed, seconds, growth: (most - before) / 1e6 }
}

/** What looking back costs, as a multiple of what the changes themselves do: CPU time of this process. */
async function overlapCosts(url: string, folder: string, print: (line: string) => void): Promise<number> {
  const cost = (name: string, overlap: unknown) =>
    benched(url, SMALL_ROWS, join(folder, name), { everyMs: 1_000, overlap }, async ({ client }) => {
      await sleep(3_000)
      const before = process.cpuUsage()
      for (let second = 0; second < CHANGING_SECONDS; second += 1) {
        const next = sleep(1_000)
        // One transaction a second of one statement: what the client itself costs here is next to nothing.
        await client.query(
          `UPDATE payment SET memo = $1, updated_at = clock_timestamp() WHERE payment_no IN
            (SELECT payment_no FROM payment OFFSET $2 LIMIT ${CHANGES_A_SECOND})`,
          [`${name} ${second}`, (second * CHANGES_A_SECOND) % (SMALL_ROWS - CHANGES_A_SECOND)],
        )
        await next
      }
      await sleep(2_000)
      const { user, system } = process.cpuUsage(before)
      return (user + system) / 1e6
    })
  const bare = await cost('bare', [{ reach: '0s' }])
  const usual = await cost('usual', '10m')
  print(
    `${CHANGES_A_SECOND} changes a second for ${CHANGING_SECONDS} s: ${bare.toFixed(1)} CPU s without overlap, ${usual.toFixed(1)} with the usual one`,
  )
  return (usual - bare) / bare
}
