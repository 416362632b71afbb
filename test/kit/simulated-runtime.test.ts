import { expect, test } from 'vitest'
import { EPOCH_MS, type SimulatedRuntime, simulatedRuntime } from './simulated-runtime.ts'

const never = new AbortController().signal

async function scene(simulated: SimulatedRuntime): Promise<void> {
  const { runtime } = simulated
  const walk = async (name: string) => {
    for (let turn = 0; turn < 20; turn++) {
      await runtime.sleep(runtime.float() * 100, never)
      simulated.trace(`${name} ${runtime.uuid()}`)
    }
  }
  void walk('left')
  void walk('right')
  await simulated.run(EPOCH_MS + 60_000, { stepsMax: 1_000 })
}

test('gives the same trace for the same seed and another for another', async () => {
  const hashes = []
  for (const seed of ['1', '1', '2']) {
    const simulated = simulatedRuntime(seed)
    await scene(simulated)
    hashes.push(simulated.traceHash())
  }
  expect(hashes[0]).toBe(hashes[1])
  expect(hashes[0]).not.toBe(hashes[2])
})

test('fires in order of time, then of asking, with microtasks drained in between', async () => {
  const simulated = simulatedRuntime('order')
  const seen: string[] = []
  simulated.after(20, () => seen.push('late'))
  simulated.after(10, () => {
    seen.push('first')
    void Promise.resolve()
      .then(() => seen.push('its microtask'))
      .then(() => seen.push('and the next'))
  })
  simulated.after(10, () => seen.push('second'))
  const forget = simulated.after(15, () => seen.push('taken back'))
  forget()
  await simulated.run(EPOCH_MS + 1_000, { stepsMax: 10 })
  expect(seen).toEqual(['first', 'its microtask', 'and the next', 'second', 'late'])
  expect(simulated.now()).toBe(EPOCH_MS + 1_000)
})

test('steps the wall clock without moving timers or the monotonic clock', async () => {
  const simulated = simulatedRuntime('ntp')
  let wokenAt = 0
  void simulated.runtime.sleep(500, never).then(() => {
    wokenAt = simulated.now()
  })
  simulated.stepWall(-3_600_000)
  await simulated.run(EPOCH_MS + 1_000, { stepsMax: 10 })
  expect(wokenAt).toBe(EPOCH_MS + 500)
  expect(simulated.runtime.wall()).toBe(EPOCH_MS + 1_000 - 3_600_000)
  expect(simulated.truth.wall()).toBe(EPOCH_MS + 1_000)
  expect(simulated.runtime.mono()).toBe(1_000_000_000n)
})

test('ends a sleep with the reason of its signal, and a deadline with a TimeoutError', async () => {
  const simulated = simulatedRuntime('signals')
  const controller = new AbortController()
  const slept = simulated.runtime.sleep(1_000, controller.signal).catch((error: unknown) => error)
  const deadline = simulated.runtime.deadline(200)
  simulated.after(100, () => controller.abort('enough'))
  await simulated.run(EPOCH_MS + 150, { stepsMax: 10 })
  expect(await slept).toBe('enough')
  expect(deadline.aborted).toBe(false)
  await simulated.run(EPOCH_MS + 300, { stepsMax: 10 })
  expect(deadline.reason).toMatchObject({ name: 'TimeoutError' })
})

test('refuses to go on when something spins', async () => {
  const simulated = simulatedRuntime('spin')
  const spin = () => void simulated.after(0, spin)
  spin()
  await expect(simulated.run(EPOCH_MS + 1, { stepsMax: 100 })).rejects.toThrow('it spins')
})

test('makes time-ordered UUIDv7', async () => {
  const simulated = simulatedRuntime('uuid')
  const first = simulated.runtime.uuid()
  await simulated.run(EPOCH_MS + 5, { stepsMax: 10 })
  const second = simulated.runtime.uuid()
  expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(second > first).toBe(true)
})
