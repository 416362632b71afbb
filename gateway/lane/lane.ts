import type { Batch, Json, SourceRecord } from '../../adapters/contract.ts'
import type { Origin } from '../event.ts'
import type { Draft } from '../log/port.ts'
import type { ProjectionCount } from '../ports.ts'
import { isAbort } from '../runtime.ts'
import { acceptFields, countBatch, decideBatch, decideUnreadable, guardFuses, splitInvalid } from './batch.ts'
import { applyOnly, type Change, commit } from './commit.ts'
import type { SourceConnection } from './connection.ts'
import type { CursorRecord, HoldCode } from './cursor-record.ts'
import type { Rejection } from './detect.ts'
import type { RunCounts } from './fuses.ts'
import { type LaneOptions, laneName } from './lane-options.ts'
import { LaneStop } from './lane-stop.ts'
import { catchUp, type OpenLane, openLane } from './open.ts'
import { endPass, followPass, restorePass, seenIn } from './pass.ts'
import { readsCounted } from './read-order.ts'
import { emptyRow, settleReject } from './rebuild.ts'
import { View } from './view.ts'
import {
  LaneSource,
  newRun,
  nobodyWaits,
  ReadCounter,
  type Run,
  type Track,
  type Work,
  withRun,
  type Yielding,
} from './work.ts'

/** What one run of a lane did; `isComplete` false when it stopped early because somebody is waiting for the lane. */
export type RunResult = Readonly<{ counts: Readonly<RunCounts>; heldBack: number; isComplete: boolean }>

export type KnownLane = Readonly<{ record: CursorRecord; rows: ProjectionCount }>

/** A cursor that moved with nothing to publish is written at most this often. */
const IDLE_WRITE_NS = 30_000_000_000n

/**
 * A feed at work. The lane is the unit of everything: own cursor, lineage, writer and projection. Its methods are called
 * one at a time; the supervisor sees to that. They throw LaneStop or AdapterError, and `policy.ts` says what follows.
 */
export class Lane {
  readonly options: LaneOptions
  readonly name: string
  #lane: OpenLane | null = null
  #counter = new ReadCounter(0)
  #isSettled = false
  #lastWrite = 0n
  #run: Run | null = null
  #known: KnownLane | null = null

  constructor(options: LaneOptions) {
    this.options = options
    this.name = laneName(options)
  }

  /** Null while the lane is not open. */
  get opened(): OpenLane | null {
    return this.#lane
  }

  /** What was known of the lane when it was last open: for people, after it was closed. */
  get known(): KnownLane | null {
    const lane = this.#lane
    return lane === null ? this.#known : { record: lane.record, rows: lane.projection.count() }
  }

  /** Counts of the run under way, or null between runs. */
  get progress(): Readonly<RunCounts> | null {
    return this.#run?.counts ?? null
  }

  /** Opens the lane anew: what was in memory is forgotten, what the log says counts. */
  async open(signal: AbortSignal): Promise<OpenLane> {
    await this.close()
    const lane = await openLane(this.options, signal)
    restorePass(lane)
    const { projection, record } = lane
    const last = Math.max(
      readsCounted(projection.highestReadOrder()),
      readsCounted(record.pass?.order ?? null),
    )
    this.#lane = lane
    this.#counter = new ReadCounter(last)
    this.#isSettled = false
    this.#lastWrite = this.options.ports.runtime.mono()
    return lane
  }

  async close(): Promise<void> {
    const lane = this.#lane
    this.#known = this.known
    this.#lane = null
    if (lane === null) return
    lane.projection.close()
    await lane.writer.close()
  }

  /**
   * One complete poll, and a remap if one was asked for: returns when the source has nothing more, or before that when
   * somebody waits for the lane.
   */
  async run(
    connection: SourceConnection,
    signal: AbortSignal,
    yielding: Yielding = nobodyWaits(),
  ): Promise<RunResult> {
    const lane = this.#mustBeOpen()
    const work = this.begin(connection, 'main', signal, { yielding })
    this.#run = work.run
    try {
      if (this.options.sharesEntity) await catchUp(this.options, lane, signal)
      if (lane.trouble !== null) throw lane.trouble
      await this.#settleAgain(work)
      await this.#findStart(work)
      let isComplete = await this.#drain(work, yielding.isAsked)
      if (isComplete) await this.#endRun(work)
      if (isComplete && lane.record.reread !== null)
        isComplete = await this.#readAgain(connection, signal, yielding)
      return { counts: { ...work.run.counts }, heldBack: work.run.heldBack, isComplete }
    } catch (error) {
      if (!isAbort(error, yielding.signal)) throw error
      return { counts: { ...work.run.counts }, heldBack: work.run.heldBack, isComplete: false }
    } finally {
      this.#run = null
    }
  }

  /**
   * Publishes what a fresh read of these source keys says; rejects of rows that are gone are settled. Null where the
   * source cannot read single rows.
   */
  async reread(
    keys: readonly string[],
    connection: SourceConnection,
    signal: AbortSignal,
  ): Promise<RunCounts | null> {
    const work = this.begin(connection, 'single', signal)
    await this.#compareFields(work)
    const read = await work.source.read(keys)
    if (read === null) return null
    const counts = await this.#publish(work, read.records, read.count)
    const found = new Set(read.records.map((record) => record.key))
    await this.#settleRejects(
      keys.filter((key) => !found.has(key)),
      signal,
    )
    return counts
  }

  /** Publishes what these records say, as if they were read now: rejects of a source that cannot read single rows. */
  async republish(
    records: readonly SourceRecord[],
    connection: SourceConnection,
    signal: AbortSignal,
  ): Promise<RunCounts> {
    const work = this.begin(connection, 'single', signal)
    await this.#compareFields(work)
    return this.#publish(work, records, work.source.nextCount())
  }

  /** Writes the lane's own record, with whatever a decision adds to the same transaction. */
  async rewrite(change: Partial<CursorRecord>, extra: readonly Draft[], signal: AbortSignal): Promise<void> {
    const lane = this.#mustBeOpen()
    const record = { ...lane.record, ...change }
    const view = new View(lane.projection)
    await this.#write({ findings: [], rejections: [], marks: [], extra, record, view }, signal)
  }

  /** Keeps a stop with the cursor, so that a restart stands still too. */
  async hold(
    code: HoldCode,
    stop: Readonly<{ message: string; details: Json; rejections: readonly Rejection[] }>,
    signal: AbortSignal,
  ): Promise<void> {
    const lane = this.#mustBeOpen()
    const { message, details, rejections } = stop
    const since = new Date(this.options.ports.runtime.wall()).toISOString()
    const view = new View(lane.projection)
    for (const { sourceKey, fingerprint, readOrder } of rejections) {
      const row = view.row(sourceKey) ?? { ...emptyRow(sourceKey), readOrder }
      view.put({ ...row, rejected: fingerprint })
    }
    const record = { ...lane.record, hold: { code, message, details, since } }
    await this.#write({ findings: [], rejections, marks: [], extra: [], record, view }, signal)
  }

  /** Rows of which a version was rejected and that are no longer in the source: nothing is left to mend. */
  async #settleRejects(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const { projection, record } = this.#mustBeOpen()
    const view = new View(projection)
    for (const key of keys) settleReject(view, key)
    if (view.settled().length === 0) return
    await this.#write({ findings: [], rejections: [], marks: [], extra: [], record, view }, signal)
  }

  #mustBeOpen(): OpenLane {
    if (this.#lane === null) throw new Error(`Lane ${this.name} is not open.`)
    return this.#lane
  }

  /** The lane at work, for one who publishes `as` something else than a poll. What was found at the start, and another system behind the address, stop every kind of work. */
  begin(
    connection: SourceConnection,
    track: Track,
    signal: AbortSignal,
    { yielding = nobodyWaits(), as }: Readonly<{ yielding?: Yielding; as?: Origin }> = {},
  ): Work {
    const lane = this.#mustBeOpen()
    // Where feeds share an entity, what was found at the start is looked at again by each run; lost events stay lost.
    const isLoss = lane.trouble?.code === 'LOG_LOST_EVENTS'
    if (lane.trouble !== null && (isLoss || !this.options.sharesEntity)) throw lane.trouble
    const { options } = this
    const source = new LaneSource({
      feed: options.feed.name,
      connection,
      counter: this.#counter,
      lane,
      signal: AbortSignal.any([signal, yielding.signal]),
    })
    const usual = track === 'reread' && lane.record.reread?.kind === 'resync' ? 'replay' : lane.record.phase
    const origin = as ?? usual
    return { options, lane, source, run: newRun(lane, track, origin), signal }
  }

  /** A crash between commit and settle leaves something unsettled; settling twice does no harm. */
  async #settleAgain(work: Work): Promise<void> {
    const { cursor } = work.lane.record
    if (this.#isSettled) return
    if (cursor !== null && work.lane.isRecorded) await work.source.settle(cursor)
    this.#isSettled = true
  }

  /**
   * `start: now` and `start: since`: a cursor that the source names, kept before anything is read. What comes after
   * `now` is no first load.
   */
  async #findStart(work: Work): Promise<void> {
    const { start, name } = this.options.feed
    if (start === 'all' || work.lane.record.cursor !== null) return
    const cursor = await work.source.call('startAt', async (session, signal) => {
      if (session.startAt !== undefined) return session.startAt(name, start, signal)
      throw new LaneStop(
        'START_IMPOSSIBLE',
        `Feed ${this.name} can only start with \`all\`: its source names no other start.`,
      )
    })
    await this.rewrite({ cursor, ...(start === 'now' ? { phase: 'live' } : {}) }, [], work.signal)
  }

  /** Where the source describes itself, a field that is gone stops single reads as it stops a poll. */
  async #compareFields(work: Work): Promise<void> {
    const shapes = await work.source.call('discover', (session, signal) => session.discover(signal))
    const fields = shapes.find((shape) => shape.name === this.options.feed.name)?.fields ?? {}
    if (Object.keys(fields).length > 0) acceptFields(work, fields)
  }

  /** False when it stopped between two batches. */
  async #drain(work: Work, mustYield: () => boolean): Promise<boolean> {
    const { record } = work.lane
    const from = work.run.track === 'main' ? record.cursor : (record.reread?.cursor ?? null)
    // Where everything is compared anew, everything is read.
    const isTrusting = work.run.track === 'main' && record.phase !== 'replay'
    const known = isTrusting ? work.source.known(this.options.mapping.version) : undefined
    const iterator = await work.source.call('poll', async (session) =>
      session.poll(this.options.feed.name, from, work.source.signal, known)[Symbol.asyncIterator](),
    )
    const next = () => {
      const count = work.source.nextCount()
      const result = work.source.call('poll', () => iterator.next())
      result.catch(() => undefined)
      return { count, result }
    }
    try {
      let ahead = next()
      while (true) {
        const { count, result } = ahead
        const { done, value } = await result
        if (done === true) return true
        this.options.ports.failpoints.hit('lane.after-poll')
        work.source.take(value.records.map((read) => read.key))
        // The next page is fetched while this one is mapped and committed.
        ahead = next()
        const isThrough = await this.#process(work, value, count, mustYield)
        work.source.settled()
        if (!isThrough || mustYield()) return false
      }
    } finally {
      work.source.afterwards(async () => iterator.return?.())
    }
  }

  /** False when it could not come to the end of a pass because somebody waits for the lane. */
  async #process(work: Work, batch: Batch, count: string, mustYield: () => boolean): Promise<boolean> {
    const { lane, run } = work
    const accepted = acceptFields(work, batch.fields)
    const pass = run.track === 'main' ? followPass(batch, count, lane.record) : null
    const seen = pass === null || batch.pass === undefined ? undefined : seenIn(batch, pass)
    if (pass !== null && seen !== undefined && batch.pass?.ends === true) {
      // First of all, so that a record key is let go before this last batch may claim it.
      lane.projection.apply({ rows: [], applied: null, seen })
      if (!(await endPass(work, pass, mustYield))) return false
    }
    const view = new View(lane.projection)
    const { records, unreadable } = splitInvalid(batch)
    const found = await decideBatch(work, records, count, view)
    found.rejections.push(...decideUnreadable({ records, unreadable }, count, view))
    countBatch(work, records.length + unreadable.length + (batch.unchanged?.length ?? 0), found)
    guardFuses(work, found)
    const { reread } = lane.record
    const moved: Partial<CursorRecord> =
      run.track === 'main'
        ? { cursor: batch.next, pass: batch.pass?.ends === true ? null : pass }
        : { reread: reread === null ? null : { ...reread, cursor: batch.next } }
    const { findings, rejections } = found
    const record = withRun(work, { ...lane.record, ...moved, ...accepted })
    // What was read again beside the cursor is not done: the poll has yet to come to it.
    const marks = run.track === 'main' ? (batch.marks ?? []) : []
    const change = { findings, rejections, marks, extra: [], record, view }
    await this.#writeOrWait(work, seen === undefined ? change : { ...change, seen }, run.track === 'main')
    return true
  }

  /** Writes what there is to write. A poll that found nothing writes nothing, or only now and then. */
  async #writeOrWait(work: Work, change: Change, settles: boolean): Promise<void> {
    const { lane } = work
    const { findings, rejections, marks, view } = change
    const isEmpty = findings.length + rejections.length + marks.length + view.settled().length === 0
    const settle = settles && change.record.cursor !== null
    const mustSettle =
      settle && (await work.source.call('settle', async (session) => session.settle !== undefined))
    const isRecent = this.options.ports.runtime.mono() - this.#lastWrite < IDLE_WRITE_NS
    const isSame = change.record.cursor === lane.record.cursor && change.record.reread === lane.record.reread
    if (isEmpty && (isSame || (isRecent && !mustSettle))) {
      applyOnly(lane, change)
      lane.record = change.record
      return
    }
    await this.#write(change, work.signal)
    if (mustSettle && change.record.cursor !== null) {
      this.#isSettled = false
      await work.source.settle(change.record.cursor)
      this.#isSettled = true
      this.options.ports.failpoints.hit('lane.after-settle')
    }
  }

  async #write(change: Change, signal: AbortSignal): Promise<void> {
    await commit(this.options, this.#mustBeOpen(), change, signal)
    this.#lastWrite = this.options.ports.runtime.mono()
  }

  async #publish(work: Work, records: readonly SourceRecord[], count: string): Promise<RunCounts> {
    const view = new View(work.lane.projection)
    const { findings, rejections, ...rest } = await decideBatch(work, records, count, view)
    countBatch(work, records.length, { findings, rejections, ...rest })
    guardFuses(work, { findings, rejections, ...rest })
    const change = { findings, rejections, marks: [], extra: [], record: work.lane.record, view }
    if (findings.length + rejections.length + view.settled().length > 0)
      await this.#write(change, work.signal)
    else applyOnly(work.lane, change)
    return work.run.counts
  }

  /** The first complete run ends the first load; what was lifted or counted for this run is used up. */
  async #endRun(work: Work): Promise<void> {
    const { lane } = work
    const { phase, allowances, run } = lane.record
    // A shape that was allowed is not used up by a run that brought nothing to see it by.
    const kept = allowances.filter((code) => code === 'SCHEMA_CHANGED')
    const isNothingNew = phase === 'live' && allowances.length === kept.length && run === null
    if (isNothingNew && lane.isRecorded && !lane.isLearnt) return
    await this.rewrite({ phase: 'live', allowances: kept, run: null }, [], work.signal)
  }

  /** Reads everything again beside the feed's own cursor. A remap that another edit has overtaken was not asked for. */
  async #readAgain(connection: SourceConnection, signal: AbortSignal, yielding: Yielding): Promise<boolean> {
    const { version } = this.options.mapping
    const { reread } = this.#mustBeOpen().record
    if (reread?.kind === 'remap' && reread.version !== version) {
      await this.rewrite({ reread: null }, [], signal)
      return true
    }
    const work = this.begin(connection, 'reread', signal, { yielding })
    this.#run = work.run
    if (!(await this.#drain(work, yielding.isAsked))) return false
    const isRemap = reread?.kind === 'remap'
    await this.rewrite(
      { reread: null, ...(isRemap ? { mapping: { version, quiet: null } } : {}) },
      [],
      signal,
    )
    return true
  }
}
