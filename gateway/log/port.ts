/**
 * The log: the only truth of the gateway. The port is what Kafka can do and no more, so that every driver
 * (`embedded`, `memory`, `kafka`) passes one contract kit. Readers see committed records only.
 *
 * An offset is a JS number: exact up to 2^53, which drivers assert. Partition of a key = murmur2 as in Java's client.
 */

export type Cleanup = 'compact' | 'delete'

/**
 * What a topic must be. `compact`: the newest record of each key is kept for ever and older ones at least `keepMs`.
 * `delete`: records older than `keepMs` go.
 */
export type TopicSpec = Readonly<{ name: string; cleanup: Cleanup; keepMs: number }>

/** What a topic is. `faults`: real settings that would lose what the spec promises to keep, as sentences. */
export type TopicState = Readonly<{
  name: string
  /** Changes when the topic is deleted and made again; null where the client does not tell. */
  id: string | null
  partitions: number
  faults: readonly string[]
}>

/**
 * A record to append. `value` null is a tombstone in a compacted topic. `key` null goes to partition 0, and is
 * refused in a compacted topic.
 */
export type Draft = Readonly<{
  topic: string
  key: string | null
  value: Uint8Array | null
  headers?: Readonly<Record<string, string>>
}>

export type LogRecord = Readonly<{
  topic: string
  partition: number
  offset: number
  /** Epoch ms at which the log took it. */
  time: number
  key: string | null
  value: Uint8Array | null
  headers: Readonly<Record<string, string>>
}>

export type TopicPartition = Readonly<{ topic: string; partition: number }>

/** The next offset that a group has yet to read. */
export type GroupPosition = TopicPartition & Readonly<{ group: string; position: number }>

/**
 * Appended and moved together, or not at all. Never empty. Once `transact` has answered `committed`, whoever reads sees
 * all of it; until then a reader may see it in one partition a moment before another.
 */
export type Transaction = Readonly<{ records: readonly Draft[]; positions?: readonly GroupPosition[] }>

/** Where a record went. */
export type Placed = Readonly<{ partition: number; offset: number }>

/**
 * How a transaction ended. `refused` is known to have had no effect: `retryable` says whether the same may go
 * through later (disk full, broker away) or never will (record too large, topic gone). After `unknown` the writer
 * is spent: open a new one, read what the log holds, never send the same again.
 */
export type Commit = Readonly<
  | { kind: 'committed'; placed: readonly Placed[] }
  | { kind: 'refused'; retryable: boolean; reason: string }
  | { kind: 'fenced' }
  | { kind: 'unknown'; reason: string }
>

/** One writer with a lasting identity. */
export interface Writer {
  /**
   * Aborted before anything was sent it rejects with the signal's reason; aborted afterwards it is `unknown`. One
   * transaction of a writer at a time, and none after `unknown`: anything else is a bug of the caller and throws.
   */
  transact(transaction: Transaction, signal: AbortSignal): Promise<Commit>
  close(): Promise<void>
}

/**
 * Records in offset order and the position to go on from, which may be beyond the last record: markers and
 * compaction leave offsets without one. `records` may be empty.
 */
export type Chunk = Readonly<{ records: readonly LogRecord[]; position: number }>

/** A partition that a member of a group owns until `signal` aborts. */
export interface Assignment extends TopicPartition {
  readonly signal: AbortSignal
  /** The group's committed position, or null where it never committed one. */
  position(): Promise<number | null>
  /** Follows the partition from a position until `signal` aborts; waits where there is nothing new. */
  read(from: number): AsyncIterable<Chunk>
}

export interface Log {
  /** Creates topics that are missing and describes all. Never changes the partition count of an existing one. */
  ensure(topics: readonly TopicSpec[], signal: AbortSignal): Promise<readonly TopicState[]>
  /**
   * A writer with this identity. When it resolves, every earlier writer of the identity is fenced and whatever it
   * left undecided is decided: in topics that this log has described, and in `groups`, whose positions it moves.
   */
  writer(identity: string, signal: AbortSignal, groups?: readonly string[]): Promise<Writer>
  /** The position after the last committed record. */
  end(partition: TopicPartition, signal: AbortSignal): Promise<number>
  /**
   * Reads without a group, from a position to `to` (default: the end when the first chunk is asked for), and then ends. A
   * `from` older than what is kept starts at the oldest record that is.
   */
  readTo(
    partition: TopicPartition,
    from: number,
    options: Readonly<{ to?: number; signal: AbortSignal }>,
  ): AsyncIterable<Chunk>
  /** The group's committed position of a partition, or null. */
  position(group: string, partition: TopicPartition, signal: AbortSignal): Promise<number | null>
  /** Joins a group; yields each partition as this member comes to own it. Leaves when the signal aborts. */
  subscribe(group: string, topics: readonly string[], signal: AbortSignal): AsyncIterable<Assignment>
  close(): Promise<void>
}
