import { setTimeout as sleep } from 'node:timers/promises'
import { FAILPOINTS, type FailpointName } from '../../gateway/runtime.ts'
import { TOPICS } from '../../gateway/topics.ts'
import type { GatewayProcess, Installation } from '../kit/gateway-process.ts'
import type { Random } from '../kit/random.ts'
import type { ChaosLog } from './logs.ts'

/**
 * How a gateway dies: at a step of its protocol, some time after its first commit, as the second of two while it takes
 * over, or not at all while the server of its log does.
 */
export type Kill = Readonly<
  | { how: 'step'; at: FailpointName; nth: number }
  | { how: 'random'; afterMs: number }
  | { how: 'take-over'; afterMs: number }
  | { how: 'server'; afterMs: number }
>

/** The steps of the lane and of the log; those of the publisher have a run of their own. */
export const LANE_STEPS = FAILPOINTS.filter((name) => !name.startsWith('publisher.'))

/** Reached once by each lane of a process, so they are killed at the first time. */
const START_STEPS: readonly FailpointName[] = ['lane.after-fence', 'lane.after-catch-up']

/** One kill at each step, the first to the third time that it is reached. */
export function killsAtSteps(random: Random): readonly Kill[] {
  return LANE_STEPS.map((at) => ({
    how: 'step',
    at,
    nth: START_STEPS.includes(at) ? 1 : 1 + random.below(3),
  }))
}

/** After a run's first commit. */
const RANDOM_MS_MAX = 3_000

/** A second gateway needs a second or two to start, and takes over in the moments after that. */
const TAKE_OVER_MS = { least: 800, most: 4_000 }

/** Some of each other kind; of a shared log every third is of the second of two, every fifth of its server. */
export function killsByChance(random: Random, count: number, isShared: boolean): readonly Kill[] {
  return Array.from({ length: count }, (_, index): Kill => {
    if (isShared && index % 5 === 1) return { how: 'server', afterMs: random.below(RANDOM_MS_MAX) }
    if (isShared && index % 3 === 2) {
      return { how: 'take-over', afterMs: random.between(TAKE_OVER_MS.least, TAKE_OVER_MS.most) }
    }
    return { how: 'random', afterMs: random.below(RANDOM_MS_MAX) }
  })
}

export function kindOf(kill: Kill): string {
  return kill.how === 'step' ? kill.at : kill.how
}

/** At most this long until a step or the first commit is reached; a start alone takes seconds on a slow machine. */
const REACH_MS = 40_000

export type Homes = Readonly<{ first: Installation; second: Installation; log: ChaosLog }>

/** False where what it waits for never came. */
export async function runAndKill(homes: Homes, kill: Kill): Promise<boolean> {
  switch (kill.how) {
    case 'step':
      return await killAtStep(homes.first, kill.at, kill.nth)
    case 'random': {
      const running = homes.first.start(['run'])
      const isReached = await firstCommit(homes.log, running)
      await sleep(kill.afterMs)
      return (await end(running)) && isReached
    }
    case 'take-over':
      return await killSecond(homes, kill.afterMs)
    case 'server':
      return await killServer(homes, kill.afterMs)
  }
}

async function killAtStep(home: Installation, at: FailpointName, nth: number): Promise<boolean> {
  const running = home.start(['run'], { ERPGW_FAILPOINT: `${at}:${nth}` })
  const ended = await Promise.race([running.ended, sleep(REACH_MS, null, { ref: false })])
  if (ended === null) await end(running)
  return ended !== null && ended.signal === 'SIGKILL'
}

/** The second has a data folder of its own, knows nothing, and fences the first while that is at work. */
async function killSecond({ first, second, log }: Homes, afterMs: number): Promise<boolean> {
  const one = first.start(['run'])
  const isReached = await firstCommit(log, one)
  const two = second.start(['run'])
  await sleep(afterMs)
  const isKilled = await end(two)
  await end(one)
  return isReached && isKilled
}

/** The gateway lives on, and must find its way when the server is back. */
async function killServer({ first, log }: Homes, afterMs: number): Promise<boolean> {
  const running = first.start(['run'])
  const isReached = await firstCommit(log, running)
  await sleep(afterMs)
  await log.restart?.()
  const isBack = await firstCommit(log, running)
  await end(running)
  return isReached && isBack
}

/** Resolves to true at the next commit of a lane, to false where the program ends before or none comes. */
async function firstCommit(log: ChaosLog, running: GatewayProcess): Promise<boolean> {
  const before = await log.committed(TOPICS.cursors)
  const limit = performance.now() + REACH_MS
  let isOver = false
  void running.ended.then(() => {
    isOver = true
  })
  while (performance.now() < limit && !isOver) {
    if ((await log.committed(TOPICS.cursors)) > before) return true
    await sleep(20)
  }
  return false
}

/** True where it was this that ended it. */
async function end(running: GatewayProcess): Promise<boolean> {
  running.kill('SIGKILL')
  return (await running.ended).signal === 'SIGKILL'
}
