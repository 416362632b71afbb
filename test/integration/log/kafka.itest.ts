import { afterAll, beforeAll } from 'vitest'
import type { KafkaClientName } from '../../../gateway/log/kafka.ts'
import type { Log } from '../../../gateway/log/port.ts'
import { API, freshPrefix, KAFKA_CLIENTS, openKafka, startProxiedBroker } from '../../kit/kafka-logs.ts'
import type { KafkaProxy } from '../../kit/kafka-proxy.ts'
import { type LogWorld, testLog } from '../../kit/log-contract.ts'
import { describeWithService } from '../../kit/services.ts'

const PARTITIONS = 3

describeWithService('kafka-jars', 'on Kafka', (brokers) => {
  let proxied: Awaited<ReturnType<typeof startProxiedBroker>>
  beforeAll(async () => {
    proxied = await startProxiedBroker(brokers)
  }, 120_000)
  afterAll(() => proxied.stop())

  for (const client of KAFKA_CLIENTS) {
    testLog(`kafka, by ${client}`, async () => makeWorld(client, proxied.proxy), 'server')
  }
})

/** All worlds share a broker: each has a prefix of its own. */
function makeWorld(client: KafkaClientName, proxy: KafkaProxy): LogWorld {
  const prefix = freshPrefix()
  let users: Log[] = []
  const open = async () => {
    const log = openKafka(client, proxy.address, { prefix, partitions: PARTITIONS })
    users.push(log)
    return log
  }
  const close = async () => {
    for (const user of users) await user.close()
    users = []
  }
  return {
    partitions: PARTITIONS,
    open,
    async restart(lose) {
      await close()
      if (lose !== undefined) {
        proxy.loseNext({ apiKey: API.END_TRANSACTION, lose: lose === 'before-commit' ? 'request' : 'answer' })
      }
      return await open()
    },
    // A broker refuses by itself what it has no room for only by dying; retention is its own work.
    fill: null,
    prune: null,
    close,
  }
}
