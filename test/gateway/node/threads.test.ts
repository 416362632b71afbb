import { MessageChannel } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import type { Config, SourceConfig } from '../../../gateway/config/model.ts'
import type { SourceHosts } from '../../../gateway/hosts.ts'
import { createThreadHosts } from '../../../gateway/node/threads.ts'

const opened: SourceHosts[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((hosts) => hosts.close()))
})

/** Hosts whose threads run `stubborn-thread.ts`. */
function hostsOf(names: readonly string[], workersMax = 16): SourceHosts {
  const hosts = createThreadHosts({
    config: configOf(names, workersMax),
    packageFolder: '/nowhere',
    connectLog: () => {
      const { port2: port } = new MessageChannel()
      return { port, folder: '/nowhere', partitions: 1, deals: false }
    },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    failpoint: null,
    worker: new URL('./stubborn-thread.ts', import.meta.url),
    stopMs: 300,
  })
  opened.push(hosts)
  return hosts
}

test('a source that is told to stop ends, and answers nobody any more', async () => {
  const host = hostsOf(['obedient']).start('obedient', 'run')
  expect(await host.request({ verb: 'status' })).toBe('obedient')
  await host.stop()
  await host.done
  await expect(host.request({ verb: 'status' })).rejects.toThrow('Source obedient is not running')
})

test('a source that burns the processor or never answers is ended all the same [P6 F39]', async () => {
  for (const name of ['burning', 'deaf']) {
    const host = hostsOf([name]).start(name, 'run')
    expect(await host.request({ verb: 'status' })).toBe(name)
    const ended = expect(host.done).rejects.toThrow('did not stop within 300 ms')
    await host.stop()
    await ended
  }
})

test('a source whose thread crashes says so, and others go on in theirs [P6 F38]', async () => {
  const hosts = hostsOf(['crashing', 'obedient', 'throwing'])
  const healthy = hosts.start('obedient', 'run')
  await expect(hosts.start('crashing', 'run').done).rejects.toThrow('its thread ended with code 7')
  await expect(hosts.start('throwing', 'run').done).rejects.toThrow('a bug in an adapter')
  expect(await healthy.request({ verb: 'status' })).toBe('obedient')
  // Started again it gets a thread of its own again.
  await expect(hosts.start('crashing', 'run').done).rejects.toThrow('its thread ended with code 7')
})

test('sources beyond the bound share a thread, and only those', async () => {
  const shared = hostsOf(['crashing', 'obedient'], 1)
  const healthy = shared.start('obedient', 'run')
  const crashed = shared.start('crashing', 'run')
  await expect(crashed.done).rejects.toThrow('its thread ended')
  await expect(healthy.done).rejects.toThrow('its thread ended')
})

function configOf(names: readonly string[], workersMax: number): Config {
  const source = (name: string): SourceConfig => ({
    name,
    kind: 'toy',
    system: 'toy',
    company: '001',
    zone: 'UTC',
    connection: {},
    feeds: {},
  })
  return {
    gateway: 'g',
    data: '/nowhere',
    companies: {},
    log: {
      driver: 'memory',
      partitions: 1,
      keep: { historyMs: 1, rejectsMs: 1, deliveriesMs: 1, statementsMs: 1, auditMs: 1 },
    },
    mappings: [],
    workersMax,
    sources: Object.fromEntries(names.map((name) => [name, source(name)])),
    people: {},
    roles: {},
    dingtalk: null,
    routes: {},
  }
}
