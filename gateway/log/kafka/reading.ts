import { topicUnknown } from '../drafts.ts'
import { LogError } from '../errors.ts'
import type { Chunk, LogRecord, TopicPartition } from '../port.ts'
import { readBatches } from './batch-reading.ts'
import { type KafkaCluster, REQUEST_MS } from './cluster.ts'
import { CODES, isTransient, refusal } from './codes.ts'
import { decodeFetched, encodeFetch, FETCH, type Fetched } from './fetch.ts'
import { LIST_OFFSETS, type OffsetKind } from './messages-cluster.ts'
import { FETCH_POSITIONS } from './messages-transaction.ts'
import type { Topics } from './topics.ts'
import { untilAborted } from './until-aborted.ts'

/** Records that are handed on at a time. */
const CHUNK_RECORDS_MAX = 1_000

/** How long a broker may not know yet who leads a partition, or whether a transaction is decided. */
const SETTLE_MS = 20_000

/** How long the broker may hold back an answer that would be empty, where more is known to be there. */
const WAIT_MS = 500

/** Reads partitions and positions without a group; sees committed records only. */
export class Reading {
  readonly #cluster: KafkaCluster
  readonly #topics: Topics

  constructor(cluster: KafkaCluster, topics: Topics) {
    this.#cluster = cluster
    this.#topics = topics
  }

  /** The first offset that is kept, or the end of what is decided. */
  async offset(at: TopicPartition, which: OffsetKind, signal: AbortSignal): Promise<number> {
    const ask = async () => {
      const { wire, node } = await this.#topics.leader(at)
      const request = { of: [{ topic: wire, partitions: [at.partition] }], which }
      const [answer] = await this.#cluster.ask(LIST_OFFSETS, request, {
        node,
        use: 'read',
        timeoutMs: REQUEST_MS,
      })
      if (answer === undefined)
        throw new LogError('LOG_UNFIT', `Kafka said nothing about the end of ${wire}.`)
      if (answer.error !== CODES.NONE) this.#topics.moved(at.topic)
      return answer
    }
    const { error, offset } = await this.#cluster.repeat(
      ask,
      (answer) => isTransient(answer.error),
      SETTLE_MS,
      signal,
    )
    if (error !== CODES.NONE) throw refusalOf(error, at, this.#topics.wire(at.topic))
    return offset
  }

  async position(group: string, at: TopicPartition, signal: AbortSignal): Promise<number | null> {
    const of = [{ topic: this.#topics.wire(at.topic), partitions: [at.partition] }]
    const ask = async (node: number) => {
      const target = { node, use: 'read', timeoutMs: REQUEST_MS } as const
      const { error, positions } = await this.#cluster.ask(FETCH_POSITIONS, { group, of }, target)
      const code = error !== CODES.NONE ? error : (positions[0]?.error ?? CODES.NONE)
      return { code, position: positions[0]?.position ?? -1 }
    }
    const { code, position } = await this.#cluster.decided(
      'group',
      group,
      ask,
      (answer) => answer.code,
      SETTLE_MS,
      signal,
    )
    if (code !== CODES.NONE) throw refusal(code, `the positions of group ${group}`)
    return position < 0 ? null : position
  }

  async *readTo(
    at: TopicPartition,
    from: number,
    { to, signal }: Readonly<{ to?: number; signal: AbortSignal }>,
  ): AsyncGenerator<Chunk> {
    signal.throwIfAborted()
    const stable = await untilAborted(this.offset(at, 'stable', signal), signal)
    const end = Math.min(stable, to ?? Number.POSITIVE_INFINITY)
    let position = Math.max(0, from)
    for (let idle = 0; position < end && idle < IDLE_ROUNDS_MAX; idle += 1) {
      signal.throwIfAborted()
      const fetched = await this.#fetch(at, position, signal)
      if (fetched.error === CODES.OFFSET_OUT_OF_RANGE) {
        position = Math.max(position, await this.offset(at, 'earliest', signal))
        continue
      }
      for (const chunk of chunksOf(fetched, position, at, end)) {
        idle = 0
        position = chunk.position
        yield chunk
        signal.throwIfAborted()
      }
    }
    if (position < end) {
      throw new LogError(
        'LOG_UNAVAILABLE',
        `Kafka gave nothing more of ${at.topic}/${at.partition} at ${position} of ${end}.`,
      )
    }
  }

  async #fetch(at: TopicPartition, position: number, signal: AbortSignal): Promise<Fetched> {
    const ask = async () => {
      const { wire, node } = await this.#topics.leader(at)
      const body = encodeFetch({ of: [{ topic: wire, partition: at.partition, position }], waitMs: WAIT_MS })
      const target = { node, use: 'read', timeoutMs: REQUEST_MS } as const
      const answer = decodeFetched(await this.#cluster.exchange(FETCH, body, target))
      const [fetched] = answer.partitions
      if (fetched === undefined) throw refusalOf(answer.error, at, this.#topics.wire(at.topic))
      if (fetched.error !== CODES.NONE) this.#topics.moved(at.topic)
      return fetched
    }
    const answered = this.#cluster.repeat(ask, ({ error }) => isTransient(error), SETTLE_MS, signal)
    const fetched = await untilAborted(answered, signal)
    if (fetched.error !== CODES.NONE && fetched.error !== CODES.OFFSET_OUT_OF_RANGE)
      throw refusalOf(fetched.error, at, this.#topics.wire(at.topic))
    return fetched
  }
}

/** Answers in a row that bring nothing where the end says that there is more. */
const IDLE_ROUNDS_MAX = 20

/** What an answer holds, in pieces that end at `end` at the latest; each moves the position. */
export function* chunksOf(fetched: Fetched, from: number, at: TopicPartition, end: number): Generator<Chunk> {
  const { records, position } = readBatches(fetched.records, from, at, fetched.aborted)
  const wanted = position <= end ? records : records.filter(({ offset }) => offset < end)
  const last = Math.min(position, end)
  for (let first = 0; first + CHUNK_RECORDS_MAX < wanted.length; first += CHUNK_RECORDS_MAX) {
    const some = wanted.slice(first, first + CHUNK_RECORDS_MAX)
    yield { records: some, position: positionAfter(some) }
  }
  const rest = wanted.slice(
    Math.floor(Math.max(0, wanted.length - 1) / CHUNK_RECORDS_MAX) * CHUNK_RECORDS_MAX,
  )
  if (last > from) yield { records: rest, position: last }
}

function positionAfter(records: readonly LogRecord[]): number {
  return (records.at(-1)?.offset ?? -1) + 1
}

/** `wire`: the topic's name in the cluster, which whoever grants something needs. */
export function refusalOf(error: number, { topic, partition }: TopicPartition, wire: string): LogError {
  if (error === CODES.UNKNOWN_TOPIC_OR_PARTITION)
    return new LogError('LOG_TOPIC_UNKNOWN', topicUnknown(topic))
  return refusal(error, `partition ${partition} of topic ${wire}`)
}
