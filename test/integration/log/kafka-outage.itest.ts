import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { LogError } from '../../../gateway/log/errors.ts'
import type { KafkaClientName, KafkaLog } from '../../../gateway/log/kafka.ts'
import type { Assignment, LogRecord, TopicSpec, Writer } from '../../../gateway/log/port.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import type { Runtime } from '../../../gateway/runtime.ts'
import type { KafkaBroker } from '../../../scripts/services/kafka-broker.ts'
import { answerOf, freshPrefix, KAFKA_CLIENTS, openKafka } from '../../kit/kafka-logs.ts'
import { NEVER, placedOf, readPartition, readTopic, textOf } from '../../kit/log-contract-steps.ts'
import { describeWithService } from '../../kit/services.ts'

const TOPIC: TopicSpec = { name: 'erp.payment.v1', cleanup: 'compact', keepMs: 10 ** 12 }
const FIRST = { topic: TOPIC.name, partition: 0 }
const PARTITIONS = 2

describeWithService('kafka-jars', 'Kafka away', (brokers) => {
  let broker: KafkaBroker
  beforeAll(async () => {
    broker = await brokers.start()
  }, 120_000)
  afterAll(() => broker.stop())

  const killed = async () => {
    await broker.kill()
    await broker.start()
  }
  const frozen = async () => {
    broker.freeze()
    await wait(12_000)
    broker.thaw()
  }
  test.each([
    ['killed and started again', killed],
    ['that stands still for 12 s', frozen],
  ])(
    'a broker %s under load has all that was committed, once and in order, and followers go on [P1 P2 P3 F3]',
    async (_name, trouble) => {
      const prefix = freshPrefix()
      const logs = KAFKA_CLIENTS.map((client) =>
        openKafka(client, broker.address, { prefix, partitions: PARTITIONS }),
      )
      for (const log of logs) await log.ensure([TOPIC], NEVER)
      const lanes = logs.flatMap((log, place) => ['a', 'b'].map((name) => startLane(log, `${place}${name}`)))
      const followers = logs.map((log) => follow(log))
      await expect.poll(() => lanes.every((lane) => lane.committed() >= 5), { timeout: 60_000 }).toBe(true)
      await trouble()
      const before = lanes.map((lane) => lane.committed())
      await expect
        .poll(() => lanes.every((lane, place) => lane.committed() >= (before[place] ?? 0) + 5), {
          timeout: 90_000,
        })
        .toBe(true)
      for (const lane of lanes) await lane.stop()
      const [first] = logs
      if (first === undefined) throw new Error('There is no client.')
      const kept = await readTopic(first, TOPIC, PARTITIONS)
      for (const lane of lanes) {
        const numbers = numbersOf(kept, lane.name)
        expect(numbers.slice(0, lane.committed())).toEqual(upTo(lane.committed()))
        // One more may have been decided after its answer was lost.
        expect(numbers).toEqual(upTo(numbers.length))
      }
      for (const follower of followers) {
        await expect.poll(() => follower.seen.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(kept.length)
        const seen = follower.seen.toSorted((a, b) => a.partition - b.partition)
        expect(seen.map(placeOf)).toEqual(kept.map(placeOf))
        await follower.stop()
      }
    },
    180_000,
  )

  test('after an hour without a broker writers, followers and members come back by themselves, and it cost little [P1 P9 F4]', async () => {
    const clock = hurriedRuntime()
    const worlds = KAFKA_CLIENTS.map((client) => {
      const world = { connects: 0 }
      const prefix = freshPrefix()
      const resolve = async (name: string) => {
        world.connects += 1
        return name
      }
      const log = openKafka(client, broker.address, {
        prefix,
        partitions: PARTITIONS,
        resolve,
        runtime: clock.runtime,
      })
      return { world, log }
    })
    for (const { log } of worlds) await log.ensure([TOPIC], NEVER)
    const parts = worlds.map(({ log, world }) => ({
      world,
      lane: startLane(log, 'lane', clock.runtime),
      follower: follow(log),
      member: joined(log, clock.runtime),
    }))
    await expect
      .poll(() => parts.every(({ member }) => member.seen.length >= 3), { timeout: 60_000 })
      .toBe(true)
    await broker.kill()
    for (const { world } of parts) world.connects = 0
    clock.hurry(HOUR_MS / AWAY_MS)
    await wait(AWAY_MS / 10)
    const usedBefore = usedBytes()
    await wait(AWAY_MS * 0.9)
    const usedAfter = usedBytes()
    clock.hurry(1)
    const connects = parts.map(({ world }) => world.connects)
    await broker.start()
    const before = parts.map(({ lane }) => lane.committed())
    for (const [place, { lane, follower, member }] of parts.entries()) {
      const enough = (before[place] ?? 0) + 3
      await expect.poll(() => lane.committed(), { timeout: 60_000 }).toBeGreaterThan(enough)
      await expect.poll(() => follower.seen.length, { timeout: 60_000 }).toBeGreaterThan(enough)
      await expect.poll(() => member.seen.length, { timeout: 60_000 }).toBeGreaterThan(enough)
      await lane.stop()
      await follower.stop()
      await member.stop()
    }
    // A follower and a member, each every half second; a lane every second.
    for (const count of connects) expect(count).toBeLessThan((HOUR_MS / 1_000) * 10)
    for (const count of connects) expect(count).toBeGreaterThan(100)
    expect((usedAfter - usedBefore) / 2 ** 20).toBeLessThan(20)
  }, 180_000)
})

describeWithService('kafka-jars', 'Kafka that forgets', (brokers) => {
  let broker: KafkaBroker
  beforeAll(async () => {
    broker = await brokers.start({
      settings: {
        'transactional.id.expiration.ms': '2000',
        // Every hour is the default.
        'transaction.remove.expired.transaction.cleanup.interval.ms': '500',
      },
    })
  }, 120_000)
  afterAll(() => broker.stop())

  describe.each(KAFKA_CLIENTS)('by %s', (client) => {
    test('a writer that Kafka has forgotten is unknown, and a new one works [P1 F35]', async () => {
      const prefix = freshPrefix()
      const log = openKafka(client, broker.address, { prefix })
      await log.ensure([TOPIC], NEVER)
      const writer = await log.writer('payments', NEVER)
      placedOf(await answerOf(writer, TOPIC, 'before'))
      await untilForgotten(client, broker.address, `${prefix}payments`)
      expect(await answerOf(writer, TOPIC, 'forgotten')).toMatchObject({
        kind: 'unknown',
        reason: expect.stringContaining('INVALID_PRODUCER_ID_MAPPING'),
      })
      placedOf(await answerOf(await log.writer('payments', NEVER), TOPIC, 'after'))
      expect((await readPartition(log, FIRST)).records.map(textOf)).toEqual(['before', 'after'])
    }, 60_000)
  })
})

const HOUR_MS = 3_600_000
/** How long the hour takes here. */
const AWAY_MS = 6_000

/** The real clock, run faster on demand. */
function hurriedRuntime(): Readonly<{ runtime: Runtime; hurry(factor: number): void }> {
  const real = createRuntime()
  let factor = 1
  let since = { mono: real.mono(), wall: real.wall(), real: real.mono() }
  const passedNs = () => BigInt(Math.round(Number(real.mono() - since.real) * factor))
  const mono = () => since.mono + passedNs()
  const wall = () => since.wall + Number(passedNs() / 1_000_000n)
  const runtime: Runtime = {
    ...real,
    mono,
    wall,
    sleep: (ms, signal) => real.sleep(ms / factor, signal),
    deadline: (ms) => real.deadline(ms / factor),
  }
  return {
    runtime,
    hurry(next) {
      since = { mono: mono(), wall: wall(), real: real.mono() }
      factor = next
    },
  }
}

// ─── those who work ─────────────────────────────────────────────────────────────────────────────

/**
 * Writes 1, 2, 3 … as a lane does: what was refused is tried again, and after `unknown` a new writer reads what the
 * log holds.
 */
function startLane(log: KafkaLog, name: string, runtime: Runtime = createRuntime()) {
  const stopping = new AbortController()
  onTestFinished(() => stopping.abort())
  let committed = 0
  const run = async () => {
    let writer: Writer | null = null
    while (!stopping.signal.aborted) {
      try {
        if (writer === null) {
          writer = await log.writer(`lane.${name}`, NEVER)
          committed = numbersOf(await readTopic(log, TOPIC, PARTITIONS), name).length
        }
        const answer = await answerOf(writer, TOPIC, `${committed + 1}`, name)
        if (answer.kind === 'committed') committed += 1
        else if (answer.kind !== 'refused' || !answer.retryable) writer = null
        if (answer.kind === 'refused' && !answer.retryable) throw new Error(answer.reason)
        if (answer.kind === 'fenced') throw new Error('Nobody fences this lane.')
        await runtime.sleep(answer.kind === 'committed' ? 10 : 1_000, NEVER)
      } catch (error) {
        if (!isAway(error)) throw error
        writer = null
        await runtime.sleep(1_000, NEVER)
      }
    }
  }
  const running = run()
  return {
    name,
    committed: () => committed,
    async stop() {
      stopping.abort()
      await running
    },
  }
}

function follow(log: KafkaLog) {
  const stopping = new AbortController()
  onTestFinished(() => stopping.abort())
  const seen: LogRecord[] = []
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ ...FIRST, partition }))
  const running = Promise.all(
    partitions.map(async (at) => {
      for await (const { records } of log.follow(at, 0, stopping.signal)) seen.push(...records)
    }),
  )
  return stopper(seen, stopping, running)
}

/** A member that reads each of its partitions from where it was. */
function joined(log: KafkaLog, runtime: Runtime) {
  const stopping = new AbortController()
  onTestFinished(() => stopping.abort())
  const seen: LogRecord[] = []
  const positions = new Map<number, number>()
  const read = async (part: Assignment) => {
    while (!part.signal.aborted) {
      try {
        for await (const { records, position } of part.read(positions.get(part.partition) ?? 0)) {
          seen.push(...records)
          positions.set(part.partition, position)
        }
      } catch (error) {
        if (part.signal.aborted) return
        if (!isAway(error)) throw error
        await runtime.sleep(1_000, NEVER)
      }
    }
  }
  const running = (async () => {
    const parts: Promise<void>[] = []
    for await (const part of log.subscribe('group', [TOPIC.name], stopping.signal)) parts.push(read(part))
    await Promise.all(parts)
  })()
  return stopper(seen, stopping, running)
}

function stopper(seen: readonly LogRecord[], stopping: AbortController, running: Promise<unknown>) {
  return {
    seen,
    async stop() {
      stopping.abort()
      await running
    },
  }
}

function isAway(error: unknown): boolean {
  return error instanceof LogError && error.remedy === 'retry'
}

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, place) => place + 1)
}

function numbersOf(records: readonly LogRecord[], lane: string): readonly number[] {
  return records.filter(({ key }) => key === lane).map((one) => Number(textOf(one)))
}

function placeOf({ partition, offset }: LogRecord): string {
  return `${partition}/${offset}`
}

/** Its tombstone in Kafka's own topic says that an identity is forgotten. */
async function untilForgotten(client: KafkaClientName, address: string, identity: string): Promise<void> {
  const log = openKafka(client, address, { prefix: '' })
  const states = async () => {
    const records = await readTopic(log, { ...TOPIC, name: '__transaction_state' }, STATE_PARTITIONS)
    return records.filter(({ key }) => key?.endsWith(identity) === true)
  }
  await expect.poll(async () => (await states()).at(-1)?.value, { timeout: 30_000 }).toBe(null)
}

/** Of the brokers of tests. */
const STATE_PARTITIONS = 4

/** What is used once all garbage is collected. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
