import { afterEach, describe, expect, test } from 'vitest'
import type { Config } from '../../gateway/config/model.ts'
import { createGateway, type Gateway, type GatewayStatus } from '../../gateway/gateway.ts'
import type { SourceHosts } from '../../gateway/hosts.ts'
import { DEFAULT_KEEP } from '../../gateway/topics.ts'
import { createInlineHosts } from '../kit/inline-hosts.ts'
import { type Bench, createBench, decisions, events, put, sourceOptionsOf, story } from './lane/lane-bench.ts'

let stopping = new AbortController()
afterEach(() => {
  stopping.abort()
  stopping = new AbortController()
})

const decision = { by: 'test', reason: 'because' }

function configOf(sources: readonly string[]): Config {
  const source = (name: string) => ({
    name,
    kind: 'toy',
    system: name,
    company: 'from-record',
    zone: 'UTC',
    connection: {},
    feeds: {},
  })
  return {
    gateway: 'test',
    data: '/nowhere',
    companies: {},
    log: { driver: 'memory', partitions: 3, keep: DEFAULT_KEEP },
    mappings: [],
    workersMax: 16,
    sources: Object.fromEntries(sources.map((name) => [name, source(name)])),
    people: {},
    roles: {},
    dingtalk: null,
    routes: {},
  }
}

function gatewayOver(bench: Bench, sources: readonly string[], hosts?: SourceHosts): Gateway {
  return createGateway({
    config: configOf(sources),
    entities: new Map(sources.map((name) => [`${name}.payments`, 'payment'])),
    ports: { ...bench.ports, log: bench.log },
    hosts: hosts ?? createInlineHosts((source) => sourceOptionsOf(bench, { source, system: source })),
    publisher: null,
  })
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('It never came to that.')
}

function laneOf(status: GatewayStatus, source: string) {
  return status.sources.find((one) => one.source === source)?.lanes[0]
}

describe('a gateway', () => {
  test('publishes what changes while it runs, and ends when it is told to', async () => {
    const bench = createBench()
    const gateway = gatewayOver(bench, ['one'])
    const running = gateway.run(stopping.signal)
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await until(async () => (await events(bench.log)).length === 1)
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await until(async () => (await events(bench.log)).length === 2)
    stopping.abort()
    await running
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B'])
  })

  test('carries out verbs on a lane that is at work, and records who decided and why', async () => {
    const bench = createBench()
    const gateway = gatewayOver(bench, ['one'])
    const running = gateway.run(stopping.signal)
    await until(async () => laneOf(await gateway.status(), 'one')?.state === 'waiting')
    await gateway.request('one', { verb: 'pause', feed: 'payments', decision })
    await until(async () => laneOf(await gateway.status(), 'one')?.state === 'paused')
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await gateway.request('one', { verb: 'resume', feed: null, decision })
    await until(async () => (await events(bench.log)).length === 1)
    const told = (await decisions(bench.log)).map(({ lane, verb, by, reason }) => [lane, verb, by, reason])
    expect(told.sort()).toEqual([
      ['one.payments', 'pause', 'test', 'because'],
      ['one.payments', 'resume', 'test', 'because'],
    ])
    stopping.abort()
    await running
  })

  test('names what there is when a verb asks for what there is not', async () => {
    const bench = createBench()
    const gateway = gatewayOver(bench, ['one'])
    const running = gateway.run(stopping.signal)
    await until(async () => laneOf(await gateway.status(), 'one') !== undefined)
    await expect(gateway.request('two', { verb: 'check' })).rejects.toThrow('there are: one')
    await expect(gateway.request('one', { verb: 'retry-rejects', feed: 'orders' })).rejects.toThrow(
      'it has: payments',
    )
    await expect(
      gateway.request('one', { verb: 'decide', feed: 'payments', allow: true, decision }),
    ).rejects.toThrow('nothing to decide')
    stopping.abort()
    await running
  })

  test('starts a source again when it crashes, and the others do not notice [P6]', async () => {
    const bench = createBench()
    const inline = createInlineHosts((source) => sourceOptionsOf(bench, { source, system: source }))
    let starts = 0
    const crashing: SourceHosts = {
      start(source, mode) {
        if (source === 'two') return inline.start(source, mode)
        starts += 1
        return {
          done: Promise.reject(new Error('native crash')),
          request: () => Promise.reject(new Error('gone')),
          stop: async () => undefined,
        }
      },
      close: inline.close,
    }
    const gateway = gatewayOver(bench, ['one', 'two'], crashing)
    const running = gateway.run(stopping.signal)
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await until(async () => (await events(bench.log)).length === 1 && starts > 1)
    const status = await gateway.status()
    expect(status.sources.find(({ source }) => source === 'one')?.trouble).toContain('native crash')
    expect(laneOf(status, 'two')?.rows?.live).toBe(1)
    stopping.abort()
    await running.catch(() => undefined)
  })

  test('once: runs every lane to its end, says how it went, and ends', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    const result = await gatewayOver(bench, ['one', 'two']).once(stopping.signal)
    expect(result).toMatchObject({ trouble: null })
    expect(result.lanes.map((lane) => [lane.source, lane.state, lane.rows?.live])).toEqual([
      ['one', 'waiting', 1],
      ['two', 'waiting', 1],
    ])
    expect(await events(bench.log)).toHaveLength(2)
  })
})
