import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Statement } from '../../gateway/reconcile/statement.ts'
import { marksOf } from '../chaos/judge.ts'
import type { Published } from '../kit/checkers/facts.ts'
import { installation } from '../kit/gateway-process.ts'
import { EMBEDDED } from '../kit/log-reading.ts'
import { seededRandom } from '../kit/random.ts'
import { LATE_FEEDS, LATE_MAPPING, type LateFeed, lateConfig, POLL_MS, wideEveryMs } from './feeds.ts'
import { type LateTruth, type LateVerdict, lateVerdict, readTruth } from './verdict.ts'
import { makeLateWorld } from './world.ts'

export type LateOutcome = Readonly<{
  feed: LateFeed
  events: number
  polled: LateVerdict
  /** After one sweep; null where there is none. */
  swept: LateVerdict | null
  statement: Statement | null
}>

export type LateRun = Readonly<{
  changes: number
  seconds: number
  outcomes: readonly LateOutcome[]
  /** Of documents, in how many a poller that asks for what is above the highest value it saw ends wrong. */
  naiveLost: number
  documents: number
}>

export type LateRunOptions = Readonly<{
  databaseUrl: string
  changes: number
  /** Transactions are late by up to this. */
  windowMs: number
  /** How far the gateway may be behind on a machine that does this, the writing, and whatever else. */
  behindMs: number
  seed: string
  print(line: string): void
}>

/** How long nothing more must come until polls are through. */
const QUIET_MS = 5_000

/** Lets writers loose on a table that five feeds and a naive poller follow, and judges what each of them has seen. */
export async function runLate(options: LateRunOptions): Promise<LateRun> {
  const { databaseUrl, windowMs, print } = options
  const began = performance.now()
  const random = seededRandom(options.seed)
  const world = await makeLateWorld(databaseUrl, { windowMs, random, nightAfterMs: windowMs / 2 })
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-late-'))
  const files = {
    'gateway.yaml': lateConfig(databaseUrl, world, windowMs),
    'mappings/late/doc.yaml': LATE_MAPPING,
  }
  const gateway = installation(folder, files, { LATE_PASSWORD: 'read' })
  const running = gateway.start(['run'])
  try {
    // A version that was overwritten while the gateway was still starting would prove nothing.
    await world.write(1)
    await untilQuiet(folder, POLL_MS, LATE_FEEDS.length)
    const naive = await startNaive(databaseUrl)
    const changes = await world.write(options.changes)
    print(`${changes} changes are committed; polls are given time`)
    await untilQuiet(folder, wideEveryMs(windowMs) + QUIET_MS)
    const seen = await naive.stop()
    const truth = await readTruth(databaseUrl)
    const currentMs = POLL_MS + wideEveryMs(windowMs) + options.behindMs
    const polled = await verdicts(folder, truth, { isSwept: false, currentMs })
    const statements = new Map<string, Statement>()
    for (const { name, isSwept } of LATE_FEEDS) {
      if (!isSwept) continue
      const { code, out, err } = await gateway.erpgw('reconcile', name, 'docs', '--heal', '--json')
      if (code !== 0) throw new Error(`erpgw reconcile ${name} ended with ${code}: ${err}${out}`)
      statements.set(name, JSON.parse(out) as Statement)
    }
    const swept = await verdicts(folder, truth, { isSwept: true, currentMs })
    const outcomes = LATE_FEEDS.map((feed): LateOutcome => {
      const [before, after] = [polled.get(feed.name), swept.get(feed.name)]
      if (before === undefined || after === undefined) throw new Error(`There is no verdict on ${feed.name}.`)
      return {
        feed,
        events: after.events,
        polled: before.verdict,
        swept: feed.isSwept ? after.verdict : null,
        statement: statements.get(feed.name) ?? null,
      }
    })
    const naiveLost = [...truth].filter(([no, all]) => {
      const last = all.at(-1)?.content ?? null
      // It cannot see deletions, and is not blamed for them.
      return last !== null && seen.get(no) !== last
    }).length
    const seconds = (performance.now() - began) / 1_000
    return { changes, seconds, outcomes, naiveLost, documents: truth.size }
  } finally {
    running.kill('SIGTERM')
    const { err } = await running.ended
    if (/error/i.test(err)) print(err.slice(-2_000))
    await world.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Waits until there are so many events and no more for so long: a machine that does all this may be behind. */
async function untilQuiet(folder: string, quietMs: number, least = 0): Promise<void> {
  let events = -1
  let since = performance.now()
  for (let looks = 0; looks < QUIET_LOOKS_MAX && performance.now() - since < quietMs; looks += 1) {
    const now = existsSync(join(folder, 'data', 'log')) ? await endsOf(folder) : 0
    if (now !== events || now < least) since = performance.now()
    events = now
    await sleep(1_000)
  }
}

const QUIET_LOOKS_MAX = 600

async function endsOf(folder: string): Promise<number> {
  const reader = EMBEDDED.open(join(folder, 'data'))
  let sum = 0
  for (const { name, partitions } of await reader.topics()) {
    if (!name.startsWith('erp.')) continue
    for (let partition = 0; partition < partitions; partition += 1)
      sum += await reader.end({ topic: name, partition }, new AbortController().signal)
  }
  await reader.close()
  return sum
}

async function verdicts(
  folder: string,
  truth: LateTruth,
  of: Readonly<{ isSwept: boolean; currentMs: number }>,
): Promise<ReadonlyMap<string, Readonly<{ verdict: LateVerdict; events: number }>>> {
  const events = Map.groupBy(await eventsIn(folder), ({ recordKey }) => recordKey.split('/')[0] ?? '')
  return new Map(
    LATE_FEEDS.map((feed) => {
      const own = events.get(feed.name) ?? []
      return [feed.name, { verdict: lateVerdict(feed, truth, own, of), events: own.length }]
    }),
  )
}

/** Of each event only what is judged: a million of them must fit into memory. */
async function eventsIn(folder: string): Promise<readonly Published[]> {
  const reader = EMBEDDED.open(join(folder, 'data'))
  const found: Published[] = []
  for (const { name, partitions } of await reader.topics()) {
    if (!name.startsWith('erp.')) continue
    for (let partition = 0; partition < partitions; partition += 1) {
      const place = { topic: name, partition }
      for await (const { records } of reader.readTo(place, 0, { signal: new AbortController().signal })) {
        for (const { event, ...rest } of marksOf(records)) {
          const { type, revision, lineage, data } = event
          found.push({ ...rest, event: { type, revision, lineage, data } as Published['event'] })
        }
      }
    }
  }
  await reader.close()
  return found
}

/** What most pollers do: everything above the highest value seen, by the column's order. */
async function startNaive(databaseUrl: string) {
  const client = new pg.Client({ connectionString: databaseUrl })
  client.on('error', () => undefined)
  await client.connect()
  const seen = new Map<number, string>()
  const stopping = new AbortController()
  let high = '-infinity'
  const poll = async () => {
    const { rows } = await client.query<{ no: number; content: string; changed: string }>(
      `SELECT no, content, changed::text AS at, changed::text FROM doc WHERE changed > $1::timestamptz ORDER BY doc.changed, no`,
      [high],
    )
    for (const { no, content } of rows) seen.set(no, content)
    high = rows.at(-1)?.changed ?? high
  }
  const polling = (async () => {
    while (!stopping.signal.aborted) {
      await poll()
      await sleep(POLL_MS)
    }
  })()
  return {
    async stop(): Promise<ReadonlyMap<number, string>> {
      stopping.abort()
      await polling
      await poll()
      await client.end()
      return seen
    },
  }
}
