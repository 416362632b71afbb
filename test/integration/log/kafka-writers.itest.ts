import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { KafkaLog } from '../../../gateway/log/kafka.ts'
import type { TopicSpec } from '../../../gateway/log/port.ts'
import type { KafkaBroker } from '../../../scripts/services/kafka-broker.ts'
import {
  API,
  alter,
  answerOf,
  freshPrefix,
  KAFKA_CLIENTS,
  leaveOpen,
  makeTopic,
  openKafka,
  operator,
  record,
  startProxiedBroker,
} from '../../kit/kafka-logs.ts'
import type { KafkaProxy } from '../../kit/kafka-proxy.ts'
import {
  followUntil,
  NEVER,
  placedOf,
  readPartition,
  readTopic,
  textOf,
} from '../../kit/log-contract-steps.ts'
import { describeWithService } from '../../kit/services.ts'
import { type ChildTask, IDENTITY, TOPIC } from './kafka-child.ts'

const FIRST = { topic: TOPIC.name, partition: 0 }

describeWithService('kafka-jars', 'writers on Kafka in trouble', (brokers) => {
  let broker: KafkaBroker
  let proxy: KafkaProxy
  let stop: () => Promise<void>
  beforeAll(async () => {
    ;({ broker, proxy, stop } = await startProxiedBroker(brokers))
  }, 120_000)
  afterAll(() => stop())

  describe.each(KAFKA_CLIENTS)('by %s', (client) => {
    const fresh = (partitions = 1) => {
      const prefix = freshPrefix()
      return { prefix, log: openKafka(client, broker.address, { prefix, partitions }) }
    }

    test.each(['between', 'inside'] as const)(
      'a zombie stopped %s its transactions is told that it is fenced, and nobody sees what it wrote [P2 F5]',
      async (at) => {
        const { prefix, log } = fresh()
        const child = startChild({ client, address: broker.address, prefix, at, signal: 'SIGSTOP' })
        await child.until('signal')
        const successor = await log.writer(IDENTITY, NEVER)
        placedOf(await answerOf(successor, TOPIC, 'successor'))
        child.process.kill('SIGCONT')
        await child.until('fenced')
        placedOf(await answerOf(successor, TOPIC, 'successor again'))
        expect(await valuesIn(log)).toEqual(['first', 'successor', 'successor again'])
      },
    )

    test('a successor of a writer killed before its commit starts at once and sees the end right [P1 P2 F1 F2]', async () => {
      const { prefix, log } = fresh()
      const child = startChild({ client, address: broker.address, prefix, at: 'inside', signal: 'SIGKILL' })
      await child.ended
      expect(child.lines).toEqual(['committed', 'signal'])
      const before = await log.end(FIRST, NEVER)
      const startedAt = performance.now()
      const successor = await log.writer(IDENTITY, NEVER)
      const tookMs = performance.now() - startedAt
      // Not the 15 s after which the broker would have ended it by itself.
      expect(tookMs).toBeLessThan(5_000)
      // First record, its marker, the doomed one, and the marker that ended it.
      expect([before, await log.end(FIRST, NEVER)]).toEqual([2, 4])
      placedOf(await answerOf(successor, TOPIC, 'successor'))
      expect(await valuesIn(log)).toEqual(['first', 'successor'])
    })

    test('whatever request or answer of a transaction is lost, it is unknown, and the next writer finds nothing of it [P1 P2 F3]', async () => {
      const prefix = freshPrefix()
      const log = openKafka(client, proxy.address, { prefix })
      await log.ensure([TOPIC], NEVER)
      const lost = [API.ADD_PARTITIONS, API.PRODUCE, API.ADD_GROUP, API.COMMIT_POSITIONS]
      const answers: string[] = []
      for (const apiKey of lost) {
        for (const lose of ['request', 'answer'] as const) {
          const writer = await log.writer(IDENTITY, NEVER)
          proxy.loseNext({ apiKey, lose })
          const position = { group: 'payments', ...FIRST, position: 7 }
          const answer = await writer.transact(
            { records: [record(TOPIC, `${apiKey} ${lose}`)], positions: [position] },
            NEVER,
          )
          answers.push(answer.kind)
        }
      }
      expect(new Set(answers)).toEqual(new Set(['unknown']))
      const next = await log.writer(IDENTITY, NEVER)
      expect(await log.position('payments', FIRST, NEVER)).toBe(null)
      placedOf(await answerOf(next, TOPIC, 'next'))
      expect(await valuesIn(log)).toEqual(['next'])
    })

    test.each([1, 60])(
      'twenty megabytes for partitions, %d of them, go in batches that the broker takes, in one transaction [P1 P3 P9]',
      async (partitions) => {
        const { log } = fresh(partitions)
        await log.ensure([TOPIC], NEVER)
        const records = Array.from({ length: 2_000 }, (_, place) =>
          record(TOPIC, `${place} `.padEnd(10_000, '.'), `k${place % 97}`),
        )
        const writer = await log.writer(IDENTITY, NEVER)
        const positions = [{ group: 'payments', ...FIRST, position: 5 }]
        const placed = placedOf(await writer.transact({ records, positions }, NEVER))
        const read = await readTopic(log, TOPIC, partitions)
        const byPlace = new Map(read.map((one) => [`${one.partition} ${one.offset}`, textOf(one)]))
        expect(placed.map(({ partition, offset }) => byPlace.get(`${partition} ${offset}`))).toEqual(
          records.map(({ value }) => value.toString()),
        )
        expect(read).toHaveLength(records.length)
        expect(await log.position('payments', FIRST, NEVER)).toBe(5)
      },
    )

    test('a record over the limit of its topic is refused for good, leaves nothing behind, and the writer goes on [P5 F34]', async () => {
      const { prefix, log } = fresh()
      await log.ensure([TOPIC], NEVER)
      await alter(broker.address, `${prefix}${TOPIC.name}`, { 'max.message.bytes': '20000' })
      const writer = await log.writer(IDENTITY, NEVER)
      placedOf(await answerOf(writer, TOPIC, 'before'))
      const answer = await answerOf(writer, TOPIC, '.'.repeat(50_000))
      expect(answer).toMatchObject({
        kind: 'refused',
        retryable: false,
        reason: expect.stringMatching(/erp\.payment\.v1.*max\.message\.bytes/),
      })
      placedOf(await answerOf(writer, TOPIC, 'after'))
      expect(await valuesIn(log)).toEqual(['before', 'after'])
    })

    test('an open transaction of another writer holds back end, reading and following, until it is broken off [P1 F2]', async () => {
      const { prefix, log } = fresh()
      await log.ensure([TOPIC], NEVER)
      const writer = await log.writer('another', NEVER)
      placedOf(await answerOf(writer, TOPIC, 'before'))
      await leaveOpen(client, broker.address, prefix, IDENTITY, TOPIC)
      placedOf(await answerOf(writer, TOPIC, 'behind'))
      const seen = followUntil(log.follow(FIRST, 0, NEVER), (records) => records.length === 2)
      expect(await log.end(FIRST, NEVER)).toBe(2)
      expect(await valuesIn(log)).toEqual(['before'])
      await log.writer(IDENTITY, NEVER)
      expect(await valuesIn(log)).toEqual(['before', 'behind'])
      expect((await seen).map(textOf)).toEqual(['before', 'behind'])
    })

    test('a topic that is gone is said by every way to it, and none hangs [P10 F35]', async () => {
      const { prefix, log } = fresh()
      const other: TopicSpec = { ...TOPIC, name: 'erp.item.v1' }
      await log.ensure([TOPIC, other], NEVER)
      const writer = await log.writer(IDENTITY, NEVER)
      placedOf(await answerOf(writer, TOPIC, 'before'))
      placedOf(await answerOf(writer, other, 'stays'))
      const unknown = { code: 'LOG_TOPIC_UNKNOWN', message: expect.stringContaining(TOPIC.name) }
      const followed = expect(followUntil(log.follow(FIRST, 0, NEVER), () => false)).rejects.toMatchObject(
        unknown,
      )
      const unharmed = followUntil(
        log.follow({ topic: other.name, partition: 0 }, 0, NEVER),
        (records) => records.length === 2,
      )
      const admin = await operator(broker.address)
      await admin.deleteTopics({ topics: [`${prefix}${TOPIC.name}`] })
      await followed
      await expect(log.end(FIRST, NEVER)).rejects.toMatchObject(unknown)
      await expect(readPartition(log, FIRST)).rejects.toMatchObject(unknown)
      expect(await answerOf(writer, TOPIC, 'gone')).toMatchObject({ kind: 'refused', retryable: false })
      placedOf(await answerOf(writer, other, 'stays too'))
      expect((await unharmed).map(textOf)).toEqual(['stays', 'stays too'])
    })

    test('a topic made again under its name takes nothing of a writer that wrote to the former one, and ends its followers [P1 P10 F35]', async () => {
      const { prefix, log } = fresh(2)
      const [former] = await log.ensure([TOPIC], NEVER)
      const writer = await log.writer(IDENTITY, NEVER)
      const [placed] = placedOf(await answerOf(writer, TOPIC, 'before'))
      const followed = followUntil(
        log.follow({ topic: TOPIC.name, partition: placed?.partition ?? 0 }, 0, NEVER),
        () => false,
      )
      const ended = expect(followed).rejects.toMatchObject({
        code: expect.stringMatching(/^LOG_(TRUNCATED|TOPIC_UNKNOWN)$/),
      })
      await makeAgain(broker.address, prefix)
      // As many records as the former had, so that no offset tells.
      const stranger = openKafka(client, broker.address, { prefix, partitions: 2 })
      const [latter] = await stranger.ensure([TOPIC], NEVER)
      const other = await stranger.writer('another', NEVER)
      // A topic that was just made refuses for a moment, and says that it may be tried again.
      for (let count = 0; count < 3; ) {
        const { kind } = await answerOf(other, TOPIC, 'stranger')
        if (kind === 'committed') count += 1
        else expect(kind).toBe('refused')
      }
      expect(await answerOf(writer, TOPIC, 'after')).toMatchObject({
        kind: 'refused',
        reason: expect.stringContaining('deleted and made again'),
      })
      expect(await answerOf(writer, TOPIC, 'after', otherKey(placed?.partition ?? 0))).toMatchObject({
        kind: 'refused',
      })
      await ended
      expect(latter?.id).not.toBe(former?.id)
      const values = (await readTopic(stranger, TOPIC, 2)).map(textOf)
      expect(values).toEqual(['stranger', 'stranger', 'stranger'])
    })
  })
})

async function valuesIn(log: KafkaLog): Promise<readonly (string | null)[]> {
  return (await readPartition(log, FIRST)).records.map(textOf)
}

/** A key that goes to the other of two partitions. */
function otherKey(partition: number): string {
  return partition === 0 ? 'b' : 'a'
}

async function makeAgain(address: string, prefix: string): Promise<void> {
  const admin = await operator(address)
  const topic = `${prefix}${TOPIC.name}`
  await admin.deleteTopics({ topics: [topic] })
  await makeTopic(address, topic, 2)
}

type Child = Readonly<{
  process: ChildProcess
  lines: readonly string[]
  ended: Promise<unknown>
  /** Resolves when the process has said so. */
  until(line: string): Promise<void>
}>

function startChild(task: ChildTask): Child {
  const script = fileURLToPath(new URL('kafka-child.ts', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  return {
    process: child,
    lines,
    ended: new Promise((resolve) => child.once('close', resolve)),
    until: (line) => expect.poll(() => lines, { timeout: 60_000, interval: 20 }).toContain(line),
  }
}
