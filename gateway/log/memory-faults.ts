/**
 * What befalls one transaction.
 * - `lost-before`: the request never arrives; nothing happens and the answer is `unknown`.
 * - `lost-after`: it is committed, but the answer gets lost: `unknown`.
 * - `undecided`: it arrives, but whether it commits is settled only when the next writer of the identity is opened.
 * - `refused`: the disk is full or the broker away; nothing happens and the caller is told so.
 */
export type CommitFault = 'lost-before' | 'lost-after' | 'undecided' | 'refused'

/** Faults of a memory log; each is asked for at its moment and none is the default. */
export interface MemoryFaults {
  /** Asked once for each transaction. */
  commit?(identity: string): CommitFault | null
  /** Whether an `undecided` transaction is committed after all. */
  commitsUndecided?(identity: string): boolean
  /** Ms that the request or the answer of a transaction, or a read, takes. */
  delayMs?(step: 'request' | 'answer' | 'read'): number
  /** Whether a call other than `transact` is turned away with LOG_UNAVAILABLE. */
  isAway?(call: 'ensure' | 'writer' | 'read'): boolean
  /** Whether all partitions are dealt anew after a commit. */
  rebalances?(): boolean
  /** The mutation `fence-ignored`: writers that were fenced go on writing. */
  readonly ignoreFence?: boolean
}

/** How often each fault happens, from 0 to 1. */
export type FaultRates = Readonly<{
  lostBefore: number
  lostAfter: number
  undecided: number
  /** How often a time begins in which the log takes nothing, and for how many calls it lasts at most. */
  away: number
  awayCallsMax: number
  delay: number
  delayMsMax: number
  rebalance: number
}>

/** Faults that follow from nothing but the given randomness and the order of the calls. */
export function createSeededFaults(
  float: () => number,
  rates: FaultRates,
  ignoreFence = false,
): MemoryFaults {
  let awayCalls = 0
  const isAway = () => {
    if (awayCalls === 0 && float() < rates.away) awayCalls = 1 + Math.floor(float() * rates.awayCallsMax)
    if (awayCalls === 0) return false
    awayCalls -= 1
    return true
  }
  return {
    commit() {
      if (isAway()) return 'refused'
      const draw = float()
      if (draw < rates.lostBefore) return 'lost-before'
      if (draw < rates.lostBefore + rates.lostAfter) return 'lost-after'
      return draw < rates.lostBefore + rates.lostAfter + rates.undecided ? 'undecided' : null
    },
    commitsUndecided: () => float() < 0.5,
    delayMs: () => (float() < rates.delay ? 1 + Math.floor(float() * rates.delayMsMax) : 0),
    isAway,
    rebalances: () => float() < rates.rebalance,
    ignoreFence,
  }
}
