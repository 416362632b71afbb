import { afterAll, beforeAll } from 'vitest'
import type { KafkaClientName } from '../../../gateway/log/kafka.ts'
import { createKafkaLog } from '../../../gateway/log/kafka.ts'
import type { Log } from '../../../gateway/log/port.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import type { KafkaBroker } from '../../../scripts/services/kafka-broker.ts'
import { type KafkaProxy, startKafkaProxy } from '../../kit/kafka-proxy.ts'
import { type LogWorld, testLog } from '../../kit/log-contract.ts'
import { describeWithService } from '../../kit/services.ts'

const END_TRANSACTION = 26

describeWithService('kafka-jars', 'on Kafka', (brokers) => {
  let broker: KafkaBroker
  let proxy: KafkaProxy
  beforeAll(async () => {
    proxy = await startKafkaProxy(() => broker.addresses['PROXIED'] ?? '')
    broker = await brokers.start({
      listeners: { PROXIED: { protocol: 'PLAINTEXT', advertised: proxy.address } },
    })
  }, 120_000)
  afterAll(async () => {
    await proxy.close()
    await broker.stop()
  })

  for (const client of ['platformatic', 'kafkajs'] as const) {
    testLog(`kafka, by ${client}`, async () => makeWorld(client, proxy), 'server')
  }
})

let worlds = 0

/** All worlds share a broker: each has a prefix of its own. */
function makeWorld(client: KafkaClientName, proxy: KafkaProxy): LogWorld {
  worlds += 1
  const prefix = `world-${process.pid}-${worlds}.`
  const [host = '', port = ''] = proxy.address.split(':')
  let users: Log[] = []
  const open = async () => {
    const log = createKafkaLog({
      client,
      access: { clientId: 'kit', tls: null, sasl: null, connectMs: 3_000 },
      brokers: [{ host, port: Number(port) }],
      prefix,
      partitions: 3,
      replication: null,
      resolve: async (name) => name,
      runtime: createRuntime(),
    })
    users.push(log)
    return log
  }
  const close = async () => {
    for (const user of users) await user.close()
    users = []
  }
  return {
    partitions: 3,
    open,
    async restart(lose) {
      await close()
      if (lose !== undefined) {
        proxy.loseNext({ apiKey: END_TRANSACTION, lose: lose === 'before-commit' ? 'request' : 'answer' })
      }
      return await open()
    },
    // A broker refuses by itself what it has no room for only by dying; retention is its own work.
    fill: null,
    prune: null,
    close,
  }
}
