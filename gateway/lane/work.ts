import type { Cursor, Known, Session, SourceRecord } from '../../adapters/contract.ts'
import type { Origin } from '../event.ts'
import type { SourceConnection } from './connection.ts'
import type { CursorRecord } from './cursor-record.ts'
import { newRunCounts, type RunCounts } from './fuses.ts'
import type { LaneOptions } from './lane-options.ts'
import { LaneStop } from './lane-stop.ts'
import type { OpenLane } from './open.ts'
import { countedOrder } from './read-order.ts'

/** How many source keys one point read asks for. */
const POINT_READ_KEYS = 500

/**
 * What is being read: the feed from its cursor, or everything again beside it (a remap, or the resync of a feed that
 * did not begin at the beginning), where only records that were published before are looked at, or single rows that
 * somebody asked for.
 */
export type Track = 'main' | 'reread' | 'single'

/** One run of a lane: what it has done so far, and against what its fuses are measured. */
export type Run = {
  readonly counts: RunCounts
  /** Living rows at the start. */
  readonly known: number
  readonly origin: Origin
  readonly track: Track
  heldBack: number
}

/** A run goes on where a broken one stopped, or an emptied table would slip through the fuse in slices. */
export function newRun(lane: OpenLane, track: Track, origin: Origin): Run {
  const { run } = lane.record
  const isContinued = track === 'main' && run !== null
  return {
    counts: isContinued ? { ...run.counts } : newRunCounts(),
    known: isContinued ? run.known : lane.projection.count().live,
    origin,
    track,
    heldBack: 0,
  }
}

/**
 * Somebody who waits for the lane. A run lets them in between two batches; when `signal` aborts it is cut short wherever
 * it waits for the source or maps, for neither may ever end. What it had not committed is read again.
 */
export type Yielding = Readonly<{ isAsked(): boolean; signal: AbortSignal }>

export function nobodyWaits(): Yielding {
  return { isAsked: () => false, signal: new AbortController().signal }
}

/** A lane at work on its source: everything that the steps of a run need. */
export type Work = Readonly<{
  options: LaneOptions
  lane: OpenLane
  source: LaneSource
  run: Run
  signal: AbortSignal
}>

/** The cursor record with what a fuse must remember of the run under way. */
export function withRun(work: Work, record: CursorRecord): CursorRecord {
  const { counts, known, track } = work.run
  const { fuse } = work.options.feed
  if (track !== 'main') return record
  const isFused = (['deleted', 'changed', 'created'] as const).some(
    (kind) => fuse[kind] !== null && counts[kind] > 0,
  )
  return { ...record, run: isFused ? { counts: { ...counts }, known } : record.run }
}

/** The order of a lane's reads. A clock would step back; a count does not. */
export class ReadCounter {
  #reads: number

  constructor(from: number) {
    this.#reads = from
  }

  /** Later than every count before it. */
  next(): string {
    this.#reads += 1
    return countedOrder(this.#reads)
  }
}

/**
 * The source as one lane sees it during one run: its feed, in its turn, with a place in the order for every read.
 * Nothing is read before the system behind the session is known to be the one that the lane knows; a session that
 * breaks in the middle of a run is replaced by one that must show the same.
 */
export class LaneSource {
  readonly #feed: string
  readonly #connection: SourceConnection
  readonly #counter: ReadCounter
  readonly #lane: OpenLane
  /** Aborts when the run is to end, or to let somebody in. */
  readonly signal: AbortSignal
  /** Keys that were read and of which it is not yet known what became of them. */
  readonly #underWay = new Set<string>()
  #verified = -1

  constructor(
    options: Readonly<{
      feed: string
      connection: SourceConnection
      counter: ReadCounter
      lane: OpenLane
      signal: AbortSignal
    }>,
  ) {
    this.#feed = options.feed
    this.#connection = options.connection
    this.#counter = options.counter
    this.#lane = options.lane
    this.signal = options.signal
  }

  nextCount(): string {
    return this.#counter.next()
  }

  call<Answer>(
    what: string,
    call: (session: Session, signal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    return this.#connection.turn(what, this.signal, async (session, signal, generation) => {
      if (this.#verified !== generation) {
        verifyIdentity(this.#lane, await session.identity(signal))
        this.#verified = generation
      }
      return call(session, signal)
    })
  }

  /** Runs something on what a session gave, in its turn, though the session may be gone by then. */
  afterwards(call: () => Promise<unknown>): void {
    this.#connection.afterwards(call)
  }

  /** Takes note that these keys were read: until `settled`, nobody can say what was published last of them. */
  take(keys: Iterable<string>): void {
    for (const key of keys) this.#underWay.add(key)
  }

  /** What was taken is durable. */
  settled(): void {
    this.#underWay.clear()
  }

  /** What the adapter may ask: whether a row shows just what was published last, under the mapping as it is. */
  known(mappingVersion: string): Known {
    return (reads) => {
      const rows = this.#lane.projection.rows(reads.map(({ key }) => key))
      return reads.map(({ key, fingerprint }) => {
        const row = rows.get(key)
        return (
          row !== undefined &&
          !this.#underWay.has(key) &&
          !row.deleted &&
          row.rejected === null &&
          row.sourceFingerprint === fingerprint &&
          row.mappingVersion === mappingVersion
        )
      })
    }
  }

  /** Single rows, fresh, with the count of that read; null where the source cannot read single rows. */
  async read(keys: readonly string[]): Promise<{ records: readonly SourceRecord[]; count: string } | null> {
    const count = this.nextCount()
    const records: SourceRecord[] = []
    for (let start = 0; start < keys.length; start += POINT_READ_KEYS) {
      const some = keys.slice(start, start + POINT_READ_KEYS)
      const read = await this.call('read', async (session, signal) =>
        session.read === undefined ? null : session.read(this.#feed, some, signal),
      )
      if (read === null) return null
      this.take(some)
      records.push(...read)
    }
    return { records, count }
  }

  async settle(cursor: Cursor): Promise<void> {
    await this.call('settle', async (session, signal) => {
      await session.settle?.(this.#feed, cursor, signal)
    })
  }
}

/** Throws IDENTITY_CHANGED where another system answers; the first that answers is the one to know. */
function verifyIdentity(lane: OpenLane, seen: string | null): void {
  const known = lane.record.identity
  if (known !== null && seen !== null && known !== seen) {
    throw new LaneStop(
      'IDENTITY_CHANGED',
      `Another system answers: it was ${known}, it is ${seen}. Nothing was read. If that is meant, run \`erpgw decide\`.`,
      { before: known, now: seen },
    )
  }
  if (known !== null || seen === null) return
  lane.record = { ...lane.record, identity: seen }
  lane.isLearnt = true
}
