import type { SourceConnection } from '../lane/connection.ts'
import type { Lane } from '../lane/lane.ts'
import { dueInMs } from '../lane/schedule.ts'
import type { LaneSupervisor } from '../lane/supervisor.ts'
import { VerbRefused } from '../lane/verb-refused.ts'
import type { Decision } from '../lane/verbs.ts'
import type { Tasks } from '../runtime.ts'
import { type Statement, statementDraft } from './statement.ts'
import { type Progress, SweepRun } from './sweep.ts'

/** How a comparison stands, for people. Plain JSON. */
export type SweepStatus = Readonly<{
  feed: string
  progress: Progress
  /** Null while it is under way, and when it failed. */
  statement: Statement | null
  failed: string | null
}>

export type SweepRequest = Readonly<{ heal: boolean; beyondFuse: boolean; decision: Decision | null }>

const SCHEDULED: SweepRequest = { heal: true, beyondFuse: false, decision: null }

/** A scheduled comparison that failed is tried again after this long. */
const AGAIN_MS = 15 * 60_000

/** How often the schedule is looked at: clocks are set, and lanes come and go. */
const LOOK_MS = 1_000

/** Pauses are as long as the step before: a comparison never takes more than half of a lane's and a source's time. */
const PAUSE_MIN_MS = 1

/** The comparisons of one lane: by its schedule, and when somebody asks. One at a time, in steps between the polls. */
export class LaneSweeper {
  readonly #supervisor: LaneSupervisor
  readonly #connection: SourceConnection
  readonly #zone: string
  readonly #tasks: Tasks
  #run: SweepRun | null = null
  #last: SweepStatus | null = null
  #failedAt: number | null = null
  #isImpossible = false

  constructor(
    options: Readonly<{
      supervisor: LaneSupervisor
      connection: SourceConnection
      zone: string
      tasks: Tasks
    }>,
  ) {
    this.#supervisor = options.supervisor
    this.#connection = options.connection
    this.#zone = options.zone
    this.#tasks = options.tasks
  }

  get lane(): Lane {
    return this.#supervisor.lane
  }

  /** The one under way, or else the last. */
  status(): SweepStatus | null {
    if (this.#run === null) return this.#last
    const progress = this.#run.progress(this.lane.opened === null ? null : { lane: this.lane.opened })
    return { feed: this.lane.options.feed.name, progress, statement: null, failed: null }
  }

  /** Begins a comparison in the background, or says how the one under way stands. */
  begin(request: SweepRequest, signal: AbortSignal): SweepStatus {
    const { feed } = this.lane.options
    if (this.#run === null) {
      const run = this.#newRun(request)
      this.#tasks.spawn(this.lane.options.source, `sweep ${feed.name}`, signal, (inner) =>
        this.#compare(run, inner),
      )
    }
    const status = this.status()
    if (status === null) throw new VerbRefused(`Lane ${this.lane.name} cannot be compared now.`)
    return status
  }

  /** Compares whenever the schedule says so, until the signal aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    const { runtime } = this.lane.options.ports
    while (!signal.aborted) {
      const waitMs = this.#waitMs()
      if (waitMs > 0) await runtime.sleep(Math.min(waitMs, LOOK_MS), signal)
      else if (this.#run === null)
        await this.#compare(this.#newRun(SCHEDULED), signal, { heedsClosures: true })
    }
  }

  #newRun({ heal, beyondFuse, decision }: SweepRequest): SweepRun {
    const begun = new Date(this.lane.options.ports.runtime.wall()).toISOString()
    this.#run = new SweepRun({ heal, beyondFuse, by: decision?.by ?? null }, begun)
    return this.#run
  }

  /** A lane that is still at its first load, or stands still, is not compared. */
  #waitMs(): number {
    const { feed, ports } = this.lane.options
    const record = this.lane.known?.record
    const wall = ports.runtime.wall()
    if (this.#isImpossible || this.#supervisor.isClosed()) return LOOK_MS
    if (feed.sweep === null || record?.phase !== 'live' || record.hold !== null || record.paused)
      return LOOK_MS
    if (this.#failedAt !== null && wall - this.#failedAt < AGAIN_MS) return LOOK_MS
    const last = Date.parse(record.sweptAt ?? record.at)
    return last + dueInMs(feed.sweep, this.#zone, last) - wall
  }

  /** One that somebody asked for goes on while the source is to be left alone; one by its schedule waits. */
  async #compare(
    run: SweepRun,
    signal: AbortSignal,
    { heedsClosures = false }: Readonly<{ heedsClosures?: boolean }> = {},
  ): Promise<void> {
    const { ports, feed } = this.lane.options
    const { runtime, logger } = ports
    try {
      let isOver = false
      while (!isOver) {
        while (heedsClosures && this.#supervisor.isClosed()) await runtime.sleep(LOOK_MS, signal)
        const started = runtime.mono()
        isOver = await this.#supervisor.request((lane, inner) =>
          run.step(lane.begin(this.#connection, 'single', AbortSignal.any([signal, inner]), { as: 'sweep' })),
        )
        const tookMs = Number((runtime.mono() - started) / 1_000_000n)
        await runtime.sleep(Math.max(PAUSE_MIN_MS, tookMs), signal)
      }
      const statement = await this.#supervisor.request((lane, inner) => this.#state(run, lane, inner))
      this.#failedAt = null
      this.#last = { feed: feed.name, progress: run.progress(null), statement, failed: null }
      logger.info('A feed was compared with the log.', { ...statement })
    } catch (error) {
      if (signal.aborted) throw error
      const failed = error instanceof Error ? error.message : String(error)
      this.#failedAt = runtime.wall()
      this.#last = { feed: feed.name, progress: run.progress(null), statement: null, failed }
      if (error instanceof VerbRefused) this.#isImpossible = true
      else
        logger.warn('A comparison with the log came to nothing; it is tried again.', {
          lane: this.lane.name,
          reason: failed,
        })
    } finally {
      this.#run = null
    }
  }

  /** Keeps what was found, with the lane's own record. */
  async #state(run: SweepRun, lane: Lane, signal: AbortSignal): Promise<Statement> {
    const statement = run.statement(lane.begin(this.#connection, 'single', signal, { as: 'sweep' }))
    await lane.rewrite(
      { sweptAt: statement.ended },
      [statementDraft(lane.options.gateway, statement)],
      signal,
    )
    return statement
  }
}
