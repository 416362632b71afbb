import type { FaultRates } from '../../gateway/log/memory-faults.ts'
import type { Random } from '../kit/random.ts'
import type { ToyFeed } from './toy-calls.ts'
import type { FeedPlan } from './toy-gateway.ts'
import type { Habits } from './writers.ts'

/** What one seed makes of a run. Every kind of trouble is left out by some seeds, so that each is seen alone. */
export type Plan = Readonly<{
  feeds: readonly FeedPlan[]
  habits: readonly Habits[]
  /** How long writers write and things go wrong. */
  troubleMs: number
  erp: Readonly<{ troubleChance: number; staleChance: number; resendChance: number; outageEveryMs: number }>
  chat: Readonly<{ troubleChance: number; outageEveryMs: number }>
  log: FaultRates
  /** Mean time between steps of the wall clock; 0 for none. */
  clockStepEveryMs: number
  lives: Readonly<{
    /** How often a life ends after so many port calls, rather than at a time. */
    endsAtCallChance: number
    meanMs: number
    /** How often a life is not killed, but goes on beside the next one until the log stops it. */
    zombieChance: number
    /** How often something happens to a projection while nobody runs. */
    mishapChance: number
    /** How often the next life comes with an edited mapping. */
    editChance: number
  }>
  /** Mean time between two verbs of the operator; 0 for none. */
  operatorEveryMs: number
}>

const OVERLAP_MS = 120_000
const MINUTE_MS = 60_000

const TABLES = ['payment', 'purchase-order', 'stock-level'] as const

export function planOf(random: Random): Plan {
  const sometimes = (chance: number, value: () => number) => (random.chance(chance) ? value() : 0)
  const canRead = random.chance(0.75)
  const countsPages = random.chance(0.5)
  const sharesEntity = random.chance(0.2)
  const feeds = TABLES.slice(0, random.between(2, 4)).map((table, index): FeedPlan => {
    const strategy = index === 0 ? 'watermark' : random.pick(['watermark', 'pass', 'queue'] as const)
    return {
      name: table,
      entity: index === 1 && sharesEntity ? TABLES[0] : table,
      everyMs: random.pick([15_000, 30_000, 60_000]),
      adapter: feedOf(random, table, strategy, canRead, countsPages),
    }
  })
  return {
    feeds,
    habits: feeds.map(({ adapter }) => habitsOf(random, adapter)),
    troubleMs: random.between(4, 12) * MINUTE_MS,
    erp: {
      troubleChance: sometimes(0.7, () => random.pick([0.02, 0.1])),
      staleChance: sometimes(0.6, () => 0.15),
      resendChance: sometimes(0.6, () => 0.15),
      outageEveryMs: sometimes(0.4, () => 5 * MINUTE_MS),
    },
    chat: {
      troubleChance: sometimes(0.6, () => random.pick([0.05, 0.3])),
      outageEveryMs: sometimes(0.3, () => 5 * MINUTE_MS),
    },
    log: {
      lostBefore: sometimes(0.4, () => 0.02),
      lostAfter: sometimes(0.4, () => 0.03),
      undecided: sometimes(0.4, () => 0.03),
      away: sometimes(0.4, () => 0.004),
      awayCallsMax: random.pick([3, 40]),
      delay: sometimes(0.6, () => random.pick([0.2, 1])),
      delayMsMax: random.pick([20, 2_000]),
      rebalance: sometimes(0.3, () => 0.01),
    },
    clockStepEveryMs: sometimes(0.3, () => 4 * MINUTE_MS),
    lives: {
      endsAtCallChance: random.pick([0, 0.5, 0.9]),
      meanMs: random.pick([1, 4, 12]) * MINUTE_MS,
      zombieChance: random.pick([0, 0.3, 0.6]),
      mishapChance: random.pick([0, 0.3]),
      editChance: random.pick([0, 0.2]),
    },
    operatorEveryMs: sometimes(0.4, () => random.pick([20_000, 60_000])),
  }
}

function feedOf(
  random: Random,
  table: string,
  strategy: ToyFeed['strategy'],
  canRead: boolean,
  countsPages: boolean,
): ToyFeed {
  return {
    table,
    strategy,
    overlapMs: strategy === 'watermark' ? OVERLAP_MS : 0,
    pageRows: random.pick([4, 12, 50]),
    tells: tellsOf(random, strategy, canRead),
    canRead,
    countsPages,
  }
}

/** A queue hands over the past, so where single rows can be read as well it has to say which of both is newer. */
function tellsOf(random: Random, strategy: ToyFeed['strategy'], canRead: boolean): ToyFeed['tells'] {
  if (strategy === 'queue' && canRead) return random.pick(['order', 'both'] as const)
  return random.pick(['order', 'version', 'both', 'nothing'] as const)
}

/** A point read can leave a row out or hand it over, but not say that it is there and unreadable: so none is. */
function habitsOf(random: Random, { table, strategy, canRead }: ToyFeed): Habits {
  return {
    table,
    everyMs: random.pick([8_000, 20_000, 45_000]),
    rowsAtStart: random.between(0, 30),
    canDelete: random.chance(0.8),
    canRename: random.chance(0.3),
    canMove: canRead && random.chance(0.4),
    canSpoil: !canRead,
    lateMsMax: OVERLAP_MS - 5_000,
    tooLateChance: strategy === 'watermark' ? random.pick([0, 0.03]) : 0,
  }
}
