import { describe, expect, test } from 'vitest'
import { isFinal, type Notice } from '../../../gateway/dingtalk/notice.ts'
import { runPublisher } from '../../../gateway/dingtalk/publisher.ts'
import { incarnate } from '../../../gateway/incarnation.ts'
import { LogError } from '../../../gateway/log/errors.ts'
import { createSeededFaults } from '../../../gateway/log/memory-faults.ts'
import type { FailpointName } from '../../../gateway/runtime.ts'
import {
  append,
  configWith,
  createWorld,
  drain,
  eventOf,
  readNotices,
  route,
  settled,
  type World,
} from './world.ts'

const CONFIG = configWith([
  route('all', {
    to: [
      { kind: 'person', person: 'lan' },
      { kind: 'person', person: 'wei' },
      { kind: 'group', group: 'warehouse' },
      { kind: 'group', group: 'purchasing' },
    ],
  }),
])

const NUMBERS = ['PA', 'PB', 'PC']

const CHATS: Readonly<Record<string, string>> = {
  'person:lan': 'user:0171234567',
  'person:wei': 'user:0181234567',
  'group:warehouse': 'group:cidWarehouse0000000000000000001==',
  'group:purchasing': 'group:cidPurchasing000000000000000001==',
}

async function appended(world: World): Promise<void> {
  await append(
    world.log,
    NUMBERS.map((number) => eventOf({ number })),
  )
}

/** Each notice has one end; DingTalk got each that is sent once, each that is unknown at most once, no other. */
async function violations(world: World): Promise<readonly string[]> {
  const found: string[] = []
  const records = Map.groupBy(await readNotices(world.log), ({ id }) => id)
  const ends = [...records.values()].map((states) => states.filter(({ state }) => isFinal(state)))
  for (const [id, states] of records) {
    const count = states.filter(({ state }) => isFinal(state)).length
    if (count !== 1) found.push(`${id} has ${count} ends`)
  }
  if (records.size !== NUMBERS.length * 4) found.push(`there are ${records.size} notices`)
  for (const notice of ends.flat()) {
    const received = world.dingtalk.outbox.filter((message) => isOf(notice, message)).length
    const isHonest = { sent: received === 1, unknown: received <= 1, failed: false, suppressed: false }
    if (!isHonest[notice.state as keyof typeof isHonest]) {
      found.push(`${notice.destination} ${notice.event.key} is ${notice.state}, DingTalk got ${received}`)
    }
    if (notice.channel === 'webhook' && notice.state !== 'sent') found.push(`a webhook ended ${notice.state}`)
  }
  return found
}

function isOf(notice: Notice, message: Readonly<{ chat: string; title: string }>): boolean {
  return message.chat === CHATS[notice.destination] && message.title.includes(notice.event.key.slice(-2))
}

describe('a publisher that dies', () => {
  test('between any two calls of any port leaves one honest end for each notice [P8]', {
    timeout: 120_000,
  }, async () => {
    let calls = Number.POSITIVE_INFINITY
    let unknown = 0
    for (let fatal = 0; fatal < calls; fatal += 1) {
      const world = await createWorld(`kill ${fatal}`)
      await appended(world)
      const ports = world.ports()
      let seen = 0
      const life = incarnate(ports, { number: 1, onCall: () => (seen++ === fatal ? 'crash' : 'go-on') })
      const stop = new AbortController()
      void runPublisher({ ...world.options(CONFIG, life.ports), signal: stop.signal }).catch(() => undefined)
      await world.pass(60_000)
      if (!life.isCrashed()) calls = seen
      life.crash()
      stop.abort()
      await ports.log.close()
      await drain(world, world.options(CONFIG, world.ports()))
      expect([fatal, ...(await violations(world))]).toEqual([fatal])
      unknown += (await readNotices(world.log)).filter(({ state }) => state === 'unknown').length
    }
    expect(calls).toBeGreaterThan(50)
    // Otherwise the crashes missed the moments that matter.
    expect(unknown).toBeGreaterThan(10)
  })

  const POINTS: readonly FailpointName[] = [
    'publisher.after-plan',
    'publisher.before-send',
    'publisher.after-send',
    'publisher.after-record',
  ]

  test.each(POINTS.flatMap((point) => [1, 2, 5].map((nth) => [point, nth] as const)))(
    'at %s, hit %i, leaves one honest end for each notice [P8]',
    async (point, nth) => {
      const world = await createWorld(point)
      await appended(world)
      let hits = 0
      const failpoints = {
        hit(name: FailpointName) {
          if (name === point && ++hits === nth) throw new Error(`killed at ${point}`)
        },
      }
      const first = drain(world, world.options(CONFIG, world.ports({ failpoints })))
      const end = await first.then(() => 'drained', String)
      if (hits >= nth) expect(end).toContain(`killed at ${point}`)
      await drain(world, world.options(CONFIG, world.ports()))
      expect(await violations(world)).toEqual([])
    },
  )
})

describe('a publisher whose commits get lost', () => {
  test('knows the ends of its own calls, and tells nothing twice', { timeout: 60_000 }, async () => {
    for (let seed = 0; seed < 40; seed += 1) {
      const rates = { lostBefore: 0.15, lostAfter: 0.15, undecided: 0.15, away: 0.05, awayCallsMax: 3 }
      const quiet = { delay: 0.2, delayMsMax: 500, rebalance: 0 }
      const random = (await createWorld(`faults ${seed}`)).time.random
      const faults = createSeededFaults(() => random.float(), { ...rates, ...quiet })
      const world = await createWorld(`lost ${seed}`, {
        commit: (identity) =>
          identity.startsWith('test.publisher') ? (faults.commit?.(identity) ?? null) : null,
        commitsUndecided: (identity) => faults.commitsUndecided?.(identity) ?? false,
      })
      await appended(world)
      await drain(world, world.options(CONFIG, world.ports()))
      expect([seed, ...(await violations(world))]).toEqual([seed])
      expect((await readNotices(world.log)).filter(({ state }) => state === 'unknown')).toEqual([])
    }
  })

  test('waits for a log that is away, and tells nothing twice', async () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const world = await createWorld(`away ${seed}`)
      await appended(world)
      const ports = world.ports()
      const { random } = world.time
      const check = () => {
        if (random.float() < 0.1) throw new LogError('LOG_UNAVAILABLE', 'The log is away for the moment.')
      }
      const log: typeof ports.log = {
        ...ports.log,
        async writer(identity, signal, groups) {
          check()
          return ports.log.writer(identity, signal, groups)
        },
        async end(partition, signal) {
          check()
          return ports.log.end(partition, signal)
        },
        readTo(partition, from, options) {
          check()
          return ports.log.readTo(partition, from, options)
        },
      }
      await drain(world, world.options(CONFIG, { ...ports, log }))
      expect([seed, ...(await violations(world))]).toEqual([seed])
    }
  })

  test('is fenced by the next owner of its partition, which waits its calls out [P8 F5]', async () => {
    const world = await createWorld('fence')
    await appended(world)
    world.dingtalk.faults.push({ path: '/v1.0/robot/', kind: 'slow', times: 100, after: 0, delayMs: 10_000 })
    const stop = new AbortController()
    const first = runPublisher({ ...world.options(CONFIG, world.ports()), signal: stop.signal })
    await world.pass(1_000)
    const second = drain(world, world.options(CONFIG, world.ports()))
    await world.pass(500)
    stop.abort()
    await settled(world, first)
    await settled(world, second)
    expect(await violations(world)).toEqual([])
  })
})

describe('a publisher whose partitions are dealt anew', () => {
  test('knows the ends of the calls that it was in, and tells nothing twice [P8 F36]', async () => {
    const world = await createWorld('dealt anew')
    await appended(world)
    world.dingtalk.faults.push({ path: '/v1.0/robot/', kind: 'slow', times: 100, after: 0, delayMs: 3_000 })
    const draining = drain(world, world.options(CONFIG, world.ports()))
    for (let round = 0; round < 4; round += 1) {
      await world.pass(700)
      world.log.rebalance()
    }
    await draining
    expect(await violations(world)).toEqual([])
    expect((await readNotices(world.log)).filter(({ state }) => state === 'unknown')).toEqual([])
  })
})

describe('the next owner of a partition', () => {
  test('waits out a call that the last one began, so that no later message overtakes it', async () => {
    const world = await createWorld('overtake')
    const config = configWith([route('all', { to: [{ kind: 'person', person: 'lan' }] })])
    const ports = world.ports()
    const slow: typeof ports.http = {
      async send(request, signal) {
        if (request.url.includes('batchSend'))
          await world.time.truth.sleep(10_000, new AbortController().signal)
        return ports.http.send(request, signal)
      },
    }
    await append(world.log, [eventOf({ number: 'P1', data: { number: 'first' } })])
    const life = incarnate({ ...ports, http: slow }, { number: 1 })
    const stop = new AbortController()
    void runPublisher({ ...world.options(config, life.ports), signal: stop.signal }).catch(() => undefined)
    await world.pass(1_000)
    life.crash()
    stop.abort()
    await ports.log.close()
    const died = world.time.now()
    await append(world.log, [eventOf({ number: 'P1', revision: 2, data: { number: 'second' } })])
    await drain(world, world.options(config, world.ports()))
    const told = world.dingtalk.outbox.map(({ title }) => /first|second/.exec(title)?.[0])
    expect(told).toEqual(['first', 'second'])
    expect((world.dingtalk.outbox[1]?.at ?? 0) - died).toBeLessThan(20_000)
  })

  test('finds a notice that has been open while many others came and went', async () => {
    const world = await createWorld('long open')
    const config = configWith([
      route('group', { when: 'changed.memo', to: [{ kind: 'group', group: 'purchasing' }] }),
      route('person', { to: [{ kind: 'person', person: 'lan' }] }),
    ])
    world.dingtalk.webhooks.set('demo-purchasing-token', { sent: [], shutUntil: world.time.now() + 900_000 })
    const first = eventOf({ number: 'P1', action: 'changed', changedfields: 'memo' })
    const others = Array.from({ length: 900 }, (_, n) =>
      eventOf({ number: `X${n}`, action: 'changed', changedfields: 'status' }),
    )
    await append(world.log, [first, ...others])
    const stop = new AbortController()
    const running = runPublisher({ ...world.options(config, world.ports()), signal: stop.signal })
    // Long enough for a second call, whose records stand far behind the first one with the message.
    await world.pass(800_000)
    stop.abort()
    await settled(world, running)
    expect(world.dingtalk.outbox).toHaveLength(901)
    await drain(world, world.options(config, world.ports()))
    const told = world.dingtalk.outbox.filter(({ chat }) => chat.startsWith('group:cidPurchasing'))
    expect(told.map(({ title }) => title)).toEqual(['付款 P1 已批准：HKD 1,234,567.50'])
    expect(world.dingtalk.outbox).toHaveLength(902)
  })
})
