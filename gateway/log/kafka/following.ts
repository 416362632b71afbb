import type { Runtime } from '../../runtime.ts'
import { LogError } from '../errors.ts'
import type { Chunk, TopicPartition } from '../port.ts'
import { KafkaFault } from './client.ts'
import { type KafkaCluster, REQUEST_MS } from './cluster.ts'
import { CODES, isTransient } from './codes.ts'
import { asLogError } from './faults.ts'
import { decodeFetched, encodeFetch, FETCH, type Fetched } from './fetch.ts'
import { chunksOf, type Reading, refusalOf } from './reading.ts'
import type { Topics } from './topics.ts'

/** How long a broker waits for something to come before it says that there is nothing. */
const WAIT_MS = 200

/** Pause after a broker that is away, before all is asked again. */
const AWAY_MS = 500

/**
 * Follows any number of partitions with one request at a time to each broker, as many waits would block each other on
 * a connection. A partition whose reader is slow is left out until what was fetched of it is taken: at most one answer
 * of it waits (1 MB).
 */
export class Following {
  readonly #cluster: KafkaCluster
  readonly #topics: Topics
  readonly #reading: Reading
  readonly #runtime: Runtime
  readonly #followers = new Set<Follower>()
  #joined = Promise.withResolvers<void>()
  #isRunning = false

  constructor(cluster: KafkaCluster, topics: Topics, reading: Reading, runtime: Runtime) {
    this.#cluster = cluster
    this.#topics = topics
    this.#reading = reading
    this.#runtime = runtime
  }

  /** From a position on, until the signal aborts. Throws LOG_TRUNCATED where the partition ends before it. */
  async *follow(at: TopicPartition, from: number, signal: AbortSignal): AsyncGenerator<Chunk> {
    const follower = new Follower(at, await this.#start(at, from, signal))
    const wake = () => follower.wake()
    this.#followers.add(follower)
    this.#joined.resolve()
    signal.addEventListener('abort', wake, { once: true })
    this.#cluster.closed.addEventListener('abort', wake, { once: true })
    try {
      this.#run()
      while (!signal.aborted && !this.#cluster.closed.aborted) {
        const chunk = follower.take()
        if (chunk !== null) yield chunk
        else if (follower.failure !== null) throw follower.failure
        else await follower.arrival()
      }
    } finally {
      this.#followers.delete(follower)
      follower.leave()
      signal.removeEventListener('abort', wake)
      this.#cluster.closed.removeEventListener('abort', wake)
    }
  }

  /** What is older than what is kept begins with the oldest that is. */
  async #start(at: TopicPartition, from: number, signal: AbortSignal): Promise<number> {
    const earliest = await this.#reading.offset(at, 'earliest', signal)
    const end = await this.#reading.offset(at, 'stable', signal)
    if (from > end) throw truncated(at, from, end)
    return Math.max(from, earliest)
  }

  #run(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    void this.#loop().finally(() => {
      this.#isRunning = false
    })
  }

  async #loop(): Promise<void> {
    while (this.#followers.size > 0 && !this.#cluster.closed.aborted) {
      const hungry = [...this.#followers].filter((follower) => follower.isHungry)
      try {
        if (hungry.length === 0) await this.#hunger()
        else await this.#round(hungry)
      } catch (error) {
        if (this.#cluster.closed.aborted) return
        const known = asLogError(error)
        // A broker that is away comes back; whatever else it is ends those who follow.
        if (error instanceof KafkaFault && error.kind !== 'login') await this.#pause()
        else if (known instanceof LogError && known.remedy === 'retry') await this.#pause()
        else for (const follower of this.#followers) follower.fail(known)
      }
    }
  }

  /** Until one of them wants more, or another comes. */
  async #hunger(): Promise<void> {
    this.#joined = Promise.withResolvers()
    await Promise.race([this.#joined.promise, ...[...this.#followers].map((follower) => follower.hunger())])
  }

  async #round(hungry: readonly Follower[]): Promise<void> {
    const byNode = new Map<number, Follower[]>()
    for (const follower of hungry) {
      const { node } = await this.#topics.leader(follower.at)
      byNode.set(node, [...(byNode.get(node) ?? []), follower])
    }
    await Promise.all([...byNode].map(([node, own]) => this.#fetch(node, own)))
  }

  async #fetch(node: number, followers: readonly Follower[]): Promise<void> {
    const of = followers.map(({ at, position }) => ({
      topic: this.#topics.wire(at.topic),
      partition: at.partition,
      position,
    }))
    const target = { node, use: 'follow', timeoutMs: WAIT_MS + REQUEST_MS } as const
    const answer = decodeFetched(
      await this.#cluster.exchange(FETCH, encodeFetch({ of, waitMs: WAIT_MS }), target),
    )
    for (const [place, { topic, partition }] of of.entries()) {
      const follower = followers[place]
      const fetched = answer.partitions.find((one) => one.topic === topic && one.partition === partition)
      if (follower !== undefined && fetched !== undefined) await this.#give(follower, fetched)
    }
  }

  async #give(follower: Follower, fetched: Fetched): Promise<void> {
    const { at, position } = follower
    const { error } = fetched
    try {
      if (error === CODES.NONE) follower.give([...chunksOf(fetched, position, at, Number.POSITIVE_INFINITY)])
      else if (error === CODES.OFFSET_OUT_OF_RANGE) await this.#find(follower)
      else {
        this.#topics.moved(at.topic)
        if (!isTransient(error)) follower.fail(refusalOf(error, at))
      }
    } catch (failure) {
      follower.fail(failure)
    }
  }

  /** What stood at the position went by retention; or the partition was cut, and then nobody may go on as if it were not. */
  async #find(follower: Follower): Promise<void> {
    follower.position = await this.#start(follower.at, follower.position, this.#cluster.closed)
  }

  async #pause(): Promise<void> {
    await this.#runtime.sleep(AWAY_MS, this.#cluster.closed).catch(() => undefined)
  }
}

class Follower {
  readonly at: TopicPartition
  /** Behind what was fetched. */
  position: number
  failure: unknown = null
  #chunks: Chunk[] = []
  #arrived = Promise.withResolvers<void>()
  #emptied = Promise.withResolvers<void>()

  constructor(at: TopicPartition, position: number) {
    this.at = at
    this.position = position
  }

  get isHungry(): boolean {
    return this.#chunks.length === 0 && this.failure === null
  }

  take(): Chunk | null {
    const chunk = this.#chunks.shift() ?? null
    if (chunk !== null && this.#chunks.length === 0) this.#emptied.resolve()
    return chunk
  }

  give(chunks: readonly Chunk[]): void {
    if (chunks.length === 0) return
    this.#chunks.push(...chunks)
    this.position = chunks.at(-1)?.position ?? this.position
    this.#emptied = Promise.withResolvers()
    this.wake()
  }

  fail(error: unknown): void {
    this.failure = error
    this.wake()
  }

  wake(): void {
    this.#arrived.resolve()
  }

  /** One who has left is no reason to wait. */
  leave(): void {
    this.#emptied.resolve()
  }

  async arrival(): Promise<void> {
    await this.#arrived.promise
    this.#arrived = Promise.withResolvers()
  }

  hunger(): Promise<void> {
    return this.#emptied.promise
  }
}

function truncated({ topic, partition }: TopicPartition, position: number, end: number): LogError {
  return new LogError(
    'LOG_TRUNCATED',
    `Partition ${partition} of ${topic} ends at ${end}, before ${position} which was read already: records are lost, or the topic was deleted and made again.`,
  )
}
