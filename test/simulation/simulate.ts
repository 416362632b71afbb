import type { AnyAdapter } from '../../adapters/registry.ts'
import type { LaneMutation } from '../../gateway/lane/lane-options.ts'
import { createMemoryLog } from '../../gateway/log/memory.ts'
import { createSeededFaults, type MemoryFaults } from '../../gateway/log/memory-faults.ts'
import type { Violation } from '../kit/checkers/facts.ts'
import { EPOCH_MS, type SimulatedRuntime, simulatedRuntime } from '../kit/simulated-runtime.ts'
import { startLives } from './lives.ts'
import { isLogMutation, LOG_MUTATIONS } from './mutated-log.ts'
import { startOperator } from './operator.ts'
import { type Plan, planOf } from './plan.ts'
import { createToyDingTalk } from './toy-dingtalk.ts'
import { createToyErp } from './toy-erp.ts'
import { CONTACTS, SOURCE } from './toy-gateway.ts'
import { type Remains, readAll, violationsOf } from './verdict.ts'
import { createWorld } from './world.ts'
import { startWriters } from './writers.ts'

/** Guards that can be switched off, to see that a checker notices. */
export const MUTATIONS = [
  'projection-before-commit',
  'cursor-outside-transaction',
  'fence-ignored',
  'overlap-off',
  ...LOG_MUTATIONS,
] as const

export type Mutation = (typeof MUTATIONS)[number]

export function isMutation(name: string): name is Mutation {
  return MUTATIONS.some((known) => known === name)
}

export type Simulated = Readonly<{
  violations: readonly Violation[]
  traceHash: string
  steps: number
  lives: number
  events: number
}>

const PARTITIONS = 2
const STEPS_MAX = 3_000_000
/** Within so long after the last fault everything is delivered. */
const SETTLE_MINUTES = 6
/** A publisher that finds a deadline far ahead, since the clock stepped back, trusts it for twelve minutes and a half. */
const CLOCK_SETTLE_MINUTES = 15
const MINUTE_MS = 60_000

/**
 * One seed: the production lanes and publisher over a toy ERP, a toy DingTalk, the memory log and projections that
 * outlive them, in virtual time, killed at any call. Trouble comes first, then quiet, then judgement.
 */
export async function simulate(
  seed: number,
  options: Readonly<{
    mutations?: ReadonlySet<Mutation>
    echo?: (line: string) => void
    /** What is otherwise in the seed. */
    alter?: (plan: Plan) => Plan
    /** Shown what is about to be judged. */
    inspect?: (remains: Remains) => void
  }> = {},
): Promise<Simulated> {
  const { mutations = new Set<Mutation>(), echo, alter = (same) => same, inspect = () => {} } = options
  const simulated = simulatedRuntime(String(seed), echo)
  const plan = alter(planOf(simulated.random.fork('plan')))
  simulated.trace(JSON.stringify(plan))
  const world = createWorld(
    simulated,
    plan.feeds.map(({ name }) => name),
  )
  const writers = startWriters(simulated, world, plan.habits)
  const erp = createToyErp(simulated, world, SOURCE, mutations)
  const chat = createToyDingTalk(simulated, CONTACTS)
  const weather = startWeather(simulated, plan, mutations.has('fence-ignored'))
  const { faults } = weather
  const log = createMemoryLog({ runtime: simulated.truth, partitions: PARTITIONS, faults })
  const troubles = startTroubles(simulated, plan, erp.moods, chat.moods)
  const lives = startLives({
    simulated,
    plan,
    log,
    http: chat.http,
    adapter: erp.adapter as unknown as AnyAdapter,
    mutations: new Set([...mutations].filter(isLaneMutation)),
    logMutations: new Set([...mutations].filter(isLogMutation)),
  })
  const operator = startOperator(simulated, plan, lives)
  const stepsMax = STEPS_MAX
  await simulated.run(EPOCH_MS + plan.troubleMs, { stepsMax })
  writers.stop()
  await simulated.run(EPOCH_MS + plan.troubleMs + 60 * MINUTE_MS, {
    stepsMax,
    isDone: () => writers.pending() === 0,
  })
  troubles.stop()
  weather.stop()
  lives.calm()
  operator.stop()
  const bound = { at: simulated.now() + SETTLE_MINUTES * MINUTE_MS, minutes: SETTLE_MINUTES }
  await simulated.run(bound.at, { stepsMax })
  const isClockSteady = plan.clockStepEveryMs === 0
  if (!isClockSteady)
    await simulated.run(simulated.now() + (CLOCK_SETTLE_MINUTES - SETTLE_MINUTES) * MINUTE_MS, { stepsMax })
  const records = await readAll(log.connect(), plan, PARTITIONS)
  const remains = { plan, world, erp, chat, lives, records, bound }
  inspect(remains)
  const violations = violationsOf(remains)
  const events = records.filter(({ topic }) => topic.startsWith('erp.')).length
  return {
    violations,
    traceHash: simulated.traceHash(),
    steps: simulated.steps(),
    lives: lives.count(),
    events,
  }
}

function isLaneMutation(mutation: Mutation): mutation is Mutation & LaneMutation {
  return mutation === 'projection-before-commit' || mutation === 'cursor-outside-transaction'
}

/** The log's faults, until they are over. */
function startWeather(
  simulated: SimulatedRuntime,
  plan: Plan,
  ignoreFence: boolean,
): Readonly<{ faults: MemoryFaults; stop(): void }> {
  const seeded = createSeededFaults(simulated.random.fork('log').float, plan.log, ignoreFence)
  let isOver = false
  return {
    stop() {
      isOver = true
    },
    faults: {
      commit: (identity) => (isOver ? null : (seeded.commit?.(identity) ?? null)),
      commitsUndecided: (identity) => seeded.commitsUndecided?.(identity) ?? true,
      delayMs: (step) => (isOver ? 0 : (seeded.delayMs?.(step) ?? 0)),
      isAway: (call) => !isOver && seeded.isAway?.(call) === true,
      rebalances: () => !isOver && seeded.rebalances?.() === true,
      ignoreFence,
    },
  }
}

type Outage = { isDown: boolean; troubleChance: number }

/** Sets the moods of the run, and lets the ERP, DingTalk and the clock have their moments. */
function startTroubles(
  simulated: SimulatedRuntime,
  plan: Plan,
  erp: ReturnType<typeof createToyErp>['moods'],
  chat: Outage,
): Readonly<{ stop(): void }> {
  const random = simulated.random.fork('troubles')
  let isOver = false
  const every = (meanMs: number, run: () => void) => {
    if (meanMs === 0) return
    const wait = () =>
      simulated.after(-Math.log(1 - random.float()) * meanMs, () => {
        if (isOver) return
        run()
        wait()
      })
    wait()
  }
  const outage = (moods: Outage) => () => {
    moods.isDown = true
    simulated.after(random.below(3 * MINUTE_MS), () => {
      moods.isDown = false
    })
  }
  Object.assign(erp, plan.erp)
  chat.troubleChance = plan.chat.troubleChance
  every(plan.erp.outageEveryMs, outage(erp))
  every(plan.chat.outageEveryMs, outage(chat))
  every(plan.clockStepEveryMs, () => simulated.stepWall(random.between(-60, 61) * MINUTE_MS))
  return {
    stop() {
      isOver = true
      for (const moods of [erp, chat]) {
        moods.isDown = false
        moods.troubleChance = 0
      }
      erp.staleChance = 0
      erp.resendChance = 0
    },
  }
}
