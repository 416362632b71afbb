import { topicUnknown } from '../drafts.ts'
import { LogError } from '../errors.ts'
import type { Cleanup, TopicPartition, TopicSpec, TopicState } from '../port.ts'
import { assertSpec } from '../topic-faults.ts'
import { type KafkaCluster, REQUEST_MS } from './cluster.ts'
import { CODES, isDenied, isTransient, refusal } from './codes.ts'
import {
  CREATE_TOPICS,
  DESCRIBE_TOPICS,
  LIST_OFFSETS,
  type NewTopic,
  type TopicNode,
  type TopicParts,
} from './messages-cluster.ts'
import { faultsOf, settingsOf } from './topic-settings.ts'

/** A topic as the cluster has it; `wire` is its name there, with the prefix. */
export type KnownTopic = Readonly<{
  name: string
  wire: string
  id: string
  cleanup: Cleanup
  /** The broker of each partition; -1 where there is none now. */
  leaders: readonly number[]
}>

export type TopicOptions = Readonly<{
  /** Before the name of every topic. */
  prefix: string
  /** Of topics that are made. */
  partitions: number
  /** Copies of topics that are made; null is the cluster's default. */
  replication: number | null
}>

/** What is known of topics. They never get other partitions, so that only their brokers are asked for again. */
export class Topics {
  readonly #cluster: KafkaCluster
  readonly #options: TopicOptions
  readonly #known = new Map<string, KnownTopic>()
  /** Names in the cluster. */
  readonly #used = new Set<string>()
  #losses = 0

  constructor(cluster: KafkaCluster, options: TopicOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  /** Null where there is no such topic. */
  async find(name: string): Promise<KnownTopic | null> {
    if (this.#losses !== this.#cluster.losses) {
      // Others may lead now what a broker led that is away.
      this.#losses = this.#cluster.losses
      this.#known.clear()
    }
    return this.#known.get(name) ?? (await this.#ask(name))
  }

  async #ask(name: string): Promise<KnownTopic | null> {
    const wire = this.wire(name)
    const [node] = await this.#cluster.describe([wire])
    if (node === undefined || node.error === CODES.UNKNOWN_TOPIC_OR_PARTITION) return null
    if (node.error !== CODES.NONE) throw refusal(node.error, `topic ${wire}`)
    const settings = await this.#settings([wire])
    return this.#remember(node, cleanupOf(settings.get(wire)))
  }

  /** Its broker. Throws LOG_TOPIC_UNKNOWN, or LOG_UNAVAILABLE where the partition has no broker now. */
  async leader({
    topic,
    partition,
  }: TopicPartition): Promise<Readonly<{ wire: string; id: string; node: number }>> {
    const known = await this.find(topic)
    const node = known?.leaders[partition]
    if (known === null || node === undefined) throw new LogError('LOG_TOPIC_UNKNOWN', topicUnknown(topic))
    if (node >= 0) return { wire: known.wire, id: known.id, node }
    this.#known.delete(topic)
    throw new LogError(
      'LOG_UNAVAILABLE',
      `Partition ${partition} of ${topic} has no broker now; it is tried again.`,
    )
  }

  /** Its broker is to be asked for again. */
  moved(name: string): void {
    this.#known.delete(name)
  }

  /** The name of a topic, a group or a writer in the cluster. */
  wire(name: string): string {
    return `${this.#options.prefix}${name}`
  }

  /** The name without the prefix; null for topics of others. */
  nameOf(wire: string): string | null {
    const { prefix } = this.#options
    return wire.startsWith(prefix) ? wire.slice(prefix.length) : null
  }

  /** Every topic that the gateway's user may see under the prefix. */
  async list(): Promise<readonly Readonly<{ name: string; partitions: number }>[]> {
    const nodes = await this.#cluster.describe(null)
    return nodes.flatMap(({ error, name: wire, partitions }) => {
      const name = this.nameOf(wire)
      return error !== CODES.NONE || name === null ? [] : [{ name, partitions: partitions.length }]
    })
  }

  async ensure(specs: readonly TopicSpec[], signal: AbortSignal): Promise<readonly TopicState[]> {
    for (const spec of specs) assertSpec(spec)
    const wires = specs.map(({ name }) => this.wire(name))
    const present = await this.#cluster.describe(wires)
    const missing = specs.filter((spec) => isMissing(present, this.wire(spec.name)))
    if (missing.length > 0) await this.#create(missing, signal)
    const nodes = missing.length === 0 ? present : await this.#whole(wires, signal)
    const settings = await this.#settings(wires)
    return specs.map((spec): TopicState => {
      const wire = this.wire(spec.name)
      const node = nodes.find(({ name }) => name === wire)
      if (node === undefined || node.error !== CODES.NONE) {
        throw refusal(node?.error ?? CODES.UNKNOWN_TOPIC_OR_PARTITION, `topic ${wire}`)
      }
      const own = settings.get(wire) ?? new Map<string, string>()
      const { id, leaders } = this.#remember(node, cleanupOf(own))
      return { name: spec.name, id, partitions: leaders.length, faults: faultsOf(spec, own) }
    })
  }

  async #create(specs: readonly TopicSpec[], signal: AbortSignal): Promise<void> {
    const { partitions, replication } = this.#options
    const topics = specs.map(
      (spec): NewTopic => ({ name: this.wire(spec.name), partitions, settings: settingsOf(spec) }),
    )
    const request = { topics, replication: replication ?? -1, timeoutMs: REQUEST_MS }
    const target = { node: null, use: 'read', timeoutMs: REQUEST_MS * 2 } as const
    const made = await this.#cluster.repeat(
      () => this.#cluster.ask(CREATE_TOPICS, request, target),
      (answers) => answers.some(({ error }) => isTransient(error)),
      REQUEST_MS,
      signal,
    )
    for (const { name, error, reason } of made) {
      // Another gateway or lane was first.
      if (error === CODES.NONE || error === CODES.TOPIC_ALREADY_EXISTS) continue
      throw refusal(error, `making topic ${name}${reason === null ? '' : ` (${reason})`}`)
    }
  }

  /** Topics that were just made, once all their partitions answer: until then they refuse to be written. */
  async #whole(wires: readonly string[], signal: AbortSignal): Promise<readonly TopicNode[]> {
    const nodes = await this.#led(wires, isWhole, signal)
    await this.#cluster.repeat(
      () => this.#answers(nodes),
      (isAnswered) => !isAnswered,
      REQUEST_MS,
      signal,
    )
    return nodes
  }

  /** Once all are ready, or as they are after a while. */
  async #led(
    wires: readonly string[],
    isReady: (node: TopicNode) => boolean,
    signal: AbortSignal,
  ): Promise<readonly TopicNode[]> {
    return await this.#cluster.repeat(
      () => this.#cluster.describe(wires),
      (found) => !found.every(isReady),
      REQUEST_MS,
      signal,
    )
  }

  /** Every partition that was used until now, by its broker. Throws LOG_UNAVAILABLE while one has none. */
  async usedByLeader(signal: AbortSignal): Promise<ReadonlyMap<number, readonly TopicParts[]>> {
    // One that was deleted, or taken from us, holds nobody up.
    const isAway = ({ error }: TopicNode) => error === CODES.UNKNOWN_TOPIC_OR_PARTITION || isDenied(error)
    const nodes = await this.#led([...this.#used], (node) => isAway(node) || isWhole(node), signal)
    for (const node of nodes.filter(isAway)) this.#used.delete(node.name)
    const there = nodes.filter((one) => !isAway(one))
    for (const { error, name, partitions } of there) {
      if (error !== CODES.NONE) throw refusal(error, `topic ${name}`)
      if (partitions.some(({ leader }) => leader < 0)) {
        throw refusal(CODES.LEADER_NOT_AVAILABLE, `topic ${name}`)
      }
    }
    return partsByLeader(there)
  }

  async #answers(nodes: readonly TopicNode[]): Promise<boolean> {
    for (const [node, of] of partsByLeader(nodes)) {
      const request = { of, which: 'stable' } as const
      const offsets = await this.#cluster.ask(LIST_OFFSETS, request, {
        node,
        use: 'read',
        timeoutMs: REQUEST_MS,
      })
      if (offsets.some(({ error }) => error !== CODES.NONE)) return false
    }
    return true
  }

  async #settings(wires: readonly string[]): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
    const target = { node: null, use: 'read', timeoutMs: REQUEST_MS } as const
    const answers = await this.#cluster.ask(DESCRIBE_TOPICS, wires, target)
    for (const { error, name } of answers) {
      if (error !== CODES.NONE) throw refusal(error, `the settings of topic ${name}`)
    }
    return new Map(answers.map(({ name, settings }) => [name, settings]))
  }

  #remember({ name: wire, id, partitions }: TopicNode, cleanup: Cleanup): KnownTopic {
    const leaders: number[] = []
    for (const { partition, leader } of partitions) leaders[partition] = leader
    const topic = { name: this.nameOf(wire) ?? wire, wire, id, cleanup, leaders }
    this.#known.set(topic.name, topic)
    this.#used.add(wire)
    return topic
  }
}

/** All partitions of topics, by the broker that each is to be asked from. */
function partsByLeader(nodes: readonly TopicNode[]): ReadonlyMap<number, readonly TopicParts[]> {
  const byLeader = new Map<number, TopicParts[]>()
  for (const { name, partitions } of nodes) {
    for (const [leader, own] of Map.groupBy(partitions, (one) => one.leader)) {
      const parts = byLeader.get(leader) ?? []
      parts.push({ topic: name, partitions: own.map(({ partition }) => partition) })
      byLeader.set(leader, parts)
    }
  }
  return byLeader
}

function isMissing(nodes: readonly TopicNode[], wire: string): boolean {
  const node = nodes.find(({ name }) => name === wire)
  return node === undefined || node.error === CODES.UNKNOWN_TOPIC_OR_PARTITION
}

function isWhole({ error, partitions }: TopicNode): boolean {
  return (
    error === CODES.NONE &&
    partitions.length > 0 &&
    partitions.every((one) => one.error === CODES.NONE && one.leader >= 0)
  )
}

function cleanupOf(settings: ReadonlyMap<string, string> | undefined): Cleanup {
  return settings?.get('cleanup.policy')?.includes('compact') === true ? 'compact' : 'delete'
}
