import type { Context, Json, Traits } from '../../adapters/contract.ts'
import { AdapterError } from '../../adapters/errors.ts'
import type { AnyAdapter } from '../../adapters/registry.ts'
import type { FeedConfig, SourceConfig } from '../config/model.ts'
import type { Mapping } from '../mapping/mapping.ts'
import type { Ports } from '../ports.ts'
import { LaneSweeper, type SweepStatus } from '../reconcile/sweeper.ts'
import type { Keep } from '../topics.ts'
import { checkSource } from './check.ts'
import { SourceConnection, type TurnLimits } from './connection.ts'
import { Lane } from './lane.ts'
import type { LaneMutation, LanePorts } from './lane-options.ts'
import { previewFeed } from './preview.ts'
import type { SweptStatus } from './status.ts'
import { LaneSupervisor } from './supervisor.ts'
import { VerbRefused } from './verb-refused.ts'
import {
  type Decision,
  decideLane,
  pauseLane,
  remapLane,
  resumeLane,
  resyncLane,
  retryRejects,
} from './verbs.ts'

export type SourcePorts = LanePorts & Pick<Ports, 'tasks' | 'secrets' | 'names'>

export type SourceOptions = Readonly<{
  gateway: string
  source: SourceConfig
  adapter: AnyAdapter
  /** By feed name. */
  mappings: ReadonlyMap<string, Mapping>
  keep: Keep
  /** Feeds whose entity another feed of the same system publishes too. */
  sharedFeeds: ReadonlySet<string>
  ports: SourcePorts
  limits?: TurnLimits
  batchRecordsMax?: number
  mutations?: ReadonlySet<LaneMutation>
}>

/** `run` until told to stop; `once`: one complete run of each lane; `idle`: only verbs. */
export type SourceMode = 'run' | 'once' | 'idle'

/** A verb for one lane of a source, or for all (`feed` null where that makes sense). Plain JSON, so it crosses threads. */
export type SourceRequest = Readonly<
  | { verb: 'status' }
  | { verb: 'check' }
  | { verb: 'pause' | 'resume' | 'wake'; feed: string | null; decision: Decision }
  | { verb: 'decide'; feed: string; allow: boolean; decision: Decision }
  | { verb: 'resync'; feed: string; newLineage: boolean; decision: Decision }
  | {
      verb: 'remap'
      feed: string
      mode: 'publish' | 'quiet'
      mapping?: string | undefined
      decision: Decision
    }
  | { verb: 'retry-rejects'; feed: string; mapping?: string | undefined }
  | { verb: 'preview'; feed: string; limit: number }
  /** Begins a comparison with the log, or says how the one under way stands. */
  | {
      verb: 'reconcile'
      feed: string
      begin: Readonly<{ heal: boolean; beyondFuse: boolean }> | null
      decision: Decision
    }
>

/** Records that one batch of an adapter may hold: more cost memory, and no less time (measured). */
const BATCH_RECORDS_MAX = 1_000

/** One configured source at work: its connection and its lanes. Runs in a thread of its own, or inline in tests. */
export class Source {
  readonly #options: SourceOptions
  readonly #connection: SourceConnection
  readonly #supervisors: ReadonlyMap<string, LaneSupervisor>
  readonly #sweepers: ReadonlyMap<string, LaneSweeper>
  readonly #signal: AbortSignal
  /** When its mappings were read, for people. */
  readonly #since: string

  constructor(options: SourceOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
    const { ports } = options
    this.#since = new Date(ports.runtime.wall()).toISOString()
    this.#connection = new SourceConnection({
      open: (inner) => this.#openSession(inner),
      runtime: ports.runtime,
      logger: ports.logger,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    })
    this.#supervisors = new Map(
      Object.values(options.source.feeds).map((feed) => {
        const lane = new Lane(laneOptions(options, feed))
        return [feed.name, new LaneSupervisor(lane, this.#connection, options.source)]
      }),
    )
    const { zone } = options.source
    this.#sweepers = new Map(
      [...this.#supervisors].map(([feed, supervisor]) => [
        feed,
        new LaneSweeper({ supervisor, connection: this.#connection, zone, tasks: ports.tasks }),
      ]),
    )
  }

  /** Works in the given mode; resolves when every lane has ended. */
  async run(mode: SourceMode): Promise<void> {
    const { tasks } = this.#options.ports
    const owner = this.#options.source.name
    const started = [...this.#supervisors].map(([feed, supervisor]) =>
      tasks.spawn(owner, `lane ${feed}`, this.#signal, (signal) => {
        if (mode === 'once') return supervisor.runOnce(signal)
        return mode === 'idle' ? supervisor.runIdle(signal) : supervisor.run(signal)
      }),
    )
    if (mode === 'run') this.#keepSwept(owner)
    await Promise.all(started.map((task) => task.done))
    await this.#connection.close()
  }

  /** A feed that each poll reads whole needs no other comparison, and one may be compared only when somebody asks. */
  #keepSwept(owner: string): void {
    for (const [feed, sweeper] of this.#sweepers) {
      const { feed: of } = sweeper.lane.options
      if (of.sweep === null || traitsOf(this.#options.adapter, of).deletes === 'by-pass') continue
      this.#options.ports.tasks.spawn(owner, `sweeps of ${feed}`, this.#signal, (signal) =>
        sweeper.keep(signal),
      )
    }
  }

  /** Lets go of the connection, where the source was only looked at. */
  close(): Promise<void> {
    return this.#connection.close()
  }

  statuses(): readonly SweptStatus[] {
    return [...this.#supervisors].map(([feed, supervisor]) => ({
      ...supervisor.status(),
      sweep: this.#sweepers.get(feed)?.status() ?? null,
    }))
  }

  /** Carries out a verb. Throws VerbRefused when it cannot be. */
  async request(request: SourceRequest): Promise<Json> {
    switch (request.verb) {
      case 'status':
        return this.statuses() as unknown as Json
      case 'check':
        return (await checkSource(this.#options.mappings, this.#connection, this.#signal)) as unknown as Json
      case 'preview':
        return this.#preview(request.feed, request.limit)
      case 'wake':
        for (const supervisor of this.#chosen(request.feed)) supervisor.wake()
        return null
      case 'pause':
        await this.#each(request.feed, (lane, signal) => pauseLane(lane, request.decision, signal))
        return null
      case 'resume':
        await this.#resume(request.feed, request.decision)
        return null
      case 'decide': {
        const decided = await this.#one(request.feed).request((lane, signal) =>
          decideLane(lane, request.allow, request.decision, signal),
        )
        this.#one(request.feed).wake()
        return { ...decided }
      }
      case 'resync':
        await this.#each(request.feed, (lane, signal) =>
          resyncLane(lane, request.newLineage, request.decision, signal),
        )
        this.#one(request.feed).wake()
        return null
      case 'remap':
        this.#requireMapping(request.feed, request.mapping)
        await this.#each(request.feed, (lane, signal) =>
          remapLane(lane, request.mode, request.decision, signal),
        )
        this.#one(request.feed).wake()
        return { readsAgain: this.#one(request.feed).lane.options.canReadAgain }
      case 'reconcile':
        return this.#reconcile(request) as unknown as Json
      case 'retry-rejects':
        this.#requireMapping(request.feed, request.mapping)
        return this.#one(request.feed).request((lane, signal) => retryRejects(lane, this.#connection, signal))
    }
  }

  #reconcile(request: Extract<SourceRequest, { verb: 'reconcile' }>): SweepStatus {
    this.#one(request.feed)
    const sweeper = this.#sweepers.get(request.feed)
    const { begin, decision } = request
    const status = begin === null ? sweeper?.status() : sweeper?.begin({ ...begin, decision }, this.#signal)
    if (status) return status
    throw new VerbRefused(`Lane ${this.#one(request.feed).lane.name} is not being compared.`)
  }

  async #each(feed: string | null, verb: (lane: Lane, signal: AbortSignal) => Promise<void>): Promise<void> {
    for (const supervisor of this.#chosen(feed)) await supervisor.request(verb)
  }

  /** Lets every lane go on that may; one that is held keeps no other standing. Throws VerbRefused for those. */
  async #resume(feed: string | null, decision: Decision): Promise<void> {
    const chosen = this.#chosen(feed)
    const refusals: string[] = []
    for (const supervisor of chosen) {
      try {
        await supervisor.request((lane, signal) => resumeLane(lane, decision, signal))
        supervisor.wake()
      } catch (error) {
        if (!(error instanceof VerbRefused)) throw error
        refusals.push(error.message)
      }
    }
    if (refusals.length === 0) return
    const others = refusals.length < chosen.length ? ['The other lanes go on.'] : []
    throw new VerbRefused([...refusals, ...others].join('\n'))
  }

  /** Throws VerbRefused where who asks has another mapping before their eyes than this source has read. */
  #requireMapping(feed: string, wanted: string | undefined): void {
    const { name, version } = this.#one(feed).lane.options.mapping
    if (wanted === undefined || wanted === version) return
    throw new VerbRefused(
      `The running gateway still has the mapping ${name} as it read it at ${this.#since} (version ${version}). It is another one now (version ${wanted}), so restart it first, then ask again.`,
    )
  }

  #chosen(feed: string | null): readonly LaneSupervisor[] {
    return feed === null ? [...this.#supervisors.values()] : [this.#one(feed)]
  }

  #one(feed: string): LaneSupervisor {
    const supervisor = this.#supervisors.get(feed)
    if (supervisor !== undefined) return supervisor
    const names = [...this.#supervisors.keys()].join(', ')
    throw new VerbRefused(`Source ${this.#options.source.name} has no feed ${feed}; it has: ${names}.`)
  }

  async #preview(feed: string, limit: number): Promise<Json> {
    const mapping = this.#one(feed).lane.options.mapping
    const preview = await previewFeed(feed, mapping, limit, this.#connection, this.#signal)
    return preview as unknown as Json
  }

  async #openSession(signal: AbortSignal) {
    const { adapter, source } = this.#options
    const context = this.#context()
    const transport = await adapter.connect(source.connection, context, signal)
    const feeds = Object.fromEntries(
      Object.values(source.feeds).map((feed) => [feed.name, feed.adapter as Record<string, unknown>]),
    )
    return adapter.session(transport, feeds, context)
  }

  #context(): Context {
    const { ports, source } = this.#options
    return {
      runtime: ports.runtime,
      logger: ports.logger,
      zone: source.zone,
      batchRecordsMax: this.#options.batchRecordsMax ?? BATCH_RECORDS_MAX,
      marks: {
        get: (feed, key) => this.#supervisors.get(feed)?.lane.opened?.marks.get(key)?.value,
      },
      secret(reference) {
        const value = ports.secrets.read(reference)
        if (value !== null) return value
        throw new AdapterError(
          'ADAPTER_CONFIG_INVALID',
          `The secret ${reference} of source ${source.name} is not there.`,
        )
      },
      async resolve(host, signal) {
        const address = await ports.names.resolve(host, signal)
        if (address !== null) return address
        throw new AdapterError(
          'ADAPTER_UNREACHABLE',
          `The host ${host} of source ${source.name} does not resolve to an address that may be talked to.`,
        )
      },
    }
  }
}

function laneOptions(options: SourceOptions, feed: FeedConfig) {
  const mapping = options.mappings.get(feed.name)
  if (mapping === undefined) throw new Error(`Feed ${feed.name} has no mapping.`)
  return {
    gateway: options.gateway,
    source: options.source.name,
    system: options.source.system,
    feed,
    mapping,
    keep: options.keep,
    sharesEntity: options.sharedFeeds.has(feed.name),
    canReadAgain: traitsOf(options.adapter, feed).replay === 'from-any-cursor',
    ports: options.ports,
    ...(options.mutations === undefined ? {} : { mutations: options.mutations }),
  }
}

function traitsOf(adapter: AnyAdapter, feed: FeedConfig): Traits {
  return adapter.traits(feed.adapter as Record<string, unknown>)
}
