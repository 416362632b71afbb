import {
  createKafkaLog,
  type KafkaClientName,
  type KafkaLog,
  type KafkaLogOptions,
} from '../../gateway/log/kafka.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'

export type PlainKafkaOptions = Partial<Omit<KafkaLogOptions, 'brokers' | 'client'>> &
  Readonly<{ prefix: string }>

/** A log on the broker at `host:port`, without security unless the options bring some; whoever opens it closes it. */
export function plainKafka(client: KafkaClientName, address: string, options: PlainKafkaOptions): KafkaLog {
  const { hostname: host, port } = new URL(`kafka://${address}`)
  return createKafkaLog({
    client,
    access: { clientId: 'test', tls: null, sasl: null, connectMs: 3_000 },
    partitions: 1,
    replication: null,
    resolve: async (name) => name,
    runtime: createRuntime(),
    ...options,
    brokers: [{ host, port: Number(port) }],
  })
}
