import { afterEach, describe, expect, test } from 'vitest'
import type { Config } from '../../gateway/config/model.ts'
import type { Publisher } from '../../gateway/dingtalk/publisher.ts'
import { createGateway, type Gateway, type GatewayStatus } from '../../gateway/gateway.ts'
import type { SourceHost, SourceHosts } from '../../gateway/hosts.ts'
import { LogError } from '../../gateway/log/errors.ts'
import { DEFAULT_KEEP } from '../../gateway/topics.ts'
import { createInlineHosts } from '../kit/inline-hosts.ts'
import {
  type Bench,
  createBench,
  decision,
  decisions,
  events,
  sourceOptionsOf,
  story,
  until,
} from './lane/lane-bench.ts'
import { put } from './lane/table-source.ts'

let stopping = new AbortController()
afterEach(() => {
  stopping.abort()
  stopping = new AbortController()
})

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

function gatewayOver(
  bench: Bench,
  sources: readonly string[],
  hosts?: SourceHosts,
  publisher: Publisher | null = null,
): Gateway {
  return createGateway({
    config: configOf(sources),
    entities: new Map(sources.map((name) => [`${name}.payments`, 'payment'])),
    ports: { ...bench.ports, log: bench.log },
    hosts: hosts ?? createInlineHosts((source) => sourceOptionsOf(bench, { source, system: source })),
    publisher,
  })
}

function hostOf(change: Partial<SourceHost>): SourceHost {
  return { done: Promise.resolve(), request: async () => [], stop: async () => undefined, ...change }
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
    const bench = createBench({ pace: 20 })
    const inline = createInlineHosts((source) => sourceOptionsOf(bench, { source, system: source }))
    let starts = 0
    const crashing: SourceHosts = {
      start(source, mode) {
        if (source === 'two') return inline.start(source, mode)
        starts += 1
        return hostOf({
          done: Promise.reject(new Error('native crash')),
          request: () => Promise.reject(new Error('gone')),
        })
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

  test('starts a source again whose start fails [P6]', async () => {
    const bench = createBench({ pace: 20 })
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    const inline = createInlineHosts((source) => sourceOptionsOf(bench, { source, system: source }))
    let starts = 0
    const gateway = gatewayOver(bench, ['one'], {
      start(name, mode) {
        starts += 1
        if (starts === 1) throw new Error('no thread to be had')
        return inline.start(name, mode)
      },
      close: inline.close,
    })
    const running = gateway.run(stopping.signal)
    await until(async () => (await events(bench.log)).length === 1)
    stopping.abort()
    await running
  })

  test('says within a second how the others are, though one source never answers [P6]', async () => {
    const bench = createBench()
    const inline = createInlineHosts((source) => sourceOptionsOf(bench, { source, system: source }))
    const { promise: done, resolve } = Promise.withResolvers<void>()
    let asked = 0
    const silent = hostOf({
      done,
      // Once it answers, while it starts; then it burns.
      request: () => {
        asked += 1
        return asked === 1 ? Promise.resolve([]) : new Promise(() => undefined)
      },
      stop: async () => resolve(),
    })
    const gateway = gatewayOver(bench, ['sick', 'well'], {
      start: (name, mode) => (name === 'well' ? inline.start(name, mode) : silent),
      close: inline.close,
    })
    const running = gateway.run(stopping.signal)
    await until(async () => laneOf(await gateway.status(), 'well') !== undefined)
    const troubleOf = async () =>
      (await gateway.status()).sources.find(({ source }) => source === 'sick')?.trouble
    await until(async () => (await troubleOf())?.includes('does not answer') === true)
    const began = performance.now()
    await gateway.status()
    expect(performance.now() - began).toBeLessThan(1_000)
    stopping.abort()
    await running
  })

  test('takes the end of a source that was told to stop for no crash, however it ended', async () => {
    for (const end of ['well', 'badly'] as const) {
      const bench = createBench({ pace: 20 })
      const { promise: done, resolve, reject } = Promise.withResolvers<void>()
      const told = new AbortController()
      const gateway = gatewayOver(bench, ['one'], {
        start: () =>
          hostOf({
            done,
            stop: async () => (end === 'well' ? resolve() : reject(new Error('the thread was ended'))),
          }),
        close: async () => undefined,
      })
      const running = gateway.run(told.signal)
      await until(async () => (await gateway.status()).sources[0]?.trouble === null)
      told.abort()
      await running
      expect(bench.lines).toEqual([])
      expect((await gateway.status()).sources[0]?.restarts).toBe(0)
    }
  })

  test('waits for a log that is away when it starts, says so, and then begins [P9 F4]', async () => {
    const bench = createBench({ pace: 20 })
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    let isAway = true
    const away = async () => {
      throw new LogError('LOG_UNAVAILABLE', 'Kafka at k:9092 cannot be reached.')
    }
    const log: Bench['log'] = {
      ...bench.log,
      ensure: (...asked) => (isAway ? away() : bench.log.ensure(...asked)),
    }
    const gateway = gatewayOver({ ...bench, log }, ['one'])
    const running = gateway.run(stopping.signal)
    await until(async () => (await gateway.status()).log.trouble === 'Kafka at k:9092 cannot be reached.')
    isAway = false
    await until(async () => laneOf(await gateway.status(), 'one')?.state === 'waiting')
    expect((await gateway.status()).log.trouble).toBeNull()
    expect(await events(bench.log)).toHaveLength(1)
    stopping.abort()
    await running
  })

  test('tells what ended the publisher, until it runs again', async () => {
    const bench = createBench({ pace: 20 })
    let runs = 0
    const gateway = gatewayOver(bench, ['one'], undefined, {
      async run(signal) {
        runs += 1
        if (runs === 1) throw new Error('a template is missing')
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      },
      progress: () => [],
      reached: async () => undefined,
    })
    const troubles = new Set<string | null | undefined>()
    const running = gateway.run(stopping.signal)
    await until(async () => {
      troubles.add((await gateway.status()).publisher?.trouble)
      return runs === 2
    })
    expect([...troubles]).toContain('a template is missing')
    expect((await gateway.status()).publisher?.trouble).toBeNull()
    stopping.abort()
    await running
  })

  test('once: one crashed source does not end the pass of the others [P6]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    const inline = createInlineHosts((source) => sourceOptionsOf(bench, { source, system: source }))
    const gateway = gatewayOver(bench, ['sick', 'well'], {
      start: (name, mode) =>
        name === 'well'
          ? inline.start(name, mode)
          : hostOf({ done: Promise.reject(new Error('native crash')) }),
      close: inline.close,
    })
    const result = await gateway.once(stopping.signal)
    expect(result.trouble).toBe('source sick: native crash')
    expect(result.lanes.map(({ source, state }) => [source, state])).toEqual([['well', 'waiting']])
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
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
