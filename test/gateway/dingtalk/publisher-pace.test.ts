import { describe, expect, test } from 'vitest'
import type { Config } from '../../../gateway/config/model.ts'
import { isFinal } from '../../../gateway/dingtalk/notice.ts'
import { createPublisher } from '../../../gateway/dingtalk/publisher.ts'
import type { Fault } from '../../lab/dingtalk/faults.ts'
import {
  append,
  configWith,
  createWorld,
  drain,
  eventOf,
  readNotices,
  route,
  settled,
  standing,
  type World,
} from './world.ts'

const WEBHOOK = configWith([route('group', { to: [{ kind: 'group', group: 'purchasing' }] })])
const PERSON = configWith([route('person', { to: [{ kind: 'person', person: 'lan' }] })])
const MINUTE_MS = 60_000

async function tell(world: World, config: Config, count: number, prefix = 'P'): Promise<void> {
  const numbers = Array.from({ length: count }, (_, n) => `${prefix}${String(n).padStart(3, '0')}`)
  await settled(
    world,
    append(
      world.log,
      numbers.map((number) => eventOf({ number })),
    ),
  )
  await drain(world, world.options(config, world.ports()))
}

function fault(world: World, kind: Fault['kind'], times = 1, path = '/'): void {
  world.dingtalk.faults.push({ path, kind, times, after: 0, delayMs: 30_000 })
}

async function states(world: World): Promise<readonly string[]> {
  return (await standing(world.log)).map(({ state }) => state)
}

/** The most messages that arrived in any 60 seconds. */
function mostInAMinute(world: World): number {
  const times = world.dingtalk.outbox.map(({ at }) => at)
  return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + MINUTE_MS).length))
}

describe('a webhook', () => {
  test('gets at most 20 messages in any minute, and all of 70 in the end [P8]', async () => {
    const world = await createWorld()
    await tell(world, WEBHOOK, 70)
    expect(world.dingtalk.outbox).toHaveLength(70)
    expect(mostInAMinute(world)).toBe(20)
    // Never throttled: every request was taken.
    expect(world.dingtalk.requests.get('/robot/send')).toBe(70)
    expect(new Set(await states(world))).toEqual(new Set(['sent']))
  })

  test('gets at most 20 in a minute across a restart', async () => {
    const world = await createWorld()
    await tell(world, WEBHOOK, 18, 'A')
    await tell(world, WEBHOOK, 18, 'B')
    expect(mostInAMinute(world)).toBe(20)
    expect(world.dingtalk.requests.get('/robot/send')).toBe(36)
  })

  test('gets at most 20 in a minute across a restart, whatever else was recorded meanwhile', async () => {
    const world = await createWorld()
    await tell(world, WEBHOOK, 18, 'A')
    // Failed at once, and on record.
    await tell(
      world,
      configWith([route('broken', { when: 'fails', to: [{ kind: 'person', person: 'lan' }] })]),
      1_500,
      'F',
    )
    await tell(world, WEBHOOK, 18, 'B')
    expect(world.dingtalk.requests.get('/robot/send')).toBe(36)
  })

  test('that shuts for ten minutes is left alone for ten minutes [F20]', async () => {
    const world = await createWorld()
    const from = world.time.now()
    world.dingtalk.webhooks.set('demo-purchasing-token', { sent: [], shutUntil: from + 600_000 })
    await tell(world, WEBHOOK, 3)
    expect(world.dingtalk.outbox).toHaveLength(3)
    expect((world.dingtalk.outbox[0]?.at ?? 0) - from).toBeGreaterThan(600_000)
    expect(world.dingtalk.requests.get('/robot/send')).toBeLessThanOrEqual(5)
    const waited = (await readNotices(world.log)).find(
      ({ state, attempt }) => state === 'planned' && attempt === 1,
    )
    expect(waited?.reason).toContain('660026')
  })

  test('left alone is left alone by the next process too', async () => {
    const world = await createWorld()
    fault(world, 'throttle')
    await append(world.log, [eventOf({ number: 'P1' })])
    const stop = new AbortController()
    const from = world.time.now()
    const running = createPublisher(world.options(WEBHOOK, world.ports())).run(stop.signal)
    await world.pass(5_000)
    stop.abort()
    await settled(world, running)
    await drain(world, world.options(WEBHOOK, world.ports()))
    expect((world.dingtalk.outbox[0]?.at ?? 0) - from).toBeGreaterThan(600_000)
    expect(world.dingtalk.requests.get('/robot/send')).toBe(2)
  })

  test.each(['slow', 'reset-after', 'reset-before', 'truncated', '500'] as const)(
    'gets a message once whose call ended in %s, under the same msgUuid',
    async (kind) => {
      const world = await createWorld()
      fault(world, kind, 2)
      await tell(world, WEBHOOK, 1)
      expect(world.dingtalk.outbox).toHaveLength(1)
      expect(await states(world)).toEqual(['sent'])
    },
  )

  test('whose calls all end in silence leaves an unknown notice, after four of them [P8 F22]', async () => {
    const world = await createWorld()
    fault(world, 'reset-before', 50)
    await tell(world, WEBHOOK, 1)
    expect(await states(world)).toEqual(['unknown'])
    expect(world.dingtalk.requests.get('/robot/send')).toBe(4)
  })

  test('keeps the order of the events, through waits and repeats', async () => {
    const world = await createWorld()
    const numbers = Array.from({ length: 30 }, (_, n) => n + 1)
    for (const kind of ['reset-after', 'throttle', 'slow', 'html'] as const) fault(world, kind)
    await append(
      world.log,
      numbers.map((revision) => eventOf({ number: 'P1', revision, data: { number: `P1-${revision}` } })),
    )
    await drain(world, world.options(WEBHOOK, world.ports()))
    const told = world.dingtalk.outbox.map(({ title }) => Number(/P1-(\d+)/.exec(title)?.[1]))
    expect(told).toEqual(numbers)
  })
})

test('what comes due while a transaction is slow goes out after it', async () => {
  const world = await createWorld('slow log', { delayMs: (step) => (step === 'request' ? 3_000 : 0) })
  fault(world, 'reset-before', 1, '/robot/send')
  const from = world.time.now()
  await tell(world, WEBHOOK, 1)
  expect(await states(world)).toEqual(['sent'])
  expect((world.dingtalk.outbox[0]?.at ?? 0) - from).toBeLessThan(30_000)
})

describe('a person', () => {
  test.each(['slow', 'reset-after', 'reset-before', 'truncated', '500', '503'] as const)(
    'is never told twice: a call that ended in %s is unknown',
    async (kind) => {
      const world = await createWorld()
      fault(world, kind, 1, '/v1.0/robot/')
      await tell(world, PERSON, 1)
      expect(await states(world)).toEqual(['unknown'])
      expect(world.dingtalk.outbox.length).toBeLessThanOrEqual(1)
      expect(world.logged.join('\n')).toContain('Nobody can say whether a notice arrived.')
    },
  )

  test.each(['throttle', 'html', 'barred', 'token'] as const)('is told once after %s', async (kind) => {
    const world = await createWorld()
    fault(world, kind, 1, '/v1.0/robot/')
    await tell(world, PERSON, 1)
    expect(await states(world)).toEqual(['sent'])
    expect(world.dingtalk.outbox).toHaveLength(1)
  })

  test('of a hundred events is called at most 20 times in a second, and told in order', async () => {
    const world = await createWorld()
    await tell(world, PERSON, 100)
    expect(world.dingtalk.outbox).toHaveLength(100)
    expect(world.dingtalk.requests.get('/v1.0/robot/oToMessages/batchSend')).toBe(100)
  })

  test('whom DingTalk does not know is a failed notice, and the others of the call are told [P8 F24]', async () => {
    const world = await createWorld()
    const to = ['lan', 'ghost', 'daniel'].map((person) => ({ kind: 'person', person }) as const)
    await tell(world, configWith([route('three', { to })]), 1)
    const found = Object.fromEntries(
      (await standing(world.log)).map(({ destination, state }) => [destination, state]),
    )
    expect(found).toEqual({ 'person:lan': 'sent', 'person:ghost': 'failed', 'person:daniel': 'sent' })
    expect(world.dingtalk.requests.get('/v1.0/robot/oToMessages/batchSend')).toBe(1)
  })

  test('to whom messages are held back is told later, alone', async () => {
    const world = await createWorld()
    const to = ['lan', 'daniel'].map((person) => ({ kind: 'person', person }) as const)
    world.dingtalk.flowControlled.add('0201234567')
    world.time.after(30_000, () => world.dingtalk.flowControlled.clear())
    await tell(world, configWith([route('two', { to })]), 1)
    expect(world.dingtalk.outbox.map(({ chat }) => chat)).toEqual(['user:0171234567', 'user:0201234567'])
    expect(await states(world)).toEqual(['sent', 'sent'])
  })

  test('is told after an hour in which DingTalk could not be reached, with few calls in between', async () => {
    const world = await createWorld()
    let calls = 0
    const ports = world.ports()
    const until = world.time.now() + 3_600_000
    const http: typeof ports.http = {
      async send(request, signal) {
        calls += 1
        if (world.time.now() < until) return { kind: 'failed', reason: 'ECONNREFUSED' }
        return ports.http.send(request, signal)
      },
    }
    await append(world.log, [eventOf({ number: 'P1' }), eventOf({ number: 'P2' }), eventOf({ number: 'P3' })])
    await drain(world, world.options(PERSON, world.ports({ http })))
    expect(await states(world)).toEqual(['sent', 'sent', 'sent'])
    expect(calls).toBeLessThan(200)
  })
})

test('a refusal is a failed notice at once, with the code of DingTalk', async () => {
  const world = await createWorld()
  const config = configWith([route('group', { to: [{ kind: 'group', group: 'gone' }] })])
  const groups = { gone: { kind: 'conversation', conversation: 'cidGone==', language: 'en' } } as const
  const dingtalk = config.dingtalk === null ? null : { ...config.dingtalk, groups }
  await tell(world, { ...config, dingtalk }, 1)
  expect(await standing(world.log)).toMatchObject([
    { state: 'failed', attempt: 1, reason: expect.stringContaining('invalid.openConversationId') },
  ])
})

test.each([
  ['another host', 'https://evil.example/robot/send?access_token=x', 'is no robot address'],
  ['a reference to nothing', 'env:NOT_THERE', 'refers to env:NOT_THERE'],
])('a webhook that is %s is a failed notice, and nothing is sent', async (_name, webhook, reason) => {
  const world = await createWorld()
  const config = configWith([route('group', { to: [{ kind: 'group', group: 'odd' }] })])
  const groups = { odd: { kind: 'webhook', webhook, secret: null, language: 'en' } } as const
  const dingtalk = config.dingtalk === null ? null : { ...config.dingtalk, groups }
  await tell(world, { ...config, dingtalk }, 1)
  expect(await standing(world.log)).toMatchObject([
    { state: 'failed', reason: expect.stringContaining(reason) },
  ])
  expect(world.dingtalk.requests.size).toBe(0)
})

test('reading pauses while many notices are open, and nothing is lost', { timeout: 30_000 }, async () => {
  const world = await createWorld()
  world.time.after(1, () => fault(world, 'throttle'))
  await append(
    world.log,
    Array.from({ length: 1_500 }, (_, n) => eventOf({ number: `P${n}` })),
  )
  const stop = new AbortController()
  const publisher = createPublisher(world.options(WEBHOOK, world.ports()))
  const running = publisher.run(stop.signal)
  await world.pass(60_000)
  const open = publisher.progress().map((at) => at.open)
  expect(Math.max(...open)).toBeLessThanOrEqual(500)
  expect(Math.max(...open)).toBeGreaterThan(400)
  await world.until(() => world.dingtalk.outbox.length === 1_500)
  stop.abort()
  await settled(world, running)
  expect((await standing(world.log)).every(({ state }) => isFinal(state))).toBe(true)
  expect(mostInAMinute(world)).toBe(20)
})

test('a restart reads what is open and not all that ever was', async () => {
  const world = await createWorld()
  await tell(world, PERSON, 600, 'A')
  await world.pass(120_000)
  let read = 0
  const ports = world.ports()
  const log: typeof ports.log = {
    ...ports.log,
    async *readTo(partition, from, options) {
      for await (const chunk of ports.log.readTo(partition, from, options)) {
        if (partition.topic === 'gateway.notices') read += chunk.records.length
        yield chunk
      }
    },
  }
  await drain(world, world.options(PERSON, { ...ports, log }))
  const all = (await readNotices(world.log)).length
  expect(all).toBeGreaterThanOrEqual(1_200)
  // Two input partitions look back a little in two partitions of notices, for the pace of webhooks.
  expect(read).toBeLessThanOrEqual(4 * 210)
})

test('an idle partition moves the place from which it would read behind the notices of others', async () => {
  const world = await createWorld()
  const stop = new AbortController()
  const running = createPublisher(world.options(PERSON, world.ports())).run(stop.signal)
  await append(world.log, [eventOf({ number: 'P1' })])
  await world.pass(60_000)
  const { signal } = new AbortController()
  const others = await world.log.writer('others', signal)
  const [told] = await readNotices(world.log)
  const foreign = { ...told, input: { topic: 'erp.other.v1', partition: 0, offset: 0 } }
  const value = new TextEncoder().encode(JSON.stringify(foreign))
  for (let from = 0; from < 4_000; from += 500) {
    await others.transact(
      {
        records: Array.from({ length: 500 }, (_, n) => ({
          topic: 'gateway.notices',
          key: `k${from + n}`,
          value,
        })),
      },
      signal,
    )
  }
  await world.pass(1_300_000)
  const inputs = [0, 1].flatMap((input) => [0, 1].map((partition) => ({ input, partition })))
  const gaps = await Promise.all(
    inputs.map(async ({ input, partition }) => {
      const place = { topic: 'gateway.notices', partition }
      const open = await world.log.position(`test.publisher.erp.payment.v1.${input}.open`, place, signal)
      return open === null ? null : (await world.log.end(place, signal)) - open
    }),
  )
  expect(gaps).toEqual([0, 0, 0, 0])
  stop.abort()
  await settled(world, running)
})
