import type { Json } from '../adapters/contract.ts'
import type { Config } from './config/model.ts'
import type { Progress, Publisher } from './dingtalk/publisher.ts'
import type { SourceHost, SourceHosts } from './hosts.ts'
import type { SourceMode, SourceRequest } from './lane/source.ts'
import type { LaneStatus } from './lane/status.ts'
import { VerbRefused } from './lane/verb-refused.ts'
import { LogError } from './log/errors.ts'
import type { TopicPartition } from './log/port.ts'
import type { Ports } from './ports.ts'
import { isAbort } from './runtime.ts'
import { TOPICS, topicSpecs } from './topics.ts'

export type GatewayOptions = Readonly<{
  config: Config
  /** Entities that the feeds publish, by `<source>.<feed>`. */
  entities: ReadonlyMap<string, string>
  ports: Pick<Ports, 'runtime' | 'tasks' | 'logger' | 'log'>
  hosts: SourceHosts
  /** Null where no route tells anybody anything. */
  publisher: Publisher | null
}>

export type SourceStatus = Readonly<{
  source: string
  /** How often its thread has been started again after a crash. */
  restarts: number
  lanes: readonly LaneStatus[]
  /** Why nothing is known of it, or null. */
  trouble: string | null
}>

export type GatewayStatus = Readonly<{
  gateway: string
  since: string
  /** Why the log cannot be asked now, or null. Lanes and publisher wait for it by themselves. */
  log: Readonly<{ trouble: string | null }>
  sources: readonly SourceStatus[]
  publisher: Readonly<{ partitions: readonly Progress[]; trouble: string | null }> | null
}>

/** How one pass of `once` ended. */
export type OnceResult = Readonly<{
  lanes: readonly LaneStatus[]
  /** Why a source or the publisher did not do its work, or null. */
  trouble: string | null
}>

/** A gateway as a value: several can live in one process, each over its own ports. */
export interface Gateway {
  /** Works until `signal` aborts; resolves when everything has ended. */
  run(signal: AbortSignal): Promise<void>
  /** Every lane runs to its end once, and what they published is told to people; then everything ends. */
  once(signal: AbortSignal): Promise<OnceResult>
  /** Serves verbs with no lane reading, until `signal` aborts: for a verb where no gateway runs. */
  idle(signal: AbortSignal): Promise<void>
  status(): Promise<GatewayStatus>
  /** A verb for one source. Throws VerbRefused where it cannot be carried out. */
  request(source: string, request: SourceRequest): Promise<Json>
}

/** A crashed source is started again after this long, doubled each time up to the longest wait. */
const RESTART_MS = 1_000
const RESTART_MAX_MS = 60_000
/** A source, or the publisher, that has worked for this long starts its waits anew. */
const HEALTHY_MS = 300_000
/** How long a source may take to start. */
const START_MS = 30_000
/** How long a source, or the log, may take to say how it is. */
const STATUS_MS = 500
/** The longest wait for a log that is away when the gateway starts. */
const LOG_WAIT_MAX_MS = 10_000

/** `startedAt`: when its present start began, on the monotonic clock; null once it has answered. */
type Running = {
  startedAt: bigint | null
  host: SourceHost | null
  restarts: number
  trouble: string | null
  last: LaneStatus[]
}

export function createGateway(options: GatewayOptions): Gateway {
  return new RunningGateway(options)
}

class RunningGateway implements Gateway {
  readonly #options: GatewayOptions
  readonly #since: string
  readonly #sources: Map<string, Running>
  #publisherTrouble: string | null = null
  /** Why its topics could not be made yet. */
  #logTrouble: string | null = null

  constructor(options: GatewayOptions) {
    this.#options = options
    this.#since = new Date(options.ports.runtime.wall()).toISOString()
    this.#sources = new Map(
      Object.keys(options.config.sources).map((name) => [
        name,
        { startedAt: null, host: null, restarts: 0, trouble: null, last: [] },
      ]),
    )
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#awaitLog(signal)
    const { tasks } = this.#options.ports
    const work = [...this.#sources.keys()].map((name) =>
      tasks.spawn('gateway', `source ${name}`, signal, (inner) => this.#keepRunning(name, 'run', inner)),
    )
    work.push(tasks.spawn('gateway', 'publisher', signal, (inner) => this.#keepPublishing(inner)))
    await Promise.all(work.map((task) => task.done))
  }

  async idle(signal: AbortSignal): Promise<void> {
    await this.#ensureTopics(signal)
    const work = [...this.#sources.keys()].map((name) => this.#keepRunning(name, 'idle', signal))
    await Promise.all(work)
  }

  async once(signal: AbortSignal): Promise<OnceResult> {
    await this.#ensureTopics(signal)
    const publishing = new AbortController()
    const publisher = this.#options.ports.tasks.spawn(
      'gateway',
      'publisher',
      AbortSignal.any([signal, publishing.signal]),
      (inner) => this.#keepPublishing(inner),
    )
    const lanes = (
      await Promise.all([...this.#sources.keys()].map((name) => this.#runOnce(name, signal)))
    ).flat()
    await this.#allTold(signal)
    publishing.abort()
    await publisher.done
    const sick = [...this.#sources].filter(([, { trouble }]) => trouble !== null)
    const troubles = [
      ...sick.map(([name, { trouble }]) => `source ${name}: ${trouble}`),
      ...(this.#publisherTrouble === null ? [] : [`publisher: ${this.#publisherTrouble}`]),
    ]
    return { lanes, trouble: troubles.length === 0 ? null : troubles.join('; ') }
  }

  async status(): Promise<GatewayStatus> {
    const [trouble, ...sources] = await Promise.all([
      this.#askLog(),
      ...[...this.#sources.keys()].map((name) => this.#sourceStatus(name)),
    ])
    const { publisher, config } = this.#options
    return {
      gateway: config.gateway,
      since: this.#since,
      log: { trouble },
      sources,
      publisher:
        publisher === null ? null : { partitions: publisher.progress(), trouble: this.#publisherTrouble },
    }
  }

  async request(source: string, request: SourceRequest): Promise<Json> {
    const running = this.#sources.get(source)
    if (running === undefined) {
      throw new VerbRefused(
        `There is no source ${source}; there are: ${[...this.#sources.keys()].join(', ')}.`,
      )
    }
    if (running.host === null)
      throw new VerbRefused(`Source ${source} is not running: ${running.trouble ?? 'it is starting'}.`)
    return running.host.request(request)
  }

  async #ensureTopics(signal: AbortSignal): Promise<void> {
    const { config, entities, ports } = this.#options
    await ports.log.ensure(topicSpecs([...new Set(entities.values())], config.log.keep), signal)
  }

  /** A log that is away when the gateway starts is waited for, as lanes do when it goes away later. */
  async #awaitLog(signal: AbortSignal): Promise<void> {
    const { logger, runtime } = this.#options.ports
    for (let waitMs = RESTART_MS; ; waitMs = Math.min(waitMs * 2, LOG_WAIT_MAX_MS)) {
      try {
        await this.#ensureTopics(signal)
        this.#logTrouble = null
        return
      } catch (error) {
        if (!(error instanceof LogError) || error.remedy !== 'retry') throw error
        this.#logTrouble = error.message
        logger.warn('The log is away; the gateway waits for it.', { reason: error.message, afterMs: waitMs })
        await runtime.sleep(waitMs, signal)
      }
    }
  }

  /** Why the log does not answer, or null: lanes with nothing to write would not notice. */
  async #askLog(): Promise<string | null> {
    if (this.#logTrouble !== null) return this.#logTrouble
    const { log, runtime } = this.#options.ports
    try {
      const asked = log.end({ topic: TOPICS.cursors, partition: 0 }, runtime.deadline(STATUS_MS))
      await this.#within(STATUS_MS, asked)
      return null
    } catch (error) {
      // Not made yet: the gateway starts just now.
      if (error instanceof LogError && error.code === 'LOG_TOPIC_UNKNOWN') return null
      return error instanceof Error ? error.message : String(error)
    }
  }

  /** Starts a source and starts it again when it crashes: a native crash or a bug costs that source, not the others. */
  async #keepRunning(name: string, mode: SourceMode, signal: AbortSignal): Promise<void> {
    const running = this.#running(name)
    const { runtime, logger } = this.#options.ports
    for (let waitMs = RESTART_MS; !signal.aborted; waitMs = Math.min(waitMs * 2, RESTART_MAX_MS)) {
      const began = runtime.mono()
      running.trouble = await this.#runHost(name, mode, signal)
      if (signal.aborted) return
      if (this.#isHealthy(began)) waitMs = RESTART_MS
      logger.error('A source ended unexpectedly and is started again.', {
        source: name,
        reason: running.trouble,
        afterMs: waitMs,
      })
      running.restarts += 1
      await runtime.sleep(waitMs, signal)
    }
  }

  /** One complete run of a source; a crash is its own trouble and nobody else's. */
  async #runOnce(name: string, signal: AbortSignal): Promise<readonly LaneStatus[]> {
    const running = this.#running(name)
    running.trouble = await this.#runHost(name, 'once', signal, async (host) => {
      running.last = (await host.request({ verb: 'status' })) as unknown as LaneStatus[]
    })
    return running.last
  }

  /** Runs a source until it ends, however it does; why it ended, or null where it was meant to. */
  async #runHost(
    name: string,
    mode: SourceMode,
    signal: AbortSignal,
    ended: (host: SourceHost) => Promise<void> = async () => undefined,
  ): Promise<string | null> {
    const running = this.#running(name)
    const stopping = new AbortController()
    try {
      const host = this.#options.hosts.start(name, mode)
      running.host = host
      running.startedAt = this.#options.ports.runtime.mono()
      const stop = () => void host.stop().catch(() => undefined)
      const options = { once: true, signal: stopping.signal }
      signal.addEventListener('abort', stop, options)
      if (signal.aborted) stop()
      await host.done
      await ended(host)
      if (mode === 'once') await host.stop()
      return mode === 'once' || signal.aborted ? null : 'it ended unexpectedly'
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    } finally {
      stopping.abort()
      running.host = null
    }
  }

  /** Restarts the publisher when it fails: what it must tell stands in the log. */
  async #keepPublishing(signal: AbortSignal): Promise<void> {
    const { publisher, ports } = this.#options
    if (publisher === null) return
    for (let waitMs = RESTART_MS; !signal.aborted; waitMs = Math.min(waitMs * 2, RESTART_MAX_MS)) {
      // What made it end before is told while it waits, and is over when it runs again.
      this.#publisherTrouble = null
      const began = ports.runtime.mono()
      try {
        await publisher.run(signal)
        return
      } catch (error) {
        if (isAbort(error, signal)) return
        this.#publisherTrouble = error instanceof Error ? error.message : String(error)
        if (this.#isHealthy(began)) waitMs = RESTART_MS
        ports.logger.error('The publisher failed and is started again.', { reason: this.#publisherTrouble })
        await ports.runtime.sleep(waitMs, signal)
      }
    }
  }

  /** Waits until everything that stands in the log now has been told, where there is somebody to tell. */
  async #allTold(signal: AbortSignal): Promise<void> {
    const { publisher, ports, config, entities } = this.#options
    if (publisher === null) return
    const states = await ports.log.ensure(
      topicSpecs([...new Set(entities.values())], config.log.keep),
      signal,
    )
    const partitions = states.flatMap((state): TopicPartition[] =>
      Array.from({ length: state.partitions }, (_, partition) => ({ topic: state.name, partition })),
    )
    const ends = await Promise.all(
      partitions.map(async (partition) => ({ partition, end: await ports.log.end(partition, signal) })),
    )
    await publisher.reached(ends, signal)
  }

  async #sourceStatus(name: string): Promise<SourceStatus> {
    const running = this.#running(name)
    const { host, restarts } = running
    if (host === null) return { source: name, restarts, lanes: running.last, trouble: running.trouble }
    try {
      const answer = await this.#within(STATUS_MS, host.request({ verb: 'status' }))
      running.last = answer as unknown as LaneStatus[]
      running.trouble = null
      running.startedAt = null
    } catch (error) {
      if (!this.#isStarting(running)) running.trouble = error instanceof Error ? error.message : String(error)
    }
    return { source: name, restarts, lanes: running.last, trouble: running.trouble }
  }

  /** A thread that has just been started loads its code first; that is no trouble. */
  #isStarting({ startedAt }: Running): boolean {
    if (startedAt === null) return false
    return Number((this.#options.ports.runtime.mono() - startedAt) / 1_000_000n) < START_MS
  }

  /** What is answered, or that it is not: a thread that burns, or a log that hangs, keeps nobody else's status. */
  async #within<Answer>(ms: number, asked: Promise<Answer>): Promise<Answer> {
    const done = new AbortController()
    const late = this.#options.ports.runtime.sleep(ms, done.signal).then(() => {
      throw new Error(`it does not answer within ${ms} ms`)
    })
    late.catch(() => undefined)
    asked.catch(() => undefined)
    try {
      return await Promise.race([asked, late])
    } finally {
      done.abort()
    }
  }

  /** Whether what began then has worked long enough for its next failure to be a new one. */
  #isHealthy(began: bigint): boolean {
    return Number((this.#options.ports.runtime.mono() - began) / 1_000_000n) > HEALTHY_MS
  }

  #running(name: string): Running {
    const running = this.#sources.get(name)
    if (running === undefined) throw new Error(`No source ${name}.`)
    return running
  }
}
