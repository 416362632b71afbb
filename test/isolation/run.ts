import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { ControlAnswer, ControlRequest } from '../../gateway/control/protocol.ts'
import { decodeEvent } from '../../gateway/envelope.ts'
import type { GatewayStatus } from '../../gateway/gateway.ts'
import { openEmbeddedReader } from '../../gateway/log/embedded.ts'
import { askGateway, controlPath } from '../../gateway/node/control-socket.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'
import { type GatewayProcess, installation } from '../kit/gateway-process.ts'
import type { LoopLag } from './loop-lag.ts'
import { openDripping, openHanging } from './proxies.ts'
import { type DatabaseAddress, gatewayFiles, HEALTHY, SICK, TABLES, tableOf } from './sources.ts'

/** What was seen of a gateway at work; all in ms. */
export type Seen = Readonly<{
  /** Of rows of healthy sources: from the beginning of the poll that read it to when a follower reads its event. */
  pollToLogMs: readonly number[]
  /** From the commit of the row in the source, the wait for the next poll included. */
  commitToLogMs: readonly number[]
  /** Rows of healthy sources that were written and never came. */
  missing: number
  loopLag: LoopLag
  /** How long verbs took at the control socket, of healthy sources and sick ones. */
  verbs: readonly Verb[]
  /** Why sources are tried again, as the status said it meanwhile. */
  reasons: ReadonlyMap<string, string>
  stop: Readonly<{ ms: number; code: number | null; err: string }>
}>

export type Verb = Readonly<{ verb: string; source: string | null; ms: number; refused: string | null }>

export type RunOptions = Readonly<{
  /** Of a superuser, to an empty database for this run alone. */
  databaseUrl: string
  /** Whether the sick sources are there too. */
  withSick: boolean
  /** How long rows are written. */
  forMs: number
}>

/** One row of each healthy source so often. */
const WRITE_EVERY_MS = 100
/** So often, this many more rows that cannot be understood. */
const BAD_ROWS = 20
/** What the burning source has to do from the start: hours of it. */
const BURNING_ROWS = 20_000
/** Rows are written for so long before any counts: what a thread does for the first time takes longest. */
const WARM_UP_MS = 5_000
const LOOK_EVERY_MS = 10
const ARRIVE_MS = 30_000
/** Every source loads its code in a thread of its own. */
const START_MS = 60_000

const LAG_METER = fileURLToPath(new URL('./loop-lag.ts', import.meta.url))

/** Runs a real gateway over PostgreSQL for a while and watches the healthy sources, beside sick ones or alone. */
export async function watchGateway(options: RunOptions): Promise<Seen> {
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-isolation-'))
  const url = new URL(options.databaseUrl)
  const client = new pg.Client({ connectionString: options.databaseUrl })
  await client.connect()
  await client.query(TABLES)
  await client.query(
    `INSERT INTO ${tableOf('burning')} SELECT lpad(n::text, 8, '0'), 'Name', '0010' FROM generate_series(1, $1::int) n`,
    [BURNING_ROWS],
  )
  const database: DatabaseAddress = {
    host: url.hostname,
    port: Number(url.port),
    name: url.pathname.slice(1),
    user: url.username,
  }
  const hanging = await openHanging()
  const dripping = await openDripping(database)
  try {
    const sources = options.withSick ? [...HEALTHY, ...SICK] : HEALTHY
    const lagFile = join(folder, 'lag.json')
    const place = installation(
      folder,
      gatewayFiles(sources, database, { hung: hanging.port, dripping: dripping.port }),
      {
        ISOLATION_PASSWORD: decodeURIComponent(url.password),
        ISOLATION_LAG_FILE: lagFile,
        NODE_OPTIONS: `--import=${LAG_METER}`,
      },
    )
    const running = place.start(['run'])
    const seen = await watchRunning(running, client, folder, options)
    return { ...seen, loopLag: JSON.parse(readFileSync(lagFile, 'utf8')) as LoopLag }
  } finally {
    await Promise.all([hanging.close(), dripping.close(), client.end()])
    rmSync(folder, { recursive: true, force: true })
  }
}

async function watchRunning(
  running: GatewayProcess,
  client: pg.Client,
  folder: string,
  options: RunOptions,
): Promise<Omit<Seen, 'loopLag'>> {
  const ended = new AbortController()
  try {
    await untilAtWork(running, folder)
    const arrivals = follow(join(folder, 'data', 'log'), ended.signal)
    await write(client, { ...options, forMs: WARM_UP_MS }, 8)
    const verbs: Verb[] = []
    const reasons = new Map<string, string>()
    const writing = new AbortController()
    const asking = askForStatus(folder, verbs, reasons, writing.signal)
    const written = await write(client, options, 9)
    writing.abort()
    await asking
    const late = AbortSignal.timeout(ARRIVE_MS)
    while (!late.aborted && [...written.keys()].some((key) => !arrivals.has(key))) await sleep(50)
    const latencies = [...written].flatMap(([key, committedAt]) => {
      const arrival = arrivals.get(key)
      return arrival === undefined ? [] : [{ ...arrival, committedAt }]
    })
    const sources = options.withSick ? [...HEALTHY, ...SICK] : HEALTHY
    for (const source of sources) await pauseAndResume(folder, source, verbs)
    const stop = await stopped(running)
    return {
      pollToLogMs: latencies.map(({ at, polledAt }) => at - polledAt),
      commitToLogMs: latencies.map(({ at, committedAt }) => at - committedAt),
      missing: written.size - latencies.length,
      verbs,
      reasons,
      stop,
    }
  } finally {
    ended.abort()
    running.kill('SIGKILL')
    await running.ended
  }
}

/** Waits until every healthy lane has ended a run, and every sick one has begun one. */
async function untilAtWork(running: GatewayProcess, folder: string): Promise<void> {
  const late = AbortSignal.timeout(START_MS)
  while (!(await isAtWork(folder))) {
    if (late.aborted) running.kill('SIGKILL')
    const ended = await Promise.race([running.ended, sleep(100, null)])
    if (ended !== null) throw new Error(`The gateway does not come to work: ${ended.err}`)
  }
}

async function isAtWork(folder: string): Promise<boolean> {
  const answer = await ask(folder, { verb: 'status' })
  if (answer?.ok !== true) return false
  const { sources } = answer.value as unknown as GatewayStatus
  const isWell = (name: string) => HEALTHY.some((healthy) => healthy === name)
  return sources.every(
    ({ source, lanes, trouble }) =>
      trouble !== null ||
      lanes.some(({ state, lastRun }) => (isWell(source) ? lastRun !== null : state !== 'starting')),
  )
}

async function stopped(running: GatewayProcess): Promise<Seen['stop']> {
  const asked = performance.now()
  running.kill('SIGTERM')
  const { code, err } = await running.ended
  return { ms: performance.now() - asked, code, err }
}

/** Epoch milliseconds with fractions. */
function nowMs(): number {
  return performance.timeOrigin + performance.now()
}

/** Writes a row into each healthy table again and again; when each was committed, by system and code. */
async function write(
  client: pg.Client,
  { withSick, forMs }: RunOptions,
  series: 8 | 9,
): Promise<ReadonlyMap<string, number>> {
  const written = new Map<string, number>()
  const end = performance.now() + forMs
  for (let n = 1; performance.now() < end; n += 1) {
    const next = sleep(WRITE_EVERY_MS)
    const code = `${series}${String(n).padStart(7, '0')}`
    for (const source of HEALTHY) {
      await client.query(`INSERT INTO ${tableOf(source)} VALUES ($1, 'Name', '0010')`, [code])
      written.set(`${source} ${code}`, nowMs())
    }
    if (withSick) {
      await client.query(
        `INSERT INTO ${tableOf('rejecting')} SELECT $1 || lpad(n::text, 4, '0'), 'Name', 'unknown' FROM generate_series(1, $2::int) n`,
        [code, BAD_ROWS],
      )
      // New ones come while the old ones are far from done.
      await client.query(`INSERT INTO ${tableOf('burning')} VALUES ($1, 'Name', '0010')`, [code])
    }
    await next
  }
  return written
}

type Arrival = Readonly<{ at: number; polledAt: number }>

/** Reads the log on and on beside the gateway; when each event was there, by system and code. */
function follow(logFolder: string, signal: AbortSignal): ReadonlyMap<string, Arrival> {
  const arrivals = new Map<string, Arrival>()
  const loop = async () => {
    const reader = openEmbeddedReader({ folder: logFolder, runtime: createRuntime() })
    const partition = { topic: 'erp.item.v1', partition: 0 }
    for (let position = 0; !signal.aborted; await sleep(LOOK_EVERY_MS)) {
      if ((await reader.end(partition, signal)) === position) continue
      for await (const chunk of reader.readTo(partition, position, { signal })) {
        const at = nowMs()
        for (const { value, offset } of chunk.records) {
          position = offset + 1
          if (value === null) continue
          const { source, subject, data } = decodeEvent(value)
          const [, , system] = source.split('/')
          const key = `${system} ${subject}`
          const { en } = data['names'] as { en: string }
          if (!arrivals.has(key)) arrivals.set(key, { at, polledAt: Number(en) * 1_000 })
        }
      }
    }
    await reader.close()
  }
  void loop()
  return arrivals
}

function ask(folder: string, request: ControlRequest): Promise<ControlAnswer | null> {
  return askGateway(controlPath(join(folder, 'data'), process.platform, tmpdir()), request)
}

const STATUS_EVERY_MS = 500

/** Asks for the status again and again, and notes what it says of sources that are tried again. */
async function askForStatus(
  folder: string,
  verbs: Verb[],
  reasons: Map<string, string>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const answer = await timed(folder, verbs, null, { verb: 'status' })
    if (answer?.ok === true) {
      const { sources } = answer.value as unknown as GatewayStatus
      for (const { source, lanes } of sources) {
        for (const { retry } of lanes) if (retry !== null) reasons.set(source, retry.reason)
      }
    }
    await sleep(STATUS_EVERY_MS)
  }
}

async function pauseAndResume(folder: string, source: string, verbs: Verb[]): Promise<void> {
  const decision = { by: 'isolation', reason: 'to see how long it takes' }
  for (const verb of ['pause', 'resume'] as const) {
    await timed(folder, verbs, source, { verb, source, feed: null, decision })
  }
}

async function timed(
  folder: string,
  verbs: Verb[],
  source: string | null,
  request: ControlRequest,
): Promise<ControlAnswer | null> {
  const began = performance.now()
  const answer = await ask(folder, request)
  const refused = answer === null ? 'nobody listens' : answer.ok ? null : answer.message
  verbs.push({ verb: request.verb, source, ms: performance.now() - began, refused })
  return answer
}
