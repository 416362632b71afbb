import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LogRecord, TopicSpec } from '../../../gateway/log/port.ts'
import type { KafkaBroker } from '../../../scripts/services/kafka-broker.ts'
import { freshPrefix, KAFKA_CLIENTS, openKafka } from '../../kit/kafka-logs.ts'
import { NEVER, readTopic, textOf } from '../../kit/log-contract-steps.ts'
import { describeWithService } from '../../kit/services.ts'

const TOPIC: TopicSpec = { name: 'erp.payment.v1', cleanup: 'compact', keepMs: 10 ** 12 }
const PARTITIONS = 4

describeWithService('kafka-jars', 'Kafka of two brokers', (brokers) => {
  let first: KafkaBroker
  let second: KafkaBroker
  beforeAll(async () => {
    first = await brokers.start({ settings: COPIED })
    second = await brokers.start({ settings: COPIED, joins: first })
  }, 120_000)
  afterAll(async () => {
    await second.stop()
    await first.stop()
  })

  test.each(KAFKA_CLIENTS)(
    'goes on by the other, for writers, readers and followers, when one is killed for good, by %s [P1 P2 F3]',
    async (client) => {
      await second.start()
      const log = openKafka(client, first.address, {
        prefix: freshPrefix(),
        partitions: PARTITIONS,
        replication: 2,
      })
      await log.ensure([TOPIC], NEVER)
      const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition)
      // Of every coordinator, one is at each broker.
      const names = ['a', 'b', 'c', 'd', 'e', 'f']
      const keys = names.flatMap((name) => partitions.map((number) => `${name}${number}`))
      const writeAll = async (value: string) => {
        for (const key of keys) {
          await expect.poll(() => written(key, value), { timeout: 30_000, interval: 200 }).toBe(true)
        }
      }
      const written = async (key: string, value: string) => {
        try {
          const writer = await log.writer(`writer.${key[0]}`, NEVER)
          const position = { group: `group.${key[0]}`, topic: TOPIC.name, partition: 0, position: 1 }
          const records = [{ topic: TOPIC.name, key, value: Buffer.from(value) }]
          return (await writer.transact({ records, positions: [position] }, NEVER)).kind === 'committed'
        } catch (error) {
          return String(error)
        }
      }
      await writeAll('before')
      const seen: LogRecord[] = []
      const stopping = new AbortController()
      const following = Promise.all(
        partitions.map(async (partition) => {
          const at = { topic: TOPIC.name, partition }
          for await (const { records } of log.follow(at, 0, stopping.signal)) seen.push(...records)
        }),
      )
      const sawAll = (value: string) =>
        expect
          .poll(() => new Set(seen.filter((one) => textOf(one) === value).map(({ key }) => key)).size, {
            timeout: 30_000,
          })
          .toBe(keys.length)
      await sawAll('before')
      await second.kill()
      await writeAll('after')
      const position = (name: string) =>
        log.position(`group.${name}`, { topic: TOPIC.name, partition: 0 }, NEVER)
      expect(await Promise.all(names.map(position))).toEqual(names.map(() => 1))
      const kept = await readTopic(log, TOPIC, PARTITIONS)
      for (const key of keys) {
        const values = kept.filter((one) => one.key === key).map(textOf)
        expect([...new Set(values)]).toEqual(['before', 'after'])
      }
      await sawAll('after')
      stopping.abort()
      await following
    },
    120_000,
  )
})

/** So that either broker alone has everything and decides everything. */
const COPIED = {
  'offsets.topic.replication.factor': '2',
  'transaction.state.log.replication.factor': '2',
}
