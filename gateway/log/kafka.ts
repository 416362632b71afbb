import { type Failpoints, NO_FAILPOINTS, type Runtime } from '../runtime.ts'
import type { ConnectKafka, KafkaAccess, KafkaAddress, KafkaClientName, ResolveHost } from './kafka/client.ts'
import { KafkaCluster } from './kafka/cluster.ts'
import { asLogError } from './kafka/faults.ts'
import { Following } from './kafka/following.ts'
import { connectKafkaJs } from './kafka/kafkajs-client.ts'
import { assertTopics, joinGroup } from './kafka/membership.ts'
import { connectPlatformatic } from './kafka/platformatic-client.ts'
import { Reading } from './kafka/reading.ts'
import { Topics } from './kafka/topics.ts'
import { untilAborted } from './kafka/until-aborted.ts'
import { openWriter, type WriterOptions } from './kafka/writer.ts'
import type { Log } from './port.ts'
import type { LogReader } from './reader.ts'

export type { KafkaAccess, KafkaAddress, KafkaClientName, KafkaSasl, KafkaTls } from './kafka/client.ts'

export type KafkaLogOptions = Readonly<{
  client: KafkaClientName
  access: KafkaAccess
  /** Any brokers of the cluster, to learn of the others. */
  brokers: readonly KafkaAddress[]
  /** Before the names of topics, groups and writers: for a cluster that several gateways share. */
  prefix: string
  /** Of topics that are made. */
  partitions: number
  /** Copies of topics that are made; null is the cluster's default. */
  replication: number | null
  /** Null where the gateway may not talk to the host. */
  resolve: ResolveHost
  runtime: Runtime
  failpoints?: Failpoints
}>

/** What looks at the log and all else: nobody holds a file here, so that they are one. */
export type KafkaLog = Log & LogReader

/**
 * The log on a Kafka cluster (3.9 to 4.x). Nothing is connected before it is needed, and each thread has one of its own.
 * A broker that is away is `refused, retryable` or LOG_UNAVAILABLE, for the caller to try again.
 */
export function createKafkaLog(options: KafkaLogOptions): KafkaLog {
  const { access, brokers, client, prefix, resolve, runtime, failpoints = NO_FAILPOINTS } = options
  const cluster = new KafkaCluster({ access, bootstrap: brokers, connect: CLIENTS[client], resolve, runtime })
  const topics = new Topics(cluster, options)
  const reading = new Reading(cluster, topics)
  const following = new Following(cluster, topics, reading, runtime)
  const unsettled: WriterOptions['unsettled'] = new Map()
  return {
    async ensure(specs, signal) {
      signal.throwIfAborted()
      return await told(topics.ensure(specs, signal), signal)
    },
    async writer(identity, signal, groups = []) {
      signal.throwIfAborted()
      const options = { cluster, topics, runtime, failpoints, unsettled }
      return await told(openWriter(options, `${prefix}${identity}`, groups, signal), signal)
    },
    end: (partition, signal) => told(reading.offset(partition, 'stable', signal), signal),
    readTo: (partition, from, to) => toldEach(reading.readTo(partition, from, to)),
    position: (group, partition, signal) =>
      told(reading.position(`${prefix}${group}`, partition, signal), signal),
    async *subscribe(group, names, signal) {
      await told(assertTopics(topics, names), signal)
      const member = { cluster, topics, reading, following, runtime, group: `${prefix}${group}`, names }
      yield* toldEach(joinGroup(member, signal))
    },
    topics: () => told(topics.list(), cluster.closed),
    follow: (partition, from, signal) => toldEach(following.follow(partition, from, signal)),
    close: () => cluster.close(),
  }
}

const CLIENTS: { readonly [Name in KafkaClientName]: ConnectKafka } = {
  platformatic: connectPlatformatic,
  kafkajs: connectKafkaJs,
}

/** Errors of the parts as those that logs throw; nobody waits any longer once the signal aborts. */
async function told<Answer>(answer: Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  try {
    return await untilAborted(answer, signal)
  } catch (error) {
    throw asLogError(error)
  }
}

async function* toldEach<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item> {
  try {
    yield* items
  } catch (error) {
    throw asLogError(error)
  }
}
