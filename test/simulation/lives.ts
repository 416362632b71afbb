import type { AnyAdapter } from '../../adapters/registry.ts'
import { type Incarnation, incarnate, Revoked } from '../../gateway/incarnation.ts'
import type { LaneMutation } from '../../gateway/lane/lane-options.ts'
import { LogError } from '../../gateway/log/errors.ts'
import type { MemoryLog } from '../../gateway/log/memory.ts'
import type { Http, Ports } from '../../gateway/ports.ts'
import { createRedactor } from '../../gateway/redactor.ts'
import { createTasks, type HistoryEntry, NO_FAILPOINTS } from '../../gateway/runtime.ts'
import type { Random } from '../kit/random.ts'
import type { SimulatedRuntime } from '../kit/simulated-runtime.ts'
import { createDisk, type Disk } from './disk.ts'
import { type LogMutation, mutatedLog } from './mutated-log.ts'
import type { Plan } from './plan.ts'
import { SOURCE, startGateway, type ToyGateway } from './toy-gateway.ts'

/** The gateways of a run, one after the other and now and then two at once. */
export type Lives = Readonly<{
  /** From now on nobody is killed any more, and who was only fenced is. */
  calm(): void
  /** The one at work, or null while none is. */
  current(): Readonly<{ gateway: ToyGateway; disk: Disk }> | null
  /** What went wrong that no fault explains. */
  failures: readonly string[]
  count(): number
}>

export type LivesOptions = Readonly<{
  simulated: SimulatedRuntime
  plan: Plan
  log: MemoryLog
  http: Http
  adapter: AnyAdapter
  mutations: ReadonlySet<LaneMutation>
  logMutations: ReadonlySet<LogMutation>
}>

type Life = Readonly<{ number: number; incarnation: Incarnation; gateway: ToyGateway; disk: Disk }>

/** Shortest and longest time between a death and the next life. */
const RESTART_MS = [100, 60_000] as const
/** A life that ends at a call ends within so many of them: often in its recovery. */
const CALLS_MAX = [60, 600, 6_000] as const
/** How often somebody looks after the one that is left. */
const LOOK_MS = 60_000
/** How long the next life may take to begin while the one before still goes on. */
const ZOMBIE_MS_MAX = 240_000

export function startLives(options: LivesOptions): Lives {
  const { simulated, plan } = options
  const random = simulated.random.fork('lives')
  const failures: string[] = []
  const living = new Set<Life>()
  const befall = createMishaps(options, random)
  const mappingVersion = createEdits(plan, random)
  let disk = createDisk()
  let current: Life | null = null
  let count = 0
  let isCalm = false

  const begin = () => {
    count += 1
    const callsLeft = random.chance(plan.lives.endsAtCallChance)
      ? random.below(random.pick(CALLS_MAX))
      : Number.POSITIVE_INFINITY
    const life = startLife(options, {
      number: count,
      disk,
      mappingVersion: mappingVersion(),
      callsLeft,
      isCalm: () => isCalm,
      ended,
      failures,
    })
    current = life
    living.add(life)
    if (Number.isFinite(callsLeft)) return
    simulated.after(-Math.log(1 - random.float()) * plan.lives.meanMs, () => {
      if (!isCalm && living.has(life)) end(life)
    })
  }
  const ended = (number: number) => {
    for (const life of living) if (life.number === number) living.delete(life)
    if (current?.number !== number) return
    current = null
    simulated.trace(`life ${number} ends`)
    if (!isCalm && random.chance(plan.lives.mishapChance)) befall(disk)
    simulated.after(random.between(...RESTART_MS), begin)
  }
  const kill = (life: Life) => {
    life.incarnation.crash()
    ended(life.number)
  }
  const end = (life: Life) => {
    if (!random.chance(plan.lives.zombieChance)) return kill(life)
    // Another machine takes over, with a projection of its own, and nobody tells the first.
    simulated.trace(`life ${life.number} is left behind`)
    disk = random.chance(0.5) ? life.disk.copy() : createDisk()
    begin()
    simulated.after(random.below(ZOMBIE_MS_MAX), () => kill(life))
  }
  // Whom a life left behind has fenced in passing stands still until somebody starts it again.
  const restartFenced = () => {
    if (current?.gateway.statuses().some(({ stopped }) => stopped?.code === 'FENCED') === true) kill(current)
    simulated.after(LOOK_MS, restartFenced)
  }
  begin()
  return {
    failures,
    count: () => count,
    current: () => current,
    calm() {
      isCalm = true
      for (const life of living) if (life !== current) kill(life)
      restartFenced()
    },
  }
}

/** What befalls projections while nobody runs: they are lost, ahead of the log, or an old copy is put back. */
function createMishaps({ simulated, plan }: LivesOptions, random: Random): (disk: Disk) => void {
  let restore: Readonly<{ disk: Disk; run: () => void }> | null = null
  return (disk) => {
    const kind = random.pick(['lost', 'ahead', 'backup taken', 'backup restored'] as const)
    simulated.trace(`projections: ${kind}`)
    const lanes = plan.feeds.map(({ name }) => `${SOURCE}.${name}`)
    if (kind === 'lost') for (const lane of lanes) disk.lose(lane)
    if (kind === 'ahead') for (const lane of lanes) disk.moveAhead(lane, 1_000)
    if (kind === 'backup restored' && restore?.disk === disk) restore.run()
    if (kind !== 'backup taken') return
    const backups = lanes.map((lane) => disk.backup(lane))
    restore = { disk, run: () => backups.forEach((run) => void run()) }
  }
}

/** The version of the mappings for the next life: now and then somebody has edited them meanwhile. */
function createEdits(plan: Plan, random: Random): () => string {
  let edits = 1
  return () => {
    if (random.chance(plan.lives.editChance)) edits += 1
    return `v${edits}`
  }
}

function startLife(
  options: LivesOptions,
  life: Readonly<{
    number: number
    disk: Disk
    mappingVersion: string
    callsLeft: number
    isCalm: () => boolean
    ended: (number: number) => void
    failures: string[]
  }>,
): Life {
  const { simulated, plan, log, http, adapter, mutations, logMutations } = options
  const { number, disk, mappingVersion, failures } = life
  simulated.trace(`life ${number} begins`)
  const failed = (what: string, error: unknown) => {
    if (error instanceof Revoked) return
    simulated.trace(`#${number} ${what} failed: ${error}`)
    if (error instanceof LogError && error.remedy === 'retry') return
    failures.push(`Life ${number}: ${what} failed: ${error instanceof Error ? error.stack : error}`)
  }
  const ports: Ports = {
    runtime: simulated.runtime,
    tasks: createTasks(({ owner, name }, error) => failed(`${owner} ${name}`, error)),
    logger: loggerOf(simulated, number),
    failpoints: NO_FAILPOINTS,
    history: { record: (entry) => simulated.trace(lineOf(entry)) },
    log: log.connect(),
    projections: disk.projections,
    http,
    files: { read: () => null, list: () => null },
    secrets: { read: () => null },
    redactor: createRedactor(),
    names: { resolve: async () => null },
  }
  let callsLeft = life.callsLeft
  const incarnation = incarnate(ports, {
    number,
    onCall() {
      if (life.isCalm() || callsLeft-- > 0) return 'go-on'
      // Outside of the call that dies: the next life begins with a clean stack.
      simulated.after(0, () => life.ended(number))
      return 'crash'
    },
  })
  const gateway = startGateway(
    {
      ports: { ...incarnation.ports, log: mutatedLog(incarnation.ports.log, logMutations) },
      adapter,
      feeds: plan.feeds,
      mappingVersion,
      mutations,
      failed,
    },
    new AbortController().signal,
  )
  return { number, incarnation, gateway, disk }
}

function loggerOf(simulated: SimulatedRuntime, number: number): Ports['logger'] {
  const log = (message: string, fields?: object) =>
    simulated.trace(`#${number} says: ${message} ${JSON.stringify(fields ?? {})}`)
  return { info: log, warn: log, error: log }
}

function lineOf({ incarnation, port, operation, phase, detail }: HistoryEntry): string {
  const kind = typeof detail === 'object' && detail !== null && 'kind' in detail ? ` ${detail.kind}` : ''
  return `#${incarnation} ${port}.${operation} ${phase}${kind}`
}
