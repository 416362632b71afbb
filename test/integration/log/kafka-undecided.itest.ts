import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KafkaLog } from '../../../gateway/log/kafka.ts'
import type { TopicSpec } from '../../../gateway/log/port.ts'
import type { KafkaBroker } from '../../../scripts/services/kafka-broker.ts'
import { API, alter, answerOf, freshPrefix, KAFKA_CLIENTS, openKafka } from '../../kit/kafka-logs.ts'
import { type KafkaProxy, startKafkaProxy } from '../../kit/kafka-proxy.ts'
import { leavePositionUndecided, leaveRecordUndecided } from '../../kit/kafka-undecided.ts'
import { NEVER, placedOf, readPartition, textOf } from '../../kit/log-contract-steps.ts'
import { describeWithService } from '../../kit/services.ts'

const TOPIC: TopicSpec = { name: 'erp.payment.v1', cleanup: 'delete', keepMs: 10 ** 12 }
const FIRST = { topic: TOPIC.name, partition: 0 }
const IDENTITY = 'lane.payments'

describeWithService('kafka-jars', 'Markers that Kafka has lost', (brokers) => {
  let address = ''
  let broker: KafkaBroker
  let proxy: KafkaProxy
  beforeAll(async () => {
    proxy = await startKafkaProxy(() => address)
    broker = await brokers.start({
      // So that a test can write what a broker otherwise leaves behind only when it is killed at the right moment.
      settings: { 'transaction.partition.verification.enable': 'false' },
      listeners: { PROXIED: { protocol: 'PLAINTEXT', advertised: proxy.address } },
    })
    address = broker.addresses['PROXIED'] ?? ''
  }, 120_000)
  afterAll(async () => {
    await proxy.close()
    await broker.stop()
  })

  describe.each(KAFKA_CLIENTS)('by %s', (client) => {
    const fresh = async () => {
      const prefix = freshPrefix()
      const at = { identity: `${prefix}${IDENTITY}`, topic: `${prefix}${TOPIC.name}`, partition: 0 }
      const log = openKafka(client, proxy.address, { prefix })
      await log.ensure([TOPIC], NEVER)
      const undecided = (value: string, sequence: number) =>
        leaveRecordUndecided(broker.address, { ...at, sequence, value })
      return { at, prefix, log, undecided, writer: await log.writer(IDENTITY, NEVER) }
    }
    const valuesIn = async (log: KafkaLog) => (await readPartition(log, FIRST)).records.map(textOf)

    test('a record of a committed transaction is committed by the next writer, before it writes [P1 P2 F3]', async () => {
      const { log, undecided, writer } = await fresh()
      placedOf(await answerOf(writer, TOPIC, 'first'))
      await undecided('second', 1)
      expect(await valuesIn(log)).toEqual(['first'])
      const next = await log.writer(IDENTITY, NEVER)
      expect(await valuesIn(log)).toEqual(['first', 'second'])
      placedOf(await answerOf(next, TOPIC, 'third'))
      expect(await valuesIn(log)).toEqual(['first', 'second', 'third'])
    })

    test('a record of a transaction that was broken off is never seen, and holds nobody back [P1 P2 F3]', async () => {
      const { log, prefix, undecided, writer } = await fresh()
      placedOf(await answerOf(writer, TOPIC, 'first'))
      await alter(broker.address, `${prefix}${TOPIC.name}`, { 'max.message.bytes': '1000' })
      const refused = await answerOf(writer, TOPIC, '.'.repeat(2_000))
      expect(refused).toMatchObject({ kind: 'refused', retryable: false })
      await undecided('second', 1)
      const next = await log.writer(IDENTITY, NEVER)
      placedOf(await answerOf(next, TOPIC, 'third'))
      expect(await valuesIn(log)).toEqual(['first', 'third'])
    })

    test('a position of a committed transaction is there for the next writer that moves it [P1 P2 F3]', async () => {
      const { at, prefix, log, writer } = await fresh()
      placedOf(await answerOf(writer, TOPIC, 'first'))
      await leavePositionUndecided(broker.address, { ...at, group: `${prefix}publisher`, position: 1 })
      await log.writer(IDENTITY, NEVER, ['publisher'])
      expect(await log.position('publisher', FIRST, NEVER)).toBe(1)
    })

    test.each([
      ['ADD_PARTITIONS', 'request'],
      ['ADD_PARTITIONS', 'answer'],
      ['END_TRANSACTION', 'request'],
      ['END_TRANSACTION', 'answer'],
    ] as const)(
      'a take-over that loses its %s, the %s, is made good by the next: nothing committed is broken off [P1 P2 F3]',
      async (api, lose) => {
        const { log, undecided, writer } = await fresh()
        placedOf(await answerOf(writer, TOPIC, 'first'))
        await undecided('second', 1)
        proxy.loseNext({ apiKey: API[api], lose })
        await expect(log.writer(IDENTITY, NEVER)).rejects.toThrow(
          /lane\.payments left in Kafka without an end/,
        )
        await log.writer(IDENTITY, NEVER)
        expect(await valuesIn(log)).toEqual(['first', 'second'])
      },
    )

    test('where Kafka does not know any more how it was decided, the writer does not open and says where to look; others do [P1 F3]', async () => {
      const { log, prefix, undecided, writer } = await fresh()
      placedOf(await answerOf(writer, TOPIC, 'first'))
      await log.writer(IDENTITY, NEVER)
      await undecided('second', 0)
      await expect(log.writer(IDENTITY, NEVER)).rejects.toMatchObject({
        code: 'LOG_UNDECIDED',
        message: expect.stringContaining(`${prefix}${TOPIC.name}/0 at offset 2`),
      })
      const other = await log.writer('lane.orders', NEVER)
      placedOf(await answerOf(other, TOPIC, 'of another'))
    })
  })
})
