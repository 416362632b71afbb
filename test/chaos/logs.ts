import { join } from 'node:path'
import { openEmbeddedReader } from '../../gateway/log/embedded.ts'
import type { KafkaClientName } from '../../gateway/log/kafka.ts'
import type { LogRecord } from '../../gateway/log/port.ts'
import type { LogReader } from '../../gateway/log/reader.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'
import type { KafkaBroker } from '../../scripts/services/kafka-broker.ts'
import { plainKafka } from '../kit/plain-kafka.ts'
import { EMBEDDED_LOG } from './workload.ts'

/** The log under a gateway that is killed, as its tormentor sees it. */
export interface ChaosLog {
  /** The lines of the config. */
  readonly config: string
  /** What writes it may have a second home beside the first: a server keeps the log. */
  readonly isShared: boolean
  /** Kills what keeps it, and brings it back; null where that is the gateway itself. */
  readonly restart: (() => Promise<void>) | null
  /** Everything in topics that begin so, as a reader of committed records sees it. */
  records(prefix: string): Promise<readonly LogRecord[]>
  /** How much was committed to a topic; 0 where there is none yet. */
  committed(topic: string): Promise<number>
  close(): Promise<void>
}

const NEVER = new AbortController().signal

/** In the data folder of the gateway. */
export function embeddedChaosLog(folder: string): ChaosLog {
  const open = () => openEmbeddedReader({ folder: join(folder, 'data', 'log'), runtime: createRuntime() })
  return {
    config: EMBEDDED_LOG,
    isShared: false,
    restart: null,
    async records(prefix) {
      const reader = open()
      try {
        return await recordsOf(reader, prefix)
      } finally {
        await reader.close()
      }
    },
    async committed(topic) {
      try {
        const reader = open()
        const count = await endsOf(reader, topic)
        await reader.close()
        return count
      } catch {
        // Not made yet.
        return 0
      }
    },
    close: async () => undefined,
  }
}

/** On a broker that may be killed as well. */
export function kafkaChaosLog(broker: KafkaBroker, client: KafkaClientName, prefix: string): ChaosLog {
  const log = plainKafka(client, broker.address, { prefix, partitions: 3 })
  return {
    config: `{ driver: kafka, client: ${client}, brokers: ["${broker.address}"], prefix: "${prefix}", partitions: 3 }`,
    isShared: true,
    async restart() {
      await broker.kill()
      await broker.start()
    },
    records: (topics) => recordsOf(log, topics),
    committed: (topic) => endsOf(log, topic).catch(() => 0),
    close: () => log.close(),
  }
}

async function recordsOf(reader: LogReader, prefix: string): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = []
  for (const { name, partitions } of await reader.topics()) {
    if (!name.startsWith(prefix)) continue
    for (let partition = 0; partition < partitions; partition += 1) {
      for await (const chunk of reader.readTo({ topic: name, partition }, 0, { signal: NEVER })) {
        records.push(...chunk.records)
      }
    }
  }
  return records
}

/** How much was ever written to a topic, markers included; 0 where there is none. */
export async function endsOf(reader: LogReader, topic: string): Promise<number> {
  const known = (await reader.topics()).find(({ name }) => name === topic)
  let sum = 0
  for (let partition = 0; partition < (known?.partitions ?? 0); partition += 1) {
    sum += await reader.end({ topic, partition }, NEVER)
  }
  return sum
}
