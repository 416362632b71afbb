import { describe, expect, test } from 'vitest'
import { createBench, deleted, events, NO_FUSES, rejects, runOnce, story } from './lane-bench.ts'
import { alters, putMany, record, torn } from './table-source.ts'

describe('a complete pass', () => {
  test('deletes once a record whose number another row takes over in the last batch [P2]', async () => {
    const bench = createBench()
    bench.table.rows.set('k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { strategy: 'pass' })
    bench.table.rows.delete('k1')
    bench.table.rows.set('k2', { number: 'P1', amount: 'B' })
    await runOnce(bench, { strategy: 'pass' })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2', 'created 3 B'])
    expect(new Set((await events(bench.log)).map(({ id }) => id)).size).toBe(3)
  })

  test('deletes rows whose source says in which order they were read [P1]', async () => {
    const bench = createBench()
    bench.table.canRead = false
    const session = alters((batch) => ({
      ...batch,
      records: batch.records.map((one) => ({ ...one, order: '0001' })),
    }))
    bench.table.rows.set('k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { strategy: 'pass', session })
    bench.table.rows.delete('k1')
    await runOnce(bench, { strategy: 'pass', session })
    await runOnce(bench, { strategy: 'pass', session })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2'])
  })

  test('deletes nothing when it met a record whose key could not be read, and the next one does [P5]', async () => {
    const bench = createBench()
    bench.table.canRead = false
    bench.table.rows.set('k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { strategy: 'pass' })
    bench.table.rows.delete('k1')
    bench.table.rows.set('k2', { number: 'P2', amount: 'A' })
    const session = alters((batch) => ({ ...batch, unreadable: [torn(null)] }))
    const status = await runOnce(bench, { strategy: 'pass', session })
    expect(status.state).toBe('waiting')
    expect(await rejects(bench.log)).toMatchObject([{ code: 'UNREADABLE' }])
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A'])
    await runOnce(bench, { strategy: 'pass' })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2'])
  })

  test('deletes no row that a point read still finds [P1]', async () => {
    const bench = createBench()
    bench.table.rows.set('k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { strategy: 'pass' })
    bench.table.rows.clear()
    // Committed between the pass and the point read.
    const session = () => ({ read: async () => [record('k1', { number: 'P1', amount: 'A' })] })
    await runOnce(bench, { strategy: 'pass', session })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })

  test('deletes no more than its fuse has counted, though more rows vanish meanwhile [P10]', async () => {
    const bench = createBench()
    const fuse = { ...NO_FUSES, deleted: { atLeast: 2, percent: 0 } }
    putMany(bench.table, 50)
    await runOnce(bench, { strategy: 'pass', fuse })
    const all = new Map(bench.table.rows)
    bench.table.rows.clear()
    let looks = 0
    await runOnce(bench, {
      strategy: 'pass',
      fuse,
      session: () => ({
        read: async (_feed, keys) => {
          looks += 1
          // One is gone at the first look; all are at any later one.
          const there = looks === 1 ? keys.filter((key) => key !== 'k1') : []
          return there.map((key) => record(key, all.get(key) ?? {}))
        },
      }),
    })
    expect(await deleted(bench.log)).toEqual(['P1'])
  })
})
