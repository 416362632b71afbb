import type { Cursor, Session, SourceRecord } from '../../adapters/contract.ts'
import type { Origin } from '../event.ts'
import type { SourceConnection } from './connection.ts'
import { countedOrder } from './detect.ts'
import { newRunCounts, type RunCounts } from './fuses.ts'
import type { LaneOptions } from './lane-options.ts'
import type { OpenLane } from './open.ts'

/** How many source keys one point read asks for. */
const POINT_READ_KEYS = 500

/** One run of a lane: what it has done so far, and against what its fuses are measured. */
export type Run = {
  readonly counts: RunCounts
  /** Living rows at the start. */
  readonly known: number
  readonly origin: Origin
  /** `remap`: everything is read again under an edited mapping, beside the feed's own cursor. */
  readonly track: 'main' | 'remap'
  heldBack: number
}

export function newRun(lane: OpenLane, track: Run['track'], origin: Origin): Run {
  return { counts: newRunCounts(), known: lane.projection.count().live, origin, track, heldBack: 0 }
}

/** A lane at work on its source: everything that the steps of a run need. */
export type Work = Readonly<{
  options: LaneOptions
  lane: OpenLane
  source: LaneSource
  run: Run
  signal: AbortSignal
}>

/** The order of a lane's reads. A clock would step back; a count does not. */
export class ReadCounter {
  #reads: number

  constructor(from: number) {
    this.#reads = from
  }

  /** Later than every order before it. */
  next(): string {
    this.#reads += 1
    return countedOrder(this.#reads)
  }
}

/** The source as one lane sees it: its feed, in its turn, with a place in the order for every read. */
export class LaneSource {
  readonly #feed: string
  readonly #connection: SourceConnection
  readonly #counter: ReadCounter
  readonly #signal: AbortSignal

  constructor(feed: string, connection: SourceConnection, counter: ReadCounter, signal: AbortSignal) {
    this.#feed = feed
    this.#connection = connection
    this.#counter = counter
    this.#signal = signal
  }

  /** Of the session that answered last. */
  get generation(): number {
    return this.#connection.generation
  }

  nextOrder(): string {
    return this.#counter.next()
  }

  call<Answer>(
    what: string,
    call: (session: Session, signal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    return this.#connection.turn(what, this.#signal, call)
  }

  /** Single rows, fresh, with the order of that read; empty where the source cannot read single rows. */
  async read(keys: readonly string[]): Promise<{ records: readonly SourceRecord[]; order: string }> {
    const order = this.nextOrder()
    const records: SourceRecord[] = []
    for (let start = 0; start < keys.length; start += POINT_READ_KEYS) {
      const some = keys.slice(start, start + POINT_READ_KEYS)
      const read = await this.call('read', async (session, signal) =>
        session.read === undefined ? [] : session.read(this.#feed, some, signal),
      )
      records.push(...read)
    }
    return { records, order }
  }

  canRead(): Promise<boolean> {
    return this.call('read', async (session) => session.read !== undefined)
  }

  /** Those of the keys that a point read does not find; none where the source cannot read single rows. */
  async missing(keys: readonly string[]): Promise<ReadonlySet<string>> {
    if (keys.length === 0 || !(await this.canRead())) return new Set()
    const { records } = await this.read(keys)
    const found = new Set(records.map((record) => record.key))
    return new Set(keys.filter((key) => !found.has(key)))
  }

  async settle(cursor: Cursor): Promise<void> {
    await this.call('settle', async (session, signal) => {
      await session.settle?.(this.#feed, cursor, signal)
    })
  }
}
