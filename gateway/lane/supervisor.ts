import type { SourceConfig } from '../config/model.ts'
import { isAbort } from '../runtime.ts'
import { type Bell, createBell } from './bell.ts'
import { CalendarGap } from './calendar.ts'
import { type ClosedAt, closuresOf } from './closures.ts'
import type { SourceConnection } from './connection.ts'
import type { Lane, RunResult } from './lane.ts'
import { LaneStop } from './lane-stop.ts'
import { type Verdict, verdictOn } from './policy.ts'
import { dueInMs } from './schedule.ts'
import { type LaneState, type LaneStatus, laneStatus, type Progress } from './status.ts'
import { VerbRefused } from './verb-refused.ts'

/** How long a verb waits for the batch under way to end by itself; a poll that ends in time keeps its connection. */
const LET_IN_MS = 300

/** How often a lane that runs once tries again before it gives up. */
const ONCE_TRIES_MAX = 5

/** How often a lane looks whether its source is still to be left alone. */
const CLOSED_LOOK_MS = 60_000

type Job = Readonly<{ run: (signal: AbortSignal) => Promise<unknown>; done: (error: unknown) => void }>

/**
 * Keeps one lane at work: waits until it is due, runs it, and does what `policy.ts` says about errors. Verbs of people
 * are carried out between two batches, never beside one.
 */
export class LaneSupervisor {
  readonly lane: Lane
  readonly #connection: SourceConnection
  readonly #zone: string
  readonly #closedAt: ClosedAt
  readonly #bell: Bell
  readonly #jobs: Job[] = []
  #state: LaneState = 'starting'
  #stopped: Extract<Verdict, { kind: 'stop' }> | null = null
  #retry: Progress['retry'] = null
  #lastRun: Progress['lastRun'] = null
  #closed: Progress['closed'] = null
  #attempts = 0
  #isEnded = false
  /** Cuts the run under way short, so that it lets a verb in; null between runs. */
  #cut: AbortController | null = null
  /** On the monotonic clock, in ms. */
  #dueAt = 0

  constructor(
    lane: Lane,
    connection: SourceConnection,
    { zone, closures }: Pick<SourceConfig, 'zone' | 'closures'>,
  ) {
    this.lane = lane
    this.#connection = connection
    this.#zone = zone
    this.#closedAt = closuresOf(closures, zone)
    this.#bell = createBell(lane.options.ports.runtime)
  }

  status(): LaneStatus {
    return laneStatus(this.lane, {
      state: this.#state,
      stopped: this.#stopped,
      retry: this.#retry,
      awaits: this.#state === 'running' ? this.#connection.awaits() : null,
      closed: this.#closed,
      lastRun: this.#lastRun,
    })
  }

  /** Whether the source is to be left alone now; so it is where its calendar cannot say. */
  isClosed(): boolean {
    try {
      return this.#closedAt(this.#wallMs()) !== null
    } catch (error) {
      if (error instanceof CalendarGap) return true
      throw error
    }
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await this.#serve(signal)
        const waitMs = this.#waitMs()
        if (waitMs !== 0) await this.#bell.wait(waitMs, signal)
        else await this.#attempt(signal)
      }
    } catch (error) {
      if (!isAbort(error, signal)) throw error
    } finally {
      await this.#end()
    }
  }

  /** One complete run, with a few tries; then ends, whatever came of it. */
  async runOnce(signal: AbortSignal): Promise<void> {
    try {
      for (let failures = 0; failures < ONCE_TRIES_MAX && !signal.aborted; ) {
        await this.#serve(signal)
        const waitMs = this.#waitMs()
        if (waitMs === null) break
        if (waitMs > 0) await this.#bell.wait(waitMs, signal)
        else {
          await this.#attempt(signal)
          if (this.#state === 'waiting') break
          if (this.#state === 'retrying') failures += 1
        }
      }
    } catch (error) {
      if (!isAbort(error, signal)) throw error
    } finally {
      await this.#end()
    }
  }

  /** Serves verbs on an open lane, without reading anything by itself, until the signal aborts. */
  async runIdle(signal: AbortSignal): Promise<void> {
    this.#state = 'idle'
    try {
      while (!signal.aborted) {
        await this.#serve(signal)
        await this.#bell.wait(null, signal)
      }
    } catch (error) {
      if (!isAbort(error, signal)) throw error
    } finally {
      await this.#end()
    }
  }

  /**
   * Runs a verb on the open lane, beside no run: between two batches, or after a moment in the place of one that waits
   * for its source or maps.
   */
  request<Answer>(verb: (lane: Lane, signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      if (this.#isEnded) {
        reject(new VerbRefused(`Lane ${this.lane.name} is not at work any more.`))
        return
      }
      this.#jobs.push({
        run: async (signal) => {
          if (this.lane.opened === null) await this.lane.open(signal)
          resolve(await verb(this.lane, signal))
        },
        done: reject,
      })
      this.#bell.ring()
      const cut = this.#cut
      const late = this.lane.options.ports.runtime.deadline(LET_IN_MS)
      late.addEventListener('abort', () => cut?.abort(), { once: true })
    })
  }

  /** Forgets a stop and every wait: the lane is due now. */
  wake(): void {
    this.#stopped = null
    this.#attempts = 0
    this.#retry = null
    this.#dueAt = 0
    this.#bell.ring()
  }

  async #serve(signal: AbortSignal): Promise<void> {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      try {
        await job.run(signal)
      } catch (error) {
        try {
          // A verb that is refused began nothing.
          if (!(error instanceof VerbRefused)) await this.#verbFailed(error, signal)
        } finally {
          job.done(error)
        }
      }
    }
  }

  /**
   * What a person must decide about holds the lane, though a verb met it and not a run. After anything else the lane
   * begins again from the log: it may be half way through something.
   */
  async #verbFailed(error: unknown, signal: AbortSignal): Promise<void> {
    const verdict = isAbort(error, signal) ? null : verdictOn(error, 1, 0)
    if (verdict?.kind === 'hold' && this.lane.opened !== null) await this.#hold(verdict, error, signal)
    else await this.lane.close()
  }

  /** 0: work now. Null: only a verb changes anything. */
  #waitMs(): number | null {
    const record = this.lane.opened?.record
    if (this.#stopped !== null) return null
    if (record !== undefined && record.hold !== null) {
      this.#state = 'held'
      return null
    }
    if (record?.paused === true) {
      this.#state = 'paused'
      return null
    }
    return Math.max(0, this.#dueAt - this.#nowMs())
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    const started = this.#nowMs()
    const cut = new AbortController()
    this.#cut = cut
    try {
      if (this.lane.opened === null) {
        this.#state = 'starting'
        await this.lane.open(signal)
      }
      const waitMs = this.#waitMs()
      if (waitMs === null || this.#isClosed()) return
      this.#state = 'running'
      // A run that a closing time meets ends at its next batch, and goes on there afterwards.
      const isAsked = () => this.#jobs.length > 0 || this.#closedAt(this.#wallMs()) !== null
      const result = await this.lane.run(this.#connection, signal, { isAsked, signal: cut.signal })
      this.#succeeded(result, started)
    } catch (error) {
      if (isAbort(error, signal)) throw error
      await this.#failed(error, signal)
    } finally {
      this.#cut = null
    }
  }

  /** Whether the source is left alone now; then the lane waits. */
  #isClosed(): boolean {
    const now = this.#wallMs()
    const closed = this.#closedAt(now)
    this.#closed = closed === null ? null : closed.text
    if (closed === null) return false
    this.#state = 'waiting'
    // The wall clock may step meanwhile, and is asked again.
    this.#dueAt = this.#nowMs() + Math.min(closed.untilMs - now, CLOSED_LOOK_MS)
    return true
  }

  #succeeded(result: RunResult, started: number): void {
    const { ports, feed } = this.lane.options
    const wall = ports.runtime.wall()
    this.#attempts = 0
    this.#retry = null
    if (!result.isComplete) {
      this.#dueAt = 0
      return
    }
    this.#state = 'waiting'
    this.#dueAt = this.#nowMs() + dueInMs(feed.poll, this.#zone, wall)
    this.#lastRun = {
      at: new Date(wall).toISOString(),
      tookMs: Math.round(this.#nowMs() - started),
      counts: result.counts,
      heldBack: result.heldBack,
    }
  }

  async #failed(error: unknown, signal: AbortSignal): Promise<void> {
    const { logger, runtime } = this.lane.options.ports
    this.#attempts += 1
    const verdict = verdictOn(error, this.#attempts, runtime.float())
    const facts = { lane: this.lane.name, reason: verdict.reason }
    if (verdict.kind === 'retry') {
      logger.warn('A lane waits and tries again.', {
        ...facts,
        attempt: this.#attempts,
        afterMs: verdict.afterMs,
      })
      if (verdict.reopen) await this.lane.close()
      this.#state = 'retrying'
      this.#retry = { attempt: this.#attempts, reason: verdict.reason, afterMs: verdict.afterMs }
      this.#dueAt = this.#nowMs() + verdict.afterMs
      return
    }
    if (verdict.kind === 'hold') {
      await this.#hold(verdict, error, signal)
      return
    }
    logger.error('A lane stopped; it needs a person.', {
      ...facts,
      code: verdict.code,
      ...(verdict.code === 'BUG' && error instanceof Error ? { stack: error.stack ?? null } : {}),
    })
    this.#state = 'stopped'
    this.#stopped = verdict
    await this.lane.close()
  }

  async #hold(
    verdict: Extract<Verdict, { kind: 'hold' }>,
    cause: unknown,
    signal: AbortSignal,
  ): Promise<void> {
    const { logger } = this.lane.options.ports
    logger.error('A lane is held until a person decides.', {
      lane: this.lane.name,
      code: verdict.code,
      reason: verdict.reason,
    })
    const isStop = cause instanceof LaneStop
    const details = isStop ? cause.details : null
    const rejections = isStop ? cause.rejections : []
    try {
      await this.lane.hold(verdict.code, { message: verdict.reason, details, rejections }, signal)
      this.#state = 'held'
    } catch (error) {
      if (isAbort(error, signal)) throw error
      // What caused the hold will be met again, unless this very lane has been taken over meanwhile.
      await this.#failed(
        error instanceof LaneStop ? error : new LaneStop('COMMIT_UNKNOWN', String(error)),
        signal,
      )
    }
  }

  async #end(): Promise<void> {
    this.#isEnded = true
    for (const job of this.#jobs.splice(0)) job.done(new VerbRefused('The gateway is stopping.'))
    await this.lane.close()
  }

  #wallMs(): number {
    return this.lane.options.ports.runtime.wall()
  }

  #nowMs(): number {
    return Number(this.lane.options.ports.runtime.mono() / 1_000_000n)
  }
}
