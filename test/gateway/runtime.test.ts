import { expect, test } from 'vitest'
import { killAt, readFailpoint } from '../../gateway/node/kill-failpoints.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'
import { createTasks } from '../../gateway/runtime.ts'

const NEVER = new AbortController().signal

test('makes ids that are UUIDv7, all different and rising', () => {
  const runtime = createRuntime()
  const before = runtime.wall()
  const ids = Array.from({ length: 20_000 }, () => runtime.uuid())
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect([...ids].sort()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
  const millisecond = Number.parseInt((ids[0] ?? '').replace('-', '').slice(0, 12), 16)
  expect(millisecond - before).toBeGreaterThanOrEqual(0)
  expect(millisecond - before).toBeLessThan(1_000)
})

test('sleeps at least as long as it is told', async () => {
  const runtime = createRuntime()
  const before = runtime.mono()
  await runtime.sleep(20, NEVER)
  expect(Number(runtime.mono() - before) / 1e6).toBeGreaterThan(18)
})

test('wakes with the reason of the signal', async () => {
  const runtime = createRuntime()
  const reason = new Error('stop')
  const controller = new AbortController()
  const sleep = runtime.sleep(60_000, controller.signal)
  controller.abort(reason)
  await expect(sleep).rejects.toBe(reason)
  await expect(runtime.sleep(60_000, controller.signal)).rejects.toBe(reason)
})

test('does not wake at once from a sleep that is longer than a timer can be', async () => {
  const runtime = createRuntime()
  const controller = new AbortController()
  const ended = runtime.sleep(2 ** 32, controller.signal).then(
    () => 'woke',
    () => 'stopped',
  )
  await runtime.sleep(20, NEVER)
  controller.abort()
  expect(await ended).toBe('stopped')
})

test('lets a deadline pass with a TimeoutError, and not before its time', async () => {
  const runtime = createRuntime()
  expect(runtime.deadline(2 ** 40).aborted).toBe(false)
  const deadline = runtime.deadline(10)
  expect(deadline.aborted).toBe(false)
  await new Promise((resolve) => deadline.addEventListener('abort', resolve))
  expect(deadline.reason).toMatchObject({ name: 'TimeoutError' })
})

test('gives random bytes and numbers in their range', () => {
  const runtime = createRuntime()
  expect(runtime.bytes(16)).toHaveLength(16)
  expect(runtime.bytes(16)).not.toEqual(runtime.bytes(16))
  const floats = Array.from({ length: 1_000 }, () => runtime.float())
  expect(floats.every((float) => float >= 0 && float < 1)).toBe(true)
  expect(new Set(floats).size).toBeGreaterThan(990)
})

test('reports a task that fails, and not one that was stopped', async () => {
  const failed: unknown[] = []
  const tasks = createTasks((task, error) => failed.push([task.name, error]))
  const controller = new AbortController()
  const bug = new Error('bug')
  tasks.spawn('lane', 'fails', controller.signal, async () => {
    throw bug
  })
  tasks.spawn('lane', 'stops', controller.signal, (signal) => createRuntime().sleep(60_000, signal))
  controller.abort()
  await tasks.settled()
  expect(failed).toEqual([['fails', bug]])
})

test('waits for the tasks of one owner, or of all', async () => {
  const tasks = createTasks(() => undefined)
  const ended: string[] = []
  const gate = Promise.withResolvers<void>()
  const run = (name: string, wait: Promise<void>) => async () => {
    await wait
    ended.push(name)
  }
  tasks.spawn('one', 'quick', NEVER, run('quick', Promise.resolve()))
  const slow = tasks.spawn('two', 'slow', NEVER, run('slow', gate.promise))
  await tasks.settled('one')
  expect(ended).toEqual(['quick'])
  gate.resolve()
  await tasks.settled()
  await slow.done
  expect(ended).toEqual(['quick', 'slow'])
})

test('reads where a process is to be killed, and refuses what names no step', () => {
  expect(readFailpoint('log.before-commit:3')).toEqual({ name: 'log.before-commit', nth: 3, ends: 'process' })
  expect(readFailpoint('lane.after-poll')).toEqual({ name: 'lane.after-poll', nth: 1, ends: 'process' })
  for (const text of ['', 'log.commit', 'log.after-commit:0', 'log.after-commit:x', 'log.after-commit:1:2']) {
    expect(() => readFailpoint(text)).toThrow(/is no failpoint/)
  }
})

test('passes every failpoint but the one that it waits for', () => {
  const failpoints = killAt('log.before-commit', 2)
  failpoints.hit('log.after-commit')
  failpoints.hit('log.before-commit')
  failpoints.hit('log.after-commit')
})
