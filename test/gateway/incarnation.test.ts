import { expect, test } from 'vitest'
import { type Incarnation, incarnate, type PortCall, Revoked } from '../../gateway/incarnation.ts'
import type { Log, LogRecord, Writer } from '../../gateway/log/port.ts'
import type { Ports } from '../../gateway/ports.ts'
import { createRedactor } from '../../gateway/redactor.ts'
import { createTasks, type HistoryEntry, NO_FAILPOINTS } from '../../gateway/runtime.ts'
import { EPOCH_MS, type SimulatedRuntime, simulatedRuntime } from '../kit/simulated-runtime.ts'

const never = new AbortController().signal

type Scene = Readonly<{
  simulated: SimulatedRuntime
  history: HistoryEntry[]
  /** What reached the ports behind the gate. */
  reached: string[]
  failures: string[]
  live(number: number, onCall?: (call: PortCall) => 'go-on' | 'crash'): Incarnation
}>

function scene(): Scene {
  const simulated = simulatedRuntime('incarnation')
  const history: HistoryEntry[] = []
  const reached: string[] = []
  const failures: string[] = []
  const ports: Ports = {
    runtime: simulated.runtime,
    tasks: createTasks((task, error) => failures.push(`${task.name}: ${error}`)),
    logger: { info: (message) => reached.push(message), warn: () => {}, error: () => {} },
    failpoints: NO_FAILPOINTS,
    history: { record: (entry) => history.push(entry) },
    log: slowLog(simulated, reached),
    projections: {
      open() {
        throw new Error('not asked for here')
      },
    },
    http: {
      async send(request) {
        reached.push(request.url)
        return { kind: 'unknown', reason: 'no answer' }
      },
    },
    files: { read: () => null, list: () => null },
    secrets: { read: () => 'hidden' },
    redactor: createRedactor(),
    names: { resolve: async () => null },
  }
  return {
    simulated,
    history,
    reached,
    failures,
    live: (number, onCall) => incarnate(ports, onCall === undefined ? { number } : { number, onCall }),
  }
}

/** A log whose transactions take effect after 100 ms and answer after 200. */
function slowLog({ runtime }: SimulatedRuntime, reached: string[]): Log {
  const refuse = () => {
    throw new Error('not asked for here')
  }
  const writer: Writer = {
    async transact() {
      await runtime.sleep(100, never)
      reached.push('transacted')
      await runtime.sleep(100, never)
      return { kind: 'committed', placed: [] }
    },
    close: async () => {},
  }
  return {
    ensure: refuse,
    end: refuse,
    position: refuse,
    subscribe: refuse,
    close: async () => {},
    writer: async () => writer,
    async *readTo(partition, from, { signal }) {
      for (let position = from; ; position++) {
        await runtime.sleep(10, signal)
        const record: LogRecord = {
          ...partition,
          offset: position,
          time: 0,
          key: null,
          value: null,
          headers: {},
        }
        yield { records: [record], position: position + 1 }
      }
    },
  }
}

test('lets calls through and records how each ended, unknown as a value of its own', async () => {
  const { live, history, simulated } = scene()
  const { ports } = live(7)
  const request = {
    method: 'GET',
    url: 'https://x.example',
    headers: {},
    body: null,
    timeoutMs: 1,
    responseBytesMax: 1,
  } as const
  const done = Promise.all([ports.http.send(request, never), ports.runtime.sleep(5, never)])
  await simulated.run(EPOCH_MS + 100, { stepsMax: 100 })
  await done
  expect(
    history.map((entry) => `${entry.incarnation} ${entry.port}.${entry.operation} ${entry.phase}`),
  ).toEqual(['7 http.send invoke', '7 runtime.sleep invoke', '7 http.send unknown', '7 runtime.sleep ok'])
})

test('rejects what is under way at the crash, while an effect already handed over still happens', async () => {
  const { live, simulated, reached, history } = scene()
  const { ports, crash } = live(1)
  const writer = await ports.log.writer('lane', never)
  const answer = writer.transact({ records: [] }, never).catch((error: unknown) => error)
  simulated.after(50, crash)
  await simulated.run(EPOCH_MS + 60, { stepsMax: 100 })
  expect(await answer).toBeInstanceOf(Revoked)
  expect(reached).toEqual([])
  await simulated.run(EPOCH_MS + 1_000, { stepsMax: 100 })
  expect(reached).toEqual(['transacted'])
  expect(history.at(-1)).toMatchObject({ operation: 'transact', phase: 'unknown' })
})

test('lets nothing reach a port after the crash, sleeps and iterables included', async () => {
  const { live, simulated, reached, failures } = scene()
  const { ports, crash, isCrashed } = live(1)
  const writer = await ports.log.writer('lane', never)
  let chunks = 0
  const outcomes: unknown[] = []
  const read = async () => {
    const partition = { topic: 't', partition: 0 }
    for await (const _ of ports.log.readTo(partition, 0, { signal: never })) chunks += 1
  }
  ports.tasks.spawn('test', 'reader', never, read)
  ports.runtime.sleep(10_000, never).catch((error: unknown) => outcomes.push(error))
  simulated.after(35, crash)
  await simulated.run(EPOCH_MS + 60_000, { stepsMax: 1_000 })
  expect(isCrashed()).toBe(true)
  expect(chunks).toBe(3)
  expect(outcomes[0]).toBeInstanceOf(Revoked)
  expect(failures).toEqual([])
  await expect(writer.transact({ records: [] }, never)).rejects.toBeInstanceOf(Revoked)
  expect(() => ports.secrets.read('env:X')).toThrow(Revoked)
  expect(ports.runtime.wall()).toBe(EPOCH_MS + 60_000)
  expect(() => ports.failpoints.hit('lane.after-poll')).toThrow(Revoked)
  ports.logger.info('too late')
  expect(reached).toEqual([])
})

test('can be killed before each call and after its effect, the answer lost', async () => {
  for (const moment of ['before', 'after'] as const) {
    const { live, simulated, reached } = scene()
    const { ports } = live(1, (call) =>
      call.operation === 'transact' && call.moment === moment ? 'crash' : 'go-on',
    )
    const writer = await ports.log.writer('lane', never)
    const answer = writer.transact({ records: [] }, never).catch((error: unknown) => error)
    await simulated.run(EPOCH_MS + 1_000, { stepsMax: 100 })
    expect(await answer).toBeInstanceOf(Revoked)
    expect(reached).toEqual(moment === 'before' ? [] : ['transacted'])
  }
})

test('parks a dead incarnation that retries whatever fails', async () => {
  const { live, simulated } = scene()
  const { ports, crash } = live(1)
  let attempts = 0
  const stubborn = async () => {
    for (;;) {
      attempts += 1
      await ports.runtime.sleep(10, never).catch(() => 'is tried again whatever it was')
    }
  }
  crash()
  void stubborn()
  await simulated.run(EPOCH_MS + 1_000, { stepsMax: 100 })
  expect(attempts).toBeLessThan(200)
})

test('leaves another incarnation over the same ports alone', async () => {
  const { live, simulated, reached } = scene()
  const first = live(1)
  const second = live(2)
  first.crash()
  const writer = await second.ports.log.writer('lane', never)
  const answer = writer.transact({ records: [] }, never)
  await simulated.run(EPOCH_MS + 1_000, { stepsMax: 100 })
  expect(await answer).toEqual({ kind: 'committed', placed: [] })
  expect(reached).toEqual(['transacted'])
})
