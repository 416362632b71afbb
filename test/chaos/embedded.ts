import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { FAILPOINTS, type FailpointName } from '../../gateway/runtime.ts'
import { contentOf, groupBy, type Published, type RowVersion, type Violation } from '../kit/checkers/facts.ts'
import { gaplessRevisions } from '../kit/checkers/gapless-revisions.ts'
import { deletesTrue, orderPerKey } from '../kit/checkers/order-per-key.ts'
import { uniqueIds } from '../kit/checkers/unique-ids.ts'
import { type Installation, installation } from '../kit/gateway-process.ts'
import { readEvents } from '../kit/log-reading.ts'
import { type Random, seededRandom } from '../kit/random.ts'

/** How a gateway is killed: at a step of its protocol, or so long after its start. */
export type Kill = Readonly<{ at: FailpointName; nth: number } | { afterMs: number }>

export type ChaosResult = Readonly<{
  /** Kills by step; `random` for the others. A step that was never reached counts 0. */
  kills: Readonly<Record<string, number>>
  writes: number
  events: number
  violations: readonly Violation[]
}>

/** The steps of the lane and of the log; those of the publisher have a run of their own. */
/** Reached once by each lane of a process, so they are killed at the first time. */
const START_STEPS: readonly FailpointName[] = ['lane.after-fence', 'lane.after-catch-up']

/** One kill at each step, the first to the third time that it is reached. */
export function killsAtSteps(random: Random): readonly Kill[] {
  return LANE_STEPS.map((at) => ({ at, nth: START_STEPS.includes(at) ? 1 : 1 + random.below(3) }))
}

export const LANE_STEPS = FAILPOINTS.filter((name) => !name.startsWith('publisher.'))

/**
 * Kills a gateway on the embedded log again and again while rows are written, then lets it finish and compares: per key
 * gapless revisions that end at the row's value, each id once, nothing that the row never was. Every write carries a
 * mark of its own.
 */
export async function chaosEmbedded(
  options: Readonly<{
    databaseUrl: string
    folder: string
    kills: readonly Kill[]
    seed: string
    report(line: string): void
  }>,
): Promise<ChaosResult> {
  const random = seededRandom(options.seed)
  const place = installation(options.folder, filesFor(options.databaseUrl), {
    CHAOS_PASSWORD: new URL(options.databaseUrl).password || 'none',
  })
  const workload = await startWorkload(options.databaseUrl, join(options.folder, 'drop'), random)
  const kills: Record<string, number> = {}
  for (const [index, kill] of options.kills.entries()) {
    const name = 'at' in kill ? kill.at : 'random'
    const isKilled = await runAndKill(place, kill)
    kills[name] = (kills[name] ?? 0) + (isKilled ? 1 : 0)
    options.report(`${index + 1}/${options.kills.length} ${name}: ${isKilled ? 'killed' : 'never reached'}`)
  }
  const truth = await workload.stop()
  const last = await place.erpgw('run', '--once')
  const violations: Violation[] = []
  if (last.code !== 0) violations.push({ checker: 'ends-well', sentence: `The last run failed: ${last.err}` })
  const events = await readMarks(options.folder)
  violations.push(...judge(events, truth))
  return { kills, writes: workload.writes(), events: events.length, violations }
}

/** At most this long until a step is reached; a start alone takes two seconds on a slow machine. */
const REACH_MS = 20_000

async function runAndKill(place: Installation, kill: Kill): Promise<boolean> {
  const environment = 'at' in kill ? { ERPGW_FAILPOINT: `${kill.at}:${kill.nth}` } : {}
  const running = place.start(['run'], environment)
  const limit = AbortSignal.timeout('at' in kill ? REACH_MS : kill.afterMs)
  const late = new Promise<null>((resolve) => limit.addEventListener('abort', () => resolve(null)))
  const early = await Promise.race([running.ended, late])
  if (early === null) running.kill('SIGKILL')
  const { signal } = await running.ended
  return 'at' in kill ? early !== null && signal === 'SIGKILL' : true
}

type Workload = Readonly<{ stop(): Promise<Map<string, RowVersion[]>>; writes(): number }>

/** Keys of each table: few, so that each changes often. */
const KEYS = 60

/** Writes to both tables until it is stopped; what it committed, by record key. */
async function startWorkload(databaseUrl: string, dropFolder: string, random: Random): Promise<Workload> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(TABLES)
  const truth = new Map<string, RowVersion[]>()
  const state = { isStopping: false, writes: 0 }
  const drop = createDrops(dropFolder, truth, random)
  const write = async () => {
    const table = random.chance(0.5) ? 'touched' : 'plain'
    const code = `${table}-${random.below(KEYS)}`
    const versions = truth.get(recordKey(code)) ?? []
    truth.set(recordKey(code), versions)
    const isThere = versions.at(-1)?.kind === 'value'
    state.writes += 1
    // Only the feed that reads everything can see deletions; a touched table never loses a row here.
    if (isThere && table === 'plain' && random.chance(0.2)) {
      await client.query(`DELETE FROM ${table} WHERE code = $1`, [code])
      versions.push({ at: 0, kind: 'gone' })
      return
    }
    const mark = `mark ${state.writes}`
    await client.query(
      `INSERT INTO ${table} (code, mark, flag) VALUES ($1, $2, $3)
       ON CONFLICT (code) DO UPDATE SET mark = excluded.mark, flag = excluded.flag, updated_at = clock_timestamp()`,
      [code, mark, random.chance(0.5) ? 'A' : 'B'],
    )
    versions.push({ at: 0, kind: 'value', content: contentOf({ mark }) })
  }
  const loop = (async () => {
    while (!state.isStopping) {
      await write()
      if (random.chance(0.02)) state.writes += drop()
      await new Promise((resolve) => setTimeout(resolve, random.below(8)))
    }
  })()
  return {
    writes: () => state.writes,
    async stop() {
      state.isStopping = true
      await loop
      await client.end()
      return truth
    },
  }
}

/** Drops files with new states of some records, each renamed into place; every call returns how many it wrote. */
function createDrops(folder: string, truth: Map<string, RowVersion[]>, random: Random): () => number {
  mkdirSync(folder, { recursive: true })
  let files = 0
  return () => {
    files += 1
    const lines = Array.from({ length: 1 + random.below(40) }, (_, line) => {
      const code = `dropped-${random.below(KEYS)}`
      const mark = `file ${files} line ${line}`
      const versions = truth.get(recordKey(code)) ?? []
      truth.set(recordKey(code), [...versions, { at: 0, kind: 'value', content: contentOf({ mark }) }])
      return `${code},${mark},A`
    })
    const path = join(folder, `drop-${String(files).padStart(6, '0')}.csv`)
    writeFileSync(`${path}.tmp`, ['code,mark,flag', ...lines, ''].join('\n'))
    renameSync(`${path}.tmp`, path)
    return lines.length
  }
}

const TABLES = `
  CREATE TABLE touched (code text PRIMARY KEY, mark text NOT NULL, flag text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp());
  CREATE INDEX ON touched (updated_at, code);
  CREATE TABLE plain (code text PRIMARY KEY, mark text NOT NULL, flag text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp());`

function recordKey(code: string): string {
  return `chaos/001/${code}`
}

function filesFor(databaseUrl: string): Record<string, string> {
  const { hostname, port, username, pathname } = new URL(databaseUrl)
  return {
    'gateway.yaml': `
companies:
  001: { name: Chaos, currency: HKD, zone: UTC }
data: ./data
log: { driver: embedded, partitions: 3 }
mappings: [./mappings]
sources:
  erp:
    kind: database
    system: chaos
    company: 001
    zone: UTC
    connection: { engine: postgres, host: ${hostname}, port: ${port}, database: ${pathname.slice(1)}, user: ${username}, password: env:CHAOS_PASSWORD }
    poll: { every: 100ms }
    feeds:
      touched:
        mapping: chaos/item
        table: touched
        key: [code]
        cursor: { strategy: watermark, columns: [updated_at], overlap: 5s }
      plain:
        mapping: chaos/item
        table: plain
        key: [code]
        cursor: { strategy: snapshot }
        fuse: { deleted: 100% }
  files:
    kind: file-drop
    system: chaos
    company: 001
    zone: UTC
    connection: { transport: folder, path: ./drop }
    poll: { every: 100ms }
    feeds:
      dropped:
        mapping: chaos/item
        files: "drop-*.csv"
        format: { kind: csv, encoding: utf-8, header: first-row }
        key: [code]
        content: partial
        finished: { by: rename }
        cursor: { strategy: files, order: name }
`,
    'mappings/chaos/item.yaml': `
mapping: chaos/item
entity: item
version: 1
key: [code]
fields:
  item: { from: code, as: code, name: mark }
  group: { from: flag, as: code }
`,
  }
}

/** Everything in the log, with the mark as the content: what else an event says does not matter here. */
async function readMarks(folder: string): Promise<readonly Published[]> {
  const events = await readEvents(join(folder, 'data'), 'item')
  return events.map((published) => {
    const item = published.event.data['item'] as { name?: string } | undefined
    return { ...published, event: { ...published.event, data: { mark: item?.name ?? null } } }
  })
}

function judge(events: readonly Published[], truth: ReadonlyMap<string, readonly RowVersion[]>): Violation[] {
  const violations = [
    ...gaplessRevisions(events),
    ...uniqueIds(events),
    ...orderPerKey(events, truth),
    ...deletesTrue(events, truth),
  ]
  const runs = groupBy(events, (published) => published.recordKey)
  for (const [key, versions] of truth) {
    const said = saidBy(runs.get(key)?.at(-1))
    const is = versions.at(-1)
    const value = is?.kind === 'value' ? is.content : 'nothing'
    if (said !== value) {
      violations.push({ checker: 'ends-at-value', sentence: `${key} is ${value}, the log ends at ${said}.` })
    }
  }
  return violations
}

function saidBy(published: Published | undefined): string {
  if (published === undefined || published.event.type.endsWith('.deleted.v1')) return 'nothing'
  return contentOf(published.event.data)
}
