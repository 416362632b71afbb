import { message, passThrottle, readError, readPartitionErrors } from './message.ts'
import type { TopicParts } from './messages-cluster.ts'
import type { WireWriter } from './wire.ts'

/** Requests of a transaction, and the positions that one may move. */

/** Who writes: given by the coordinator, newer epochs fence older ones. */
export type Producer = Readonly<{ id: bigint; epoch: number }>

/** Nobody yet. Anything else asks for a newer epoch of that very writer, which is not what a start wants. */
const NEW_PRODUCER: Producer = { id: -1n, epoch: -1 }

export const INIT_PRODUCER = message(
  ['InitProducerId', 22, 4, 'flexible'],
  (to, { identity, timeoutMs }: Readonly<{ identity: string; timeoutMs: number }>) => {
    to.compactString(identity).int32(timeoutMs).int64(NEW_PRODUCER.id).int16(NEW_PRODUCER.epoch).tags()
  },
  (from) => {
    passThrottle(from)
    return { error: from.int16(), producer: { id: from.int64(), epoch: from.int16() } }
  },
)

type OfWriter = Readonly<{ identity: string; producer: Producer }>

export const ADD_PARTITIONS = message(
  ['AddPartitionsToTxn', 24, 2],
  (to, { identity, producer, of }: OfWriter & Readonly<{ of: readonly TopicParts[] }>) => {
    to.string(identity).int64(producer.id).int16(producer.epoch)
    to.array(of, ({ topic, partitions }) => {
      to.string(topic)
      to.array(partitions, (partition) => to.int32(partition))
    })
  },
  readPartitionErrors,
)

export const ADD_GROUP = message(
  ['AddOffsetsToTxn', 25, 2],
  (to, { identity, producer, group }: OfWriter & Readonly<{ group: string }>) => {
    to.string(identity).int64(producer.id).int16(producer.epoch).string(group)
  },
  readError,
)

export type TopicPositions = Readonly<{
  topic: string
  positions: readonly Readonly<{ partition: number; position: number }>[]
}>

export const COMMIT_POSITIONS = message(
  ['TxnOffsetCommit', 28, 2],
  (
    to,
    { identity, producer, group, of }: OfWriter & Readonly<{ group: string; of: readonly TopicPositions[] }>,
  ) => {
    to.string(identity).string(group).int64(producer.id).int16(producer.epoch)
    to.array(of, ({ topic, positions }) => {
      to.string(topic)
      to.array(positions, ({ partition, position }) =>
        to.int32(partition).int64(BigInt(position)).int32(-1).string(null),
      )
    })
  },
  readPartitionErrors,
)

export const END_TRANSACTION = message(
  ['EndTxn', 26, 2],
  (to, { identity, producer, isCommit }: OfWriter & Readonly<{ isCommit: boolean }>) => {
    to.string(identity).int64(producer.id).int16(producer.epoch).bool(isCommit)
  },
  readError,
)

/** What the coordinator knows of the last transaction of an identity. */
export const DESCRIBE_TRANSACTION = message(
  ['DescribeTransactions', 65, 0, 'flexible'],
  (to, identity: string) => {
    to.compactArray([identity], (one) => to.compactString(one)).tags()
  },
  (from) => {
    passThrottle(from)
    return from.compactArray(() => {
      const error = from.int16()
      from.compactString()
      const state = from.compactString()
      from.int32()
      from.int64()
      const producer: Producer = { id: from.int64(), epoch: from.int16() }
      from.compactArray(() => {
        from.compactString()
        from.compactArray(() => from.int32())
        from.tags()
      })
      from.tags()
      return { error, state, producer }
    })
  },
)

/** Who writes to partitions, and the first record of each that has no marker; -1 where all have. */
export const DESCRIBE_PRODUCERS = message(
  ['DescribeProducers', 61, 0, 'flexible'],
  (to, of: readonly TopicParts[]) => {
    putParts(to, of).tags()
  },
  (from) => {
    passThrottle(from)
    const topics = from.compactArray(() => {
      const topic = from.compactString()
      const partitions = from.compactArray(() => {
        const head = { topic, partition: from.int32(), error: from.int16() }
        from.compactNullableString()
        const producers = from.compactArray(() => {
          const id = from.int64()
          // Epoch, last number, last time, epoch of the coordinator.
          from.int32()
          from.int32()
          from.int64()
          from.int32()
          const firstUndecided = from.offset()
          from.tags()
          return { id, firstUndecided }
        })
        from.tags()
        return { ...head, producers }
      })
      from.tags()
      return partitions
    })
    return topics.flat()
  },
)

/** Stable positions only: while a transaction that moves one is undecided, the answer says so instead. */
export const FETCH_POSITIONS = message(
  ['OffsetFetch', 9, 7, 'flexible'],
  (to, { group, of }: Readonly<{ group: string; of: readonly TopicParts[] }>) => {
    putParts(to.compactString(group), of).bool(true).tags()
  },
  (from) => {
    passThrottle(from)
    const topics = from.compactArray(() => {
      const topic = from.compactString()
      const partitions = from.compactArray(() => {
        const head = { topic, partition: from.int32(), position: from.offset() }
        from.int32()
        from.compactNullableString()
        const error = from.int16()
        from.tags()
        return { ...head, error }
      })
      from.tags()
      return partitions
    })
    return { error: from.int16(), positions: topics.flat() }
  },
)

/** Topics with their partitions, as flexible requests name them. */
function putParts(to: WireWriter, of: readonly TopicParts[]): WireWriter {
  return to.compactArray(of, ({ topic, partitions }) => {
    to.compactString(topic)
    to.compactArray(partitions, (partition) => to.int32(partition)).tags()
  })
}
