import { describe, expect, test } from 'vitest'
import type { RouteConfig } from '../../../gateway/config/model.ts'
import {
  append,
  configWith,
  createWorld,
  drain,
  eventOf,
  readNotices,
  route,
  standing,
  type World,
} from './world.ts'

const DAY_MS = 86_400_000

async function tell(world: World, routes: readonly RouteConfig[]): Promise<void> {
  await drain(world, world.options(configWith(routes), world.ports()))
}

const PURCHASING = { kind: 'group', group: 'purchasing' } as const

test('sends one message per event and destination, in the language of each reader', async () => {
  const world = await createWorld()
  await append(world.log, [eventOf({ number: 'P1' }), eventOf({ number: 'P2' })])
  await tell(world, [
    route('approved', { when: 'approved', to: [{ kind: 'role', role: 'purchasing-manager' }, PURCHASING] }),
    route('all', { to: [{ kind: 'group', group: 'warehouse' }], template: 'default' }),
  ])
  expect(world.dingtalk.outbox.map(({ chat, title }) => `${chat} ${title}`).sort()).toEqual([
    'group:cidPurchasing000000000000000001== 付款 P1 已批准：HKD 1,234,567.50',
    'group:cidPurchasing000000000000000001== 付款 P2 已批准：HKD 1,234,567.50',
    'group:cidWarehouse0000000000000000001== payment P1: đã tạo',
    'group:cidWarehouse0000000000000000001== payment P2: đã tạo',
    'user:0171234567 Đã duyệt thanh toán P1: 1.234.567,50 HKD',
    'user:0171234567 Đã duyệt thanh toán P2: 1.234.567,50 HKD',
    'user:0201234567 Đã duyệt thanh toán P1: 1.234.567,50 HKD',
    'user:0201234567 Đã duyệt thanh toán P2: 1.234.567,50 HKD',
  ])
  // Two Vietnamese readers share one call for each event.
  expect(world.dingtalk.requests.get('/v1.0/robot/oToMessages/batchSend')).toBe(2)
  expect((await standing(world.log)).map(({ state }) => state)).toEqual(Array(8).fill('sent'))
})

test('tells a person once whom a route names twice', async () => {
  const world = await createWorld()
  await append(world.log, [eventOf({ number: 'P1' })])
  await tell(world, [
    route('twice', {
      to: [
        { kind: 'person', person: 'lan' },
        { kind: 'role', role: 'purchasing-manager' },
      ],
    }),
  ])
  expect(world.dingtalk.outbox.map(({ chat }) => chat).sort()).toEqual(['user:0171234567', 'user:0201234567'])
})

test('tells nothing again after a restart', async () => {
  const world = await createWorld()
  const routes = [route('all', { to: [PURCHASING, { kind: 'person', person: 'lan' }] })]
  await append(world.log, [eventOf({ number: 'P1' })])
  await tell(world, routes)
  await append(world.log, [eventOf({ number: 'P2' })])
  await tell(world, routes)
  await tell(world, routes)
  expect(
    world.dingtalk.outbox.map(({ title }) => title).filter((title) => title.includes('P1')),
  ).toHaveLength(2)
  expect(world.dingtalk.outbox).toHaveLength(4)
})

test('tells nobody of a first load, and of the first live change once', async () => {
  const world = await createWorld()
  const old = Array.from({ length: 3_000 }, (_, n) => eventOf({ number: `OLD${n}`, origin: 'initial' }))
  await append(world.log, old)
  await append(world.log, [
    eventOf({ number: 'R1', origin: 'replay' }),
    eventOf({ number: 'M1', origin: 'remap' }),
    eventOf({ number: 'OLD7', revision: 2, action: 'changed', changedfields: 'status' }),
  ])
  await tell(world, [route('all', {})])
  expect(world.dingtalk.outbox.map(({ title }) => title)).toEqual([
    'Đã duyệt thanh toán OLD7: 1.234.567,50 HKD',
  ])
  expect(await readNotices(world.log)).toHaveLength(2)
})

test('moves its position past events that concern nobody in few transactions', async () => {
  const identities: string[] = []
  const world = await createWorld('moves', {
    commit(identity) {
      identities.push(identity)
      return null
    },
  })
  await append(
    world.log,
    Array.from({ length: 9_000 }, (_, n) => eventOf({ number: `P${n}`, origin: 'initial' })),
  )
  await tell(world, [route('all', {})])
  await world.pass(10_000)
  expect(identities.filter((identity) => identity.startsWith('test.publisher')).length).toBeLessThan(8)
})

describe('a condition', () => {
  test('that says no tells nobody', async () => {
    const world = await createWorld()
    await append(world.log, [eventOf({ number: 'P1' })])
    await tell(world, [route('no', { when: 'no' })])
    expect(await readNotices(world.log)).toEqual([])
  })

  test('that cannot be evaluated is a failed notice, never a no [P8]', async () => {
    const world = await createWorld()
    await append(world.log, [eventOf({ number: 'P1' })])
    await tell(world, [route('broken', { when: 'fails' })])
    expect(await standing(world.log)).toMatchObject([
      {
        state: 'failed',
        route: 'broken',
        destination: 'person:lan',
        reason: 'Its condition failed: data.reorderPoint is absent',
        event: { key: 'k3-wise/001/P1' },
      },
    ])
    expect(world.dingtalk.outbox).toEqual([])
    expect(world.logged.join('\n')).toContain('data.reorderPoint is absent')
  })

  test('sees which fields changed, and every field of a new document as changed', async () => {
    const world = await createWorld()
    await append(world.log, [
      eventOf({ number: 'P1' }),
      eventOf({ number: 'P2', action: 'changed', changedfields: 'dueDate,memo' }),
      eventOf({ number: 'P3', action: 'changed', changedfields: 'memo,status' }),
    ])
    await tell(world, [
      route('moved', { when: 'changed.status' }),
      route('memo', { when: 'changed.memo', template: 'default' }),
    ])
    const titles = world.dingtalk.outbox.map(({ title }) => title)
    expect(titles.filter((title) => title.includes('duyệt thanh toán'))).toHaveLength(2)
    // A field that a change took away is no longer in the data, and has changed all the same.
    expect(titles.filter((title) => title.startsWith('payment'))).toEqual([
      'payment P2: đã thay đổi',
      'payment P3: đã thay đổi',
    ])
  })
})

describe('a route', () => {
  test('keeps two companies with the same document numbers apart', async () => {
    const world = await createWorld()
    const data = { number: 'P1', plant: { code: '1010', raw: '1010', name: null } }
    await append(world.log, [
      eventOf({ number: 'P1', source: '/erp/k3-wise/001' }),
      eventOf({ number: 'P1', source: '/erp/sap-ecc/1000', data }),
    ])
    await tell(world, [
      route('role', { to: [{ kind: 'role', role: 'purchasing-manager' }] }),
      route('only-k3', { from: ['k3'], to: [PURCHASING], template: 'default' }),
    ])
    const of = (chat: string) => world.dingtalk.outbox.filter((message) => message.chat === chat)
    expect(of('user:0181234567').map(({ text }) => text)).toEqual([
      expect.stringContaining('Example Manufacturing'),
    ])
    expect(of('user:0171234567').map(({ text }) => text)).toEqual([
      expect.stringContaining('Example Trading'),
    ])
    expect(of('group:cidPurchasing000000000000000001==').map(({ text }) => text)).toEqual([
      expect.stringContaining('Example Trading'),
    ])
    expect(new Set((await standing(world.log)).map(({ event }) => event.key))).toEqual(
      new Set(['k3-wise/001/P1', 'sap-ecc/1000/P1']),
    )
  })

  test('whose role nobody holds is a failed notice [P8]', async () => {
    const world = await createWorld()
    await append(world.log, [eventOf({ number: 'P1', source: '/erp/sap-ecc/1000' })])
    await tell(world, [route('role', { to: [{ kind: 'role', role: 'purchasing-manager' }] })])
    expect(await standing(world.log)).toMatchObject([
      {
        state: 'failed',
        destination: 'role:purchasing-manager',
        reason: expect.stringContaining('company 1000'),
      },
    ])
  })

  test('does not see an event that was too old when the log took it', async () => {
    const world = await createWorld()
    await append(world.log, [eventOf({ number: 'P1', time: '2026-02-20T10:00:00+08:00' })])
    await tell(world, [route('all', {})])
    expect(await readNotices(world.log)).toEqual([])
  })

  test('shows as suppressed what grew too old while the publisher was away', async () => {
    const world = await createWorld()
    await append(world.log, [eventOf({ number: 'P1' })])
    await world.pass(2 * DAY_MS)
    await tell(world, [route('all', {})])
    expect(await standing(world.log)).toMatchObject([{ state: 'suppressed', destination: 'person:lan' }])
    expect(world.dingtalk.outbox).toEqual([])
  })

  test('shows a record that is no event as a failed notice [P8]', async () => {
    const world = await createWorld()
    const { signal } = new AbortController()
    const writer = await world.log.writer('foreign', signal)
    await writer.transact(
      { records: [{ topic: 'erp.payment.v1', key: 'k', value: new TextEncoder().encode('{"id":1}') }] },
      signal,
    )
    await tell(world, [route('all', {})])
    expect(await standing(world.log)).toMatchObject([
      { state: 'failed', reason: expect.stringContaining('no event') },
    ])
  })
})

test('shows a dash for what the event lacks, and says so in the notice', async () => {
  const world = await createWorld()
  await append(world.log, [eventOf({ number: 'P1', data: { number: 'P1' } })])
  await tell(world, [route('all', {})])
  expect(world.dingtalk.outbox[0]?.title).toBe('Đã duyệt thanh toán P1: —')
  expect((await standing(world.log))[0]).toMatchObject({
    state: 'sent',
    lacks: ['data.amount', 'data.party', 'data.dueDate', 'data.approvedBy'],
  })
})
