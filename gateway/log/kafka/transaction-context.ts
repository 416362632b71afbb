import type { Failpoints, Runtime } from '../../runtime.ts'
import type { KafkaCluster } from './cluster.ts'
import type { Producer } from './messages-transaction.ts'
import type { Topics } from './topics.ts'

/** What a writer knows of a partition: the number of its next record, and the offset of its last. */
export type PartitionState = { sequence: number; last: number }

/** What the transactions of a writer have in common. */
export type TransactionContext = Readonly<{
  cluster: KafkaCluster
  topics: Topics
  runtime: Runtime
  failpoints: Failpoints
  identity: string
  producer: Producer
  /** By `<topic>/<partition>`; moves along. */
  parts: Map<string, PartitionState>
  /** Of each topic, by its name in the cluster, when the writer first wrote to it. */
  topicIds: Map<string, string>
}>
