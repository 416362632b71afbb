import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createPublisher } from '../../../gateway/dingtalk/publisher.ts'
import { createMemoryLog, type MemoryLog } from '../../../gateway/log/memory.ts'
import { createHttp } from '../../../gateway/node/http.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { createRedactor } from '../../../gateway/redactor.ts'
import { createTasks, NO_FAILPOINTS } from '../../../gateway/runtime.ts'
import { DEFAULT_KEEP, topicSpecs } from '../../../gateway/topics.ts'
import { type DingTalk, startDingTalk } from '../../lab/dingtalk/server.ts'
import {
  append,
  compileCondition,
  configWith,
  endsOf,
  eventOf,
  route,
  secretsFor,
  standing,
  TEMPLATES,
} from './world.ts'

// The same publisher over the real Http port and the emulator on its socket, in real time.

const runtime = createRuntime()
let dingtalk: DingTalk
let log: MemoryLog

beforeEach(async () => {
  dingtalk = await startDingTalk()
  log = createMemoryLog({ runtime, partitions: 2 })
  await log.ensure(topicSpecs(['payment', 'stock-level'], DEFAULT_KEEP), new AbortController().signal)
})

afterEach(() => dingtalk.close())

const routes = [
  route('all', {
    to: [
      { kind: 'role', role: 'purchasing-manager' },
      { kind: 'group', group: 'purchasing' },
      { kind: 'group', group: 'warehouse' },
    ],
  }),
]

async function publish(): Promise<void> {
  const stop = new AbortController()
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const names = { resolve: async (host: string) => (host === '127.0.0.1' ? host : null) }
  const publisher = createPublisher({
    config: configWith(routes, dingtalk.origin),
    templates: TEMPLATES,
    compileCondition,
    ports: {
      runtime,
      tasks: createTasks(() => undefined),
      logger: quiet,
      failpoints: NO_FAILPOINTS,
      log: log.connect(),
      http: createHttp({ names, runtime }),
      secrets: secretsFor(dingtalk.origin),
      redactor: createRedactor(),
    },
  })
  const running = publisher.run(stop.signal)
  await Promise.race([publisher.reached(await endsOf(log), stop.signal), running]).finally(() => stop.abort())
  await running
}

function fresh(number: string) {
  return eventOf({ number, time: new Date(Date.now()).toISOString() })
}

test('tells persons, a group and a webhook with a signature', async () => {
  await append(log, [fresh('P1'), fresh('P2')])
  await publish()
  expect(
    dingtalk
      .outbox()
      .map(({ chat }) => chat)
      .sort(),
  ).toEqual([
    'group:cidPurchasing000000000000000001==',
    'group:cidPurchasing000000000000000001==',
    'group:cidWarehouse0000000000000000001==',
    'group:cidWarehouse0000000000000000001==',
    'user:0171234567',
    'user:0171234567',
    'user:0201234567',
    'user:0201234567',
  ])
  expect(new Set((await standing(log)).map(({ state }) => state))).toEqual(new Set(['sent']))
})

describe('a socket that breaks', () => {
  test.each(['reset-before', 'reset-after'] as const)(
    'in %s leaves a person unknown and a webhook told once',
    async (kind) => {
      dingtalk.fault({ path: '/v1.0/robot/', kind, times: 9 })
      dingtalk.fault({ path: '/robot/send', kind, times: 1 })
      await append(log, [fresh('P1')])
      await publish()
      const found = Object.fromEntries(
        (await standing(log)).map(({ destination, state }) => [destination, state]),
      )
      expect(found).toEqual({
        'person:lan': 'unknown',
        'person:daniel': 'unknown',
        'group:warehouse': 'unknown',
        'group:purchasing': 'sent',
      })
      const received = dingtalk.outbox().map(({ chat }) => chat)
      expect(received.filter((chat) => chat.startsWith('group:cidPurchasing'))).toHaveLength(1)
      expect(received).toHaveLength(kind === 'reset-after' ? 4 : 1)
    },
  )
})
