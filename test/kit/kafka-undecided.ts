import { KafkaCluster, REQUEST_MS } from '../../gateway/log/kafka/cluster.ts'
import { connectKafkaJs } from '../../gateway/log/kafka/kafkajs-client.ts'
import type { Coded } from '../../gateway/log/kafka/message.ts'
import {
  COMMIT_POSITIONS,
  DESCRIBE_TRANSACTION,
  type Producer,
} from '../../gateway/log/kafka/messages-transaction.ts'
import { decodeProduced, encodeProduce, PRODUCE } from '../../gateway/log/kafka/produce.ts'
import { batchesOf, encodeHeaders } from '../../gateway/log/kafka/record-batch.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'

type At = Readonly<{ identity: string; topic: string; partition: number }>

/**
 * Leaves a record in a partition whose transaction the coordinator calls complete already, as one does whose marker was
 * lost. The broker must not verify partitions (`transaction.partition.verification.enable`). `sequence`: how many
 * records this writer has in the partition.
 */
export async function leaveRecordUndecided(
  address: string,
  { identity, topic, partition, sequence, value }: At & Readonly<{ sequence: number; value: string }>,
): Promise<void> {
  await asWriter(address, identity, async (cluster, producer) => {
    const record = { key: null, value: Buffer.from(value), headers: encodeHeaders({}) }
    const batches = batchesOf([record]).map((batch) => ({ topic, partition, batch, sequence }))
    const time = createRuntime().wall()
    const body = encodeProduce({ identity, producer, time, timeoutMs: REQUEST_MS, batches })
    return decodeProduced(await cluster.exchange(PRODUCE, body, TARGET))
  })
}

/** The same with a group's position. */
export async function leavePositionUndecided(
  address: string,
  { identity, topic, partition, group, position }: At & Readonly<{ group: string; position: number }>,
): Promise<void> {
  await asWriter(address, identity, async (cluster, producer) => {
    const of = [{ topic, positions: [{ partition, position }] }]
    return await cluster.decided(
      'group',
      group,
      (node) => cluster.ask(COMMIT_POSITIONS, { identity, producer, group, of }, { ...TARGET, node }),
      ([answer]) => answer?.error ?? 0,
      REQUEST_MS,
      cluster.closed,
    )
  })
}

/** One broker, the first. */
const TARGET = { node: 1, use: 'write', timeoutMs: REQUEST_MS } as const

async function asWriter(
  address: string,
  identity: string,
  act: (cluster: KafkaCluster, producer: Producer) => Promise<readonly Coded[]>,
): Promise<void> {
  const { hostname: host, port } = new URL(`kafka://${address}`)
  const cluster = new KafkaCluster({
    access: { clientId: 'test', tls: null, sasl: null, connectMs: 3_000 },
    bootstrap: [{ host, port: Number(port) }],
    connect: connectKafkaJs,
    resolve: async (name) => name,
    runtime: createRuntime(),
  })
  try {
    const [last] = await cluster.ask(DESCRIBE_TRANSACTION, identity, TARGET)
    if (last === undefined) throw new Error(`${identity} has written nothing.`)
    const [answer] = await act(cluster, last.producer)
    if (answer?.error !== 0) throw new Error(`The broker answered ${answer?.error}.`)
  } finally {
    await cluster.close()
  }
}
