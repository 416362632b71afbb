import { describe, expect, test } from 'vitest'
import {
  atWork,
  type Bench,
  createBench,
  decision,
  events,
  laneOf,
  runOnce,
  story,
  until,
  verb,
} from './lane-bench.ts'
import { breaksAfter, put } from './table-source.ts'

function allow(bench: Bench) {
  return verb(bench, { verb: 'decide', feed: 'payments', allow: true, decision })
}

/** A lane that has read from `toy/1`, was held when it met `toy/2`, and was told to go on with that. */
async function movedToSecond(): Promise<Bench> {
  const bench = createBench()
  put(bench.table, 'k1', { number: 'P1', amount: 'A' })
  await runOnce(bench)
  bench.table.identity = 'toy/2'
  expect((await runOnce(bench)).hold?.code).toBe('IDENTITY_CHANGED')
  await allow(bench)
  return bench
}

/** A lane over a source that has got one column more, has nothing new otherwise, and is asked for the same row again. */
async function widened(): Promise<Bench> {
  const bench = createBench()
  bench.table.canSettle = false
  put(bench.table, 'k1', { number: 'P1', amount: 'A' })
  await runOnce(bench)
  bench.table.fields = { ...bench.table.fields, note: 'text' }
  put(bench.table, 'k1', { number: 'P1', amount: 'A' })
  expect((await runOnce(bench)).hold).toBeNull()
  put(bench.table, 'k1', { number: 'P1', amount: 'A' })
  return bench
}

describe('another system behind the same address', () => {
  test('stops the lane before anything is read [P10]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.identity = 'toy/2'
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    const status = await runOnce(bench)
    expect(status.hold).toMatchObject({
      code: 'IDENTITY_CHANGED',
      details: { before: 'toy/1', now: 'toy/2' },
    })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
    await allow(bench)
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B'])
  })

  test('is not allowed because a person allowed a different one [P10]', async () => {
    const bench = await movedToSecond()
    bench.table.identity = 'toy/3'
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    expect((await runOnce(bench)).hold?.code).toBe('IDENTITY_CHANGED')
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })

  test('is remembered once it was accepted, though it brought nothing new [P10]', async () => {
    const bench = await movedToSecond()
    expect((await runOnce(bench)).hold).toBeNull()
    bench.table.identity = 'toy/3'
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    expect((await runOnce(bench)).hold?.details).toEqual({ before: 'toy/2', now: 'toy/3' })
  })

  test('is found out at the next run, though the session outlives its system [P10]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await atWork(bench, 'run', {}, async (source) => {
      await until(() => laneOf(source).lastRun !== null)
      bench.table.identity = 'toy/2'
      put(bench.table, 'k1', { number: 'P1', amount: 'B' })
      await until(() => laneOf(source).hold !== null || laneOf(source).progress?.changed === 1)
      expect(laneOf(source).hold?.code).toBe('IDENTITY_CHANGED')
    })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })

  test('is not believed in a point read over a new connection [P10]', async () => {
    const bench = createBench({ pace: 100 })
    bench.table.page = 1
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    // It claims a number whose owner must be read; the connection for that reaches an empty copy.
    put(bench.table, 'k2', { number: 'P1', amount: 'X' })
    put(bench.table, 'k3', { number: 'P3', amount: 'X' })
    const session = breaksAfter(1, 'ADAPTER_UNREACHABLE', () => {
      bench.table.identity = 'toy/2'
      bench.table.rows.clear()
    })
    expect((await runOnce(bench, { session })).hold?.code).toBe('IDENTITY_CHANGED')
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })

  test('is not read when rejects are tried again [P10]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench)
    bench.table.identity = 'toy/2'
    bench.table.rows.set('k1', { number: 'P1', amount: 'of another system' })
    const tried = verb(bench, { verb: 'retry-rejects', feed: 'payments' })
    await expect(tried).rejects.toThrow('it was toy/1, it is toy/2')
    expect(await story(bench.log, 'P1')).toEqual([])
  })
})

describe('another shape', () => {
  test('stops the lane before anything is published, and it says which column is gone [P10]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.fields = { number: 'text' }
    put(bench.table, 'k1', { number: 'P1' })
    const status = await runOnce(bench)
    expect(status.hold).toMatchObject({ code: 'SCHEMA_CHANGED', details: { lost: ['amount'] } })
    expect(status.hold?.message).toContain('amount')
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })

  test('is no reason to stop where a column is new', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.fields = { ...bench.table.fields, note: 'text' }
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    expect((await runOnce(bench)).hold).toBeNull()
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B'])
  })

  test('is not allowed because a person allowed a different one [P10]', async () => {
    const bench = await widened()
    bench.table.fields = { number: 'text', amount: 'numeric' }
    expect((await runOnce(bench)).hold?.details).toMatchObject({ lost: ['note'] })
    await allow(bench)
    bench.table.fields = { number: 'text' }
    put(bench.table, 'k1', { number: 'P1' })
    expect((await runOnce(bench)).hold?.details).toMatchObject({ lost: ['amount'] })
    expect(await events(bench.log)).toHaveLength(1)
  })

  test('is remembered once it was accepted, though it brought nothing new [P10]', async () => {
    const bench = await widened()
    bench.table.fields = { number: 'text', amount: 'numeric' }
    expect((await runOnce(bench)).hold?.details).toMatchObject({ lost: ['note'] })
    await allow(bench)
    expect((await runOnce(bench)).hold).toBeNull()
    bench.table.fields = { number: 'text' }
    put(bench.table, 'k1', { number: 'P1' })
    expect((await runOnce(bench)).hold?.details).toMatchObject({ lost: ['amount'] })
    expect(await events(bench.log)).toHaveLength(1)
  })

  test('is accepted as it was shown: what was changed once more before the answer is asked about [P10]', async () => {
    const bench = createBench()
    const { table } = bench
    put(table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    table.fields = { number: 'text' }
    put(table, 'k1', { number: 'P1' })
    expect((await runOnce(bench)).hold?.details).toMatchObject({ lost: ['amount'] })
    // A migration in two steps: the column comes back with another type while a person looks at its loss.
    table.fields = { number: 'text', amount: 'text' }
    put(table, 'k1', { number: 'P1', amount: 'A few' })
    const answer = await allow(bench)
    expect(answer).toMatchObject({ hold: { details: { fields: { number: 'text' } } }, isPaused: false })
    const again = await runOnce(bench)
    expect(again.hold?.details).toMatchObject({ added: ['amount'], fields: { amount: 'text' } })
    expect(again.hold?.message).toContain('new: amount text')
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
    await allow(bench)
    expect((await runOnce(bench)).hold).toBeNull()
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2', 'changed 3 A few'])
  })

  test('waits to be seen once it was allowed, and is then like any other', async () => {
    const bench = await widened()
    bench.table.fields = { number: 'text', amount: 'numeric' }
    expect((await runOnce(bench)).hold?.details).toMatchObject({ lost: ['note'] })
    const { changes } = bench.table
    const unseen = changes.splice(2)
    await allow(bench)
    // A run that reads nothing has not seen the shape.
    expect((await runOnce(bench)).hold).toBeNull()
    changes.push(...unseen)
    bench.table.fields = { number: 'text', amount: 'numeric', note: 'numeric' }
    expect((await runOnce(bench)).hold?.details).toMatchObject({ added: ['note'] })
    await allow(bench)
    expect((await runOnce(bench)).hold).toBeNull()
    bench.table.fields = { ...bench.table.fields, more: 'text' }
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    expect((await runOnce(bench)).hold).toBeNull()
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B'])
  })

  test('is noticed when rejects are tried again, and holds the lane so that it can be decided [P10]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'poison' })
    await runOnce(bench)
    bench.table.fields = { number: 'text' }
    bench.table.rows.set('k1', { number: 'P1' })
    const tried = verb(bench, { verb: 'retry-rejects', feed: 'payments' })
    await expect(tried).rejects.toThrow('gone: amount')
    expect(await story(bench.log, 'P1')).toEqual([])
    expect(await allow(bench)).toMatchObject({ hold: { code: 'SCHEMA_CHANGED' } })
  })
})
