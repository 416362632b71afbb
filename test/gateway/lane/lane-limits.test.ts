import { describe, expect, test } from 'vitest'
import type { Json } from '../../../adapters/contract.ts'
import { createBench, events, marks, rejects, runOnce, story, toyMapping } from './lane-bench.ts'
import { delivers, put, type SessionChange } from './table-source.ts'

describe('a record that is too large', () => {
  test('is a reject, and its neighbours flow [P5]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: '大'.repeat(400_000) })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench)
    const [reject] = await rejects(bench.log)
    expect(reject).toMatchObject({ code: 'TOO_LARGE', sourceKey: 'k1' })
    expect(Number(reject?.['rawBytes'])).toBeGreaterThan(1_200_000)
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A'])
  })

  test('is a reject also where only a volatile field is [P5]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A', changedAt: 'x'.repeat(1_100_000) })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    expect((await runOnce(bench)).stopped).toBeNull()
    expect(await rejects(bench.log)).toMatchObject([{ code: 'TOO_LARGE', sourceKey: 'k1' }])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A'])
  })

  test('is rejected once under a number that another row had [P5]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.rows.delete('k1')
    for (let read = 0; read < 3; read += 1) {
      put(bench.table, 'k2', { number: 'P1', amount: 'x'.repeat(910_000) })
      await runOnce(bench)
    }
    expect(await rejects(bench.log)).toMatchObject([{ code: 'TOO_LARGE', sourceKey: 'k2' }])
  })

  test('is a reject though its raw bytes alone are more than the log takes; the first of them are kept [P5]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    put(bench.table, 'k2', { number: 'P2', amount: 'poison', note: 'x'.repeat(800_000) })
    expect((await runOnce(bench)).stopped).toBeNull()
    const [reject] = await rejects(bench.log)
    expect(reject).toMatchObject({ code: 'VALUE_REFUSED', sourceKey: 'k2' })
    expect(Number(reject?.['rawBytes'])).toBeGreaterThan(800_000)
    expect(String(reject?.['raw']).length).toBeGreaterThan(700_000)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })
})

describe('a batch larger than a transaction', () => {
  // In UTF-8 three times as long: 32 of them are more than one transaction takes.
  const long = '大'.repeat(260_000)

  test('goes in several: each version once and in order, though the log is full between two [P2 P3]', async () => {
    let commits = 0
    const bench = createBench({
      pace: 100,
      faults: {
        commit() {
          commits += 1
          return commits === 2 ? 'refused' : null
        },
      },
    })
    bench.table.page = 100
    for (let version = 0; version < 32; version += 1) {
      const row = version % 2
      put(bench.table, `k${row}`, { number: `P${row}`, amount: `${version} ${long}` })
    }
    expect((await runOnce(bench)).stopped).toBeNull()
    expect(commits).toBeGreaterThan(2)
    for (const row of [0, 1]) {
      const told = (await story(bench.log, `P${row}`)).map((line) => line.replaceAll('大', '').trim())
      const versions = Array.from({ length: 16 }, (_, index) => `changed ${index + 1} ${2 * index + row}`)
      expect(told).toEqual([`created 1 ${row}`, ...versions.slice(1)])
    }
  })
})

describe('a mark that has outlived its time', () => {
  /** A bench whose clock stands until it is moved. */
  function clocked() {
    const bench = createBench()
    const clock = { now: 1_000_000 }
    const ports = { ...bench.ports, runtime: { ...bench.runtime, wall: () => clock.now } }
    return { bench, clock, ports }
  }

  const prune = (bench: ReturnType<typeof createBench>) =>
    bench.log.prune(Date.now() + 10 * 86_400_000, new AbortController().signal)

  test('leaves memory and log, while the lane works and after a restart [P9]', async () => {
    const { bench, clock, ports } = clocked()
    const seen: (Json | undefined)[] = []
    const marking = (batches: number): SessionChange => {
      const marked = Array.from({ length: batches }, () => ({}))
      return (inner, context) => ({
        async *poll(feed, cursor, signal) {
          for await (const batch of delivers(marked)(inner, context).poll?.(feed, cursor, signal) ?? []) {
            seen.push(context.marks.get(feed, 'm1'))
            clock.now += 1_000
            yield { ...batch, marks: [{ key: `m${batch.next}`, value: batch.next, keepMs: 10 }] }
          }
        },
      })
    }
    await runOnce(bench, { ports, session: marking(6) })
    expect(seen).toContain('1')
    expect(seen.at(-1)).toBeUndefined()
    await prune(bench)
    expect((await marks(bench.log)).map(({ key }) => key)).not.toContain('m1')
    clock.now += 1_000
    await runOnce(bench, { ports, session: marking(1) })
    await prune(bench)
    expect((await marks(bench.log)).map(({ key }) => key)).toEqual(['m7'])
  })

  test('is there after a restart when it was set again', async () => {
    const { bench, clock, ports } = clocked()
    const seen: (Json | undefined)[] = []
    let runs = 0
    const session: SessionChange = (inner, context) => {
      runs += 1
      const known = context.marks.get('payments', 'm')
      seen.push(known)
      const batch = { marks: [{ key: 'm', value: runs, keepMs: 10_000 }] }
      return delivers(known === undefined ? [batch] : [])(inner, context)
    }
    await runOnce(bench, { ports, session })
    clock.now += 20_000
    await runOnce(bench, { ports, session })
    await runOnce(bench, { ports, session })
    expect(seen).toEqual([undefined, undefined, 2])
  })
})

test('numbers that move on from row to row in a batch larger than a transaction end in order [P3]', async () => {
  const bench = createBench()
  bench.table.page = 2_000
  // About 200 kB each: 120 of them are more than one transaction takes.
  const mapping = toyMapping('v1', (data) => ({
    ...data,
    memo: data['amount'] === 'B' ? 'x'.repeat(250_000) : '',
  }))
  const rows = Array.from({ length: 120 }, (_, index) => index)
  for (const row of rows) put(bench.table, `k${row}`, { number: `P${row}`, amount: 'A' })
  await runOnce(bench, { mapping })
  for (const row of rows) put(bench.table, `k${row}`, { number: `P${119 - row}`, amount: 'B' })
  expect((await runOnce(bench, { mapping })).stopped).toBeNull()
  const told = await events(bench.log)
  for (const row of rows) {
    const revisions = told.filter(({ subject }) => subject === `P${row}`).map(({ revision }) => revision)
    expect(revisions).toEqual(revisions.map((_, index) => index + 1))
  }
})
