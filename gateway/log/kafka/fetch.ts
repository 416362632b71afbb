import type { KafkaCall } from './client.ts'
import { WireReader, WireWriter } from './wire.ts'

export const FETCH: KafkaCall = { name: 'Fetch', apiKey: 1, version: 11, isFlexible: false }

export type FetchFrom = Readonly<{ topic: string; partition: number; position: number }>

export type Fetch = Readonly<{
  of: readonly FetchFrom[]
  /** How long the broker waits for something to come where there is nothing. */
  waitMs: number
}>

/** A transaction that was broken off: what its producer wrote from `first` on, until its marker, was never there. */
export type Aborted = Readonly<{ producer: bigint; first: number }>

/** `records`: batches as they lie on disk, the last one cut perhaps. `stable`: the end of what is decided. */
export type Fetched = Readonly<{
  topic: string
  partition: number
  error: number
  stable: number
  aborted: readonly Aborted[]
  records: Buffer
}>

/** Of one partition in one answer: the largest batch that topics of ours take, so that none waits for being asked for alone. */
const PARTITION_BYTES = 1_048_588
const ANSWER_BYTES = 16_000_000

const READ_COMMITTED = 1

export function encodeFetch({ of, waitMs }: Fetch): Buffer {
  const to = new WireWriter()
  to.int32(-1).int32(waitMs).int32(1).int32(ANSWER_BYTES).int8(READ_COMMITTED)
  // No session: each request says all that it wants.
  to.int32(0).int32(-1)
  to.array([...Map.groupBy(of, ({ topic }) => topic)], ([topic, partitions]) => {
    to.string(topic)
    to.array(partitions, ({ partition, position }) => {
      to.int32(partition).int32(-1).int64(BigInt(position)).int64(-1n).int32(PARTITION_BYTES)
    })
  })
  return to.int32(0).string('').written()
}

export function decodeFetched(body: Buffer): Readonly<{ error: number; partitions: readonly Fetched[] }> {
  const from = new WireReader(body)
  from.int32()
  const error = from.int16()
  from.int32()
  const topics = from.array(() => {
    const topic = from.string()
    return from.array((): Fetched => {
      const head = { topic, partition: from.int32(), error: from.int16() }
      from.int64()
      const stable = from.offset()
      from.int64()
      const aborted = from.array((): Aborted => ({ producer: from.int64(), first: from.offset() }))
      from.int32()
      return { ...head, stable, aborted, records: from.bytes() }
    })
  })
  return { error, partitions: topics.flat() }
}
