import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { KafkaClientName, KafkaLog } from '../../../gateway/log/kafka.ts'
import { partitionOf } from '../../../gateway/log/partition.ts'
import type { Assignment, LogRecord, TopicSpec } from '../../../gateway/log/port.ts'
import type { KafkaBroker } from '../../../scripts/services/kafka-broker.ts'
import {
  answerOf,
  dropBefore,
  freshPrefix,
  KAFKA_CLIENTS,
  leaveOpen,
  makeTopic,
  openKafka,
  record,
} from '../../kit/kafka-logs.ts'
import table from '../../kit/keys-and-partitions.json' with { type: 'json' }
import {
  followUntil,
  NEVER,
  placedOf,
  readPartition,
  readTopic,
  textOf,
} from '../../kit/log-contract-steps.ts'
import { describeWithService } from '../../kit/services.ts'

const ORDERS: TopicSpec = { name: 'erp.sales-order.v1', cleanup: 'compact', keepMs: 60_000 }
const REJECTS: TopicSpec = { name: 'gateway.rejects', cleanup: 'delete', keepMs: 60_000 }
const FIRST = { topic: ORDERS.name, partition: 0 }

describeWithService('kafka-jars', 'readers of Kafka in trouble', (brokers) => {
  let broker: KafkaBroker
  let java: Java
  beforeAll(async () => {
    broker = await brokers.start({ settings: { 'log.cleaner.backoff.ms': '100' } })
    java = await writeByJava(brokers.jars, broker.address)
  }, 120_000)
  afterAll(() => broker.stop())

  test('Java places every key of the table where the table says [P3]', () => {
    const places = new Map(table.keys.map(({ key, partitions }) => [key, Object.values(partitions)]))
    expect(java.places).toEqual(places)
  })

  describe.each(KAFKA_CLIENTS)('by %s', (client) => {
    const fresh = (partitions = 1) => {
      const prefix = freshPrefix()
      return { prefix, log: openKafka(client, broker.address, { prefix, partitions }) }
    }

    test('reads to the end of a partition that ends in a transaction that was broken off [P1 F2]', async () => {
      const { prefix, log } = fresh()
      await log.ensure([ORDERS], NEVER)
      const writer = await log.writer('another', NEVER)
      placedOf(await answerOf(writer, ORDERS, 'committed'))
      await leaveOpen(client, broker.address, prefix, 'doomed', ORDERS)
      await log.writer('doomed', NEVER)
      const { records, position } = await readPartition(log, FIRST)
      expect([records.map(textOf), position]).toEqual([['committed'], 4])
      for (const from of [1, 2, 3]) {
        expect(await readPartition(log, FIRST, from)).toMatchObject({ records: [], position: 4 })
      }
    })

    test('reads to a place where compaction left nothing, and goes on behind it [P1]', async () => {
      const { prefix, log } = fresh()
      await makeTopic(broker.address, `${prefix}${ORDERS.name}`, 1, COMPACTED_AT_ONCE)
      const writer = await log.writer('writer', NEVER)
      for (const value of ['1', '2', '3']) placedOf(await answerOf(writer, ORDERS, value))
      const hole = await log.end(FIRST, NEVER)
      await writer.transact({ records: [{ topic: ORDERS.name, key: 'k', value: null }] }, NEVER)
      await expect
        .poll(
          async () => {
            placedOf(await answerOf(writer, ORDERS, 'tick', 'other'))
            return (await readPartition(log, FIRST)).records.filter(({ key }) => key === 'k').length
          },
          { timeout: 60_000, interval: 300 },
        )
        .toBe(0)
      expect(await readPartition(log, FIRST, 0, hole)).toMatchObject({ records: [], position: hole })
      expect(await readPartition(log, FIRST, 1, 3)).toMatchObject({ records: [], position: 3 })
      const ticks = await followUntil(log.follow(FIRST, 0, NEVER), (records) => records.length > 0)
      expect(ticks.map(textOf)).toContain('tick')
    }, 90_000)

    test('begins with the oldest record that is kept where a position lies before it', async () => {
      const { prefix, log } = fresh()
      await log.ensure([REJECTS], NEVER)
      const at = { topic: REJECTS.name, partition: 0 }
      const writer = await log.writer('writer', NEVER)
      for (const value of ['gone', 'gone too', 'kept']) placedOf(await answerOf(writer, REJECTS, value))
      await dropBefore(broker.address, `${prefix}${REJECTS.name}`, 4)
      expect((await readPartition(log, at)).records.map(textOf)).toEqual(['kept'])
      expect((await readPartition(log, at, 1)).records.map(textOf)).toEqual(['kept'])
      const followed = await followUntil(log.follow(at, 0, NEVER), (records) => records.length === 1)
      expect(followed.map(textOf)).toEqual(['kept'])
    })

    test('reads what Java wrote plain, by gzip and by zstd, and finds each key in its partition [P3 P4]', async () => {
      const log = openKafka(client, broker.address, { prefix: java.prefix })
      for (const codec of ['none', 'gzip', 'zstd']) {
        const records = await readTopic(log, { ...REJECTS, name: codec }, JAVA_PARTITIONS)
        const places = new Map(records.map(({ key, partition }) => [key ?? '', partition]))
        expect(places).toEqual(new Map(table.keys.map(({ key }) => [key, partitionOf(key, JAVA_PARTITIONS)])))
        expect(new Set(records.map(textOf))).toEqual(new Set([`by ${codec}`.repeat(20)]))
      }
    })

    test.each(['lz4', 'snappy'])(
      'says of a topic with records by %s that it cannot read them',
      async (codec) => {
        const log = openKafka(client, broker.address, { prefix: java.prefix })
        const unreadable = {
          code: 'LOG_UNFIT',
          message: expect.stringMatching(new RegExp(`^${codec} holds records compressed by ${codec};`)),
        }
        const at = { topic: codec, partition: partitionOf(table.keys[0]?.key ?? '', JAVA_PARTITIONS) }
        await expect(readPartition(log, at)).rejects.toMatchObject(unreadable)
        await expect(followUntil(log.follow(at, 0, NEVER), () => true)).rejects.toMatchObject(unreadable)
      },
    )

    test.each(UNSAFE)(
      'names the setting of a topic that would lose records: %s',
      async (_name, cleanup, settings, fault) => {
        const { prefix, log } = fresh()
        const spec: TopicSpec = { name: 'erp.item.v1', cleanup, keepMs: 60_000 }
        await makeTopic(broker.address, `${prefix}${spec.name}`, 1, { ...SAFE[cleanup], ...settings })
        expect((await log.ensure([spec], NEVER)).map(({ faults }) => faults)).toEqual([
          [expect.stringContaining(fault)],
        ])
      },
    )

    test('while members come and go during slow work, each record takes effect once and in order [P1 P2 P3 F36]', async () => {
      const { prefix, log } = fresh(IN_PARTITIONS)
      await log.ensure([IN, OUT], NEVER)
      const writer = await log.writer('source', NEVER)
      const numbers = Array.from({ length: 400 }, (_, number) => number)
      placedOf(await writer.transact({ records: numbers.map((n) => record(IN, `${n}`, `key-${n}`)) }, NEVER))
      const members = [startMember(client, broker.address, prefix)]
      while ((await readTopic(log, OUT, IN_PARTITIONS)).length < numbers.length) {
        members.push(startMember(client, broker.address, prefix))
        await wait(300)
        if (members.length > MEMBERS_MAX) await members.shift()?.leave()
      }
      for (const member of members) await member.leave()
      const effects = await readTopic(log, OUT, IN_PARTITIONS)
      const inOrder = (records: readonly LogRecord[]) =>
        Array.from({ length: IN_PARTITIONS }, (_, partition) =>
          records.filter((one) => one.partition === partition).map(textOf),
        )
      expect(inOrder(effects)).toEqual(inOrder(await readTopic(log, IN, IN_PARTITIONS)))
      expect(new Set(effects.map(({ headers }) => headers['by'])).size).toBeGreaterThan(MEMBERS_MAX)
    }, 120_000)
  })
})

const COMPACTED_AT_ONCE = {
  'cleanup.policy': 'compact',
  'segment.ms': '100',
  'min.cleanable.dirty.ratio': '0.01',
  'max.compaction.lag.ms': '200',
  'delete.retention.ms': '100',
}

const SAFE = {
  compact: { 'cleanup.policy': 'compact', 'min.compaction.lag.ms': '60000' },
  delete: { 'cleanup.policy': 'delete', 'retention.ms': '60000' },
} as const

const UNSAFE = [
  ['compact,delete', 'compact', { 'cleanup.policy': 'compact,delete' }, 'cleanup.policy is compact,delete'],
  ['delete for compact', 'compact', { 'cleanup.policy': 'delete' }, 'cleanup.policy is delete'],
  ['compact for delete', 'delete', { 'cleanup.policy': 'compact' }, 'cleanup.policy is compact'],
  ['compaction too early', 'compact', { 'min.compaction.lag.ms': '100' }, 'min.compaction.lag.ms is 100'],
  ['retention too short', 'delete', { 'retention.ms': '100' }, 'retention.ms is 100'],
  ['retention by size', 'delete', { 'retention.bytes': '5000' }, 'retention.bytes is 5000'],
  ['small messages', 'compact', { 'max.message.bytes': '1000' }, 'max.message.bytes is 1000'],
  ['lz4', 'compact', { 'compression.type': 'lz4' }, 'compression.type is lz4'],
  [
    'unclean leaders',
    'delete',
    { 'unclean.leader.election.enable': 'true' },
    'unclean.leader.election.enable is true',
  ],
] as const

// ─── what Java wrote ────────────────────────────────────────────────────────────────────────────

const JAVA_PARTITIONS = 12

/** `places`: of each key, where Java's partitioner puts it among 1, 3, 6 and 12. */
type Java = Readonly<{ prefix: string; places: ReadonlyMap<string, readonly number[]> }>

async function writeByJava(jars: string, address: string): Promise<Java> {
  const prefix = freshPrefix()
  for (const codec of ['none', 'gzip', 'zstd', 'lz4', 'snappy']) {
    await makeTopic(address, `${prefix}${codec}`, JAVA_PARTITIONS)
  }
  const program = fileURLToPath(new URL('kafka-java.java', import.meta.url))
  const input = table.keys.map(({ key }) => Buffer.from(key, 'utf8').toString('hex')).join('\n')
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'
  const output = execFileSync('java', [quiet, '-cp', join(jars, '*'), program, address, prefix], {
    input,
    encoding: 'utf8',
  })
  const lines = output
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' '))
  const places = lines.map(
    ([key = '', ...numbers]) => [Buffer.from(key, 'hex').toString('utf8'), numbers.map(Number)] as const,
  )
  return { prefix, places: new Map(places) }
}

// ─── members that work slowly ───────────────────────────────────────────────────────────────────

const IN: TopicSpec = { name: 'erp.payment.v1', cleanup: 'compact', keepMs: 60_000 }
const OUT: TopicSpec = { name: 'gateway.notices', cleanup: 'compact', keepMs: 60_000 }
const IN_PARTITIONS = 4
const GROUP = 'publisher'
const SLOW_MS = 40
const MEMBERS_MAX = 3

let started = 0

function startMember(client: KafkaClientName, address: string, prefix: string) {
  started += 1
  const log = openKafka(client, address, { prefix })
  const leaving = new AbortController()
  onTestFinished(() => leaving.abort())
  const name = `member ${started}`
  const working = (async () => {
    const parts: Promise<void>[] = []
    for await (const part of log.subscribe(GROUP, [IN.name], leaving.signal)) {
      parts.push(work(log, part, name))
    }
    await Promise.all(parts)
  })()
  return {
    async leave() {
      leaving.abort()
      await working
      await log.close()
    },
  }
}

/** One record after the other, each with its position in one transaction, until the partition is another's. */
async function work(log: KafkaLog, part: Assignment, name: string): Promise<void> {
  const { topic, partition, signal } = part
  try {
    const writer = await log.writer(`publisher.${topic}.${partition}`, signal)
    const from = (await part.position()) ?? 0
    for await (const { records } of part.read(from)) {
      for (const { key, value, offset } of records) {
        await wait(SLOW_MS)
        const answer = await writer.transact(
          {
            records: [{ topic: OUT.name, key, value, headers: { by: name } }],
            positions: [{ group: GROUP, topic, partition, position: offset + 1 }],
          },
          signal,
        )
        if (answer.kind !== 'committed') return
      }
    }
  } catch (error) {
    // A partition is taken in the middle of anything.
    if (!signal.aborted) throw error
  }
}

/** Slow work, and the pace of those who come and go, are what is tested. */
function wait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
