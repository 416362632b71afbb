import type { Runtime } from '../runtime.ts'

/** How long a lane keeps its thread to itself at a stretch, but for the record under way. */
const STRETCH_NS = 50_000_000n

/** Records that a stretch gets through where all is well: hundreds. With fewer than this the mapping burns. */
const BURNING_RECORDS = 10

/** A lane whose mapping burns rests so many times as long as it worked, which leaves it a quarter of a processor. */
const BURNING_REST = 3n

/**
 * Lets others come to their turn while a lane has much to think about: status and verbs, other lanes of the thread, the
 * end of the run. One whose mapping burns rests, for it would slow other sources where processors are few.
 */
export class Pace {
  readonly #runtime: Pick<Runtime, 'mono' | 'sleep'>
  readonly #signal: AbortSignal
  #since: bigint
  #records = 0

  constructor(runtime: Pick<Runtime, 'mono' | 'sleep'>, signal: AbortSignal) {
    this.#runtime = runtime
    this.#signal = signal
    this.#since = runtime.mono()
  }

  /** To be called before each record. Gives a rest to wait for, which throws the signal's reason, or null. */
  next(): Promise<void> | null {
    const stretch = this.#runtime.mono() - this.#since
    if (stretch > STRETCH_NS) return this.#rest(stretch)
    this.#records += 1
    return null
  }

  async #rest(stretch: bigint): Promise<void> {
    const isBurning = this.#records < BURNING_RECORDS
    await this.#runtime.sleep(isBurning ? Number((stretch * BURNING_REST) / 1_000_000n) : 0, this.#signal)
    this.#since = this.#runtime.mono()
    // The record before which it rested belongs to the next stretch.
    this.#records = 1
  }
}
