import type { KafkaCall } from './client.ts'
import type { Producer } from './messages-transaction.ts'
import { putBatch, type RecordBatch } from './record-batch.ts'
import { WireReader } from './wire.ts'

export const PRODUCE: KafkaCall = { name: 'Produce', apiKey: 0, version: 7, isFlexible: false }

/** One batch of a partition: a request may carry no more than one of each. */
export type PartitionBatch = Readonly<{
  topic: string
  partition: number
  sequence: number
  batch: RecordBatch
}>

export type Produce = Readonly<{
  identity: string
  producer: Producer
  /** Epoch ms; a topic that stamps its records itself, as ours do, has no use for it. */
  time: number
  /** How long the broker may wait for its replicas. */
  timeoutMs: number
  batches: readonly PartitionBatch[]
}>

export type Produced = Readonly<{ topic: string; partition: number; error: number; offset: number }>

const ALL_REPLICAS = -1

/** The body of a request, in one buffer that is made once. */
export function encodeProduce({ identity, producer, time, timeoutMs, batches }: Produce): Buffer {
  const to = Buffer.allocUnsafeSlow(bytesOf(identity, batches))
  const text = (at: number, value: string) =>
    to.write(value, to.writeInt16BE(Buffer.byteLength(value), at)) + at + 2
  let at = text(0, identity)
  at = to.writeInt16BE(ALL_REPLICAS, at)
  at = to.writeInt32BE(timeoutMs, at)
  const topics = Map.groupBy(batches, ({ topic }) => topic)
  at = to.writeInt32BE(topics.size, at)
  for (const [topic, parts] of topics) {
    at = to.writeInt32BE(parts.length, text(at, topic))
    for (const { partition, sequence, batch } of parts) {
      const lengthAt = to.writeInt32BE(partition, at)
      at = putBatch(to, lengthAt + 4, batch, { producer, sequence, time })
      to.writeInt32BE(at - lengthAt - 4, lengthAt)
    }
  }
  return to.subarray(0, at)
}

const REQUEST_HEAD_BYTES = 32
const PARTITION_HEAD_BYTES = 24

function bytesOf(identity: string, batches: readonly PartitionBatch[]): number {
  const head = REQUEST_HEAD_BYTES + Buffer.byteLength(identity)
  return batches.reduce(
    (sum, { topic, batch }) => sum + PARTITION_HEAD_BYTES + Buffer.byteLength(topic) + batch.bytes,
    head,
  )
}

/** `offset`: of the first record of the batch. */
export function decodeProduced(body: Buffer): readonly Produced[] {
  const from = new WireReader(body)
  const topics = from.array(() => {
    const topic = from.string()
    return from.array((): Produced => {
      const produced = { topic, partition: from.int32(), error: from.int16(), offset: from.offset() }
      from.int64()
      from.int64()
      return produced
    })
  })
  return topics.flat()
}
