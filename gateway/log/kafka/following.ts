import type { Runtime } from '../../runtime.ts'
import { LogError } from '../errors.ts'
import type { Chunk, TopicPartition } from '../port.ts'
import { type KafkaCluster, REQUEST_MS } from './cluster.ts'
import { CODES } from './codes.ts'
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

  /**
   * From a position on, until the signal aborts. A broker that is away is an error when it begins, and is waited for
   * later. Throws LOG_TRUNCATED where the partition ends before the position.
   */
  async *follow(at: TopicPartition, from: number, signal: AbortSignal): AsyncGenerator<Chunk> {
    const follower = new Follower(at, await this.#start(at, from, signal))
    const wake = () => follower.wake()
    this.#followers.add(follower)
    this.#joined.resolve()
    signal.addEventListener('abort', wake, { once: true })
    this.#cluster.closed.addEventListener('abort', wake, { once: true })
    try {
      void this.#run()
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

  async #run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      while (this.#followers.size > 0 && !this.#cluster.closed.aborted) {
        const hungry = [...this.#followers].filter((follower) => follower.isHungry)
        if (hungry.length === 0) await this.#hunger()
        else await this.#round(hungry)
      }
    } finally {
      this.#isRunning = false
    }
  }

  /** Until one of them wants more, or another comes. */
  async #hunger(): Promise<void> {
    this.#joined = Promise.withResolvers()
    await Promise.race([this.#joined.promise, ...[...this.#followers].map((follower) => follower.hunger())])
  }

  async #round(hungry: readonly Follower[]): Promise<void> {
    const byNode = new Map<number, Follower[]>()
    let isAway = false
    const attempt = async (followers: readonly Follower[], act: () => Promise<void>) => {
      await act().catch((error: unknown) => {
        if (!endsFollowing(error)) isAway = true
        else for (const follower of followers) follower.fail(asLogError(error))
      })
    }
    for (const follower of hungry) {
      await attempt([follower], async () => {
        const node = await this.#nodeOf(follower)
        byNode.set(node, [...(byNode.get(node) ?? []), follower])
      })
    }
    const fetches = [...byNode].map(([node, own]) =>
      attempt(own, async () => {
        for (const [follower, fetched] of await this.#fetch(node, own)) {
          await attempt([follower], () => this.#give(follower, fetched))
        }
      }),
    )
    await Promise.all(fetches)
    if (isAway) await this.#runtime.sleep(AWAY_MS, this.#cluster.closed).catch(() => undefined)
  }

  /** Which broker has the partition. Throws LOG_TRUNCATED where another topic has the name of the one that was followed. */
  async #nodeOf(follower: Follower): Promise<number> {
    const { id, node } = await this.#topics.leader(follower.at)
    follower.topicId ??= id
    if (follower.topicId === id) return node
    throw new LogError(
      'LOG_TRUNCATED',
      `Topic ${follower.at.topic} was deleted and made again; what was read of the former one says nothing about it.`,
    )
  }

  async #fetch(node: number, followers: readonly Follower[]): Promise<ReadonlyMap<Follower, Fetched>> {
    const of = followers.map(({ at, position }) => ({
      topic: this.#topics.wire(at.topic),
      partition: at.partition,
      position,
    }))
    const target = { node, use: 'follow', timeoutMs: WAIT_MS + REQUEST_MS } as const
    const { partitions } = decodeFetched(
      await this.#cluster.exchange(FETCH, encodeFetch({ of, waitMs: WAIT_MS }), target),
    )
    const answers = new Map<Follower, Fetched>()
    for (const follower of followers) {
      const { topic, partition } = follower.at
      const wire = this.#topics.wire(topic)
      const own = partitions.find((one) => one.topic === wire && one.partition === partition)
      if (own !== undefined) answers.set(follower, own)
    }
    return answers
  }

  async #give(follower: Follower, fetched: Fetched): Promise<void> {
    const { at, position } = follower
    if (fetched.error === CODES.NONE) {
      follower.give([...chunksOf(fetched, position, at, Number.POSITIVE_INFINITY)])
    } else if (fetched.error === CODES.OFFSET_OUT_OF_RANGE) {
      // What stood there went by retention; or the partition was cut, and nobody may go on as if it were not.
      follower.position = await this.#start(at, position, this.#cluster.closed)
    } else {
      this.#topics.moved(at.topic)
      throw refusalOf(fetched.error, at, this.#topics.wire(at.topic))
    }
  }
}

/** A broker that is away comes back; whatever else it is ends those who follow. */
function endsFollowing(error: unknown): boolean {
  const known = asLogError(error)
  return !(known instanceof LogError && known.remedy === 'retry')
}

class Follower {
  readonly at: TopicPartition
  /** Of the topic that is followed, once it is known. */
  topicId: string | null = null
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
