import { type Coded, message, passThrottle } from './message.ts'

/** Requests about the cluster: what it speaks, its brokers, topics and their settings, ends of partitions. */

export const API_VERSIONS = message(
  ['ApiVersions', 18, 0],
  (_to, _request: null) => undefined,
  (from) => ({
    error: from.int16(),
    ranges: from.array(() => ({ apiKey: from.int16(), min: from.int16(), max: from.int16() })),
  }),
)

export type BrokerNode = Readonly<{ node: number; host: string; port: number }>

/** `leader` -1 where there is none now. */
export type PartitionNode = Readonly<{ error: number; partition: number; leader: number }>

export type TopicNode = Coded & Readonly<{ name: string; id: string; partitions: readonly PartitionNode[] }>

/** Null asks for all topics. */
export const METADATA = message(
  ['Metadata', 3, 10, 'flexible'],
  (to, topics: readonly string[] | null) => {
    if (topics === null) to.uvarint(0)
    else to.compactArray(topics, (name) => to.raw(NO_ID).compactString(name).tags())
    // Never make topics by asking for them; no list of what we may do.
    to.bool(false).bool(false).bool(false).tags()
  },
  (from) => {
    passThrottle(from)
    const brokers = from.compactArray((): BrokerNode => {
      const broker = { node: from.int32(), host: from.compactString(), port: from.int32() }
      from.compactNullableString()
      from.tags()
      return broker
    })
    const cluster = from.compactNullableString()
    from.int32()
    const topics = from.compactArray((): TopicNode => {
      const head = { error: from.int16(), name: from.compactString(), id: from.raw(16).toString('hex') }
      from.bool()
      const partitions = from.compactArray((): PartitionNode => {
        const partition = { error: from.int16(), partition: from.int32(), leader: from.int32() }
        from.int32()
        for (let lists = 0; lists < 3; lists += 1) from.compactArray(() => from.int32())
        from.tags()
        return partition
      })
      from.int32()
      from.tags()
      return { ...head, partitions }
    })
    return { cluster, brokers, topics }
  },
)

const NO_ID = Buffer.alloc(16)

export type CoordinatorKind = 'group' | 'transaction'

export const FIND_COORDINATOR = message(
  ['FindCoordinator', 10, 2],
  (to, { kind, key }: Readonly<{ kind: CoordinatorKind; key: string }>) => {
    to.string(key).int8(kind === 'group' ? 0 : 1)
  },
  (from) => {
    passThrottle(from)
    const error = from.int16()
    from.nullableString()
    return { error, node: from.int32() }
  },
)

export type NewTopic = Readonly<{
  name: string
  partitions: number
  settings: Readonly<Record<string, string>>
}>

/** `replication` -1: the broker's default. */
export const CREATE_TOPICS = message(
  ['CreateTopics', 19, 4],
  (
    to,
    {
      topics,
      replication,
      timeoutMs,
    }: Readonly<{ topics: readonly NewTopic[]; replication: number; timeoutMs: number }>,
  ) => {
    to.array(topics, ({ name, partitions, settings }) => {
      to.string(name).int32(partitions).int16(replication).int32(0)
      to.array(Object.entries(settings), ([key, value]) => to.string(key).string(value))
    })
    to.int32(timeoutMs).bool(false)
  },
  (from) => {
    passThrottle(from)
    return from.array(() => ({ name: from.string(), error: from.int16(), reason: from.nullableString() }))
  },
)

const TOPIC_RESOURCE = 2

/** The real settings of topics, defaults included. */
export const DESCRIBE_TOPICS = message(
  ['DescribeConfigs', 32, 2],
  (to, topics: readonly string[]) => {
    to.array(topics, (name) => to.int8(TOPIC_RESOURCE).string(name).int32(-1)).bool(false)
  },
  (from) => {
    passThrottle(from)
    return from.array(() => {
      const error = from.int16()
      from.nullableString()
      from.int8()
      const name = from.string()
      const settings = from.array(() => {
        const setting = [from.string(), from.nullableString() ?? ''] as const
        from.bool()
        from.int8()
        from.bool()
        from.array(() => [from.string(), from.nullableString(), from.int8()])
        return setting
      })
      return { error, name, settings: new Map(settings) }
    })
  },
)

export type TopicParts = Readonly<{ topic: string; partitions: readonly number[] }>

/** The first offset that is kept, the end of what is decided (the last stable offset), or the end of all. */
export type OffsetKind = 'earliest' | 'stable' | 'latest'

export const LIST_OFFSETS = message(
  ['ListOffsets', 2, 5],
  (to, { of, which }: Readonly<{ of: readonly TopicParts[]; which: OffsetKind }>) => {
    to.int32(-1).int8(which === 'latest' ? 0 : 1)
    to.array(of, ({ topic, partitions }) => {
      to.string(topic)
      to.array(partitions, (partition) =>
        to
          .int32(partition)
          .int32(-1)
          .int64(which === 'earliest' ? -2n : -1n),
      )
    })
  },
  (from) => {
    passThrottle(from)
    const topics = from.array(() => {
      const topic = from.string()
      return from.array(() => {
        const head = { topic, partition: from.int32(), error: from.int16() }
        from.int64()
        const offset = from.offset()
        from.int32()
        return { ...head, offset }
      })
    })
    return topics.flat()
  },
)
