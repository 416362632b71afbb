import { setTimeout } from 'node:timers/promises'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { expect, onTestFinished } from 'vitest'
import { KAFKA_CLIENTS } from '../../gateway/config/model.ts'
import type { KafkaClientName, KafkaLog } from '../../gateway/log/kafka.ts'
import type { TopicSpec, Writer } from '../../gateway/log/port.ts'
import type { FailpointName, Failpoints } from '../../gateway/runtime.ts'
import { startKafkaProxy } from './kafka-proxy.ts'
import { type PlainKafkaOptions, plainKafka } from './plain-kafka.ts'
import type { KafkaBrokers } from './services.ts'

/** Every promise about Kafka is held on all. */
export { KAFKA_CLIENTS }

/** What the fields of requests are called in Kafka's protocol, for the proxy. */
export const API = {
  PRODUCE: 0,
  ADD_PARTITIONS: 24,
  ADD_GROUP: 25,
  END_TRANSACTION: 26,
  COMMIT_POSITIONS: 28,
} as const

let prefixes = 0

/** Tests share a broker, so that each has topics, groups and writers of its own. */
export function freshPrefix(): string {
  prefixes += 1
  return `test-${process.pid}-${prefixes}.`
}

/** A log on the broker at `host:port` that is closed when the test ends. */
export function openKafka(client: KafkaClientName, address: string, options: PlainKafkaOptions): KafkaLog {
  const log = plainKafka(client, address, options)
  onTestFinished(() => log.close())
  return log
}

/** A broker whose clients go through a proxy that can lose what they say. */
export async function startProxiedBroker(brokers: KafkaBrokers) {
  let address = ''
  const proxy = await startKafkaProxy(() => address)
  const broker = await brokers.start({
    listeners: { PROXIED: { protocol: 'PLAINTEXT', advertised: proxy.address } },
  })
  address = broker.addresses['PROXIED'] ?? ''
  return {
    broker,
    proxy,
    async stop() {
      await proxy.close()
      await broker.stop()
    },
  }
}

/** Runs `act` at a step; what it throws leaves the transaction as it stands there, as a process that dies does. */
function failpoint(name: FailpointName, act: () => void): Failpoints {
  return {
    hit(reached) {
      if (reached === name) act()
    },
  }
}

function dies(): never {
  throw new Error('The writer ends here.')
}

/** A writer that leaves a transaction open in which it wrote, as one does that is killed before its commit. */
export async function leaveOpen(
  client: KafkaClientName,
  address: string,
  prefix: string,
  identity: string,
  topic: TopicSpec,
): Promise<void> {
  const log = openKafka(client, address, { prefix, failpoints: failpoint('log.before-commit', dies) })
  const writer = await log.writer(identity, NEVER)
  const answer = await writer.transact({ records: [record(topic, 'doomed')] }, NEVER)
  expect(answer.kind).toBe('unknown')
}

/** What an operator does to the cluster behind the gateway's back, by kafkajs, which the log does not use for this. */
export async function operator(address: string): Promise<Admin> {
  const admin = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  onTestFinished(() => admin.disconnect())
  return admin
}

const NEVER = new AbortController().signal

export function record(topic: TopicSpec, value: string, key = 'k') {
  return { topic: topic.name, key, value: Buffer.from(value) }
}

/** The reason of an answer that has one. */
export async function answerOf(writer: Writer, topic: TopicSpec, value: string, key = 'k') {
  return await writer.transact({ records: [record(topic, value, key)] }, NEVER)
}

/** A topic that the gateway did not make, with settings under Kafka's names. Resolves when every broker knows it. */
export async function makeTopic(
  address: string,
  topic: string,
  partitions: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  const admin = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).admin()
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  const isKnown = () =>
    admin.fetchTopicMetadata({ topics: [topic] }).then(
      () => true,
      () => false,
    )
  try {
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, configEntries }],
      waitForLeaders: false,
    })
    while (!(await isKnown())) await setTimeout(20)
  } finally {
    await admin.disconnect()
  }
}

/** Drops the records of the first partition before an offset, as retention does. */
export async function dropBefore(address: string, topic: string, offset: number): Promise<void> {
  const admin = await operator(address)
  // Only then it knows whom to ask.
  await admin.fetchTopicOffsets(topic)
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: `${offset}` }] })
}

/** Settings of a topic, by its name in the cluster, as an operator changes them. */
export async function alter(
  address: string,
  topic: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const admin = await operator(address)
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries }] })
}
